/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What a key looks like: the form of an issued key with its checksum, and the
 * bounds of an imported one.
 */

#ifndef _API_KEY_TOKEN_H_INCLUDED_
#define _API_KEY_TOKEN_H_INCLUDED_


#include "api_key_str.h"


#define API_KEY_PREFIX_MAX    16
#define API_KEY_RANDOM_LEN    30
#define API_KEY_CHECKSUM_LEN  6
#define API_KEY_TOKEN_MIN     16
#define API_KEY_TOKEN_MAX     256

/* the longest issued key: prefix, "_", random digits, checksum */
#define API_KEY_ISSUED_MAX                                                    \
    (API_KEY_PREFIX_MAX + 1 + API_KEY_RANDOM_LEN + API_KEY_CHECKSUM_LEN)


/* Fills buf with len random bytes; returns 0, or -1 when there are none. */

typedef int (*api_key_random_pt)(unsigned char *buf, size_t len);


/*
 * Whether prefix is [a-z0-9]{1,16}.  Returns 0, or -1 when it is not.
 */

int api_key_prefix_check(const api_key_str_t *prefix);


/*
 * Whether token can be a key of a store whose issued keys begin with prefix
 * and "_": 16 to 256 visible ASCII characters; and, where it is exactly
 * PREFIX_ and 36 base62 digits, with the right checksum.  Returns 0, or -1
 * when it is malformed.
 */

int api_key_token_check(const api_key_str_t *token,
    const api_key_str_t *prefix);


/*
 * Writes a new key, PREFIX_ + 30 base62 digits + 6 base62 digits of CRC-32
 * (zlib's) over what stands before, to token (API_KEY_ISSUED_MAX bytes).
 * Random bytes that would favour some digits are thrown away.  Returns the
 * key's length, or 0 when the source of random bytes failed.
 */

size_t api_key_token_make(unsigned char *token, const api_key_str_t *prefix,
    api_key_random_pt random);


#endif /* _API_KEY_TOKEN_H_INCLUDED_ */
