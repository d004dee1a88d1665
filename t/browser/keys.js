/*
 * Guards: a key's life on the page.  Created, shown once, copied, found in the
 * list, searched for, edited, disabled and enabled, rotated, revoked, imported;
 * what the API refuses is said in words at its field; and what comes from the
 * API is text, whatever it looks like.
 *
 * Seen red with names put in as innerHTML, a copy button that copies the id, a
 * revocation without its dialog, a key that stays in the document after its
 * dialog, a PATCH of what was not changed, and a grace of minutes for seconds.
 */

'use strict';

const { test } = require('./lib/browser');


test(async t => {
    const page = await t.open();
    const dialog = page.getByRole('dialog');
    const click = (name, within) => (within || page).getByRole('button',
        { name, exact: true }).click();

    await t.sees(page.getByText('There are no keys'), 'an empty list says so');

    /* create */

    await click('Create New API Key');
    await t.sees(dialog.getByRole('heading', { name: 'Create New API Key' }),
                 'the form');
    t.ok(await dialog.getByLabel('Name').evaluate(
             node => node === document.activeElement), 'begins with the name');

    await click('Create', dialog);
    await t.sees(dialog.getByText('A name has 1 to 100 characters'),
                 'a name is demanded');
    t.is(await dialog.getByLabel('Name').getAttribute('aria-invalid'), 'true',
         'at its field');

    await dialog.getByLabel('Name').fill('stock sync');
    await dialog.getByLabel('Expires').selectOption('on a date');
    await dialog.getByLabel('Date and time').fill('2020-01-01T00:00');
    await click('Create', dialog);
    await t.sees(dialog.getByText('This end is not possible here'),
                 'an end in the past is refused');
    await dialog.getByLabel('Date and time').fill('2031-07-02T03:04');

    await dialog.getByLabel('Scopes').fill('stock:read bad/scope');
    await click('Create', dialog);
    await t.sees(dialog.getByText('At most 16 scopes'), 'so is a wrong scope');
    await dialog.getByLabel('Scopes').fill('stock:read, stock:write');

    await dialog.getByLabel('Only from').fill('10.0.0.0/33');
    await click('Create', dialog);
    await t.sees(dialog.getByText('At most 16 networks'), 'a wrong network');
    await dialog.getByLabel('Only from').fill('127.0.0.0/8 2001:db8::/48');

    await dialog.getByText('Metadata').click();
    await dialog.getByLabel('Pairs').fill('owner=a = b\nBad=x');
    await click('Create', dialog);
    await t.sees(dialog.getByText('At most 16 lines'), 'and wrong metadata');
    await dialog.getByLabel('Pairs').fill('owner=a = b\n\nteam=7');

    /* what the API gets, and what it has */

    const sent = page.waitForRequest(request => request.method() === 'POST');

    await click('Create', dialog);
    t.is((await sent).postDataJSON(), { name: 'stock sync',
        scopes: ['stock:read', 'stock:write'],
        allow_from: ['127.0.0.0/8', '2001:db8::/48'],
        metadata: { owner: 'a = b', team: '7' },
        expires_at: '2031-07-02T01:04:00Z' }, 'the fields, local time as UTC');

    /* shown once */

    await t.sees(dialog.getByText('New API key created'), 'created');
    await t.sees(dialog.getByText('It is shown this once'), 'with a warning');

    const key = await page.locator('#shown-key').innerText();

    t.ok(/^key_[0-9A-Za-z]{36}$/.test(key), 'the key');
    t.is((await t.get('../shop/', { 'X-API-Key': key })).status, 200,
         'which works');

    await click('Close', dialog);
    await t.sees(dialog.getByText('has not been copied'),
                 'it cannot be lost by accident');
    await click('Copy the key', dialog);
    await t.sees(dialog.getByText('Copied. Put it where it belongs'), 'copied');
    t.is(await page.evaluate(() => navigator.clipboard.readText()), key,
         'the clipboard has it');
    await click('Close', dialog);
    await t.gone(dialog, 'closed');
    t.ok(!(await page.content()).includes(key), 'and gone from the page');

    /* the list */

    const row = t.row(page, 'stock sync');

    await t.sees(row, 'the list has it');

    for (const text of ['active', '2 Jul 2031', 'stock:read', 'stock:write'])
    {
        await t.sees(row.getByText(text), 'with ' + text);
    }

    await row.getByRole('button', { name: 'stock sync', exact: true }).click();

    for (const text of ['2031-07-02 01:04:00 UTC',
                        '2 Jul 2031, 03:04:00 CEST',
                        '127.0.0.0/8 2001:db8::/48', 'a = b'])
    {
        await t.sees(dialog.getByText(text), 'the details have ' + text);
    }

    await page.keyboard.press('Escape');
    t.ok(await row.getByRole('button', { name: 'stock sync', exact: true })
             .evaluate(node => node === document.activeElement),
         'Escape closes, and the focus is where it was');

    /* without the clipboard API: the other way */

    const plain = await t.open({ plain: true });
    const plainDialog = plain.getByRole('dialog');

    t.ok(await plain.evaluate(() => navigator.clipboard === undefined),
         'a page over plain http has no clipboard');

    await click('Create New API Key', plain);
    await plainDialog.getByLabel('Name').fill('erp');
    await click('Create', plainDialog);
    await click('Copy the key', plainDialog);
    await t.sees(plainDialog.getByText('Copied. Put it where it belongs'),
                 'copied without the clipboard API');

    const erp = await plain.locator('#shown-key').innerText();

    await page.bringToFront();
    await page.getByLabel('Search').fill('');
    await page.getByLabel('Search').focus();
    await page.keyboard.press('Control+V');
    t.is(await page.getByLabel('Search').inputValue(), erp,
         'the clipboard has it');
    await page.getByLabel('Search').fill('');
    await plain.context().close();

    await t.until(async () => {
        await click('Refresh');
        return /just now/.test(await row.locator('[data-label="Last used"]')
                                        .innerText());
    }, 'that it was used is seen');

    /* search, and filter by state */

    await click('Refresh');
    await t.sees(t.row(page, 'erp'), 'both are there');
    await page.getByLabel('Search').fill('SYNC');
    await t.gone(t.row(page, 'erp'), 'a part of the name is searched for');
    await t.sees(row, 'in any case');
    await page.getByLabel('Search').fill('nothing like it');
    await t.sees(page.getByText('No key is like this.'), 'or says so');
    await page.getByLabel('Search').fill('');
    await t.sees(t.row(page, 'erp'), 'all again');

    /* disable, enable */

    await click('disable erp');
    await t.sees(t.row(page, 'erp').getByText('disabled'), 'disabled');
    await t.sees(page.getByRole('status').getByText('“erp” is disabled'),
                 'and said');
    t.is((await t.get('../shop/', { 'X-API-Key': erp })).status, 401,
         'it does not work');
    t.ok(await page.getByRole('button', { name: 'enable erp' })
             .evaluate(node => node === document.activeElement),
         'the focus stays with the key');

    await page.getByLabel('State').selectOption('disabled');
    await t.gone(row, 'only what is disabled');
    await t.sees(t.row(page, 'erp'), 'is listed');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await click('enable erp');
    await t.sees(page.getByText('“erp” is enabled'), 'enabled');
    t.is((await t.get('../shop/', { 'X-API-Key': erp })).status, 200,
         'it works again');
    await page.getByLabel('State').selectOption('all but revoked');
    await t.sees(row, 'all again');

    /* edit: only what was changed is sent */

    await click('edit erp');
    t.is(await dialog.getByLabel('Name').inputValue(), 'erp',
         'the form has what there is');
    await dialog.getByLabel('Name').fill('ERP 2');
    await dialog.getByLabel('Expires').selectOption('90 days from now');

    const patch = page.waitForRequest(request => request.method() === 'PATCH');

    await click('Save', dialog);
    t.is((await patch).postDataJSON(), { name: 'ERP 2', expires_in: 7776000 },
         'only the changes are sent');
    await t.sees(t.row(page, 'ERP 2'), 'and seen');
    await click('edit stock sync');
    await dialog.getByLabel('Expires').selectOption('never');
    await dialog.getByLabel('Pairs').fill('team=7\nowner=c');
    await click('Save', dialog);
    await t.sees(row.getByText('never'), 'no end any more');

    /* a rate is two numbers, or none */

    await click('edit ERP 2');
    await dialog.getByLabel('Requests').fill('100');
    await click('Save', dialog);
    await t.sees(dialog.getByText('It needs both numbers'), 'half a rate');
    await click('Cancel', dialog);
    await t.gone(dialog, 'cancelled');

    /* a rotation that is due stands out */

    const old = await t.key({ name: 'old one', scopes: 'a:b',
        created_at: Math.floor(Date.now() / 1000) - 100 * 86400 });

    await click('Refresh');
    await t.sees(t.row(page, 'old one').getByText('rotation due'),
                 'a rotation that is due stands out');
    await page.getByLabel('State').selectOption('due for rotation');
    await t.gone(row, 'only those');
    await t.sees(t.row(page, 'old one'), 'can be listed');

    /* rotate */

    await click('rotate old one');
    await t.sees(dialog.getByRole('heading', { name: 'Rotate “old one”' }),
                 'the dialog names the key');
    await dialog.getByLabel('The old key works on for')
        .selectOption('another time');
    await dialog.getByLabel('Hours').fill('800');
    await click('Rotate', dialog);
    await t.sees(dialog.getByText('At most 30 days.'), 'too long a grace');
    await dialog.getByLabel('Hours').fill('1.5');

    const rotation = page.waitForRequest(/\/rotate$/);

    await click('Rotate', dialog);
    t.is((await rotation).postDataJSON(), { grace: 5400 }, 'grace in seconds');
    await t.sees(dialog.getByText('The old one works until'), 'rotated');

    const next = await page.locator('#shown-key').innerText();

    t.is(await Promise.all([next, old.key].map(async key =>
             (await t.get('../shop/', { 'X-API-Key': key })).status)),
         [200, 200], 'both keys work');
    await click('Copy the key', dialog);
    await click('Close', dialog);
    t.is(await t.row(page, 'old one').count(), 2, 'both are in the list');
    t.is(await page.getByRole('button', { name: 'rotate old one' }).count(), 1,
         'the old one cannot be rotated twice');
    await t.until(() => page.getByRole('heading', { name: 'Current API Keys' })
                            .evaluate(node => node === document.activeElement),
                  'the focus is not lost with the row');

    /* revoke */

    const gate = async () => (await t.get('../shop/',
                                          { 'X-API-Key': erp })).status;

    await click('revoke ERP 2');

    const alert = page.getByRole('alertdialog');

    await t.sees(alert.getByRole('heading', { name: 'Revoke “ERP 2”?' }),
                 'a confirmation that names the key');
    await t.sees(alert.getByText('A revoked key cannot come back'),
                 'and says what it means');
    t.ok(await alert.getByRole('button', { name: 'Cancel' })
             .evaluate(node => node === document.activeElement),
         'Enter alone does nothing');
    await page.keyboard.press('Escape');
    await t.gone(alert, 'cancelled');
    t.is(await gate(), 200, 'and not revoked');

    await click('revoke ERP 2');
    await click('Revoke this key', alert);
    await t.sees(t.row(page, 'ERP 2').getByText('revoked'), 'revoked');
    await t.sees(page.getByText('“ERP 2” is revoked, for good.'), 'and said');
    t.is(await gate(), 401, 'it does not work');
    t.is(await page.getByRole('button', { name: /^(edit|enable|revoke) ERP 2/ })
             .count(), 0, 'and nothing more can be done to it');
    await click('Refresh');
    await t.gone(t.row(page, 'ERP 2'), 'what is revoked is not current');
    await page.getByLabel('State').selectOption('revoked');
    await t.sees(t.row(page, 'ERP 2'), 'but can be listed');
    await page.getByLabel('State').selectOption('all but revoked');

    /* import */

    const known = '1-b91c45bc-1752-4fb9-aa48-f59b68244b57';

    for (const [value, text] of [['short', 'This cannot be a key'],
                                 [old.key, 'This key is known already']])
    {
        await click('Import a key');
        await dialog.getByLabel('Existing key').fill(value);
        await dialog.getByLabel('Name').fill('old client');
        await click('Import', dialog);
        await t.sees(dialog.getByText(text), text);
        await click('Cancel', dialog);
    }

    await click('Import a key');
    t.is(await dialog.getByLabel('Existing key').inputValue(), '',
         'a key is not left in the form');
    await dialog.getByLabel('Existing key').fill(known);
    await dialog.getByLabel('Name').fill('old client');
    await click('Import', dialog);
    await t.sees(page.getByText('“old client” is imported'), 'imported');
    t.is((await t.get('../shop/', { 'X-API-Key': known })).status, 200,
         'which works');
    t.ok(!(await page.content()).includes(known), 'and is not on the page');

    /* text is text */

    const evil = ['<script>alert(1)</script>',
                  '"><img src=x onerror=alert(2)>',
                  "javascript:alert(3)//' onclick='alert(4)", '\u202egnp.exe'];

    for (const name of evil) {
        await t.key({ name, 'meta:x': name });
    }

    await click('Refresh');

    for (const name of evil) {
        await t.sees(t.row(page, name), name + ' is a name');
        await t.row(page, name).getByRole('button', { name, exact: true })
            .click();
        await t.sees(dialog.getByRole('heading', { name, exact: true }),
                     'in the details');
        await page.keyboard.press('Escape');
        await click('revoke ' + name);
        await t.sees(alert.getByText(name), 'in the question');
        await click('Revoke this key', alert);
        await t.sees(page.getByRole('status').getByText(name), 'and after it');
    }

    t.is(await page.locator('script:not([src="page.js"]), img, [onclick]')
             .count(), 0, 'no markup has come of it');

    /* codes of the API in words: the page is told so */

    const say = async (status, code, more) => {
        await page.unrouteAll();
        await page.route('**/v1/keys/*', route => route.fulfill({ status,
            contentType: 'application/problem+json', body: JSON.stringify({
                type: 'about:blank', title: 'x', status, code, ...more }) }));
        await click('disable stock sync');
    };

    for (const [status, code, more, text] of [
        [404, 'not_found', {}, 'There is no such key'],
        [409, 'conflict', {}, 'This key is revoked'],
        [503, 'store_refused', {}, 'Redis has refused this'],
        [503, 'outcome_unknown', { id: 'f'.repeat(20) },
         'It is about the key ' + 'f'.repeat(20)],
        [503, 'not_replicated', {}, 'no replica'],
        [400, 'invalid_field', { field: 'state' }, 'active or disabled'],
        [400, 'invalid_field', { field: 'novel' }, '“novel”'],
        [418, 'teapot', {}, '“teapot” (status 418)']])
    {
        await say(status, code, more);
        await t.sees(page.getByRole('status').getByText(text),
                     `${code}: ${text}`);
    }

    await page.unrouteAll();
    await page.route('**/v1/keys/*', route => route.fulfill({ status: 502,
        contentType: 'text/html', body: '<h1>Bad Gateway</h1>' }));
    await click('disable stock sync');
    await t.sees(page.getByRole('status').getByText('The server is back.'),
                 'an error of another server is over with the next answer');
    await t.sees(page.getByRole('status').getByText('(Status 502.)'),
                 'and what it did can still be read');

    await page.unrouteAll();
    await page.route('**/v1/keys', route => route.fulfill({ status: 409,
        contentType: 'application/problem+json', body: JSON.stringify({
            status: 409, code: 'too_many_keys' }) }));
    await click('Create New API Key');
    await dialog.getByLabel('Name').fill('one more');
    await click('Create', dialog);
    await t.sees(dialog.getByRole('alert').getByText('as many keys as it may'),
                 'too many keys');
});
