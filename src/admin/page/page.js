/*
 * The admin page.  All it knows comes from the admin API at v1/, asked with the
 * token that its user has typed.  The token is in this script's memory and
 * nowhere else: not in a cookie, not in storage, not in an address.  What
 * comes from the API gets into the page as text, never as markup.
 */

'use strict';

(() => {


const PAGE = 50;                /* rows on a page of a list */
const FEW = 100;                /* ids asked for at once, */
const MANY = 1000;              /* and when most of them will not be shown */
const PATIENCE = 10;            /* requests for one page, then ask the user */
const POLL = 5000;              /* ms between looks at the clear flag, */
const POLL_OPEN = 2000;         /* while it is set, */
const POLL_DOWN = 1500;         /* and while Redis is away */
const TIMEOUT = 15000;
const SOON = 14 * 86400e3;      /* an end so near stands out */

let session = null;             /* token, may it write, what was loaded */


/* the document */

const $ = id => document.getElementById(id);


/* el('td', {class: 'x', on: {click: f}}, 'text', node) */

function el(tag, attributes, ...children) {
    const node = document.createElement(tag);

    for (const [name, value] of Object.entries(attributes || {})) {
        if (name === 'on') {
            for (const [type, f] of Object.entries(value)) {
                node.addEventListener(type, f);
            }

        } else if (value !== null && value !== undefined && value !== false) {
            node.setAttribute(name, value === true ? '' : value);
        }
    }

    node.append(...children.flat().filter(child => child !== null
                                                   && child !== undefined));

    return node;
}


/* a name can hold what turns the direction of writing: not beyond itself */

function isolated(text) {
    return el('bdi', {}, text);
}


function show(node, shown) {
    node.hidden = !shown;
}


function button(text, attributes, f) {
    return el('button', { type: 'button', ...attributes,
                          on: { click: f } }, text);
}


/* says what has happened, until the next thing happens */

function say(text, bad) {
    $('message').textContent = text;
    $('message-box').classList.toggle('bad', Boolean(bad));
    show($('message-close'), text !== '');
}


/* times */

const DAY = new Intl.DateTimeFormat('en-GB',
    { day: 'numeric', month: 'short', year: 'numeric' });
const LOCAL = new Intl.DateTimeFormat('en-GB',
    { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit',
      minute: '2-digit', second: '2-digit', timeZoneName: 'short' });
const LOCAL_CLOCK = new Intl.DateTimeFormat('en-GB',
    { hour: '2-digit', minute: '2-digit', second: '2-digit',
      timeZoneName: 'short' });
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });


function utc(text) {
    return text.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');
}


function utcClock(text) {
    return utc(text).slice(11);
}


function relative(ms) {
    for (const [unit, size] of [['year', 365 * 86400e3],
                                ['month', 30 * 86400e3], ['day', 86400e3],
                                ['hour', 3600e3], ['minute', 60e3]])
    {
        if (Math.abs(ms) >= size) {
            return RELATIVE.format(Math.trunc(ms / size), unit);
        }
    }

    return ms < 0 ? 'just now' : 'in less than a minute';
}


/* a day and how far it is; the whole time for those who point at it */

function when(text, none, nearIsBad) {
    if (text === null || text === undefined) {
        return [none];
    }

    const date = new Date(text);
    const ms = date - Date.now();
    const soon = nearIsBad && ms > 0 && ms < SOON;

    return [el('time', { datetime: text,
                         title: utc(text) + '\n' + LOCAL.format(date) },
               DAY.format(date)),
            el('small', soon ? { class: 'soon' } : {}, relative(ms))];
}


function whole(text, none) {
    return text === null
           ? [none]
           : [el('time', { datetime: text }, utc(text)),
              el('small', { class: 'quiet' },
                 ' (' + LOCAL.format(new Date(text)) + ')')];
}


function clock(seconds) {
    const two = n => String(n).padStart(2, '0');

    return two(Math.floor(seconds / 3600)) + ':'
           + two(Math.floor(seconds / 60) % 60) + ':' + two(seconds % 60);
}


function duration(minutes) {
    if (minutes % 60 === 0 && minutes > 60) {
        return `${minutes / 60} hours`;
    }

    return minutes === 1 ? 'minute' : `${minutes} minutes`;
}


/* the API */

class Problem extends Error {
    constructor(status, code, field, id) {
        super(code);
        this.status = status;
        this.code = code;
        this.field = field;
        this.id = id;
    }
}


/* thrown away by whoever awaits it: the session that asked is over */

class Gone extends Error {
}


/*
 * Resolves to the answer's JSON (null without a body), or throws a Problem.
 * What it tells of Redis and of the token is noted for all.
 */

async function call(method, path, body) {
    const mine = session;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), TIMEOUT);
    const request = {
        method,
        headers: { Authorization: 'Bearer ' + mine.token },
        cache: 'no-store',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
        signal: stop.signal,
    };
    let response, json;

    if (body !== undefined) {
        request.headers['Content-Type'] = 'application/json';
        request.body = JSON.stringify(body);
    }

    try {
        response = await fetch(path, request);
        json = /^application\/(problem\+)?json\b/.test(
                   response.headers.get('Content-Type') || '')
               ? await response.json() : null;

    } catch (error) {
        response = null;

    } finally {
        clearTimeout(timer);
    }

    if (mine !== session) {
        throw new Gone();
    }

    if (response === null) {
        outage(new Problem(0, 'network'));
        throw new Problem(0, method === 'GET' ? 'network' : 'network_unknown');
    }

    if (response.ok) {
        recovered();
        return json;
    }

    const problem = new Problem(response.status,
                                json && json.code || 'http',
                                json && json.field, json && json.id);

    if (problem.code === 'unauthorized') {
        if (mine.open) {
            signOut('The token is not accepted any more. Sign in again.');
            throw new Gone();
        }

    } else if (problem.code === 'forbidden' && method !== 'OPTIONS') {
        mayWrite(false);

    } else if (problem.code === 'unavailable' || problem.status === 502
               || problem.status === 504)
    {
        outage(problem);
    }

    throw problem;
}


/* what went wrong, in words */

const CODES = {
    network: 'The server cannot be reached.',
    network_unknown: 'The server cannot be reached, so it is not known whether '
        + 'this was done. Look at the list before you try again.',
    http: 'The server answers with an error that is not the admin API’s own.',
    unauthorized: 'This token is not accepted.',
    forbidden: 'This token may only read. To change anything, sign in with a '
        + 'token that may write.',
    not_found: 'There is no such key, or not any more.',
    method_not_allowed: 'The server does not know how to do this.',
    unsupported_media_type: 'The server did not understand the request.',
    too_large: 'This is too much for one request.',
    invalid_json: 'The server did not understand the request.',
    conflict: 'The key is not in a state in which this can be done.',
    too_many_keys: 'This store has as many keys as it may have. Revoke one '
        + 'that is not needed any more, then try again.',
    store_refused: 'Redis has refused this, and nothing was changed. The log '
        + 'of nginx says why.',
    not_replicated: 'This was done, but no replica of Redis has confirmed it '
        + 'in time. Do it again to be sure.',
    outcome_unknown: 'Redis did not answer in time, so it is not known whether '
        + 'this was done. Look at the list before you try again. Revoking, '
        + 'opening and closing can safely be repeated.',
    unavailable: 'Redis cannot be reached, and nothing was changed. Try again '
        + 'in a moment.',
    internal_error: 'Something went wrong in the server. Its log says what.',
};

const FIELDS = {
    name: 'A name has 1 to 100 characters, without line ends and the like.',
    expires_in: 'This end is not possible here: it is too far away, or this '
        + 'store wants one.',
    expires_at: 'This end is not possible here: it is in the past, too far '
        + 'away, or this store wants one.',
    scopes: 'At most 16 scopes, each of up to 64 letters, digits and . _ : -',
    allow_from: 'At most 16 networks, such as 203.0.113.0/24 or '
        + '2001:db8::/48, without bits beyond the length.',
    rate: 'The server does not take this rate. It needs both numbers, or '
        + 'neither.',
    metadata: 'At most 16 lines of name=value. A name has up to 32 of a-z, '
        + '0-9 and _, a value up to 256 bytes.',
    key: 'This cannot be a key: it needs 16 to 256 visible characters and no '
        + 'blanks, and the checksum at its end must be right if it has one.',
    grace: 'At most 30 days.',
    ttl: 'Between one minute and 24 hours.',
    uses: 'A whole number, 1 or more, or nothing.',
    state: 'A key can be active or disabled.',
    cursor: 'The list has changed. Refresh it.',
};


/* own: words for some codes that this place knows better */

function words(problem, own) {
    if (!(problem instanceof Problem)) {
        return 'Something went wrong in this page: ' + problem.message;
    }

    const { code, status, field } = problem;
    let text = (own || {})[code] || CODES[code];

    if (code === 'invalid_field') {
        text = FIELDS[field] || 'The server does not take '
               + (field ? `“${field}”.` : 'this.');

    } else if (code === 'http') {
        text += ` (Status ${status}.)`;

    } else if (!text) {
        text = `The server refuses this: “${code}” (status ${status}).`;
    }

    if (code === 'outcome_unknown' && problem.id) {
        text += ` It is about the key ${problem.id}.`;
    }

    return text;
}


/* f's problems become a message; a session that is over is no problem */

async function attempt(f, own) {
    try {
        return await f();

    } catch (error) {
        if (!(error instanceof Gone)) {
            say(words(error, own), true);
        }
    }

    return undefined;
}


/*
 * Redis or the server is away: said once, and taken back when it answers.  What
 * has failed meanwhile stays to be read.
 */

let down = null;


function outage(problem) {
    const who = problem.code === 'unavailable' ? 'Redis' : 'The server';

    if (!session.open) {
        return;
    }

    if (down !== who) {
        $('outage-text').textContent = `${who} cannot be reached. `
            + (who === 'Redis' ? 'Keys can be neither listed nor changed until '
                                 + 'it is back. ' : '')
            + 'This page tries again by itself '
            + `(since ${LOCAL_CLOCK.format(new Date())}).`;
    }

    down = who;
    show($('outage'), true);
    schedule();
}


function recovered() {
    if (down === null) {
        return;
    }

    const failed = $('message-box').classList.contains('bad')
                   ? $('message').textContent + ' ' : '';

    say(`${failed}${down} is back.`);

    down = null;
    show($('outage'), false);
    $('outage-text').textContent = '';

    route();
}


/* sign in and out */

async function signIn(event) {
    event.preventDefault();

    const token = $('token').value.trim();
    const error = $('token-error');

    error.textContent = '';

    if (token === '') {
        error.textContent = 'Type or paste a token.';
        $('token').focus();
        return;
    }

    /* what no header can hold is no token either */

    if (!/^[\x21-\x7e]+$/.test(token)) {
        error.textContent = words(new Problem(401, 'unauthorized'));
        $('token').focus();
        return;
    }

    const mine = { token, open: false, writes: true, names: new Map() };

    session = mine;

    try {
        /* changes nothing: a token that may only read is refused */

        const writes = await call('OPTIONS', 'v1/keys').then(() => true,
            problem => {
                if (problem.status === 403) {
                    return false;
                }

                if (problem.status === 405) {
                    return true;
                }

                throw problem;
            });

        mine.open = true;
        mine.writes = writes;

    } catch (problem) {
        if (!(problem instanceof Gone)) {
            session = null;
            error.textContent = words(problem);
            $('token').focus();
            $('token').select();
        }

        return;
    }

    $('token').value = '';
    say('');
    mayWrite(mine.writes);
    show($('sign-in'), false);
    show($('nav'), true);
    show($('who'), true);

    route();
    poll();
}


/* nothing of the session stays, in memory or in the document */

function signOut(text) {
    session = null;
    clearTimeout(polling);
    polling = null;
    down = null;
    clear = null;

    for (const dialog of document.querySelectorAll('dialog[open]')) {
        dialog.close();
    }

    $('shown-key').textContent = '';
    keys.forget();
    trail.forget();
    drawClear();

    for (const id of ['nav', 'who', 'outage', 'strip', 'keys-view',
                      'clear-view', 'trail-view'])
    {
        show($(id), false);
    }

    for (const form of document.querySelectorAll('form')) {
        form.reset();
    }

    timeChosen();
    whoChosen();

    show($('sign-in'), true);
    say('');
    $('token-error').textContent = text || '';
    $('token').focus();
}


function mayWrite(writes) {
    session.writes = writes;
    show($('role'), !writes);

    for (const node of document.querySelectorAll('.writes')) {
        show(node, writes);
    }

    for (const node of document.querySelectorAll('.readers')) {
        show(node, !writes);
    }

    if (keys.items.length > 0) {
        keys.draw();
    }

    drawClear();
}


/* which part is shown: the address says it, after the # */

const VIEWS = {
    keys: () => keys.load(),
    clear: () => attempt(lookAtClear),
    trail: () => trail.load(),
};


function view() {
    const name = location.hash.slice(1);

    return Object.hasOwn(VIEWS, name) ? name : 'keys';
}


function route() {
    if (!session || !session.open) {
        return;
    }

    for (const name of Object.keys(VIEWS)) {
        show($(name + '-view'), name === view());
    }

    for (const link of $('nav').querySelectorAll('a')) {
        if (link.hash === '#' + view()) {
            link.setAttribute('aria-current', 'page');
        } else {
            link.removeAttribute('aria-current');
        }
    }

    drawClear();
    VIEWS[view()]();
}


/*
 * A list that the API gives in parts: what has come is kept, and cut into
 * pages here.  A part may be short, and what is not wanted is left out, so
 * that a page may take several requests.
 */

class List {

    /* path(limit, cursor), pick(json), wanted(item), row(item), words */

    constructor(name, options) {
        Object.assign(this, options);
        this.name = name;
        this.forget();

        $(this.ids.newer).addEventListener('click', () => this.turn(-1));
        $(this.ids.older).addEventListener('click', () => this.turn(1));
    }

    forget() {
        this.items = [];
        this.cursor = null;
        this.ended = false;
        this.looked = 0;
        this.page = 0;
        this.loading = null;
        $(this.ids.rows).replaceChildren();
        $(this.ids.count).textContent = '';
        show($(this.ids.table), false);
        show($(this.ids.empty), false);
        show($(this.ids.pager), false);
    }

    /* from the beginning; what is shown stays until something has come */

    async load() {
        const again = { items: [], cursor: null, ended: false, looked: 0 };

        await this.fill(again, this.page, () => Object.assign(this, again));
    }

    async turn(step) {
        const page = this.page + step;

        if (page < 0 || this.button(step).ariaDisabled === 'true') {
            return;
        }

        const done = await this.fill(this, page, () => {
            this.page = page;
        });

        if (done && this.button(step).ariaDisabled === 'true') {
            this.button(-step).focus();
        }
    }

    button(step) {
        return $(step < 0 ? this.ids.newer : this.ids.older);
    }

    /* until "into" has all of that page, and knows if there is another */

    async fill(into, page, done) {
        const mine = this.loading = {};
        const table = $(this.ids.table);
        let problem = null;

        table.setAttribute('aria-busy', 'true');
        this.complain('');

        try {
            for (let n = 0; n < PATIENCE && !into.ended
                            && into.items.length <= (page + 1) * PAGE; n++)
            {
                const limit = (n > 1 || this.rare()) ? MANY : FEW;
                const json = await call('GET', this.path(limit, into.cursor));

                if (mine !== this.loading) {
                    return false;
                }

                into.items.push(...this.pick(json).filter(this.wanted, this));
                into.cursor = json.next;
                into.ended = json.next === null;
                into.looked += limit;
            }

        } catch (error) {
            problem = error;
        }

        if (problem instanceof Gone || mine !== this.loading) {
            return false;
        }

        table.removeAttribute('aria-busy');

        /* what is away has been said */

        if (problem) {
            if (down === null) {
                this.complain(words(problem, this.words));
            }

            return false;
        }

        done();
        this.draw();

        return true;
    }

    last() {
        return Math.max(0, Math.ceil(this.items.length / PAGE) - 1);
    }

    draw() {
        this.page = Math.min(this.page, this.last());

        const first = this.page * PAGE;
        const rows = this.items.slice(first, first + PAGE);
        const held = keepFocus($(this.ids.rows));

        $(this.ids.rows).replaceChildren(...rows.map(this.row, this));
        held();

        const more = !this.ended || this.page < this.last();

        $(this.ids.newer).ariaDisabled = String(this.page === 0);
        $(this.ids.older).ariaDisabled = String(!more);
        $(this.ids.count).textContent = rows.length === 0 && this.ended ? ''
            : this.summary(first, rows.length);
        show($(this.ids.table), rows.length > 0);
        show($(this.ids.pager), rows.length > 0 || !this.ended);
        $(this.ids.empty).textContent = this.nothing();
        show($(this.ids.empty), rows.length === 0 && this.ended);
    }

    summary(first, n) {
        const number = x => x.toLocaleString('en');

        if (this.ended && n === this.items.length) {
            return `${number(n)} ${n === 1 ? this.one : this.name}`;
        }

        if (n === 0) {
            return `None among the newest ${number(this.looked)} `
                   + `${this.name}. “Older” looks further.`;
        }

        return `${number(first + 1)} to ${number(first + n)} of `
               + (this.ended ? number(this.items.length)
                             : `more than ${number(this.items.length - 1)}`)
               + ` ${this.name}`;
    }
}


/* after rows are made anew, the focus goes to the same button of the same */

function keepFocus(rows) {
    const active = document.activeElement;
    const row = rows.contains(active) && active.closest('tr');
    const act = row && active.dataset.act;

    return () => {
        if (row) {
            focusOn(rows, row.dataset.id, act);
        }
    };
}


function focusOn(rows, id, act) {
    const row = [...rows.children].find(row => row.dataset.id === id);
    const buttons = row ? [...row.querySelectorAll('button')] : [];

    (buttons.find(button => button.dataset.act === act) || buttons[0]
     || $(view() + '-title')).focus();
}


/* keys */

const keys = new List('keys', {
    one: 'key',

    ids: { table: 'keys-table', rows: 'keys-rows', count: 'keys-count',
           empty: 'keys-empty', pager: 'keys-pager', newer: 'newer',
           older: 'older' },

    path(limit, cursor) {
        const query = new URLSearchParams({ limit });
        const state = $('state').value;
        const name = $('search').value.trim();

        if (cursor) {
            query.set('cursor', cursor);
        }

        if (name) {
            query.set('name', name);
        }

        if (state && state !== 'all' && state !== 'due') {
            query.set('state', state);
        }

        return 'v1/keys?' + query;
    },

    pick(json) {
        for (const key of json.keys) {
            session.names.set(key.id, key.name);
        }

        return json.keys;
    },

    wanted(key) {
        switch ($('state').value) {
        case '':
            return key.state !== 'revoked';
        case 'due':
            return due(key);
        default:
            return true;
        }
    },

    /* whether most of what is looked at will not be shown */

    rare() {
        return $('search').value.trim() !== ''
               || !['', 'all'].includes($('state').value);
    },

    complain(text) {
        if (text) {
            say(text, true);
        }
    },

    nothing() {
        return this.rare() ? 'No key is like this.'
                           : 'There are no keys, so nobody can use the API.';
    },

    row: keyRow,
});


function keyRow(key) {
    const dead = key.state === 'revoked';
    const acts = session.writes ? keyActs(key) : [];

    return el('tr', { role: 'row', 'data-id': key.id,
                      class: dead ? 'dead' : due(key) ? 'due' : null },
        el('td', { role: 'cell' },
           button(isolated(key.name),
                  { class: 'link name', 'data-act': 'details' },
                  () => openDetails(key)),
           el('small', { class: 'id' }, key.id)),
        el('td', { role: 'cell', 'data-label': 'State' },
           el('span', {}, badge(key.state), ' ',
              due(key) ? el('span', { class: 'badge warn' },
                            'rotation due') : null)),
        el('td', { role: 'cell', 'data-label': 'Created' },
           el('span', {}, when(key.created_at, '–'))),
        el('td', { role: 'cell', 'data-label': 'Expires' },
           el('span', {}, when(key.expires_at, 'never', !dead))),
        el('td', { role: 'cell', 'data-label': 'Last used' },
           el('span', {}, when(key.last_used_at, 'not yet'))),
        el('td', { role: 'cell', 'data-label': 'Scopes',
                   class: key.scopes.length ? null : 'none' },
           el('span', {}, key.scopes.length
              ? key.scopes.map(scope => el('span', { class: 'badge scope' },
                                           isolated(scope)))
              : '–')),
        session.writes ? el('td', { role: 'cell', class: 'acts' },
                            el('div', { class: 'buttons' }, acts)) : null);
}


/* what has expired cannot be rotated any more */

function due(key) {
    return key.rotate_due && key.state !== 'expired';
}


function badge(state) {
    return el('span', { class: 'badge ' + state }, state);
}


/* what can be done to a key now; all names end with the key's */

function keyActs(key) {
    const act = (name, f, bad) => button(
        [name, el('span', { class: 'unseen' }, ' ', isolated(key.name))],
        { class: 'link' + (bad ? ' bad' : ''), 'data-act': name }, f);

    if (key.state === 'revoked') {
        return [];
    }

    return [
        act('edit', () => openForm('edit', key)),
        key.state === 'active' && key.replaced_by === null
            ? act('rotate', () => openRotate(key)) : null,
        key.state === 'disabled'
            ? act('enable', () => setState(key, 'active')) : null,
        key.state === 'active'
            ? act('disable', () => setState(key, 'disabled')) : null,
        act('revoke', () => openRevoke(key), true),
    ].filter(button => button !== null);
}


/* the list shows what has become of a key */

function replaceKey(key) {
    const n = keys.items.findIndex(item => item.id === key.id);

    session.names.set(key.id, key.name);

    if (n !== -1) {
        keys.items[n] = key;
        keys.draw();
    }
}


async function setState(key, state) {
    await attempt(async () => {
        replaceKey(await call('PATCH', 'v1/keys/' + key.id, { state }));
        say(state === 'active'
            ? `“${key.name}” is enabled.`
            : `“${key.name}” is disabled: whatever uses it is refused until `
              + 'you enable it.');
        focusOn($('keys-rows'), key.id,
                state === 'active' ? 'disable' : 'enable');
    }, { conflict: 'This key is revoked: it cannot come back.' });
}


/* dialogs */

/* what submit() throws is shown in the form; own(): words of its own */

function dialogForm(name, submit, own) {
    const dialog = $(name + '-dialog');
    const form = $(name + '-form') || $(name);
    const general = $(name + '-error');

    form.addEventListener('submit', async event => {
        const accept = form.querySelector('button:not([type])');

        event.preventDefault();

        if (accept.ariaBusy === 'true') {
            return;
        }

        accept.ariaBusy = 'true';
        complain(form, general, null);

        try {
            await submit(form);

        } catch (error) {
            if (!(error instanceof Gone)) {
                complain(form, general, error, own());
            }

        } finally {
            accept.ariaBusy = 'false';
        }
    });

    if (dialog) {
        dialog.addEventListener('close', () => form.reset());
    }
}


/* Shows a problem beside the field that it is about, else at the end. */

function complain(form, general, error, own) {
    for (const node of form.querySelectorAll('[aria-invalid]')) {
        node.removeAttribute('aria-invalid');
    }

    for (const node of form.querySelectorAll('.error')) {
        node.textContent = '';
    }

    if (error === null) {
        return;
    }

    const [input, place] = FORM_FIELDS[form.id + ' ' + error.field]
                           || [null, null];

    if (input === null) {
        general.textContent = words(error, own);
        general.scrollIntoView({ block: 'nearest' });
        return;
    }

    const more = $(input).closest('details');

    if (more) {
        more.open = true;
    }

    $(place).textContent = words(error, own);
    $(input).setAttribute('aria-invalid', 'true');
    $(input).focus();
}


const FORM_FIELDS = {
    'form name': ['form-name', 'form-name-error'],
    'form key': ['form-key', 'form-key-error'],
    'form expires_in': ['form-expires', 'form-expires-error'],
    'form expires_at': ['form-expires', 'form-expires-error'],
    'form scopes': ['form-scopes', 'form-scopes-error'],
    'form allow_from': ['form-from', 'form-from-error'],
    'form rate': ['form-limit', 'form-rate-error'],
    'form metadata': ['form-meta', 'form-meta-error'],
    'rotate-form grace': ['rotate-grace', 'rotate-error'],
    'clear-form ttl': ['clear-minutes', 'clear-ttl-error'],
    'clear-form uses': ['clear-n', 'clear-uses-error'],
    'clear-form key': ['clear-key', 'clear-key-error'],
    'arm-form word': ['arm-word', 'arm-error'],
};


/* create, import, edit */

const FORMS = {
    create: {
        title: 'Create New API Key',
        intro: 'The key is shown once, after this.',
        submit: 'Create',
        own: { outcome_unknown: CODES.outcome_unknown
            + ' Should the key be there, its text is lost: revoke it and '
            + 'create another.' },
    },
    import: {
        title: 'Import a key',
        intro: 'For a key that programs use already.',
        submit: 'Import',
        own: { conflict: 'This key is known already. A revoked one cannot come '
            + 'back.' },
    },
    edit: {
        title: 'Edit key',
        intro: '',
        submit: 'Save',
        own: { conflict: 'This key is revoked, or it was rotated and cannot '
            + 'live longer than it does.' },
    },
};

let form = null;                /* what the dialog is for: kind, key */


function openForm(kind, key) {
    const text = FORMS[kind];

    form = { kind, key };

    complain($('form'), $('form-error'), null);
    $('form').reset();
    $('form-title').textContent = text.title;
    $('form-intro').textContent = text.intro;
    $('form-submit').textContent = text.submit;
    $('form-more').open = false;
    show($('form-key-field'), kind === 'import');

    const keep = $('form-expires').querySelector('[value="keep"]');
    const standard = $('form-expires').querySelector('[value="default"]');

    keep.hidden = keep.disabled = kind !== 'edit';
    standard.hidden = standard.disabled = kind === 'edit';
    $('form-expires').value = kind === 'edit' ? 'keep' : 'default';

    if (kind === 'edit') {
        keep.textContent = 'as it is: ' + (key.expires_at === null ? 'never'
                           : DAY.format(new Date(key.expires_at)));
        $('form-name').value = key.name;
        $('form-scopes').value = key.scopes.join(' ');
        $('form-from').value = key.allow_from.join(' ');
        $('form-limit').value = key.rate ? key.rate.limit : '';
        $('form-window').value = key.rate ? key.rate.window : '';
        $('form-meta').value = Object.entries(key.metadata)
            .map(([name, value]) => name + '=' + value).join('\n');
        $('form-more').open = $('form-meta').value !== '';
    }

    expiryChosen();
    $('form-dialog').showModal();
    (kind === 'import' ? $('form-key') : $('form-name')).focus();
}


function expiryChosen() {
    show($('form-date-field'), $('form-expires').value === 'date');
}


function list(text) {
    return text.split(/[\s,]+/).filter(word => word !== '');
}


/* a number as it was typed, so that what is none is refused by the API */

function number(text) {
    return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}


/* the form as the API takes it; the expiry is there only when it was chosen */

function formBody() {
    const body = {
        name: $('form-name').value.trim(),
        scopes: list($('form-scopes').value),
        allow_from: list($('form-from').value),
        rate: null,
        metadata: {},
    };
    const limit = $('form-limit').value, window = $('form-window').value;
    const lines = $('form-meta').value.split('\n').map(line => line.trim());

    if (limit !== '' || window !== '') {
        body.rate = { limit: number(limit), window: number(window) };
    }

    for (const line of lines.filter(line => line !== '')) {
        const at = line.indexOf('=');

        if (at === -1) {
            throw new Problem(400, 'invalid_field', 'metadata');
        }

        body.metadata[line.slice(0, at).trim()] = line.slice(at + 1).trim();
    }

    switch ($('form-expires').value) {

    case 'keep':
    case 'default':
        break;

    case 'never':
        body.expires_at = null;
        break;

    case 'date': {
        const date = new Date($('form-date').value);

        if (isNaN(date)) {
            throw new Problem(400, 'invalid_field', 'expires_at');
        }

        body.expires_at = date.toISOString().replace(/\.\d+Z$/, 'Z');
        break;
    }

    default:
        body.expires_in = Number($('form-expires').value) * 86400;
    }

    return body;
}


async function submitForm() {
    const { kind, key } = form;
    const body = formBody();

    if (kind === 'edit') {
        for (const name of ['name', 'scopes', 'allow_from', 'rate',
                            'metadata'])
        {
            if (same(body[name], key[name])) {
                delete body[name];
            }
        }

        if (Object.keys(body).length > 0) {
            replaceKey(await call('PATCH', 'v1/keys/' + key.id, body));
        }

        $('form-dialog').close();
        say('Saved.');
        focusOn($('keys-rows'), key.id, 'edit');
        return;
    }

    if (body.rate === null) {
        delete body.rate;
    }

    if (kind === 'import') {
        body.key = $('form-key').value.trim();
    }

    const made = await call('POST',
                            kind === 'import' ? 'v1/keys/import' : 'v1/keys',
                            body);

    $('form-dialog').close();

    if (kind === 'import') {
        say(`“${made.name}” is imported, and can be used.`);

    } else {
        openShown('New API key created', made, '');
    }

    await fromTheTop();
}


/* whether two values are the same JSON, whatever the order of the names */

function same(a, b) {
    const sorted = x => JSON.stringify(x, (name, value) =>
        value && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort()) : value);

    return sorted(a) === sorted(b);
}


/* a new key is the newest: where it can be seen */

async function fromTheTop() {
    $('filters').reset();
    keys.page = 0;
    await keys.load();
}


/* the key, this once */

let copied = true;


function openShown(title, made, more) {
    copied = false;

    $('shown-title').textContent = title;
    $('shown-name').replaceChildren('For “', isolated(made.name), '”:');
    $('shown-key').textContent = made.key;
    $('shown-more').textContent = more;
    $('shown-error').textContent = '';
    $('shown-copied').textContent = '';
    $('shown-copy').textContent = 'Copy the key';
    $('shown-dialog').showModal();
    $('shown-copy').focus();
}


async function copyKey() {
    const ok = await copy($('shown-key'));

    copied = copied || ok;

    $('shown-error').textContent = ok ? ''
        : 'This browser does not let the page copy. Select the key and copy '
          + 'it yourself.';
    $('shown-copied').textContent = ok
        ? 'Copied. Put it where it belongs, and clear the clipboard.' : '';
    $('shown-copy').textContent = ok ? 'Copied' : 'Copy the key';
}


/* the clipboard is there over https and on this machine only */

async function copy(node) {
    try {
        await navigator.clipboard.writeText(node.textContent);
        return true;

    } catch (error) {
        const selection = getSelection();

        selection.selectAllChildren(node);

        return document.execCommand('copy');
    }
}


/* not by accident: a key that was not copied is lost */

function closeShown() {
    if (!copied && $('shown-error').textContent === '') {
        $('shown-error').textContent = 'The key has not been copied, and is '
            + 'gone once this is closed. Close again to close all the same.';
        return;
    }

    $('shown-key').textContent = '';
    $('shown-dialog').close();
}


/* rotate */

let rotating = null;


function openRotate(key) {
    rotating = key;
    complain($('rotate-form'), $('rotate-error'), null);
    $('rotate-title').replaceChildren('Rotate “', isolated(key.name), '”');
    graceChosen();
    $('rotate-dialog').showModal();
}


function graceChosen() {
    show($('rotate-hours-field'), $('rotate-grace').value === 'other');
}


const ROTATE_WORDS = {
    conflict: 'A key that is revoked, expired, disabled or was rotated before '
        + 'cannot be rotated.',
};


async function submitRotate() {
    const key = rotating;
    let grace = $('rotate-grace').value;

    grace = grace === 'other' ? Math.round($('rotate-hours').value * 3600)
                              : Number(grace);

    const made = await call('POST', `v1/keys/${key.id}/rotate`, { grace });

    $('rotate-dialog').close();
    openShown('New API key created', made, grace === 0
        ? 'The old one does not work any more.'
        : 'The old one works until it is replaced here, but not beyond '
          + utc(new Date(Date.now() + grace * 1000).toISOString()) + '.');

    await fromTheTop();
}


/* revoke */

let revoking = null;


function openRevoke(key) {
    revoking = key;
    complain($('revoke-form'), $('revoke-error'), null);
    $('revoke-title').replaceChildren('Revoke “', isolated(key.name), '”?');
    $('revoke-id').textContent = key.id;
    $('revoke-used').textContent = key.last_used_at === null ? ''
        : ', last used ' + relative(new Date(key.last_used_at) - Date.now());
    $('revoke-dialog').showModal();
}


async function submitRevoke() {
    const key = revoking;

    await call('DELETE', 'v1/keys/' + key.id);

    $('revoke-dialog').close();
    replaceKey({ ...key, state: 'revoked', rotate_due: false });
    say(`“${key.name}” is revoked, for good.`);
    focusOn($('keys-rows'), key.id, 'details');
    attempt(lookAtClear);
}


/* all of one key */

function openDetails(key) {
    const term = (name, ...value) => [el('dt', {}, name),
                                      el('dd', {}, ...value)];
    const other = id => button(id, { class: 'link id' },
                               () => openDetailsOf(id));

    $('details-title').replaceChildren(isolated(key.name));
    $('details').replaceChildren(...[
        term('Id', el('code', {}, key.id)),
        term('State', badge(key.state), due(key)
             ? el('span', { class: 'soon' }, ' due for rotation') : null),
        term('Created', ...whole(key.created_at, '–')),
        term('Expires', ...whole(key.expires_at, 'never')),
        term('Last used', ...whole(key.last_used_at, 'not yet')),
        term('Scopes', key.scopes.length ? isolated(key.scopes.join(' '))
                                         : 'none'),
        term('Only from', key.allow_from.length
             ? isolated(key.allow_from.join(' ')) : 'anywhere'),
        term('At most', key.rate ? `${key.rate.limit} requests in `
             + `${key.rate.window} seconds` : 'no limit'),
        ...Object.entries(key.metadata).map(([name, value]) =>
            term(name, isolated(value))),
        term('Pepper', key.pepper),
        key.replaces ? term('Replaces', other(key.replaces)) : [],
        key.replaced_by ? term('Replaced by', other(key.replaced_by)) : [],
    ].flat());

    const acts = session.writes ? keyActs(key) : [];

    /* what such a button opens comes in the place of this dialog */

    for (const act of acts) {
        act.className = act.classList.contains('bad') ? 'danger' : '';
        act.addEventListener('click', () => $('details-dialog').close(),
                             { capture: true });
    }

    if (session.writes && key.state === 'active') {
        acts.splice(-1, 0, button('allow clears…', {}, () => {
            $('details-dialog').close();
            location.hash = '#clear';
            $('clear-one').checked = true;
            $('clear-key').value = key.id;
            whoChosen();
            $('clear-key').focus();
        }));
    }

    $('details-actions').replaceChildren(...acts);

    if (!$('details-dialog').open) {
        $('details-dialog').showModal();
    }
}


async function openDetailsOf(id) {
    const key = await attempt(() => call('GET', 'v1/keys/' + id), {
        not_found: 'This key is not there any more: a revoked one is '
            + 'forgotten after 30 days.',
    });

    if (key) {
        openDetails(key);

    } else if ($('details-dialog').open) {
        $('details-dialog').close();
    }
}


/* clear operations */

let clear = null;               /* what v1/clear last said, and when */
let arming = null;
let polling = null;
let ticking = null;


async function lookAtClear() {
    noteClear(await call('GET', 'v1/clear'));
}


/* ends are counted by a clock that nobody sets, from the server's seconds */

function noteClear(state) {
    const now = performance.now();
    const until = flag => ({ ...flag, until: now + flag.expires_in * 1000 });
    const known = clear !== null, open = isOpen();

    clear = { ...until(state), keys: state.keys.map(until) };

    if (known && open !== isOpen()) {
        say(open ? 'Clear operations are closed.'
                 : 'Clear operations have been opened.', !open);
    }

    drawClear();
    nameKeys(state.keys.map(flag => flag.key));
}


function isOpen() {
    return clear !== null && (clear.armed || clear.keys.length > 0);
}


function drawClear() {
    const open = isOpen();
    const flags = clear === null ? [] : clear.keys;

    show($('nav-open'), open);
    show($('strip'), open && view() !== 'clear');
    $('clear-status').classList.toggle('open', open);
    show($('clear-close'), open && session.writes);
    show($('strip-close'), open && session.writes);
    show($('clear-countdown'), open && clear.armed);
    show($('clear-uses'), open && clear.armed);

    $('clear-what').textContent = clear === null
        ? 'Not known yet.'
        : clear.armed ? 'Open: every key may clear.'
        : open ? 'Open for ' + several(flags.length) + '.'
        : 'Closed: clear operations are refused.';

    $('clear-end').textContent = !open || !clear.armed ? ''
        : `Until ${utc(clear.expires_at)}, which is `
          + `${LOCAL.format(new Date(clear.expires_at))} here.`;
    $('clear-uses').textContent = open ? uses(clear.uses) : '';

    const focused = document.activeElement.closest('#clear-keys li');

    $('clear-keys').replaceChildren(...flags.map(flagItem));

    if (focused) {
        const item = [...$('clear-keys').children].find(
            item => item.dataset.key === focused.dataset.key);

        (item ? item.querySelector('button') : $('clear-title')).focus();
    }

    if (open) {
        const longest = clear.armed ? clear
            : flags.reduce((a, b) => a.until > b.until ? a : b);

        $('strip-what').textContent = 'Clear operations are open for '
            + (clear.armed ? 'every key' : several(flags.length)) + '.';
        $('strip-end').textContent = ends(longest) + ' '
            + (clear.armed || flags.length === 1 ? uses(longest.uses) : '');
        $('strip-left').dataset.until = longest.until;
        $('clear-left').dataset.until = clear.until;
    }

    clearInterval(ticking);
    ticking = open ? setInterval(tick, 500) : null;
    tick();
}


function several(n) {
    return n === 1 ? 'one key' : n + ' keys';
}


function ends(flag) {
    return `Until ${utcClock(flag.expires_at)} `
           + `(${LOCAL_CLOCK.format(new Date(flag.expires_at))} local).`;
}


function uses(n) {
    return n === null ? 'Any number of uses.'
           : n === 1 ? 'One use left.' : `${n.toLocaleString('en')} uses left.`;
}


function flagItem(flag) {
    const name = session.names.get(flag.key);

    return el('li', { 'data-key': flag.key },
        el('span', {}, el('strong', {}, isolated(name || flag.key)), ' ',
           name ? el('span', { class: 'id' }, flag.key) : null),
        el('span', { class: 'quiet' }, ends(flag) + ' ' + uses(flag.uses)),
        el('span', { class: 'countdown', role: 'timer',
                     'aria-label': 'Time left', 'data-until': flag.until }),
        session.writes
            ? button(['close', el('span', { class: 'unseen' }, ' for ',
                                  isolated(name || flag.key))], {},
                     () => disarm(flag.key)) : null);
}


/* names of keys that have not been in the list */

async function nameKeys(ids) {
    const unknown = ids.filter(id => !session.names.has(id)).slice(0, 20);

    for (const id of unknown) {
        try {
            session.names.set(id, (await call('GET', 'v1/keys/' + id)).name);
        } catch (error) {
            return;
        }
    }

    if (unknown.length > 0) {
        drawClear();
    }
}


function tick() {
    const now = performance.now();

    for (const node of document.querySelectorAll('[data-until]')) {
        const left = Math.ceil((Number(node.dataset.until) - now) / 1000);

        if (Number.isFinite(left)) {
            node.textContent = clock(Math.max(left, 0));
        }
    }

    if (!clear || polling === 'asking') {
        return;
    }

    for (const flag of [clear, ...clear.keys]) {
        if (Number.isFinite(flag.until) && flag.expires_in !== null
            && flag.until <= now && down === null)
        {
            poll();
            return;
        }
    }
}


/* others may open, close and use it as well */

async function poll() {
    const mine = session;

    if (polling === 'asking') {
        return;
    }

    clearTimeout(polling);
    polling = 'asking';

    try {
        await lookAtClear();

    } catch (error) {
        /* what was wrong with Redis has been said */
    }

    if (mine === session && mine !== null) {
        polling = null;
        schedule();
    }
}


function schedule() {
    if (polling !== 'asking') {
        clearTimeout(polling);

        /* whom nobody looks at asks when somebody does */

        polling = document.hidden ? null
                  : setTimeout(poll, down !== null ? POLL_DOWN
                                     : isOpen() ? POLL_OPEN : POLL);
    }
}


async function disarm(id) {
    await attempt(async () => {
        await call('DELETE', id ? 'v1/clear?key=' + id : 'v1/clear');
        await lookAtClear();
        say(id ? 'Closed for this key.'
               : 'Closed: clear operations are refused.');
        $(view() + '-title').focus();
    });
}


function timeChosen() {
    show($('clear-minutes-field'), $('clear-time').value === 'other');
}


function whoChosen() {
    show($('clear-key-field'), $('clear-one').checked);

    if ($('clear-one').checked) {
        suggestKeys();
    }
}


const suggestKeys = later(async () => {
    const name = $('clear-key').value.trim();

    if (/^[0-9a-f]{20}$/.test(name)) {
        return;
    }

    const found = await attempt(() => findActive(name));

    if (found) {
        $('clear-key-list').replaceChildren(...found.slice(0, 20).map(key =>
            el('option', { value: key.id, label: key.name })));
    }
}, 250);


async function findActive(name) {
    const found = [];
    let cursor = null;

    for (let n = 0; n < PATIENCE; n++) {
        const query = new URLSearchParams({ state: 'active', name,
                                            limit: MANY });

        if (cursor) {
            query.set('cursor', cursor);
        }

        const json = await call('GET', 'v1/keys?' + query);

        found.push(...json.keys);
        cursor = json.next;

        if (cursor === null || found.length >= 20 && name === '') {
            break;
        }
    }

    return found;
}


/* what was typed into the form is an id, or the name of one key */

async function chosenKey() {
    const text = $('clear-key').value.trim();

    if (/^[0-9a-f]{20}$/.test(text)) {
        return await call('GET', 'v1/keys/' + text);
    }

    const found = text === '' ? [] : await findActive(text);
    const exact = found.filter(key => key.name === text);
    const best = exact.length > 0 ? exact : found;

    if (best.length !== 1) {
        throw Object.assign(new Problem(400, 'which_key', 'key'),
                            { n: best.length });
    }

    return best[0];
}


const CLEAR_WORDS = {
    word: 'Type the word CLEAR, or cancel.',
    not_found: 'There is no key with this id.',
    which_key: 'Type the name or the id of one active key.',
    conflict: 'This key does not work now, so nothing can be allowed for it; '
        + 'or too many keys are allowed by themselves.',
};


/* first what it means, then the typed word */

async function submitClear() {
    const one = $('clear-one').checked;
    const other = $('clear-time').value === 'other';
    const minutes = number(other ? $('clear-minutes').value
                                 : $('clear-time').value);
    const n = $('clear-n').value;

    if (!(minutes > 0 && minutes <= 1440)) {
        throw new Problem(400, 'invalid_field', 'ttl');
    }

    if (!$('clear-n').validity.valid || n !== '' && !/^[1-9]\d*$/.test(n)) {
        throw new Problem(400, 'invalid_field', 'uses');
    }

    arming = { ttl: Math.round(minutes * 60) };

    let who = ['Every key of this store'];

    if (one) {
        const key = await chosenKey();

        arming.key = key.id;
        session.names.set(key.id, key.name);
        who = ['The key “', isolated(key.name), '”'];
    }

    if (n !== '') {
        arming.uses = Number(n);
    }

    const end = new Date(Date.now() + arming.ttl * 1000);

    complain($('arm-form'), $('arm-error'), null);
    $('arm-text').replaceChildren(...who,
        ' may delete all products, all categories and all customer accounts '
        + `for the next ${duration(minutes)}, until `
        + utcClock(end.toISOString())
        + ` (${LOCAL_CLOCK.format(end)} local)`
        + (n === '' ? '.' : `, with at most ${n} `
                            + (n === '1' ? 'request.' : 'requests.')));
    $('arm-dialog').showModal();
    $('arm-word').focus();
}


async function submitArm() {
    if ($('arm-word').value.trim().toUpperCase() !== 'CLEAR') {
        throw new Problem(400, 'word', 'word');
    }

    const state = await call('PUT', 'v1/clear', arming);

    $('arm-dialog').close();
    $('clear-form').reset();
    timeChosen();
    whoChosen();
    noteClear(state);
    say('Clear operations are open. A Hotcakes store has a switch of its own: '
        + 'press that as well.');
    $('clear-title').focus();
}


/* the trail */

const ACTIONS = {
    create: 'created the key',
    import: 'imported the key',
    change: 'changed the key',
    rotate: 'rotated the key',
    revoke: 'revoked the key',
    arm: 'allowed clear operations',
    disarm: 'closed clear operations',
    clear: 'cleared',
};

const trail = new List('entries', {
    one: 'entry',

    ids: { table: 'trail-table', rows: 'trail-rows', count: 'trail-count',
           empty: 'trail-empty', pager: 'trail-pager',
           newer: 'trail-newer', older: 'trail-older' },

    words: { not_found: 'This server does not list the trail over the API. In '
        + 'Redis it is the stream whose name ends with “audit”.' },

    nothing: () => 'Nothing has happened yet.',

    path: (limit, cursor) => 'v1/audit?' + new URLSearchParams(
        cursor ? { limit, cursor } : { limit }),
    pick: json => json.events,
    wanted: () => true,
    rare: () => false,

    complain(text) {
        $('trail-error').textContent = text;
    },

    row(event) {
        const id = /^[0-9a-f]{20}$/;
        const act = ACTIONS[event.action];
        const key = text => id.test(text)
            ? button(text, { class: 'link id' }, () => openDetailsOf(text))
            : isolated(text || '');

        return el('tr', { role: 'row', 'data-id': event.id },
            el('td', { role: 'cell' },
               el('time', { datetime: event.at,
                            title: LOCAL.format(new Date(event.at)) },
                  utc(event.at)),
               el('small', {}, relative(new Date(event.at) - Date.now()))),
            el('td', { role: 'cell', 'data-label': 'Who' }, key(event.who)),
            el('td', { role: 'cell', 'data-label': 'What' },
               el('span', ['arm', 'clear'].includes(event.action)
                          ? { class: 'badge danger' } : {},
                  act || isolated(event.action))),
            el('td', { role: 'cell', 'data-label': 'Key' },
               event.key ? key(event.key)
               : ['arm', 'disarm'].includes(event.action) ? 'every key' : '–'),
            el('td', { role: 'cell', 'data-label': 'From' },
               el('code', {}, event.from || '–')),
            el('td', { role: 'cell', 'data-label': 'Request' },
               el('code', { class: 'quiet' }, event.request_id || '–')));
    },
});


/* what calls what */

/* calls f once nothing has happened for so long, unless it is cancelled */

function later(f, ms) {
    let timer = null;

    const soon = () => {
        clearTimeout(timer);
        timer = setTimeout(f, ms);
    };

    soon.cancel = () => clearTimeout(timer);

    return soon;
}


const typed = later(filtered, 250);


function filtered() {
    /* or the list would go back to its first page by and by */
    typed.cancel();

    if (session && session.open) {
        keys.page = 0;
        keys.load();
    }
}


function start() {
    $('where').textContent = location.host + location.pathname;
    show($('insecure'), !isSecureContext);

    dialogForm('form', submitForm, () => FORMS[form.kind].own);
    dialogForm('rotate', submitRotate, () => ROTATE_WORDS);
    dialogForm('revoke', submitRevoke, () => ({}));
    dialogForm('arm', submitArm, () => CLEAR_WORDS);
    dialogForm('clear', submitClear, () => CLEAR_WORDS);

    for (const dialog of document.querySelectorAll('dialog')) {
        for (const cancel of dialog.querySelectorAll('.cancel')) {
            cancel.addEventListener('click', () => dialog.close());
        }

        /* the browser gives the focus back, unless that row has gone */

        dialog.addEventListener('close', () => {
            const active = document.activeElement;

            if (session && (active === document.body
                            || dialog.contains(active)))
            {
                $(view() + '-title').focus();
            }
        });
    }

    const on = (id, type, f) => $(id).addEventListener(type, f);

    on('sign-in-form', 'submit', signIn);
    on('sign-out', 'click', () => signOut(''));
    on('message-close', 'click', () => {
        say('');
        $(view() + '-title').focus();
    });

    on('create', 'click', () => openForm('create', null));
    on('import', 'click', () => openForm('import', null));
    on('refresh', 'click', () => keys.load());
    on('search', 'input', typed);
    on('state', 'change', filtered);
    on('filters', 'submit', event => {
        event.preventDefault();
        filtered();
    });

    on('form-expires', 'change', expiryChosen);
    on('rotate-grace', 'change', graceChosen);
    on('rotate-dialog', 'close', graceChosen);

    on('shown-copy', 'click', copyKey);
    on('shown-close', 'click', closeShown);
    on('shown-dialog', 'cancel', event => {
        event.preventDefault();
        closeShown();
    });
    on('shown-dialog', 'close', () => {
        $('shown-key').textContent = '';
        copied = true;
    });

    on('clear-time', 'change', timeChosen);
    on('clear-all', 'change', whoChosen);
    on('clear-one', 'change', whoChosen);
    on('clear-key', 'input', suggestKeys);
    on('clear-close', 'click', () => disarm(null));
    on('strip-close', 'click', () => disarm(null));
    on('trail-refresh', 'click', () => trail.load());

    addEventListener('hashchange', () => {
        say('');
        route();

        if (session && session.open && document.activeElement.closest('nav')) {
            $(view() + '-title').focus();
        }
    });

    document.addEventListener('visibilitychange', () => {
        if (session && session.open && !document.hidden) {
            poll();
        }
    });

    /* what was typed or shown does not come back with the "back" button */

    addEventListener('pagehide', () => session && signOut(''));

    addEventListener('beforeunload', event => {
        if (!copied) {
            event.preventDefault();
        }
    });

    signOut('');
}


start();

})();
