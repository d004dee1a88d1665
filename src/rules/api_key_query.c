/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Queries and cookies as lists of pieces.
 */

#include "api_key_query.h"


static size_t api_key_query_char(const unsigned char *p,
    const unsigned char *end, unsigned *c);
static int api_key_is_blank(unsigned char c);
static int api_key_is_token(unsigned char c);


int
api_key_piece_next(api_key_str_t *rest, api_key_list_e list,
    api_key_piece_t *piece)
{
    const unsigned char  *p, *end, *start;

    start = rest->data;

    if (start == NULL) {
        return 0;
    }

    end = start + rest->len;
    p = (rest->len) ? memchr(start, list, rest->len) : NULL;

    if (p) {
        rest->data = p + 1;
        rest->len = (size_t) (end - p - 1);
        end = p;

    } else {
        rest->data = NULL;
        rest->len = 0;
    }

    piece->whole.data = start;
    piece->whole.len = (size_t) (end - start);

    if (list == API_KEY_COOKIE) {
        while (start < end && api_key_is_blank(*start)) {
            start++;
        }
    }

    p = (end > start) ? memchr(start, '=', (size_t) (end - start)) : NULL;

    piece->name.data = start;
    piece->name.len = (size_t) ((p ? p : end) - start);
    piece->value.data = p ? p + 1 : end;
    piece->value.len = (size_t) (end - piece->value.data);

    if (list == API_KEY_COOKIE) {
        while (piece->name.len
               && api_key_is_blank(piece->name.data[piece->name.len - 1]))
        {
            piece->name.len--;
        }

        while (piece->value.len && api_key_is_blank(*piece->value.data)) {
            piece->value.data++;
            piece->value.len--;
        }

        while (piece->value.len
               && api_key_is_blank(piece->value.data[piece->value.len - 1]))
        {
            piece->value.len--;
        }
    }

    return 1;
}


int
api_key_piece_named(const api_key_piece_t *piece, api_key_list_e list,
    const api_key_str_t *lowcase)
{
    size_t                i;
    unsigned              c;
    const unsigned char  *p, *end;

    /* no escape makes a name longer */

    if (piece->name.len < lowcase->len) {
        return 0;
    }

    p = piece->name.data;
    end = p + piece->name.len;

    for (i = 0; i < lowcase->len; i++) {

        if (p == end) {
            return 0;
        }

        if (list == API_KEY_QUERY) {
            p += api_key_query_char(p, end, &c);

        } else {
            c = *p++;
        }

        if (c > 0xff || api_key_lower((unsigned char) c) != lowcase->data[i]) {
            return 0;
        }
    }

    return p == end;
}


size_t
api_key_query_decode(unsigned char *dst, const api_key_str_t *src)
{
    unsigned              c;
    unsigned char        *last;
    const unsigned char  *p, *end;

    last = dst;
    p = src->data;
    end = p + src->len;

    while (p < end) {
        p += api_key_query_char(p, end, &c);

        /* a character beyond Latin 1 is in no key: any such byte will do */

        *last++ = (unsigned char) (c > 0xff ? 0xff : c);
    }

    return (size_t) (last - dst);
}


/* One character, escaped or not; returns how many bytes it takes. */

static size_t
api_key_query_char(const unsigned char *p, const unsigned char *end,
    unsigned *c)
{
    int       h;
    size_t    i, digits, skip;

    *c = *p;

    if (*p != '%') {
        return 1;
    }

    skip = (end - p > 1 && (p[1] == 'u' || p[1] == 'U')) ? 2 : 1;
    digits = (skip == 2) ? 4 : 2;

    if ((size_t) (end - p) < skip + digits) {
        return 1;
    }

    *c = 0;

    for (i = 0; i < digits; i++) {
        h = api_key_hex(p[skip + i]);

        if (h < 0) {
            *c = '%';
            return 1;
        }

        *c = *c * 16 + (unsigned) h;
    }

    return skip + digits;
}


size_t
api_key_query_encode(unsigned char *dst, const api_key_str_t *src)
{
    size_t          i;
    unsigned char   c, *last;

    static const char  hex[] = "0123456789ABCDEF";

    last = dst;

    for (i = 0; i < src->len; i++) {
        c = src->data[i];

        if ((c >= '0' && c <= '9')
            || (api_key_lower(c) >= 'a' && api_key_lower(c) <= 'z')
            || c == '-' || c == '.' || c == '_' || c == '~')
        {
            *last++ = c;
            continue;
        }

        *last++ = '%';
        *last++ = (unsigned char) hex[c >> 4];
        *last++ = (unsigned char) hex[c & 15];
    }

    return (size_t) (last - dst);
}


size_t
api_key_list_without(unsigned char *dst, const api_key_str_t *text,
    api_key_list_e list, api_key_piece_pt chosen, void *data,
    const api_key_str_t *replacement, size_t *removed)
{
    size_t           n;
    unsigned char   *last;
    api_key_str_t    rest, copy;
    api_key_piece_t  piece;

    n = 0;
    last = dst;
    rest = *text;
    *removed = 0;

    while (api_key_piece_next(&rest, list, &piece)) {
        copy = piece.whole;

        if (chosen(&piece, data)) {
            (*removed)++;

            if (replacement == NULL || *removed > 1) {
                continue;
            }

            copy = *replacement;
        }

        if (n++) {
            *last++ = (unsigned char) list;

            if (list == API_KEY_COOKIE && copy.data != piece.whole.data) {
                *last++ = ' ';
            }

        } else if (list == API_KEY_COOKIE) {

            while (copy.len && api_key_is_blank(*copy.data)) {
                copy.data++;
                copy.len--;
            }
        }

        memcpy(last, copy.data, copy.len);
        last += copy.len;
    }

    if (replacement && *removed == 0) {

        if (last > dst) {
            *last++ = (unsigned char) list;

            if (list == API_KEY_COOKIE) {
                *last++ = ' ';
            }
        }

        memcpy(last, replacement->data, replacement->len);
        last += replacement->len;
    }

    return (size_t) (last - dst);
}


size_t
api_key_list_masked(unsigned char *dst, const api_key_str_t *text,
    api_key_list_e list, api_key_piece_pt chosen, void *data, size_t *masked)
{
    size_t                n;
    unsigned char        *last;
    api_key_str_t         rest;
    api_key_piece_t       piece;
    const unsigned char  *from;

    last = dst;
    from = text->data;
    rest = *text;
    *masked = 0;

    while (api_key_piece_next(&rest, list, &piece)) {

        if (piece.value.len == 0 || !chosen(&piece, data)) {
            continue;
        }

        n = (size_t) (piece.value.data - from);
        memcpy(last, from, n);
        last += n;

        memcpy(last, "***", 3);
        last += 3;

        from = piece.value.data + piece.value.len;
        (*masked)++;
    }

    if (text->len) {
        n = (size_t) (text->data + text->len - from);
        memcpy(last, from, n);
        last += n;
    }

    return (size_t) (last - dst);
}


int
api_key_method_in(const api_key_str_t *text, const api_key_str_t *method)
{
    size_t  i, k;

    for (i = 0; i + method->len <= text->len; i++) {

        if (i && api_key_is_token(text->data[i - 1])) {
            continue;
        }

        for (k = 0; k < method->len; k++) {
            if (api_key_lower(text->data[i + k])
                != api_key_lower(method->data[k]))
            {
                break;
            }
        }

        if (k == method->len
            && (i + k == text->len || !api_key_is_token(text->data[i + k])))
        {
            return 1;
        }
    }

    return 0;
}


static int
api_key_is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}


/* what a method may be made of (RFC 9110, "tchar") */

static int
api_key_is_token(unsigned char c)
{
    static const char  other[] = "!#$%&'*+-.^_`|~";

    return (c >= '0' && c <= '9')
           || (api_key_lower(c) >= 'a' && api_key_lower(c) <= 'z')
           || memchr(other, c, sizeof(other) - 1) != NULL;
}
