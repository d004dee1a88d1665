/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Secrets, peppers and admin tokens out of the text of their files.
 */

#include "api_key_secret.h"


static int api_key_secret_next(api_key_str_t *text, api_key_str_t *line);
static void api_key_secret_trim(api_key_str_t *text);
static int api_key_secret_is_pepper(const api_key_str_t *line);
static const char *api_key_secret_split(const api_key_str_t *line,
    api_key_admin_token_t *token);
static int api_key_secret_part(api_key_str_t *rest, api_key_str_t *part);
static int api_key_secret_is_name(const api_key_str_t *name);


static const api_key_str_t  api_key_none = api_key_string("none");
static const api_key_str_t  api_key_read = api_key_string("read");
static const api_key_str_t  api_key_write = api_key_string("write");


const char *
api_key_secret_line(const api_key_str_t *text, api_key_str_t *line)
{
    size_t         i;
    api_key_str_t  rest;

    rest = *text;

    if (!api_key_secret_next(&rest, line) || line->len == 0) {
        return "is empty";
    }

    for (i = 0; i < line->len; i++) {
        if (line->data[i] < 0x20 || line->data[i] == 0x7f) {
            return "holds a control character";
        }
    }

    return NULL;
}


const char *
api_key_secret_peppers(const api_key_str_t *text, api_key_str_t *peppers,
    size_t *n, unsigned *line)
{
    api_key_str_t  rest, pepper;

    rest = *text;

    api_key_secret_trim(&rest);

    *n = 0;
    *line = 1;

    if (rest.len == 0) {
        return "is empty";
    }

    for ( /* void */ ; api_key_secret_next(&rest, &pepper); (*line)++) {

        if (*n == API_KEY_PEPPERS) {
            return "holds more than two peppers";
        }

        if (api_key_str_equal(&pepper, &api_key_none)) {

            if (*n == 0) {
                return "has \"none\" as the first pepper";
            }

            pepper.len = 0;
            pepper.data = NULL;

        } else if (!api_key_secret_is_pepper(&pepper)) {
            return "holds a pepper that is not 32 to 256 visible ASCII "
                   "characters";

        } else if (*n == 1 && api_key_str_equal(&pepper, &peppers[0])) {
            return "holds the same pepper twice";
        }

        peppers[(*n)++] = pepper;
    }

    return NULL;
}


int
api_key_secret_token(api_key_str_t *text, api_key_admin_token_t *token,
    unsigned *line, const char **reason)
{
    api_key_str_t  current;

    while (api_key_secret_next(text, &current)) {
        (*line)++;

        if (current.len == 0 || current.data[0] == '#') {
            continue;
        }

        *reason = api_key_secret_split(&current, token);

        return (*reason == NULL) ? 1 : -1;
    }

    return 0;
}


static const char *
api_key_secret_split(const api_key_str_t *line, api_key_admin_token_t *token)
{
    api_key_str_t  role, digest;

    digest = *line;

    if (!api_key_secret_part(&digest, &token->name)
        || !api_key_secret_part(&digest, &role))
    {
        return "is not \"name:role:sha256\"";
    }

    if (!api_key_secret_is_name(&token->name)) {
        return "has a name that is not 1 to 64 characters of [A-Za-z0-9._-]";
    }

    token->write = api_key_str_equal(&role, &api_key_write);

    if (!token->write && !api_key_str_equal(&role, &api_key_read)) {
        return "has a role that is neither \"read\" nor \"write\"";
    }

    if (!api_key_str_is_hex(&digest, API_KEY_DIGEST_LEN)) {
        return "has a digest that is not 64 lower-case hexadecimal digits";
    }

    memcpy(token->digest, digest.data, API_KEY_DIGEST_LEN);

    return NULL;
}


/* Takes what stands before the next colon; 0 when there is none. */

static int
api_key_secret_part(api_key_str_t *rest, api_key_str_t *part)
{
    const unsigned char  *colon;

    colon = memchr(rest->data, ':', rest->len);
    if (colon == NULL) {
        return 0;
    }

    part->len = (size_t) (colon - rest->data);
    part->data = rest->data;

    rest->len -= part->len + 1;
    rest->data = colon + 1;

    return 1;
}


static int
api_key_secret_is_name(const api_key_str_t *name)
{
    size_t         i;
    unsigned char  c;

    if (name->len == 0 || name->len > API_KEY_TOKEN_NAME) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!api_key_is_alnum(c) && c != '.' && c != '_' && c != '-') {
            return 0;
        }
    }

    return 1;
}


static int
api_key_secret_is_pepper(const api_key_str_t *line)
{
    size_t  i;

    if (line->len < API_KEY_PEPPER_MIN || line->len > API_KEY_PEPPER_MAX) {
        return 0;
    }

    for (i = 0; i < line->len; i++) {
        if (line->data[i] < 0x21 || line->data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}


/* Takes the next line without its end; 0 at the end of the text. */

static int
api_key_secret_next(api_key_str_t *text, api_key_str_t *line)
{
    size_t                taken;
    const unsigned char  *end;

    if (text->len == 0) {
        return 0;
    }

    *line = *text;
    taken = text->len;

    end = memchr(text->data, '\n', text->len);

    if (end != NULL) {
        line->len = (size_t) (end - text->data);
        taken = line->len + 1;

        if (line->len != 0 && line->data[line->len - 1] == '\r') {
            line->len--;
        }
    }

    text->data += taken;
    text->len -= taken;

    return 1;
}


/* Drops the line ends at the end, and with them the empty lines there. */

static void
api_key_secret_trim(api_key_str_t *text)
{
    while (text->len != 0 && text->data[text->len - 1] == '\n') {
        text->len--;

        if (text->len != 0 && text->data[text->len - 1] == '\r') {
            text->len--;
        }
    }
}
