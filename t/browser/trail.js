/*
 * Guards: the trail shows what the API tells of it, in words, newest first and
 * page by page, as text; where it tells of errors, those.
 *
 * Seen red with actions shown as the API calls them, with entries put in as
 * innerHTML, and with a page that asks for the first entries again.
 */

'use strict';

const { test } = require('./lib/browser');


test(async t => {
    const { key, id } = await t.key({ name: 'erp' });
    const page = await t.open();
    const rows = page.locator('#trail-rows tr');
    const cells = async n => (await rows.nth(n).getByRole('cell')
        .allInnerTexts()).map(text => text.replace(/\s+/g, ' '));

    /* things happen */

    await page.getByRole('button', { name: 'disable erp' }).click();
    await t.sees(page.getByText('“erp” is disabled'), 'a change');
    await page.getByRole('button', { name: 'enable erp' }).click();
    await t.sees(page.getByText('“erp” is enabled'), 'another');
    await page.getByRole('link', { name: 'Clear operations' }).click();
    await page.getByRole('button', { name: 'Enable Clear' }).click();
    await page.getByLabel('Type CLEAR').fill('CLEAR');
    await page.getByRole('button', { name: 'Allow clear operations' }).click();
    await t.sees(page.getByText('Open: every key may clear.'), 'opened');
    t.is((await fetch(new URL('/shop/x', t.base), { method: 'DELETE',
            headers: { 'X-API-Key': key } })).status, 200, 'a clear');
    await page.locator('#clear-close').click();
    await t.sees(page.getByText('Closed: clear'), 'closed');

    await page.getByRole('link', { name: 'Trail' }).click();
    await t.sees(page.getByRole('heading', { name: 'Trail' }), 'the trail');

    await t.sees(rows.nth(4), 'all that has happened');

    const got = await Promise.all([0, 1, 2, 3, 4].map(cells));

    t.is(got.map(row => row.slice(1, 5)), [
        ['writer', 'closed clear operations', 'every key', '127.0.0.1'],
        [id, 'cleared', id, '127.0.0.1'],
        ['writer', 'allowed clear operations', 'every key', '127.0.0.1'],
        ['writer', 'changed the key', id, '127.0.0.1'],
        ['writer', 'changed the key', id, '127.0.0.1']],
        'who, what, which key, from where; the newest first');
    t.ok(got.every(row => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/.test(
             row[0])), 'when');
    t.ok(got.every(row => /^[0-9a-f]{32}$/.test(row[5])), 'the request ids');

    /* as many as there may be, and each kind, from a server of our own */

    const actions = ['create', 'import', 'change', 'rotate', 'revoke', 'arm',
                     'disarm', 'clear', '<b>novel</b>'];
    const events = Array.from({ length: 250 }, (_, n) => ({
        id: `${1700000000000 - n}-0`,
        at: new Date(1700000000000 - n * 1000).toISOString()
                .replace(/\.\d+Z/, 'Z'),
        who: n === 1 ? '<i>who</i>' : 'ops',
        action: actions[n % actions.length],
        key: n % 2 ? id : '',
        from: '2001:db8::1',
        request_id: String(n).padStart(32, '0'),
    }));
    const asked = [];

    await page.route('**/v1/audit?*', route => {
        const query = new URL(route.request().url()).searchParams;
        const first = Number(query.get('cursor') || 0);
        const next = first + Number(query.get('limit'));

        asked.push(query.get('cursor'));

        return route.fulfill({ json: { events: events.slice(first, next),
            next: next < events.length ? String(next) : null } });
    });

    await page.getByRole('button', { name: 'Refresh' }).click();
    await t.sees(rows.nth(49), 'fifty at a time');
    t.is((await cells(0)).slice(1), ['ops', 'created the key', '–',
        '2001:db8::1', '0'.repeat(32)], 'an entry');
    t.is([await rows.count(), (await cells(1))[1]], [50, '<i>who</i>'],
         'text is text');

    const said = [];

    for (let n = 0; n < actions.length; n++) {
        said.push((await cells(n))[2]);
    }

    t.is(said, ['created the key', 'imported the key', 'changed the key',
                'rotated the key', 'revoked the key',
                'allowed clear operations', 'closed clear operations',
                'cleared', '<b>novel</b>'], 'all actions in words');

    for (let n = 2; n <= 5; n++) {
        await page.getByRole('button', { name: 'Older' }).click();
        await t.sees(page.getByText(`${n * 50 - 49} to ${n * 50} of`),
                     `page ${n}`);
    }

    t.is((await cells(49))[5], String(249).padStart(32, '0'), 'to the last');
    t.is(asked, [null, '100', '200'], 'each part is asked for once');
    t.is(await page.getByRole('button', { name: 'Older' })
             .getAttribute('aria-disabled'), 'true', 'and no further');

    /* from an entry to its key */

    await rows.nth(1).getByRole('button', { name: id }).click();
    await t.sees(page.getByRole('dialog').getByRole('heading',
                                                    { name: 'erp' }),
                 'an entry leads to its key');
    await page.keyboard.press('Escape');

    /* what the API says instead */

    for (const [status, code, text] of [
        [503, 'store_refused', 'Redis has refused this'],
        [404, 'not_found', 'does not list the trail']])
    {
        await page.unrouteAll();
        await page.route('**/v1/audit?*', route => route.fulfill({ status,
            contentType: 'application/problem+json',
            body: JSON.stringify({ status, code }) }));
        await page.getByRole('button', { name: 'Refresh' }).click();
        await t.sees(page.getByRole('alert').getByText(text), code);
    }

    await page.unrouteAll();
    await page.route('**/v1/audit?*', route => route.fulfill({
        json: { events: [], next: null } }));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await t.sees(page.getByText('Nothing has happened yet.'), 'an empty one');
});
