/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Digests by OpenSSL: SHA-256, HMAC-SHA-256, comparison and random bytes.
 */

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "api_key_digest.h"


#define API_KEY_HASH_LEN      32          /* SHA-256 in bytes */
#define API_KEY_BLOCK_LEN     64          /* SHA-256's block, for HMAC */

#define API_KEY_INNER_PAD     0x36
#define API_KEY_OUTER_PAD     0x5c


struct api_key_digest_s {
    EVP_MD           *md;
    EVP_MD_CTX       *ctx;                /* the one that works */

    /*
     * Where a hash begins: nowhere, and with a pepper the two halves of HMAC,
     * their padded key hashed already.  A copy of these is faster than
     * EVP_DigestInit_ex(), and than EVP_MAC, which in OpenSSL 3.0 costs a
     * third more when it is restarted, and thrice as much when duplicated.
     */

    EVP_MD_CTX       *plain;
    EVP_MD_CTX       *inner;
    EVP_MD_CTX       *outer;

    api_key_str_t     pepper;
    unsigned char     pepper_id[API_KEY_PEPPER_ID];
};


static int api_key_digest_init(api_key_digest_t *digest,
    const api_key_str_t *pepper);
static int api_key_digest_name_pepper(api_key_digest_t *digest,
    const api_key_str_t *pepper);
static int api_key_digest_key(api_key_digest_t *digest,
    const api_key_str_t *pepper);
static EVP_MD_CTX *api_key_digest_pad(api_key_digest_t *digest,
    const unsigned char *key, unsigned char pad);
static EVP_MD_CTX *api_key_digest_begin(api_key_digest_t *digest,
    const unsigned char *data, size_t len);
static int api_key_digest_hash(api_key_digest_t *digest,
    const EVP_MD_CTX *begin, const unsigned char *data, size_t len,
    unsigned char *hash);
static void api_key_digest_hex(unsigned char *hex, const unsigned char *hash,
    size_t len);


static const api_key_str_t  api_key_no_pepper = api_key_string("none");


api_key_digest_t *
api_key_digest_create(const api_key_str_t *pepper)
{
    api_key_digest_t  *digest;

    digest = calloc(1, sizeof(api_key_digest_t));
    if (digest == NULL) {
        return NULL;
    }

    if (api_key_digest_init(digest, pepper) != 0) {
        api_key_digest_free(digest);
        return NULL;
    }

    return digest;
}


void
api_key_digest_free(api_key_digest_t *digest)
{
    if (digest == NULL) {
        return;
    }

    /* these clear their state, so nothing of the pepper is left behind */

    EVP_MD_CTX_free(digest->outer);
    EVP_MD_CTX_free(digest->inner);
    EVP_MD_CTX_free(digest->plain);
    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);

    free(digest);
}


static int
api_key_digest_init(api_key_digest_t *digest, const api_key_str_t *pepper)
{
    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (digest->md == NULL) {
        return -1;
    }

    digest->ctx = EVP_MD_CTX_new();
    if (digest->ctx == NULL) {
        return -1;
    }

    digest->plain = api_key_digest_begin(digest, NULL, 0);
    if (digest->plain == NULL) {
        return -1;
    }

    if (pepper == NULL) {
        digest->pepper = api_key_no_pepper;
        return 0;
    }

    if (api_key_digest_name_pepper(digest, pepper) != 0) {
        return -1;
    }

    return api_key_digest_key(digest, pepper);
}


static int
api_key_digest_name_pepper(api_key_digest_t *digest,
    const api_key_str_t *pepper)
{
    unsigned char  hash[API_KEY_HASH_LEN];

    if (api_key_digest_hash(digest, digest->plain, pepper->data, pepper->len,
                            hash)
        != 0)
    {
        return -1;
    }

    api_key_digest_hex(digest->pepper_id, hash, API_KEY_PEPPER_ID / 2);

    digest->pepper.len = API_KEY_PEPPER_ID;
    digest->pepper.data = digest->pepper_id;

    /* a long pepper's hash is the HMAC key itself */

    OPENSSL_cleanse(hash, sizeof(hash));

    return 0;
}


static int
api_key_digest_key(api_key_digest_t *digest, const api_key_str_t *pepper)
{
    int            rc;
    unsigned char  key[API_KEY_BLOCK_LEN];

    rc = 0;
    memset(key, 0, sizeof(key));

    if (pepper->len <= sizeof(key)) {
        memcpy(key, pepper->data, pepper->len);

    } else {
        rc = api_key_digest_hash(digest, digest->plain, pepper->data,
                                 pepper->len, key);
    }

    if (rc == 0) {
        digest->inner = api_key_digest_pad(digest, key, API_KEY_INNER_PAD);
        digest->outer = api_key_digest_pad(digest, key, API_KEY_OUTER_PAD);

        rc = (digest->inner == NULL || digest->outer == NULL) ? -1 : 0;
    }

    OPENSSL_cleanse(key, sizeof(key));

    return rc;
}


static EVP_MD_CTX *
api_key_digest_pad(api_key_digest_t *digest, const unsigned char *key,
    unsigned char pad)
{
    size_t          i;
    EVP_MD_CTX     *ctx;
    unsigned char   block[API_KEY_BLOCK_LEN];

    for (i = 0; i < sizeof(block); i++) {
        block[i] = key[i] ^ pad;
    }

    ctx = api_key_digest_begin(digest, block, sizeof(block));

    OPENSSL_cleanse(block, sizeof(block));

    return ctx;
}


static EVP_MD_CTX *
api_key_digest_begin(api_key_digest_t *digest, const unsigned char *data,
    size_t len)
{
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    if (EVP_DigestInit_ex(ctx, digest->md, NULL) != 1
        || (len && EVP_DigestUpdate(ctx, data, len) != 1))
    {
        EVP_MD_CTX_free(ctx);
        return NULL;
    }

    return ctx;
}


int
api_key_digest(api_key_digest_t *digest, const api_key_str_t *text,
    unsigned char *hex)
{
    int            rc;
    unsigned char  hash[API_KEY_HASH_LEN];

    if (digest->inner == NULL) {
        rc = api_key_digest_hash(digest, digest->plain, text->data, text->len,
                                 hash);

    } else {
        rc = api_key_digest_hash(digest, digest->inner, text->data, text->len,
                                 hash)
             || api_key_digest_hash(digest, digest->outer, hash, sizeof(hash),
                                    hash);
    }

    if (rc != 0) {
        return -1;
    }

    api_key_digest_hex(hex, hash, sizeof(hash));

    return 0;
}


static int
api_key_digest_hash(api_key_digest_t *digest, const EVP_MD_CTX *begin,
    const unsigned char *data, size_t len, unsigned char *hash)
{
    if (EVP_MD_CTX_copy_ex(digest->ctx, begin) != 1
        || EVP_DigestUpdate(digest->ctx, data, len) != 1
        || EVP_DigestFinal_ex(digest->ctx, hash, NULL) != 1)
    {
        return -1;
    }

    return 0;
}


/* Nibbles first, then digits: a compiler makes few instructions of these. */

static void
api_key_digest_hex(unsigned char *hex, const unsigned char *hash, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        hex[2 * i] = hash[i] >> 4;
        hex[2 * i + 1] = hash[i] & 0xf;
    }

    for (i = 0; i < 2 * len; i++) {
        hex[i] += (hex[i] < 10) ? '0' : 'a' - 10;
    }
}


const api_key_str_t *
api_key_digest_pepper(const api_key_digest_t *digest)
{
    return &digest->pepper;
}


int
api_key_digest_equal(const unsigned char *a, const unsigned char *b,
    size_t len)
{
    size_t    i;
    uint64_t  x, y, differs;

    differs = 0;

    /*
     * Eight bytes at a time, where CRYPTO_memcmp() takes one.  The compiler
     * must not know what has been found so far, or it might stop early.
     */

    for (i = 0; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
        memcpy(&x, a + i, sizeof(uint64_t));
        memcpy(&y, b + i, sizeof(uint64_t));
        differs |= x ^ y;

        __asm__ volatile ("" : "+r" (differs));
    }

    for ( /* void */ ; i < len; i++) {
        differs |= a[i] ^ b[i];

        __asm__ volatile ("" : "+r" (differs));
    }

    return differs == 0;
}


int
api_key_digest_random(unsigned char *buf, size_t len)
{
    return RAND_bytes(buf, (int) len) == 1 ? 0 : -1;
}
