/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards digests: SHA-256 and HMAC-SHA-256 against vectors of sha256sum,
 * "openssl dgst -hmac" and Python's hmac, and of texts of any length against
 * OpenSSL; digits, comparison, and that a failure of malloc() or of OpenSSL's
 * random numbers is told.
 */

#include <stdlib.h>

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "tap.h"


/* Calls by the code under test until one fails, the only one; -1: none. */

static int  calls_left = -1;


static int
fails(void)
{
    if (calls_left < 0) {
        return 0;
    }

    return calls_left-- == 0;
}


static void *
try_calloc(size_t n, size_t size)
{
    return fails() ? NULL : calloc(n, size);
}


static int
try_random(unsigned char *buf, int len)
{
    return fails() ? 0 : RAND_bytes(buf, len);
}


#define calloc      try_calloc
#define RAND_bytes  try_random

#include "../../src/rules/api_key_digest.c"


#define KEY  "hc_0123456789ABCDEFGHIJKLMNOPQRST1tJDhl"


typedef struct {
    const char  *pepper;        /* NULL: none */
    int          c;             /* or this character len times */
    size_t       len;
    const char  *text;
    const char  *digest;
    const char  *pepper_id;
    const char  *name;
} digest_case_t;


static const digest_case_t  cases[] = {

    { NULL, 0, 0, "abc",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "none", "SHA-256" },

    { NULL, 0, 0, "",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "none", "SHA-256 of nothing" },

    { NULL, 0, 0, KEY,
      "a8f3b46e4a0a95322be8da97f3fb558d8e1e59a34930ac0aae6db9af40a841e4",
      "none", "SHA-256 of a key" },

    { "Jefe", 0, 0, "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      NULL, "RFC 4231's second case" },

    { NULL, 'p', 32, KEY,
      "74953caef66a599f54fc65c476705802d86a008aae40c5a7e4c175fd30a33298",
      "a7cbbfdf", "the shortest pepper" },

    { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 0, 0,
      KEY, "bd139da551ef99ce6cad1800257ddf3eb7a55aff5b3c6350e23027a762ceaa86",
      "a8ae6e6e", "a pepper of one block" },

    { NULL, 'x', 65, KEY,
      "d3dcaa91d508db687d27d721da35b1ec6c729fe1431813a321a60b66e74c91b6",
      "9537c5fd", "a pepper longer than a block" },

    { NULL, 'q', 256, KEY,
      "df54e199a150f2ac3cbeeb78295b92fd8d1fee0e75fe036c73e791b7d5284f0d",
      "5f2945a9", "the longest pepper" }
};


static api_key_digest_t *
create(const digest_case_t *c)
{
    api_key_str_t  pepper;

    if (c->pepper == NULL && c->len == 0) {
        return api_key_digest_create(NULL);
    }

    pepper = c->pepper ? str(c->pepper) : repeat(c->c, c->len);

    return api_key_digest_create(&pepper);
}


static void
test_vectors(void)
{
    int                   i;
    size_t                n;
    unsigned char         hash[API_KEY_HASH_LEN], hex[API_KEY_DIGEST_LEN];
    api_key_str_t         text;
    api_key_digest_t     *digest;
    const digest_case_t  *c;

    for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        c = &cases[n];
        text = str(c->text);
        digest = create(c);

        /* a hasher must not remember the text before */

        for (i = 0; i < 2; i++) {
            memset(hex, 'x', sizeof(hex));
            api_key_digest(digest, &text, hash);
            api_key_digest_hex(hex, hash);
            is_bytes(hex, sizeof(hex), c->digest, c->name);
        }

        if (c->pepper_id != NULL) {
            is_str(api_key_digest_pepper(digest), c->pepper_id,
                   "what a record says of its pepper");
        }

        api_key_digest_free(digest);
    }
}


/* Where a text ends in its last block decides about one block more. */

static void
test_lengths(void)
{
    int                wrong, peppered;
    size_t             i, len;
    unsigned           n;
    unsigned char      text[300], hash[API_KEY_HASH_LEN];
    unsigned char      want[API_KEY_HASH_LEN];
    const char         pepper[] = "a pepper that is no shorter than 32 bytes";
    api_key_str_t      str, key;
    api_key_digest_t  *digest;

    for (i = 0; i < sizeof(text); i++) {
        text[i] = (unsigned char) (i * 7 + 1);
    }

    key.data = (const unsigned char *) pepper;
    key.len = strlen(pepper);

    for (peppered = 0; peppered < 2; peppered++) {
        digest = api_key_digest_create(peppered ? &key : NULL);

        for (len = 0, wrong = 0; len <= sizeof(text); len++) {
            str.data = text;
            str.len = len;
            api_key_digest(digest, &str, hash);

            if (peppered) {
                (void) HMAC(EVP_sha256(), key.data, (int) key.len, text, len,
                            want, &n);
            } else {
                (void) EVP_Digest(text, len, want, &n, EVP_sha256(), NULL);
            }

            wrong += n != sizeof(hash) || memcmp(hash, want, n) != 0;
        }

        is_int(wrong, 0, peppered ? "HMAC of any length" : "of any length");
        api_key_digest_free(digest);
    }
}


static void
test_digits(void)
{
    int            i, wrong;
    size_t         n;
    char           text[API_KEY_DIGEST_LEN + 1];
    unsigned char  hash[API_KEY_HASH_LEN], hex[API_KEY_DIGEST_LEN];
    unsigned char  back[API_KEY_HASH_LEN];

    for (i = 0, wrong = 0; i < 256; i++) {

        for (n = 0; n < sizeof(hash); n++) {
            hash[n] = (unsigned char) (i + 31 * (int) n);
            snprintf(text + 2 * n, 3, "%02x", hash[n]);
        }

        api_key_digest_hex(hex, hash);
        wrong += memcmp(hex, text, sizeof(hex)) != 0;

        api_key_digest_bytes(back, hex, sizeof(back));
        wrong += memcmp(back, hash, sizeof(back)) != 0;

        memset(back, 'x', sizeof(back));
        api_key_digest_bytes(back, hex, 3);
        wrong += memcmp(back, hash, 3) != 0 || back[3] != 'x';
    }

    is_int(wrong, 0, "bytes to digits and back");
}


static void
test_failures(const digest_case_t *c)
{
    calls_left = 0;
    ok(create(c) == NULL, "no memory gives no hasher");
    calls_left = -1;
}


static void
test_rest(void)
{
    int            same;
    size_t         i;
    unsigned char  a[API_KEY_DIGEST_LEN], b[API_KEY_DIGEST_LEN];

    api_key_digest_free(NULL);
    ok(1, "nothing can be freed");

    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));

    is_int(api_key_digest_equal(a, b, sizeof(a)), 1, "equal");

    for (same = 0, i = 0; i < sizeof(b); i++) {
        b[i] = 'b';
        same += api_key_digest_equal(a, b, sizeof(b));
        b[i] = 'a';
    }

    is_int(same, 0, "a difference anywhere is seen");

    b[63] = 'b';
    is_int(api_key_digest_equal(a, b, 63), 1, "only len bytes are compared");

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    is_int(api_key_digest_random(a, sizeof(a)), 0, "random bytes");
    is_int(api_key_digest_random(b, sizeof(b)), 0, "more random bytes");
    ok(memcmp(a, b, sizeof(a)) != 0, "they differ");

    for (same = 0, i = 0; i < sizeof(a); i++) {
        same += a[i] == 0;
    }

    ok(same < 16, "the whole buffer is filled");

    calls_left = 0;
    is_int(api_key_digest_random(a, sizeof(a)), -1, "no random bytes");
    calls_left = -1;
}


int
main(void)
{
    test_vectors();
    test_lengths();
    test_digits();

    test_failures(&cases[0]);
    test_failures(&cases[4]);
    test_rest();

    return done();
}
