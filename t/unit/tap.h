/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Assertions of the unit tests, printed as TAP, and counted strings for them.
 */

#ifndef _API_KEY_TAP_H_INCLUDED_
#define _API_KEY_TAP_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_key_str.h"


#define TAP_TEXTS  4096


static int    tap_run;
static int    tap_failed;
static int    tap_ntexts;
static void  *tap_texts[TAP_TEXTS];


static inline int
ok(int good, const char *name)
{
    tap_run++;
    tap_failed += !good;

    printf("%sok %d - %s\n", good ? "" : "not ", tap_run, name);

    return good;
}


static inline void
is_int(long long got, long long want, const char *name)
{
    if (!ok(got == want, name)) {
        printf("#   got %lld, want %lld\n", got, want);
    }
}


/* Compares C strings; NULL is equal to NULL only. */

static inline void
is_text(const char *got, const char *want, const char *name)
{
    int  same;

    same = (got == NULL || want == NULL) ? got == want
                                         : strcmp(got, want) == 0;

    if (!ok(same, name)) {
        printf("#   got %s, want %s\n", got ? got : "NULL",
               want ? want : "NULL");
    }
}


/* Compares len bytes with a C string. */

static inline void
is_bytes(const unsigned char *got, size_t len, const char *want,
    const char *name)
{
    int  same;

    same = len == strlen(want) && (len == 0 || memcmp(got, want, len) == 0);

    if (!ok(same, name)) {
        printf("#   got \"%.*s\", want \"%s\"\n", (int) len,
               got ? (const char *) got : "", want);
    }
}


static inline void
is_str(const api_key_str_t *got, const char *want, const char *name)
{
    is_bytes(got->data, got->len, want, name);
}


/*
 * A counted string in a block of just its size, so that a sanitizer sees a
 * byte read beyond its end.  done() frees it.
 */

static inline api_key_str_t
bytes(const void *data, size_t len)
{
    void           *copy;
    api_key_str_t   text;

    copy = malloc(len ? len : 1);
    if (copy == NULL || tap_ntexts == TAP_TEXTS) {
        printf("Bail out! no memory for another string\n");
        exit(2);
    }

    memcpy(copy, data, len);
    tap_texts[tap_ntexts++] = copy;

    text.len = len;
    text.data = copy;

    return text;
}


static inline api_key_str_t
str(const char *text)
{
    return bytes(text, strlen(text));
}


/* A string of one character n times. */

static inline api_key_str_t
repeat(int c, size_t n)
{
    char  text[512];

    memset(text, c, sizeof(text));

    return bytes(text, n);
}


/* Prints the plan; what main() returns. */

static inline int
done(void)
{
    while (tap_ntexts != 0) {
        free(tap_texts[--tap_ntexts]);
    }

    printf("1..%d\n", tap_run);

    return tap_failed != 0;
}


#endif /* _API_KEY_TAP_H_INCLUDED_ */
