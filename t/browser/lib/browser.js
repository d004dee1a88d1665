/*
 * The browser tests' harness: Chromium on the admin page of a real nginx with
 * a real Redis, which t/browser.t starts before it runs t/browser/*.js one by
 * one, each with an empty Redis.
 *
 *   const { test } = require('./lib/browser');
 *
 *   test(async t => {
 *       const page = await t.open();          signed in with a write token
 *       await t.open({ token: 'read' });      or "read", a text, or null: not
 *                                             signed in
 *       await t.open({ phone: true, dark: true, at: 'clear' });
 *       await t.open({ plain: true });        by a name, over http: no secure
 *                                             context, no clipboard API
 *       await t.sees(page.getByText('...'), 'what is tested');
 *       await t.gone(locator, 'not, or not any more, visible');
 *       await t.until(async () => ..., 'what comes to be true');
 *       t.is(got, wanted, 'what is tested');
 *       t.ok(condition, 'what is tested');
 *       await t.axe(page, 'which view');
 *       await t.shot(page, 'keys');           a file, if TEST_SCREENSHOTS is
 *                                             the name of a directory
 *       await t.redis('HSET', ...)            a Redis command's reply
 *       await t.stop(), t.start()             Redis, which keeps its data
 *       await t.key({ name: 'x' })            { key, id }, made in Redis
 *       await t.get('path', headers)          what nginx says without a page
 *   });
 *
 * Each page opened may ask nobody but nginx, and may log no error but the
 * answers that are no 2xx: test() looks at both at its end.
 */

'use strict';

const readline = require('readline');
const { chromium } = require('playwright-core');

const base = process.env.ADMIN_URL;
const tokens = { write: process.env.WRITE_TOKEN,
                 read: process.env.READ_TOKEN };
const name = 'admin.test';
const axe = require('axe-core').source;
const patience = 10000;


class Harness {

    constructor() {
        this.n = 0;
        this.failed = 0;
        this.strangers = [];
        this.errors = [];
        this.answers = [];
        this.base = base;
        this.tokens = tokens;

        readline.createInterface({ input: process.stdin })
            .on('line', line => this.answers.shift()(JSON.parse(line)));
    }


    /* TAP, which t/browser.t passes on */

    ok(passed, name) {
        this.n++;
        this.failed += passed ? 0 : 1;
        console.log(`${passed ? 'ok' : 'not ok'} ${this.n} - ${name}`);

        return passed;
    }

    is(got, wanted, name) {
        const a = JSON.stringify(got), b = JSON.stringify(wanted);

        if (!this.ok(a === b, name)) {
            console.log(`#      got: ${a}`);
            console.log(`# expected: ${b}`);
        }
    }

    async until(f, name) {
        const end = Date.now() + patience;
        let got, error;

        for (;;) {
            try {
                error = null;
                got = await f();
            } catch (thrown) {
                error = thrown;
            }

            if (got || Date.now() > end) {
                break;
            }

            await new Promise(resolve => setTimeout(resolve, 20));
        }

        if (!this.ok(Boolean(got), name) && error) {
            console.log('# ' + String(error).replace(/\n/g, '\n# '));
        }

        return got;
    }

    async sees(locator, name) {
        return await this.wait(locator, 'visible', name);
    }

    async gone(locator, name) {
        return await this.wait(locator, 'hidden', name);
    }

    async wait(locator, state, name) {
        let error = null;

        await locator.first().waitFor({ state, timeout: patience })
            .catch(thrown => { error = thrown; });

        if (!this.ok(error === null, name)) {
            console.log('# ' + error.message.replace(/\n/g, '\n# '));
        }
    }


    /* t/browser.t does this for us */

    ask(what, ...args) {
        return new Promise(resolve => {
            this.answers.push(resolve);
            console.log('!' + JSON.stringify([what, ...args]));
        });
    }

    async redis(...command) {
        return await this.ask('redis', ...command.map(String));
    }

    async stop() {
        await this.ask('stop');
    }

    async start() {
        await this.ask('start');
    }

    async key(fields) {
        const [key, id] = await this.ask('key', fields);

        return { key, id };
    }

    async get(path, headers) {
        return await fetch(base + path, { headers });
    }


    /* pages */

    async open(options = {}) {
        const url = options.plain ? base.replace('127.0.0.1', name) : base;
        const origin = new URL(url).origin;
        const context = await this.browser.newContext({
            viewport: options.phone ? { width: options.width || 390,
                                        height: 844 }
                                    : { width: 1280, height: 900 },
            hasTouch: Boolean(options.phone),
            colorScheme: options.dark ? 'dark' : 'light',
            timezoneId: 'Europe/Berlin',
            locale: 'en-GB',
        });

        context.setDefaultTimeout(patience);

        if (!options.plain) {
            await context.grantPermissions(['clipboard-read',
                                            'clipboard-write'], { origin });
        }

        context.on('request', request => {
            const asked = new URL(request.url());

            if (asked.origin !== origin && asked.protocol !== 'data:') {
                this.strangers.push(request.url());
            }
        });

        const page = await context.newPage();

        page.on('pageerror', error => this.errors.push(String(error)));
        page.on('console', message => {
            if (message.type() === 'error'
                && !/^Failed to load resource/.test(message.text()))
            {
                this.errors.push(message.text());
            }
        });
        page.on('dialog', dialog => {
            this.errors.push('dialog: ' + dialog.message());
            dialog.dismiss().catch(() => {});
        });

        await page.goto(url + (options.at ? '#' + options.at : ''));

        const token = options.token === undefined ? 'write' : options.token;

        if (token !== null) {
            await this.signIn(page, tokens[token] || token);
            await page.getByRole('button', { name: 'Sign out' }).waitFor();
        }

        return page;
    }

    async signIn(page, token) {
        await page.getByLabel('Admin token').fill(token);
        await page.getByRole('button', { name: 'Sign in' }).click();
    }

    row(page, name) {
        return page.getByRole('row').filter({
            has: page.getByRole('button', { name, exact: true }) });
    }

    /* what axe-core finds: nothing */

    async axe(page, name) {
        /* not a script element, which the page's policy would refuse */

        await page.evaluate(axe);

        const found = await page.evaluate(
            'axe.run(document, { resultTypes: ["violations"] })');

        this.is(found.violations.map(rule => [rule.id,
                    rule.nodes.map(node => node.target.join(' ') + ': '
                                           + node.failureSummary)]),
                [], 'axe: ' + name);
    }

    async shot(page, name) {
        if (process.env.TEST_SCREENSHOTS) {
            await page.screenshot({ fullPage: true,
                path: `${process.env.TEST_SCREENSHOTS}/${name}.png` });
        }
    }
}


async function run(f) {
    const t = new Harness();

    try {
        t.browser = await chromium.launch({
            executablePath: process.env.CHROMIUM,
            /* it refuses root's company otherwise */
            chromiumSandbox: false,
            args: ['--disable-dev-shm-usage',
                   `--host-resolver-rules=MAP ${name} 127.0.0.1`],
        });

        await f(t);

    } catch (error) {
        t.ok(false, 'the test ran to its end');
        console.log('# ' + String(error.stack).replace(/\n/g, '\n# '));
    }

    t.is(t.strangers, [], 'no request to any other host');
    t.is(t.errors, [], 'no error in the page');
    console.log(`1..${t.n}`);

    await (t.browser && t.browser.close());
    process.exit(t.failed ? 1 : 0);
}


exports.test = f => { run(f); };
