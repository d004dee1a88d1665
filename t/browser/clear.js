/*
 * Guards: clear operations are opened on the page only after a typed word,
 * for the time, key and uses that were chosen; the end is there in UTC and in
 * local time, the countdown runs, and what others open, use and close is seen;
 * "Close now" closes.  The gate itself is asked each time.
 *
 * Seen red with any word taken for the right one, with a countdown that is
 * drawn once, with minutes sent for seconds, with a "Close now" that only says
 * so, and with a page that does not look again.
 */

'use strict';

const { test } = require('./lib/browser');


test(async t => {
    const erp = await t.key({ name: 'erp' });
    const sync = await t.key({ name: 'stock sync' });
    const twin = await t.key({ name: 'stock sync 2' });
    const page = await t.open({ at: 'clear' });
    const alert = page.getByRole('alertdialog');
    const strip = page.getByRole('region',
                                 { name: 'Clear operations are open' });
    const open = page.getByRole('button',
                                { name: 'Enable Clear Operations for API' });
    const accept = alert.getByRole('button',
                                   { name: 'Allow clear operations' });

    /* a clear operation as the gate sees it */

    const clear = async key => (await fetch(new URL('/shop/x', t.base),
        { method: 'DELETE', headers: { 'X-API-Key': key.key } })).status;

    const confirm = async word => {
        await alert.getByLabel('Type CLEAR to go on').fill(word);
        await accept.click();
    };

    await t.sees(page.getByRole('heading', { name: 'Allow Clear Operations' }),
                 'the heading');
    await t.sees(page.getByText('Closed: clear operations are refused.'),
                 'closed');

    for (const text of ['permanently delete data', 'all products',
        'all categories', 'all customer accounts', 'Only a backup',
        'a switch of its own', 'one request for each batch'])
    {
        await t.sees(page.getByText(text), text);
    }

    t.is(await clear(erp), 403, 'the gate refuses');

    /* the typed word */

    await open.click();
    await t.sees(alert.getByText('Every key of this store'), 'who');
    await t.sees(alert.getByText('for the next 60 minutes'), 'for how long');
    t.ok(await alert.getByLabel('Type CLEAR').evaluate(
             node => node === document.activeElement), 'the word is asked for');
    await page.keyboard.press('Enter');
    await t.sees(alert.getByText('Type the word CLEAR'), 'none');
    await confirm('clea');
    await t.sees(alert.getByText('Type the word CLEAR'), 'a wrong one');
    t.is(await t.redis('EXISTS', 'shop:armed'), 0, 'nothing is open');
    await alert.getByRole('button', { name: 'Cancel' }).click();
    await t.gone(alert, 'cancelled');
    t.is(await t.redis('EXISTS', 'shop:armed'), 0, 'still nothing');

    /* open for all */

    await open.click();
    t.is(await alert.getByLabel('Type CLEAR').inputValue(), '',
         'the word must be typed each time');
    await confirm('CLEAR');
    await t.sees(page.getByText('Open: every key may clear.'), 'open');
    await t.gone(alert, 'the dialog is closed');

    const ttl = await t.redis('TTL', 'shop:armed');

    t.ok(ttl > 3590 && ttl <= 3600, 'for an hour');
    t.is(await clear(erp), 200, 'the gate lets through');

    const end = new Date(Date.now() + ttl * 1000);
    const text = await page.locator('#clear-end').innerText();
    const hour = (zone) => new Intl.DateTimeFormat('en-GB', { hour: '2-digit',
        timeZone: zone }).format(end);

    t.ok(new RegExp(`Until \\d{4}-\\d\\d-\\d\\d ${hour('UTC')}:\\d\\d:\\d\\d `
                    + `UTC, which is .*${hour('Europe/Berlin')}:\\d\\d:\\d\\d `
                    + 'CES?T here').test(text), 'until when, UTC and local')
        || console.log('# ' + text);

    /* the countdown runs, there and on top of each view */

    const timer = page.locator('#clear-left');
    const first = await timer.innerText();

    t.ok(/^(01:00:00|00:59:\d\d)$/.test(first), 'the time left: ' + first);

    /* by itself, not only when the server has been asked again */

    const steps = await timer.evaluate(node => new Promise(resolve => {
        const seen = [], end = performance.now() + 9000;
        const watch = () => {
            const [h, m, s] = node.textContent.split(':').map(Number);
            const left = h * 3600 + m * 60 + s;

            if (seen[seen.length - 1] !== left) {
                seen.push(left);
            }

            if (seen.length > 6 || performance.now() > end) {
                clearInterval(watching);
                resolve(seen.slice(1).map((left, n) => seen[n] - left));
            }
        };
        const watching = setInterval(watch, 20);
    }));

    t.ok(steps.every(step => step > 0)
         && steps.filter(step => step === 1).length >= 4,
         'it gets less by the second: ' + steps);
    await page.getByRole('link', { name: 'Keys' }).click();
    await t.sees(strip.getByText('open for every key'), 'said on each view');
    t.ok(/^00:59:\d\d$/.test(await strip.getByRole('timer').innerText()),
         'with the time left');

    /* closed by others, and opened by others for a moment */

    await t.redis('DEL', 'shop:armed');
    await t.gone(strip, 'what another closes is seen');
    await t.redis('SET', 'shop:armed', 'uses:7', 'EX', 12);
    await t.sees(strip.getByText('7 uses left'), 'what another opens too');
    t.is(await clear(erp), 200, 'a use');
    await t.sees(strip.getByText('6 uses left'), 'and a use');
    await t.gone(strip, 'it is over when the time is');
    t.is(await clear(erp), 403, 'for the gate too');

    /* for one key, some minutes, some uses */

    await page.getByRole('link', { name: 'Clear operations' }).click();
    await page.getByLabel('For the next').selectOption('another time');
    await page.getByLabel('Minutes').fill('1441');
    await open.click();
    await t.sees(page.getByText('Between one minute and 24 hours.'),
                 'too long a time');
    await page.getByLabel('Minutes').fill('90');
    await page.getByLabel('Uses, at most').fill('1.5');
    await open.click();
    await t.sees(page.getByText('A whole number, 1 or more'), 'half a use');
    await page.getByLabel('Uses, at most').fill('2');

    await page.getByLabel('one key').check();

    for (const wrong of ['', 'stock', 'no such key']) {
        await page.getByLabel('Name or id of the key').fill(wrong);
        await open.click();
        await t.sees(page.getByText('Type the name or the id of one active'),
                     `“${wrong}” is not one key`);
    }

    await page.getByLabel('Name or id of the key').fill('f'.repeat(20));
    await open.click();
    await t.sees(page.getByText('There is no key with this id.'),
                 'an id that is none');

    await page.getByLabel('Name or id of the key').fill('stock sync');
    await open.click();
    await t.sees(alert.getByText('The key “stock sync”'), 'its name');
    await t.sees(alert.getByText('for the next 90 minutes'), 'the time');
    await t.sees(alert.getByText('at most 2 requests'), 'the uses');

    const put = page.waitForRequest(request => request.method() === 'PUT');

    await confirm('clear');
    t.is((await put).postDataJSON(), { ttl: 5400, key: sync.id, uses: 2 },
         'what is sent');
    await t.sees(page.getByRole('main').getByText('Open for one key.'),
                 'open for one key');

    const item = page.getByRole('listitem').filter({ hasText: sync.id });

    await t.sees(item.getByText('stock sync'), 'by name');
    await t.sees(item.getByText('2 uses left'), 'with its uses');
    await t.sees(item.getByText(/^01:(30:00|29:\d\d)$/), 'and its time');
    t.is([await clear(erp), await clear(sync)], [403, 200], 'for it alone');
    await t.sees(item.getByText('One use left'), 'a use less');

    /* from the key's own dialog, by id */

    await page.getByRole('link', { name: 'Keys' }).click();
    await page.getByRole('button', { name: 'stock sync 2', exact: true })
        .click();
    await page.getByRole('button', { name: 'allow clears' }).click();
    t.is(await page.getByLabel('Name or id of the key').inputValue(), twin.id,
         'a key brings its id along');
    await open.click();
    await t.sees(alert.getByText('The key “stock sync 2”'), 'its name');
    await confirm('CLEAR');
    await t.sees(page.getByRole('main').getByText('Open for 2 keys.'),
                 'two keys');
    t.is(await page.getByRole('button', { name: 'Close now' }).count(), 1,
         'one button closes');

    /* one closed, then all */

    await item.getByRole('button', { name: 'close for stock sync' }).click();
    await t.gone(item, 'one is closed');
    t.is(await clear(sync), 403, 'for the gate too');
    t.is(await clear(twin), 200, 'the other is not');

    await t.redis('SET', 'shop:armed', 'x', 'EX', 600);
    await t.sees(page.getByText('Open: every key may clear.'), 'and all');
    await page.locator('#clear-close').click();
    await t.sees(page.getByText('Closed: clear operations are refused.'),
                 'Close now');
    t.is(await t.redis('KEYS', 'shop:armed*'), [], 'closes all of it');
    t.is(await clear(twin), 403, 'for the gate too');

    /* the same on top of the page */

    await t.redis('SET', 'shop:armed', 'x', 'EX', 600);
    await page.getByRole('link', { name: 'Keys' }).click();
    await strip.getByRole('button', { name: 'Close now' }).click();
    await t.gone(strip, 'Close now');
    t.is(await t.redis('EXISTS', 'shop:armed'), 0, 'closes');

    /* a key that does not work */

    await t.redis('HSET', 'shop:key:' + erp.id, 'state', 'disabled');
    await page.getByRole('link', { name: 'Clear operations' }).click();
    await page.getByLabel('one key').check();
    await page.getByLabel('Name or id of the key').fill(erp.id);
    await open.click();
    await confirm('CLEAR');
    await t.sees(alert.getByText('This key does not work now'),
                 'what the API refuses is said in words');
});
