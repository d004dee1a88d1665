/*
 * Guards: with 10,000 keys the list is there at once, can be gone through page
 * by page, and a key can be found by name and by state, with a number of rows
 * that does not grow and with few requests.
 *
 * Seen red with all rows drawn, with pages of one request each when searching,
 * and with a cursor that is not sent.
 */

'use strict';

const { test } = require('./lib/browser');

const MAKE = `
    for i = 1, 10000 do
        local digest = redis.sha1hex('k' .. i) .. string.rep('0', 24)
        local id = string.sub(digest, 1, 20)
        local state = i % 1000 == 0 and 'disabled' or 'active'

        redis.call('HSET', 'shop:key:' .. id, 'digest', digest,
                   'name', string.format('key %05d', i), 'state', state,
                   'created_at', 1700000000 + i)
        redis.call('ZADD', 'shop:keys', 1700000000000 + i * 1000, id)
        redis.call('ZADD', 'shop:live', 1700000000000 + i * 1000, id)
    end`;


test(async t => {
    await t.redis('EVAL', MAKE, 0);

    const page = await t.open({ token: null });
    const rows = page.locator('#keys-rows tr');
    const names = () => rows.locator('.name').allInnerTexts();
    const name = i => 'key ' + String(i).padStart(5, '0');
    const names50 = i => Array.from({ length: 50 }, (_, n) => name(i - n));
    let requests = 0;

    page.on('request', request => {
        requests += /v1\/keys\?/.test(request.url()) ? 1 : 0;
    });

    const start = Date.now();

    await t.signIn(page, t.tokens.write);
    await t.sees(t.row(page, name(10000)), 'the list');
    t.ok(Date.now() - start < 3000, 'is there at once');
    t.is(await rows.count(), 50, 'fifty at a time');
    t.is(await names(), names50(10000), 'the newest first');
    t.is(requests, 1, 'by one request');
    await t.sees(page.getByText('1 to 50 of more than'), 'there are more');
    t.is(await page.getByRole('button', { name: 'Newer' })
             .getAttribute('aria-disabled'), 'true', 'no newer ones');

    /* on and back */

    for (let i = 1; i <= 5; i++) {
        await page.getByRole('button', { name: 'Older' }).click();
        await t.sees(t.row(page, name(10000 - 50 * i)), `page ${i + 1}`);
        t.is(await names(), names50(10000 - 50 * i), 'without a gap');
    }

    t.ok(requests <= 4, 'by few requests');
    await page.getByRole('button', { name: 'Newer' }).click();
    await t.sees(t.row(page, name(9800)), 'and back');

    /* found by name */

    requests = 0;
    await page.getByLabel('Search').fill('key 00001');
    await t.sees(t.row(page, name(1)), 'the oldest is found');
    t.is(await names(), [name(1)], 'alone');
    t.ok(requests <= 11, 'by few requests');
    await t.sees(page.getByText('1 key', { exact: true }), 'and it is said');

    await page.getByLabel('Search').fill('KEY 0500');
    await t.sees(t.row(page, name(5009)), 'a part of a name');
    t.is(await names(), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map(n =>
        name(5000 + n)), 'all ten of them');

    /* by state */

    await page.getByLabel('Search').fill('');
    await page.getByLabel('State').selectOption('disabled');
    await t.sees(t.row(page, name(1000)), 'by state');
    t.is(await rows.count(), 10, 'all ten of them');

    /* what is rare is not looked for without end */

    await t.redis('EVAL', MAKE.replace('i = 1, 10000', 'i = 10001, 21000')
                              .replace("'disabled'", "'active'"), 0);
    await page.getByLabel('Search').fill('key 01000');
    await t.sees(page.getByText('None among the newest 10,000 keys'),
                 'a long search stops and says so');
    await t.until(async () => {
        if (await page.locator('[aria-busy=true]').count() === 0
            && await rows.count() !== 1)
        {
            await page.getByRole('button', { name: 'Older' }).click();
        }

        return t.row(page, name(1000)).isVisible();
    }, 'and goes on to the end when told');
    await page.getByLabel('Search').fill('');
    await page.getByLabel('State').selectOption('all');
    await t.sees(t.row(page, name(21000)), 'all again');

    /* a new one is where one looks */

    await page.getByRole('button', { name: 'Older' }).click();
    await t.sees(t.row(page, name(20950)), 'page 2');
    await page.getByRole('button', { name: 'Create New API Key' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('the newest');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('button', { name: 'Copy the key' }).click();
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await t.sees(t.row(page, 'the newest'), 'a new key is on top');
});
