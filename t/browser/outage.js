/*
 * Guards: when Redis stops, the page says so, keeps what it shows, changes
 * nothing, and comes back by itself; the same when nginx cannot be reached,
 * and when one signs in meanwhile.
 *
 * Seen red with a page that does not ask again, with one that empties the list,
 * and with a warning that stays.
 */

'use strict';

const { test } = require('./lib/browser');


test(async t => {
    await t.key({ name: 'stock sync' });

    const page = await t.open();
    const warning = page.getByRole('alert')
        .filter({ hasText: 'This page tries' });

    await t.sees(t.row(page, 'stock sync'), 'the list');
    await t.gone(warning, 'no warning');

    await t.stop();
    await t.sees(warning.getByText('Redis cannot be reached.'),
                 'that Redis is away is noticed and said');
    await t.sees(t.row(page, 'stock sync'), 'the list stays');

    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('button', { name: 'disable stock sync' }).click();
    await t.sees(page.getByRole('status').getByText('nothing was changed'),
                 'a change is refused in words');
    await t.sees(t.row(page, 'stock sync').getByText('active'),
                 'and not believed');

    await page.getByRole('button', { name: 'Create New API Key' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('while away');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await t.sees(page.getByRole('dialog').getByRole('alert')
                     .getByText(/Redis (cannot be reached|did not answer)/),
                 'in the dialog too');
    t.is(await page.getByRole('dialog').getByLabel('Name').inputValue(),
         'while away', 'what was typed stays');
    await page.getByRole('button', { name: 'Cancel' }).click();

    /* who comes now */

    const late = await t.open();

    await t.sees(late.getByRole('alert').getByText('Redis cannot be reached.'),
                 'one can sign in, and is told');
    await late.getByRole('link', { name: 'Clear operations' }).click();
    await t.sees(late.getByText('Not known yet.'),
                 'nothing is said of what is not known');
    await late.getByRole('link', { name: 'Keys' }).click();

    await t.start();
    await t.gone(warning, 'Redis is back, the warning goes');
    await t.sees(page.getByText('Redis is back.'), 'and that is said');
    await t.sees(t.row(late, 'stock sync'), 'the list comes by itself');
    await page.getByRole('button', { name: 'disable stock sync' }).click();
    await t.sees(t.row(page, 'stock sync').getByText('disabled'),
                 'changes are made again');

    /* nginx itself */

    await page.context().setOffline(true);
    await t.sees(warning.getByText('The server cannot be reached.'),
                 'the network is away');
    await page.context().setOffline(false);
    await t.gone(warning, 'and back');
    await t.sees(page.getByText('The server is back.'), 'which is said');
});
