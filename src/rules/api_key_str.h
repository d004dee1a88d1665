/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A counted string as the rules see it, laid out like nginx's ngx_str_t.  It
 * never owns its bytes and is not terminated by a zero.
 */

#ifndef _API_KEY_STR_H_INCLUDED_
#define _API_KEY_STR_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <string.h>


typedef struct {
    size_t                len;
    const unsigned char  *data;
} api_key_str_t;


#define api_key_string(s)                                                     \
    { sizeof(s) - 1, (const unsigned char *) (s) }


static inline int
api_key_str_equal(const api_key_str_t *a, const api_key_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static inline unsigned char
api_key_lower(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? (unsigned char) (c | 0x20) : c;
}


/* Whether c is an ASCII letter or digit. */

static inline int
api_key_is_alnum(unsigned char c)
{
    return ((unsigned) (c - '0') < 10) | ((unsigned) ((c | 0x20) - 'a') < 26);
}


/* The value of a hexadecimal digit, or -1. */

static inline int
api_key_hex(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c = api_key_lower(c);

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


/* Whether text is exactly len lower-case hexadecimal digits. */

static inline int
api_key_str_is_hex(const api_key_str_t *text, size_t len)
{
    size_t  i;

    if (text->len != len) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (api_key_hex(text->data[i]) == -1
            || text->data[i] != api_key_lower(text->data[i]))
        {
            return 0;
        }
    }

    return 1;
}


#endif /* _API_KEY_STR_H_INCLUDED_ */
