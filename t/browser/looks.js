/*
 * Guards: axe-core finds nothing in any view and dialog, in light and dark, at
 * a desk's and at a phone's width; nothing is wider than a phone of 360 pixels;
 * and all can be done by keyboard alone, with the focus where one expects it.
 *
 * TEST_SCREENSHOTS=dir keeps a picture of each view.
 *
 * Seen red with a label taken away, with the quiet text's colour made lighter,
 * with a table that does not fold on a phone, and with a view that leaves the
 * focus where it was.
 */

'use strict';

const { test } = require('./lib/browser');

const EVENTS = ['create', 'change', 'rotate', 'arm', 'clear', 'disarm',
                'revoke'].map((action, n) => ({ id: `${n}-0`,
    at: `2026-03-1${n}T08:12:3${n}Z`, who: action === 'clear'
        ? '0123456789abcdef0123' : 'ops', action,
    key: action === 'disarm' ? '' : '0123456789abcdef0123',
    from: '2001:db8:0:1:2:3:4:5', request_id: 'a1'.repeat(16) })).reverse();


test(async t => {
    const day = 86400, now = Math.floor(Date.now() / 1000);
    const make = (name, fields) => t.key({ name, ...fields });

    await make('stock sync', { scopes: 'stock:read stock:write',
        created_at: now - 12 * day, expires_at: now + 78 * day,
        allow_from: '203.0.113.0/24 2001:db8::/48',
        'meta:owner': 'warehouse' });
    await make('ERP', { scopes: 'orders:read orders:write customers:read',
        created_at: now - 140 * day });
    await make('price feed (old)', { state: 'disabled',
        created_at: now - 60 * day, expires_at: now + 5 * day });
    await make('mobile app', { created_at: now - 400 * day,
        expires_at: now - 3 * day });
    await make('scanner at the loading bay of the second warehouse',
        { created_at: now - 30 * day, expires_at: now + 9 * day });
    await make('partner import', { state: 'revoked',
        created_at: now - 20 * day });

    const { id } = await make('W'.repeat(100), { scopes: 'x'.repeat(64),
        created_at: now - 3 * day });

    for (const [name, options] of [['desktop-light', {}],
        ['desktop-dark', { dark: true }], ['phone-light', { phone: true }],
        ['phone-dark', { phone: true, dark: true, width: 360 }]])
    {
        await look(t, name, options, id);
    }

    await keyboard(t);
});


async function look(t, name, options, id) {
    const page = await t.open({ ...options, token: null });
    const dialog = page.locator('dialog[open]');
    const click = text => page.getByRole('button', { name: text, exact: true })
        .first().click();

    const seen = async what => {
        await t.axe(page, `${what} ${name}`);
        t.is(await page.evaluate(() => {
            const width = document.documentElement.clientWidth;
            const open = document.querySelector('dialog[open]');

            return [document.documentElement.scrollWidth <= width,
                    !open || open.scrollWidth <= open.clientWidth];
        }), [true, true], `nothing is too wide: ${what} ${name}`);
        await t.shot(page, `${what}-${name}`);
    };

    const inDialog = async (what, text) => {
        await click(text);
        await t.sees(dialog, what);
        await seen(what);
        await page.keyboard.press('Escape');
    };

    await seen('sign-in');
    await t.signIn(page, 'wrong');
    await t.sees(page.getByText('not accepted'), 'a wrong token');
    await seen('sign-in-wrong');
    await t.signIn(page, t.tokens.write);

    await t.sees(t.row(page, 'ERP'), 'keys');
    await page.getByLabel('State').selectOption('all');
    await t.sees(t.row(page, 'partner import'), 'keys');
    await seen('keys');

    await inDialog('create', 'Create New API Key');
    await inDialog('import', 'Import a key');
    await inDialog('edit', 'edit stock sync');
    await inDialog('details', 'stock sync');
    await inDialog('rotate', 'rotate ERP');
    await inDialog('revoke', 'revoke ERP');

    await click('Create New API Key');
    await page.getByLabel('Pairs').evaluate(
        node => { node.closest('details').open = true; });
    await page.getByLabel('Pairs').fill('no pair');
    await click('Create');
    await t.sees(dialog.getByText('At most 16 lines'), 'an error in a form');
    await seen('create-error');
    await page.getByLabel('Pairs').fill('');
    await dialog.getByLabel('Name').fill('made ' + name);
    await click('Create');
    await t.sees(dialog.getByText('Copy it now.'), 'a new key');
    await seen('created');
    await click('Copy the key');
    await t.sees(dialog.getByText('Copied.'), 'copied');
    await seen('copied');
    await click('Close');

    await click('disable made ' + name);
    await t.sees(page.getByText('is disabled'), 'a message');
    await seen('message');

    await page.getByRole('link', { name: 'Clear operations' }).click();
    await t.sees(page.getByText('Closed:'), 'closed');
    await page.getByLabel('one key').check();
    await seen('clear-closed');
    await page.getByLabel('every key').check();
    await click('Enable Clear Operations for API');
    await t.sees(dialog, 'the question');
    await seen('clear-question');
    await page.keyboard.press('Escape');

    await t.redis('ZADD', 'shop:armed-keys',
                  Math.floor(Date.now() / 1000) + 60, id);
    await t.redis('SET', 'shop:armed:' + id, 'uses:12', 'EX', 60);
    await t.redis('SET', 'shop:armed', 'on', 'EX', 3600);
    await page.getByRole('link', { name: 'Keys' }).click();
    await page.getByRole('link', { name: 'Clear operations' }).click();
    await t.sees(page.getByText('Open: every key may clear.'), 'open');
    await t.sees(page.getByRole('listitem').getByText('WWWW'), 'for a key');
    await seen('clear-open');
    await t.redis('DEL', 'shop:armed', 'shop:armed:' + id);

    await page.route('**/v1/audit?*', route => route.fulfill({
        json: { events: EVENTS, next: null } }));
    await page.getByRole('link', { name: 'Trail' }).click();
    await t.sees(page.locator('#trail-rows').getByText('cleared'), 'trail');
    await seen('trail');

    await page.unrouteAll();
    await page.route('**/v1/*', route => route.fulfill({ status: 503,
        contentType: 'application/problem+json',
        body: '{"status":503,"code":"unavailable"}' }));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await t.sees(page.getByText('Redis cannot be reached.'), 'an outage');
    await seen('outage');

    await page.unrouteAll();
    await page.context().close();
}


/* no mouse: what Tab comes to, and what Enter, Space and Escape do */

async function keyboard(t) {
    const page = await t.open({ token: null });
    const press = async (...keys) => {
        for (const key of keys) {
            await page.keyboard.press(key);
        }
    };
    const focused = () => page.evaluate(() => {
        const node = document.activeElement;
        const label = node.labels && node.labels[0];

        return (label || node).innerText.replace(/\s+/g, ' ').trim();
    });
    const focus = async (text, name) => {
        await t.until(async () => await focused() === text,
                      `${name}: the focus is on “${text}”`)
            || console.log('# it is on ' + await focused());
    };

    /* Tab until there, as a user would; how far that is, is bounded */

    const tabTo = async text => {
        for (let n = 0; n < 60 && await focused() !== text; n++) {
            await press('Tab');
        }

        await focus(text, 'Tab');
    };

    await page.keyboard.type(t.tokens.write);
    await press('Enter');
    await t.sees(t.row(page, 'stock sync'), 'signed in');

    await tabTo('Keys');
    await press('Tab');
    await focus('Clear operations', 'the order is that of the page');
    await press('Enter');
    await t.sees(page.getByRole('heading', { name: 'Allow Clear' }), 'a view');
    await focus('Allow Clear Operations', 'a view begins with its heading');
    await press('Shift+Tab', 'Shift+Tab', 'Shift+Tab', 'Shift+Tab');
    await tabTo('Keys');
    await press('Enter');
    await focus('Current API Keys', 'back');

    await press('Tab');
    await focus('Import a key', 'from a heading on');
    await press('Tab');
    await focus('Create New API Key', 'next');
    await press('Space');
    await focus('Name', 'a dialog begins with its first field');
    await page.keyboard.type('by keyboard');
    await press('Enter');
    await focus('Copy the key', 'the new key');
    await press('Enter');
    await t.sees(page.getByText('Copied.'), 'copied');
    await press('Escape');
    await t.gone(page.getByRole('dialog'), 'closed');
    await focus('Create New API Key', 'after the dialog');

    await tabTo('by keyboard');
    await press('Tab', 'Tab');
    await focus('rotate by keyboard', 'a row has its buttons in order');
    await press('Tab', 'Tab', 'Enter');
    await focus('Cancel', 'revoke asks first');

    for (let n = 0; n < 6; n++) {
        await press('Tab');
        t.ok(await page.evaluate(() => {
            const open = document.querySelector('dialog[open]');

            return open.contains(document.activeElement)
                   || document.activeElement === document.body;
        }), 'the focus stays in the dialog');
    }

    await press('Escape');
    await focus('revoke by keyboard', 'after Escape');
    await press('Enter', 'Tab');
    await focus('Revoke this key', 'the other button');
    await press('Enter');
    await t.sees(t.row(page, 'by keyboard').getByText('revoked'), 'revoked');
    await focus('by keyboard', 'after it');
}
