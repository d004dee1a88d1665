/*
 * Guards: nobody sees anything of the page without a token; the token is kept
 * in memory and nowhere else, and is gone after a reload, when signing out,
 * and when the server takes it no more; a read token sees all and is offered
 * nothing that writes.
 *
 * Seen red with the token put into sessionStorage, with a page that takes
 * every token, and with a list that a read token's buttons stay in.
 */

'use strict';

const { test } = require('./lib/browser');


test(async t => {
    const { id } = await t.key({ name: 'stock sync' });

    const page = await t.open({ token: null });
    const token = page.getByLabel('Admin token');

    await t.sees(token, 'a token is asked for');
    t.ok(await token.evaluate(node => node === document.activeElement),
         'and has the focus');
    t.is(await token.getAttribute('type'), 'password', 'it is not shown');
    await t.gone(page.getByText('Current API Keys'), 'no keys');
    await t.gone(page.getByRole('navigation'), 'no way to them');

    await page.getByRole('button', { name: 'Sign in' }).click();
    await t.sees(page.getByText('Type or paste a token.'), 'none is not one');

    for (const wrong of ['wrong', 'w'.repeat(64), 'two words', 'tökén']) {
        await t.signIn(page, wrong);
        await t.sees(page.getByText('This token is not accepted.'),
                     `“${wrong}” is not accepted`);
        await t.gone(page.getByText('Current API Keys'), 'no keys');
        await token.fill('');
    }

    /* over plain http, from elsewhere */

    const warning = 'This connection is not encrypted';
    const plain = await t.open({ plain: true, token: null });

    await t.sees(plain.getByText(warning), 'plain http is warned of');
    await t.gone(page.getByText(warning), 'not on this machine');
    await plain.context().close();

    /* by the keyboard alone */

    await token.fill(' ' + t.tokens.write + '\n');
    await token.press('Enter');
    await t.sees(page.getByRole('heading', { name: 'Current API Keys' }),
                 'signed in');
    await t.sees(t.row(page, 'stock sync'), 'the keys are there');
    t.is(await token.inputValue(), '', 'the field does not keep the token');

    /* where it could have been left */

    const kept = await page.evaluate(async () => JSON.stringify([
        { ...localStorage }, { ...sessionStorage }, document.cookie,
        location.href, history.state, document.documentElement.outerHTML,
        (await indexedDB.databases()).length, (await caches.keys()).length,
        document.title, window.name]));
    const cookies = await page.context().cookies();

    t.ok(!kept.includes(t.tokens.write), 'the token is not in the page');
    t.is([JSON.parse(kept).slice(0, 3), cookies],
         [[{}, {}, ''], []], 'nothing is stored');
    t.ok(!await page.evaluate(secret => Object.getOwnPropertyNames(window)
             .some(name => { try { return String(window[name])
                                                  .includes(secret); }
                             catch (error) { return false; } }),
             t.tokens.write),
         'no name of the window holds it');

    /* the headers */

    const response = await page.reload();

    t.is(response.headers()['content-security-policy'].split('; ')
             .filter(word => /unsafe|\*|https?:/.test(word)), [],
         'a policy without exceptions');
    t.ok(/default-src 'none'.*frame-ancestors 'none'/.test(
             response.headers()['content-security-policy']), 'and strict');
    t.is(response.headers()['x-content-type-options'], 'nosniff', 'nosniff');

    await t.sees(token, 'after a reload one must sign in again');
    await t.gone(page.getByText('stock sync'), 'nothing is left of the keys');

    t.is(await page.evaluate(() => {
        const seen = [];

        addEventListener('securitypolicyviolation',
                         event => seen.push(event.violatedDirective));

        const script = document.createElement('script');

        try { script.textContent = 'window.bad = 1'; } catch (error) { }
        document.body.append(script);
        document.body.insertAdjacentElement('beforeend',
            Object.assign(document.createElement('img'),
                          { src: 'http://127.0.0.2:1/x.png' }));

        return new Promise(resolve => setTimeout(() => resolve(
            [window.bad === undefined, seen.includes('img-src')]), 200));
    }), [true, true], 'the browser keeps to the policy');

    /* signing out */

    t.errors.length = 0;                   /* that was on purpose */
    t.strangers.length = 0;

    await t.signIn(page, t.tokens.write);
    await t.sees(t.row(page, 'stock sync'), 'signed in');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await t.sees(token, 'signed out');
    t.ok(!(await page.content()).includes(id), 'nothing is left of the keys');

    /* a token that the server does not know any more */

    await t.signIn(page, t.tokens.write);
    await t.sees(t.row(page, 'stock sync'), 'signed in');
    await page.route('**/v1/keys*', route => route.fulfill({ status: 401,
        contentType: 'application/problem+json', body: JSON.stringify({
            type: 'about:blank', title: 'Unauthorized', status: 401,
            code: 'unauthorized' }) }));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await t.sees(page.getByText('not accepted any more'),
                 'a token that is taken away ends the session');
    await t.gone(page.getByText('stock sync'), 'nothing is left of the keys');

    /* a read token */

    const reader = await t.open({ token: 'read' });

    await t.sees(t.row(reader, 'stock sync'), 'a read token sees the keys');
    await t.sees(reader.getByText('read only'), 'and is told that it is one');

    for (const name of ['Create New API Key', 'Import a key', /^edit/,
                        /^rotate/, /^disable/, /^revoke/])
    {
        await t.gone(reader.getByRole('button', { name }), `no “${name}”`);
    }

    await reader.getByRole('button', { name: 'stock sync' }).click();
    await t.sees(reader.getByRole('dialog').getByText(id), 'all of a key');
    t.is(await reader.getByRole('dialog').getByRole('button').allInnerTexts(),
         ['Close'], 'nothing to do but to close it');
    await reader.keyboard.press('Escape');

    await t.redis('SET', 'shop:armed', 'uses:3', 'EX', 600);
    await reader.getByRole('link', { name: 'Clear operations' }).click();
    await t.sees(reader.getByText('Open: every key may clear.'),
                 'whether clears are open');
    await t.sees(reader.getByText('may only read'), 'and why it ends there');
    await t.gone(reader.getByRole('button', { name: 'Enable Clear' }),
                 'no opening');
    await t.gone(reader.getByRole('button', { name: 'Close now' }),
                 'no closing');

    /* a token that was for writing when it was first used */

    const once = await t.open();

    await once.route('**/v1/keys/*', route => route.fulfill({ status: 403,
        contentType: 'application/problem+json', body: JSON.stringify({
            type: 'about:blank', title: 'Forbidden', status: 403,
            code: 'forbidden' }) }));
    await once.getByRole('button', { name: 'disable stock sync' }).click();
    await t.sees(once.getByText('This token may only read.'),
                 'a refused change is explained');
    await t.gone(once.getByRole('button', { name: /^revoke/ }),
                 'and no more is offered');
});
