/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the fuzz targets have in common.  Input is copied to blocks of exactly
 * its size, so that the sanitizer sees each byte read beyond.
 */

#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>

#include "api_key_str.h"


#define check(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,        \
                    #condition);                                              \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static inline unsigned char *
copy_of(const void *data, size_t len)
{
    unsigned char  *copy;

    copy = malloc(len ? len : 1);
    check(copy);

    if (len) {
        memcpy(copy, data, len);
    }

    return copy;
}


/* Whether part lies within whole. */

static inline int
within(const api_key_str_t *part, const api_key_str_t *whole)
{
    return part->data >= whole->data
           && part->data + part->len <= whole->data + whole->len;
}


/* Takes what stands before the next stop off the input. */

static inline api_key_str_t
take(const uint8_t **data, size_t *size, int stop)
{
    api_key_str_t   part;
    const uint8_t  *end;

    end = *size ? memchr(*data, stop, *size) : NULL;

    part.data = *data;
    part.len = end ? (size_t) (end - *data) : *size;

    *data += part.len + (end != NULL);
    *size -= part.len + (end != NULL);

    return part;
}


#endif /* _FUZZ_H_INCLUDED_ */
