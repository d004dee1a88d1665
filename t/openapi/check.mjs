// Looks at the description of the admin API, and at real answers in its light.
//
//   node check.mjs openapi.json exchanges.json
//
// exchanges.json is a list of {method, path, sent, status, headers, body}:
// path without the location and the query; sent is the request's body, or null
// where it should not be looked at; a true "wrong" says that the body is one
// that the description must refuse as the server did.
//
// Prints {"document": [...], "answers": [...], "unseen": [...]}: what is wrong
// with each, and which documented answers no exchange had.

import { readFileSync } from 'node:fs';

import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [documentFile, exchangesFile] = process.argv.slice(2);

const api = JSON.parse(readFileSync(documentFile, 'utf8'));
const exchanges = JSON.parse(readFileSync(exchangesFile, 'utf8'));
const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch',
                 'trace'];

const found = { document: [], answers: [], unseen: [] };


// the document by itself

const validated = await new Validator().validate(structuredClone(api));

if (!validated.valid) {
    found.document.push(...[validated.errors].flat().map(e =>
        typeof e === 'string' ? e : `${e.instancePath}: ${e.message}`));
}


// Every reference leads somewhere, and every component is used.

const used = new Set();

walk(api, node => {
    if (typeof node.$ref === 'string') {
        used.add(node.$ref);

        if (resolve(node) === undefined) {
            found.document.push(`${node.$ref} leads nowhere`);
        }
    }
});

for (const [kind, components] of Object.entries(api.components)) {
    for (const name of Object.keys(components)) {
        if (kind !== 'securitySchemes'
            && !used.has(`#/components/${kind}/${name}`))
        {
            found.document.push(`nothing uses ${kind}/${name}`);
        }
    }
}

if (found.document.length) {
    console.log(JSON.stringify(found));
    process.exit();
}


// answers in its light

const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false,
                          strictRequired: false });
addFormats(ajv);

for (const [name, schema] of Object.entries(api.components.schemas)) {
    ajv.addSchema(closed(schema, false), name);
}

const compiled = new Map();
const seen = new Set();

for (const exchange of exchanges) {
    const name = `${exchange.method} ${exchange.path}: ${exchange.status}`;

    for (const problem of look(exchange)) {
        found.answers.push(`${name}: ${problem}`);
    }
}

for (const [path, method, operation] of operations()) {
    for (const status of Object.keys(operation.responses)) {
        const name = `${method.toUpperCase()} ${path} ${status}`;

        if (status !== 'default' && !seen.has(name)) {
            found.unseen.push(name);
        }
    }
}

console.log(JSON.stringify(found));


function* look({ method, path, sent, wrong, status, headers, body }) {
    const match = find(method.toLowerCase(), path);

    if (!match) {
        yield 'no such operation';
        return;
    }

    const [template, operation] = match;
    const answer = resolve(operation.responses[status]);

    if (!answer) {
        yield 'no such answer is documented';
        return;
    }

    seen.add(`${method} ${template} ${status}`);

    for (const [name, header] of Object.entries(answer.headers ?? {})) {
        const value = headers[name.toLowerCase()];
        const { required, schema } = resolve(header);

        if (value === undefined) {
            if (required) {
                yield `no ${name}`;
            }
            continue;
        }

        yield* faults(schema, schema.type === 'integer' ? Number(value)
                                                        : value, name);
    }

    const type = (headers['content-type'] ?? '').split(';')[0];
    const content = answer.content;

    if (!content) {
        if (body !== '') {
            yield 'a body where none is documented';
        }

    } else if (!content[type]) {
        yield `a body of the type "${type}"`;

    } else {
        yield* faults(content[type].schema,
                      /json$/.test(type) ? JSON.parse(body) : body, 'body');
    }

    if (sent === null) {
        return;
    }

    const request = operation.requestBody;

    if (!request) {
        yield 'a request body where none is documented';
        return;
    }

    const { schema } = request.content['application/json'];
    const refused = [...faults(schema, JSON.parse(sent), 'request')];

    if (wrong && refused.length === 0) {
        yield `${sent} is refused, but described as good`;

    } else if (!wrong) {
        yield* refused;
    }
}


function* faults(schema, value, name) {
    if (!compiled.has(schema)) {
        compiled.set(schema, ajv.compile(closed(schema, true)));
    }

    const validate = compiled.get(schema);

    if (!validate(value)) {
        for (const error of validate.errors) {
            yield `${name}${error.instancePath}: ${error.message} `
                  + JSON.stringify(error.params);
        }
    }
}


// A copy of the schema that refuses members which it does not name.  What is a
// part of an allOf cannot know them all, so only the outermost is closed; and
// a component is closed where it is used.

function closed(schema, outermost) {
    const copy = structuredClone(schema);
    close(copy, outermost);
    return copy;
}


function close(schema, outermost) {
    if (typeof schema !== 'object' || schema === null) {
        return;
    }

    if (outermost && (schema.properties || schema.allOf || schema.$ref)
        && schema.additionalProperties === undefined
        && schema.unevaluatedProperties === undefined)
    {
        schema.unevaluatedProperties = false;
    }

    if (schema.$ref) {
        schema.$ref = schema.$ref.replace('#/components/schemas/', '');
    }

    Object.values(schema.properties ?? {}).forEach(s => close(s, true));
    close(schema.items, true);
    close(schema.additionalProperties, true);
    (schema.anyOf ?? []).forEach(s => close(s, true));
    (schema.allOf ?? []).forEach(s => close(s, false));
}


function find(method, path) {
    for (const [template, item] of Object.entries(api.paths)) {
        const pattern = template.replace(/[.]/g, '\\.')
                                .replace('{id}', '[0-9a-f]{20}');

        if (new RegExp(`^${pattern}$`).test(path) && item[method]) {
            return [template, item[method]];
        }
    }
}


function* operations() {
    for (const [path, item] of Object.entries(api.paths)) {
        for (const method of methods) {
            if (item[method]) {
                yield [path, method, item[method]];
            }
        }
    }
}


function resolve(node) {
    if (!node?.$ref) {
        return node;
    }

    return node.$ref.replace('#/', '').split('/').reduce((at, name) =>
        at?.[name.replace(/~1/g, '/').replace(/~0/g, '~')], api);
}


function walk(node, visit) {
    if (typeof node === 'object' && node !== null) {
        visit(node);
        Object.values(node).forEach(child => walk(child, visit));
    }
}
