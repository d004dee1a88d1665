/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Digests by OpenSSL: SHA-256, HMAC-SHA-256, comparison and random bytes.
 *
 * OpenSSL 3 would rather have its EVP functions called, and these allocate and
 * free two blocks for each hash: as much work as the hash of a key itself.
 */

#include <stdlib.h>

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "api_key_digest.h"


#define API_KEY_INNER_PAD     0x36
#define API_KEY_OUTER_PAD     0x5c


struct api_key_digest_s {
    int               hmac;
    SHA256_CTX        inner;              /* HMAC's two halves, their padded */
    SHA256_CTX        outer;              /* key hashed already */
    api_key_str_t     pepper;
    unsigned char     pepper_id[API_KEY_PEPPER_ID];
};


static void api_key_digest_key(api_key_digest_t *digest,
    const api_key_str_t *pepper);
static void api_key_digest_pad(SHA256_CTX *ctx, const unsigned char *key,
    unsigned char pad);
static void api_key_digest_sha256(const unsigned char *data, size_t len,
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

    if (pepper == NULL) {
        digest->pepper = api_key_no_pepper;
        return digest;
    }

    api_key_digest_key(digest, pepper);

    return digest;
}


void
api_key_digest_free(api_key_digest_t *digest)
{
    if (digest == NULL) {
        return;
    }

    /* with these two one could make digests as with the pepper itself */

    OPENSSL_cleanse(digest, sizeof(api_key_digest_t));

    free(digest);
}


static void
api_key_digest_key(api_key_digest_t *digest, const api_key_str_t *pepper)
{
    unsigned char  hash[SHA256_DIGEST_LENGTH], key[SHA256_CBLOCK];

    api_key_digest_sha256(pepper->data, pepper->len, hash);

    api_key_digest_hex(digest->pepper_id, hash, API_KEY_PEPPER_ID / 2);

    digest->pepper.len = API_KEY_PEPPER_ID;
    digest->pepper.data = digest->pepper_id;

    memset(key, 0, sizeof(key));

    if (pepper->len <= sizeof(key)) {
        memcpy(key, pepper->data, pepper->len);

    } else {
        memcpy(key, hash, sizeof(hash));
    }

    digest->hmac = 1;

    api_key_digest_pad(&digest->inner, key, API_KEY_INNER_PAD);
    api_key_digest_pad(&digest->outer, key, API_KEY_OUTER_PAD);

    OPENSSL_cleanse(hash, sizeof(hash));
    OPENSSL_cleanse(key, sizeof(key));
}


static void
api_key_digest_pad(SHA256_CTX *ctx, const unsigned char *key,
    unsigned char pad)
{
    size_t         i;
    unsigned char  block[SHA256_CBLOCK];

    for (i = 0; i < sizeof(block); i++) {
        block[i] = key[i] ^ pad;
    }

    SHA256_Init(ctx);
    SHA256_Update(ctx, block, sizeof(block));

    OPENSSL_cleanse(block, sizeof(block));
}


static void
api_key_digest_sha256(const unsigned char *data, size_t len,
    unsigned char *hash)
{
    SHA256_CTX  ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, data, len);
    SHA256_Final(hash, &ctx);
}


void
api_key_digest(const api_key_digest_t *digest, const api_key_str_t *text,
    unsigned char *hex)
{
    SHA256_CTX     ctx;
    unsigned char  hash[SHA256_DIGEST_LENGTH];

    if (digest->hmac) {
        ctx = digest->inner;
        SHA256_Update(&ctx, text->data, text->len);
        SHA256_Final(hash, &ctx);

        ctx = digest->outer;
        SHA256_Update(&ctx, hash, sizeof(hash));
        SHA256_Final(hash, &ctx);

    } else {
        api_key_digest_sha256(text->data, text->len, hash);
    }

    api_key_digest_hex(hex, hash, sizeof(hash));
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
