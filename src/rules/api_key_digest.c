/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Digests by OpenSSL: SHA-256, HMAC-SHA-256, comparison and random bytes.
 *
 * OpenSSL 3 would rather have its EVP functions called, and these allocate and
 * free two blocks for each hash: as much work as the hash of a key itself.  Of
 * its SHA256_*() only the block function is called for each key: the others
 * would gather in a buffer of theirs what is here in one piece.
 */

#include <stdlib.h>

#include <arpa/inet.h>

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "api_key_digest.h"


#define API_KEY_INNER_PAD     0x36
#define API_KEY_OUTER_PAD     0x5c


/* of the last block, whose last eight bytes are the message's length */

#define API_KEY_LAST          (SHA256_CBLOCK - 8)

struct api_key_digest_s {
    int               hmac;
    SHA256_CTX        inner;              /* SHA-256's beginning, or HMAC's two
                                             halves, their padded key */
    SHA256_CTX        outer;              /* hashed already */
    api_key_str_t     pepper;
    unsigned char     pepper_id[API_KEY_PEPPER_ID];
};


static void api_key_digest_key(api_key_digest_t *digest,
    const api_key_str_t *pepper);
static void api_key_digest_pad(SHA256_CTX *ctx, const unsigned char *key,
    unsigned char pad);
static void api_key_digest_rest(const SHA256_CTX *begun, size_t hashed,
    const unsigned char *data, size_t len, unsigned char *hash);
static void api_key_digest_word(unsigned char *p, uint32_t word);
static unsigned api_key_digest_value(unsigned char digit);


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
        SHA256_Init(&digest->inner);
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
    unsigned char  hash[API_KEY_HASH_LEN], key[SHA256_CBLOCK];
    unsigned char  hex[API_KEY_DIGEST_LEN];

    SHA256_Init(&digest->inner);
    api_key_digest_rest(&digest->inner, 0, pepper->data, pepper->len, hash);

    api_key_digest_hex(hex, hash);
    memcpy(digest->pepper_id, hex, API_KEY_PEPPER_ID);

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
    OPENSSL_cleanse(hex, sizeof(hex));
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


void
api_key_digest(const api_key_digest_t *digest, const api_key_str_t *text,
    unsigned char *hash)
{
    if (!digest->hmac) {
        api_key_digest_rest(&digest->inner, 0, text->data, text->len, hash);
        return;
    }

    api_key_digest_rest(&digest->inner, SHA256_CBLOCK, text->data, text->len,
                        hash);
    api_key_digest_rest(&digest->outer, SHA256_CBLOCK, hash, API_KEY_HASH_LEN,
                        hash);
}


/*
 * The hash of a message whose first bytes are hashed already, blocks of it,
 * and the rest of which is data: FIPS 180-4, 5.1.1 and 6.2.2.
 */

static void
api_key_digest_rest(const SHA256_CTX *begun, size_t hashed,
    const unsigned char *data, size_t len, unsigned char *hash)
{
    size_t         i;
    uint64_t       bits;
    SHA256_CTX     ctx;
    unsigned char  block[SHA256_CBLOCK];

    ctx = *begun;
    bits = (hashed + len) * 8;

    for ( /* void */ ; len >= sizeof(block); len -= sizeof(block)) {
        SHA256_Transform(&ctx, data);
        data += sizeof(block);
    }

    memset(block, 0, sizeof(block));
    memcpy(block, data, len);
    block[len] = 0x80;

    if (len >= API_KEY_LAST) {
        SHA256_Transform(&ctx, block);
        memset(block, 0, sizeof(block));
    }

    api_key_digest_word(block + sizeof(block) - 8, (uint32_t) (bits >> 32));
    api_key_digest_word(block + sizeof(block) - 4, (uint32_t) bits);

    SHA256_Transform(&ctx, block);

    for (i = 0; i < API_KEY_HASH_LEN / 4; i++) {
        api_key_digest_word(hash + 4 * i, ctx.h[i]);
    }
}


static void
api_key_digest_word(unsigned char *p, uint32_t word)
{
    word = htonl(word);

    memcpy(p, &word, sizeof(uint32_t));
}


/*
 * Nibbles first, then digits, of bytes that hex cannot overlap: a compiler
 * makes few instructions of these.
 */

void
api_key_digest_hex(unsigned char *hex, const unsigned char *hash)
{
    size_t         i;
    unsigned char  bytes[API_KEY_HASH_LEN];

    memcpy(bytes, hash, API_KEY_HASH_LEN);

    for (i = 0; i < API_KEY_HASH_LEN; i++) {
        hex[2 * i] = bytes[i] >> 4;
        hex[2 * i + 1] = bytes[i] & 0xf;
    }

    for (i = 0; i < API_KEY_DIGEST_LEN; i++) {
        hex[i] += (hex[i] < 10) ? '0' : 'a' - 10;
    }
}


void
api_key_digest_bytes(unsigned char *bytes, const unsigned char *hex, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        bytes[i] = (unsigned char) (api_key_digest_value(hex[2 * i]) << 4
                                    | api_key_digest_value(hex[2 * i + 1]));
    }
}


/* A letter is 9 more than its last four bits. */

static unsigned
api_key_digest_value(unsigned char digit)
{
    return (digit & 0xf) + 9 * (digit >> 6 & 1);
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
