/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the text of secret files: a first line, peppers and admin tokens lie
 * within the text and their bounds, and what was accepted is accepted again
 * when written plainly.
 */

#include "api_key_secret.h"

#include "fuzz.h"


static void
line_of(const api_key_str_t *text)
{
    size_t         i;
    api_key_str_t  line, again;

    if (api_key_secret_line(text, &line) != NULL) {
        return;
    }

    check(line.len && within(&line, text) && line.data == text->data);

    for (i = 0; i < line.len; i++) {
        check(line.data[i] >= 0x20 && line.data[i] != 0x7f);
    }

    check(api_key_secret_line(&line, &again) == NULL);
    check(api_key_str_equal(&line, &again));
}


static void
peppers_of(const api_key_str_t *text)
{
    size_t          i, n, k, m;
    unsigned        line;
    const char     *reason;
    unsigned char   buf[API_KEY_PEPPERS * (API_KEY_PEPPER_MAX + 1)], *p;
    api_key_str_t   peppers[API_KEY_PEPPERS], again[API_KEY_PEPPERS], plain;

    line = 0;
    reason = api_key_secret_peppers(text, peppers, &n, &line);

    if (reason) {
        check(line >= 1);
        return;
    }

    check(n >= 1 && n <= API_KEY_PEPPERS);
    check(peppers[0].data);

    p = buf;

    for (i = 0; i < n; i++) {

        if (peppers[i].data == NULL) {
            memcpy(p, "none\n", 5);
            p += 5;
            continue;
        }

        check(within(&peppers[i], text));
        check(peppers[i].len >= API_KEY_PEPPER_MIN);
        check(peppers[i].len <= API_KEY_PEPPER_MAX);

        for (k = 0; k < peppers[i].len; k++) {
            check(peppers[i].data[k] > 0x20 && peppers[i].data[k] < 0x7f);
            *p++ = peppers[i].data[k];
        }

        *p++ = '\n';
    }

    plain.data = buf;
    plain.len = (size_t) (p - buf);

    check(api_key_secret_peppers(&plain, again, &m, &line) == NULL);
    check(m == n);

    for (i = 0; i < n; i++) {
        check((again[i].data == NULL) == (peppers[i].data == NULL));
        check(again[i].data == NULL
              || api_key_str_equal(&again[i], &peppers[i]));
    }
}


static void
tokens_of(const api_key_str_t *text)
{
    int                    rc, len;
    char                   buf[256];
    size_t                 i;
    unsigned               line, before, first;
    const char            *reason;
    api_key_str_t          rest, plain, digest;
    api_key_admin_token_t  token, again;

    line = 0;
    rest = *text;

    for ( ;; ) {
        before = line;
        reason = NULL;
        rc = api_key_secret_token(&rest, &token, &line, &reason);

        if (rc == 0) {
            break;
        }

        check(line > before);

        if (rc == -1) {
            check(reason);
            break;
        }

        check(rc == 1 && within(&token.name, text));
        check(token.name.len >= 1 && token.name.len <= API_KEY_TOKEN_NAME);

        for (i = 0; i < token.name.len; i++) {
            check(api_key_is_alnum(token.name.data[i])
                  || memchr("._-", token.name.data[i], 3));
        }

        digest.data = token.digest;
        digest.len = API_KEY_DIGEST_LEN;
        check(api_key_str_is_hex(&digest, API_KEY_DIGEST_LEN));

        len = snprintf(buf, sizeof(buf), "%.*s:%s:%.*s\n",
                       (int) token.name.len, (const char *) token.name.data,
                       token.write ? "write" : "read",
                       API_KEY_DIGEST_LEN, (const char *) token.digest);

        plain.data = (const unsigned char *) buf;
        plain.len = (size_t) len;
        first = 0;

        check(api_key_secret_token(&plain, &again, &first, &reason) == 1);
        check(api_key_str_equal(&token.name, &again.name));
        check(token.write == again.write);
        check(memcmp(token.digest, again.digest, API_KEY_DIGEST_LEN) == 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    api_key_str_t   text;
    unsigned char  *copy;

    copy = copy_of(data, size);
    text.data = copy;
    text.len = size;

    line_of(&text);
    peppers_of(&text);
    tokens_of(&text);

    free(copy);

    return 0;
}
