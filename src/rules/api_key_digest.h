/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Hashes of keys and tokens.  The only file that knows OpenSSL's hashing.
 */

#ifndef _API_KEY_DIGEST_H_INCLUDED_
#define _API_KEY_DIGEST_H_INCLUDED_


#include "api_key_str.h"


#define API_KEY_HASH_LEN     32       /* bytes */
#define API_KEY_MARK_LEN     10       /* bytes, the first ones of a hash */
#define API_KEY_DIGEST_LEN   64       /* a hash as lower-case hex digits */
#define API_KEY_ID_LEN       20       /* the first digits of a digest */
#define API_KEY_PEPPER_ID    8        /* hex digits, or "none" */


/*
 * One way to make digests: SHA-256, or HMAC-SHA-256 (RFC 2104) under a
 * pepper.
 */

typedef struct api_key_digest_s  api_key_digest_t;


/*
 * Makes a hasher; pepper NULL means plain SHA-256.  Returns NULL when out of
 * memory.  The caller frees it.
 */

api_key_digest_t *api_key_digest_create(const api_key_str_t *pepper);
void api_key_digest_free(api_key_digest_t *digest);


/* Writes the hash of text, API_KEY_HASH_LEN bytes, to hash. */

void api_key_digest(const api_key_digest_t *digest, const api_key_str_t *text,
    unsigned char *hash);


/* Writes a hash as API_KEY_DIGEST_LEN digits, not terminated, to hex. */

void api_key_digest_hex(unsigned char *hex, const unsigned char *hash);


/*
 * Writes what 2 * len lower-case hex digits stand for to bytes, len of them.
 * Other characters are taken for some digit.
 */

void api_key_digest_bytes(unsigned char *bytes, const unsigned char *hex,
    size_t len);


/*
 * What a record says of its pepper: the first 8 hex digits of SHA-256 of the
 * pepper, or "none".  The string lives as long as the hasher.
 */

const api_key_str_t *api_key_digest_pepper(const api_key_digest_t *digest);


/* Compares len bytes in constant time.  Returns 1 when they are equal. */

int api_key_digest_equal(const unsigned char *a, const unsigned char *b,
    size_t len);


/* OpenSSL's CSPRNG as an api_key_random_pt.  Returns 0, or -1 on failure. */

int api_key_digest_random(unsigned char *buf, size_t len);


#endif /* _API_KEY_DIGEST_H_INCLUDED_ */
