/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards queries and cookies: pieces lie within the text and make it up again,
 * a removed name is gone and all else stays, a mask shows nothing it hides,
 * and escapes can be read back.  The input's first byte picks the kind.
 */

#include "api_key_query.h"

#include "fuzz.h"


static api_key_str_t  name = api_key_string("key");


static int
chosen(const api_key_piece_t *piece, void *data)
{
    return api_key_piece_named(piece, *(api_key_list_e *) data, &name);
}


/* The pieces that are not chosen, joined; the slow way. */

static size_t
others(unsigned char *dst, const api_key_str_t *text, api_key_list_e list,
    size_t *found)
{
    size_t           n;
    unsigned char   *last;
    api_key_str_t    rest, whole, after;
    api_key_piece_t  piece;

    n = 0;
    last = dst;
    rest = *text;
    *found = 0;
    after = *text;

    while (api_key_piece_next(&rest, list, &piece)) {
        check(within(&piece.whole, text));
        check(within(&piece.name, &piece.whole));
        check(within(&piece.value, &piece.whole));
        check(piece.whole.data == after.data);
        check(memchr(piece.whole.data, list, piece.whole.len) == NULL);

        after.data = piece.whole.data + piece.whole.len + 1;

        if (chosen(&piece, &list)) {
            (*found)++;
            continue;
        }

        whole = piece.whole;

        if (n++) {
            *last++ = (unsigned char) list;

        } else if (list == API_KEY_COOKIE) {
            while (whole.len && (*whole.data == ' ' || *whole.data == '\t')) {
                whole.data++;
                whole.len--;
            }
        }

        memcpy(last, whole.data, whole.len);
        last += whole.len;
    }

    check(after.data == text->data + text->len + 1);

    return (size_t) (last - dst);
}


static void
removal(const api_key_str_t *text, api_key_list_e list)
{
    size_t          found, removed, again, n, len;
    api_key_str_t   left, replacement = api_key_string("key=own");
    unsigned char  *expected, *got;

    expected = malloc(text->len + 1);
    got = malloc(text->len + 1);
    check(expected && got);

    n = others(expected, text, list, &found);
    len = api_key_list_without(got, text, list, chosen, &list, NULL, &removed);

    check(removed == found);
    check(len == n && memcmp(got, expected, n) == 0);

    left.data = got;
    left.len = len;

    others(expected, &left, list, &again);
    check(again == 0);

    free(got);

    got = malloc(text->len + replacement.len + 2);
    check(got);

    left.data = got;
    left.len = api_key_list_without(got, text, list, chosen, &list,
                                    &replacement, &removed);

    free(expected);
    expected = malloc(left.len + 1);
    check(expected);

    check(removed == found);
    others(expected, &left, list, &again);
    check(again == 1);

    free(got);
    free(expected);
}


static void
mask(const api_key_str_t *text, api_key_list_e list)
{
    size_t           len, masked, left, seen;
    unsigned char   *got;
    api_key_str_t    rest, shown;
    api_key_piece_t  before, after;

    got = malloc(3 * text->len + 1);
    check(got);

    len = api_key_list_masked(got, text, list, chosen, &list, &masked);
    check(len <= 3 * text->len);

    rest = *text;
    seen = 0;
    left = 0;
    shown.data = got;
    shown.len = len;

    while (api_key_piece_next(&rest, list, &before)) {
        check(api_key_piece_next(&shown, list, &after));

        if (before.value.len && chosen(&before, &list)) {
            check(after.value.len == 3
                  && memcmp(after.value.data, "***", 3) == 0);
            seen++;

        } else {
            check(api_key_str_equal(&before.whole, &after.whole));
            left++;
        }
    }

    check(seen == masked);
    check(!api_key_piece_next(&shown, list, &after));
    check(masked || len == text->len);

    free(got);
}


static void
escapes(const api_key_str_t *text)
{
    size_t          i;
    unsigned char  *plain, *got;
    api_key_str_t   escaped;

    plain = malloc(text->len + 1);
    got = malloc(3 * text->len + 1);
    check(plain && got);

    check(api_key_query_decode(plain, text) <= text->len);

    escaped.data = got;
    escaped.len = api_key_query_encode(got, text);

    for (i = 0; i < escaped.len; i++) {
        check(api_key_is_alnum(got[i]) || memchr("-._~%", got[i], 5));
    }

    free(plain);
    plain = malloc(escaped.len + 1);
    check(plain);

    check(api_key_query_decode(plain, &escaped) == text->len);
    check(text->len == 0 || memcmp(plain, text->data, text->len) == 0);

    free(plain);
    free(got);
}


static void
method(const api_key_str_t *text)
{
    int             in;
    unsigned char  *quoted;
    api_key_str_t   longer, delete = api_key_string("DELETE");

    in = api_key_method_in(text, &delete);

    quoted = malloc(text->len + 4);
    check(quoted);

    quoted[0] = ' ';
    quoted[1] = '"';
    memcpy(quoted + 2, text->data, text->len);
    quoted[text->len + 2] = '"';
    quoted[text->len + 3] = ';';

    longer.data = quoted;
    longer.len = text->len + 4;

    check(api_key_method_in(&longer, &delete) == in);

    free(quoted);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    api_key_str_t    text;
    unsigned char   *copy;
    api_key_list_e   list;

    if (size == 0) {
        return 0;
    }

    list = (data[0] & 1) ? API_KEY_COOKIE : API_KEY_QUERY;
    copy = copy_of(data + 1, size - 1);

    text.data = copy;
    text.len = size - 1;

    removal(&text, list);
    mask(&text, list);
    escapes(&text);
    method(&text);

    free(copy);

    return 0;
}
