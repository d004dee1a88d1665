/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the form of keys: what is refused as malformed without asking Redis,
 * what may have been imported, and that made keys are random and unbiased.
 * The keys here were computed by Python's zlib.crc32.
 */

#include "tap.h"

#include "api_key_token.h"


typedef struct {
    const char  *prefix;
    const char  *token;
    int          result;
    const char  *name;
} token_case_t;


static const token_case_t  cases[] = {

    { "hc", "hc_00000000000000000000000000000046rPOy", 0, "right checksum" },
    { "hc", "hc_0123456789ABCDEFGHIJKLMNOPQRST1tJDhl", 0, "of capitals" },
    { "hc", "hc_WXYZabcdefghijklmnopqrstuvwxyz21Sk6Y", 0, "of small letters" },
    { "hc", "hc_00000000000000000000000000025700zqsa", 0,
      "checksum padded with zeros" },
    { "a", "a_ABCDEFGHIJKLMNOPQRSTUVWXYZabcd3U58lb", 0, "shortest prefix" },
    { "abcdefghij012345", "abcdefghij012345_WXYZabcdefghijklmnopqrstuvwxyz"
      "4PqJ0m", 0, "longest prefix" },

    { "hc", "hc_00000000000000000000000000000046rPOz", -1,
      "wrong last digit of the checksum" },
    { "hc", "hc_00000000000000000000000000000056rPOy", -1,
      "wrong first digit of the checksum" },
    { "hc", "hc_10000000000000000000000000000046rPOy", -1,
      "wrong first random digit" },
    { "hc", "hc_000000000000000000000000000257  zqsa", -1,
      "checksum padded with spaces" },

    { "key", "hc_00000000000000000000000000000046rPOz", 0,
      "wrong checksum under another prefix" },
    { "hd", "hc_00000000000000000000000000000046rPOz", 0,
      "wrong checksum under a prefix as long" },
    { "hc", "hc-00000000000000000000000000000046rPOz", 0,
      "wrong checksum without the underscore" },
    { "hc", "hc_0000000000000000000000000000046rPOz", 0, "a digit less" },
    { "hc", "hc_000000000000000000000000000000046rPOz", 0, "a digit more" },
    { "hc", "hc_0000000000_000000000000000000046rPOz", 0,
      "wrong checksum and a character that is no digit" },
    { "hc", "hc_00000000000000000000000000000046rPO-", 0,
      "a character that is no digit at the end" },
    { "hc", "1-b91c45bc-e2ae-4d1c-8fa6-4c9c4b1bd3c7", 0, "Hotcakes' own" },

    { "hc", "0123456789abcde", -1, "15 characters" },
    { "hc", "0123456789abcdef", 0, "16 characters" },
    { "hc", "!!!!!!!!~~~~~~~~", 0, "the ends of visible ASCII" },
    { "hc", "0123456789abcde ", -1, "a space at the end" },
    { "hc", " 123456789abcdef", -1, "a space at the start" },
    { "hc", "01234567\t9abcdef", -1, "a tab" },
    { "hc", "01234567\x7f" "9abcdef", -1, "DEL" },
    { "hc", "01234567\x80" "9abcdef", -1, "the first byte beyond ASCII" },
    { "hc", "01234567\xff" "9abcdef", -1, "the last byte" },
    { "hc", "01234567\xc3\xa4" "abcdef", -1, "UTF-8" }
};


static const unsigned char  *source;
static size_t                nsource;
static int                   nreads;


/* Random bytes that repeat what the test says. */

static int
repeating(unsigned char *buf, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        buf[i] = source[i % nsource];
    }

    nreads++;

    return 0;
}


/* Biased bytes at first, then zeros. */

static int
late(unsigned char *buf, size_t len)
{
    memset(buf, nreads++ < 3 ? 0xff : 0, len);

    return 0;
}


static int
failing(unsigned char *buf, size_t len)
{
    memset(buf, 0, len);

    return -1;
}


/* All bytes in turn, over many calls. */

static int
counting(unsigned char *buf, size_t len)
{
    size_t                i;
    static unsigned char  next;

    for (i = 0; i < len; i++) {
        buf[i] = next++;
    }

    return 0;
}


static void
test_check(void)
{
    size_t         i;
    api_key_str_t  token, prefix;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        token = str(cases[i].token);
        prefix = str(cases[i].prefix);

        is_int(api_key_token_check(&token, &prefix), cases[i].result,
               cases[i].name);
    }

    prefix = str("hc");

    token = repeat('x', 256);
    is_int(api_key_token_check(&token, &prefix), 0, "256 characters");

    token = repeat('x', 257);
    is_int(api_key_token_check(&token, &prefix), -1, "257 characters");

    token = repeat('x', 0);
    is_int(api_key_token_check(&token, &prefix), -1, "no character");

    token = bytes("0123456789abcdef\0", 17);
    is_int(api_key_token_check(&token, &prefix), -1, "a zero at the end");
}


/* Each character alone, against the rule in other words. */

static void
test_characters(void)
{
    int            c, wrong_visible, wrong_digit;
    char           text[40];
    api_key_str_t  token, prefix;

    prefix = str("hc");
    wrong_visible = 0;
    wrong_digit = 0;

    for (c = 0; c < 256; c++) {
        memcpy(text, "hc_00000000000000000000000000000046rPOz", 39);
        text[10] = (char) c;

        token.data = (unsigned char *) text;
        token.len = 39;

        if (c != '\0' && strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz", c) != NULL)
        {
            /* now of an issued key's form, with a wrong checksum */
            wrong_digit += api_key_token_check(&token, &prefix) != -1;
            continue;
        }

        wrong_visible += api_key_token_check(&token, &prefix)
                         != (c > ' ' && c < 127 ? 0 : -1);
    }

    is_int(wrong_visible, 0, "exactly visible ASCII can stand in a key");
    is_int(wrong_digit, 0, "each base62 digit makes it an issued key's form");
}


static void
test_prefix(void)
{
    api_key_str_t  prefix;

    prefix = str("a");
    is_int(api_key_prefix_check(&prefix), 0, "prefix of one letter");

    prefix = str("abcxyz0189abcdef");
    is_int(api_key_prefix_check(&prefix), 0, "prefix of 16 characters");

    prefix = str("abcxyz0189abcdefg");
    is_int(api_key_prefix_check(&prefix), -1, "prefix of 17 characters");

    prefix = str("");
    is_int(api_key_prefix_check(&prefix), -1, "empty prefix");

    prefix = str("-b");
    is_int(api_key_prefix_check(&prefix), -1, "prefix with a hyphen first");

    prefix = str("aB");
    is_int(api_key_prefix_check(&prefix), -1, "prefix with a capital");

    prefix = str("a_");
    is_int(api_key_prefix_check(&prefix), -1, "prefix with an underscore");

    prefix = str("\xc3\xa4");
    is_int(api_key_prefix_check(&prefix), -1, "prefix beyond ASCII");
}


static void
test_make(void)
{
    size_t          i, len;
    api_key_str_t   prefix, token;
    unsigned char   key[API_KEY_ISSUED_MAX];
    unsigned char   digits[62], biased[16], edge[2];

    prefix = str("hc");

    for (i = 0; i < sizeof(digits); i++) {
        digits[i] = (unsigned char) i;
    }

    source = digits;
    nsource = sizeof(digits);

    len = api_key_token_make(key, &prefix, repeating);
    is_bytes(key, len, "hc_0123456789ABCDEFGHIJKLMNOPQRST1tJDhl",
             "a key of known random bytes");

    edge[0] = 247;
    edge[1] = 248;
    source = edge;
    nsource = sizeof(edge);
    nreads = 0;

    len = api_key_token_make(key, &prefix, repeating);
    is_bytes(key, len < 33 ? len : 33, "hc_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
             "247 is the last digit, 248 is thrown away");
    is_int(nreads, 2, "as many reads as it takes");

    memset(biased, 0xff, sizeof(biased));
    source = biased;
    nsource = sizeof(biased);

    is_int((long long) api_key_token_make(key, &prefix, repeating), 0,
           "a source of unusable bytes fails, in bounded time");

    nreads = 0;
    len = api_key_token_make(key, &prefix, late);
    is_bytes(key, len, "hc_00000000000000000000000000000046rPOy",
             "unusable bytes are passed over");

    is_int((long long) api_key_token_make(key, &prefix, failing), 0,
           "a failing source fails");

    prefix = str("abcdefghij012345");

    for (i = 0; i < sizeof(digits); i++) {
        digits[i] = (unsigned char) (32 + i % 30);
    }

    source = digits;
    nsource = sizeof(digits);

    len = api_key_token_make(key, &prefix, repeating);
    is_int((long long) len, API_KEY_ISSUED_MAX, "the longest key's length");
    is_bytes(key, len, "abcdefghij012345_WXYZabcdefghijklmnopqrstuvwxyz4PqJ0m",
             "the longest key");

    token = bytes(key, len);
    is_int(api_key_token_check(&token, &prefix), 0, "is well-formed");
}


/* Of all bytes in turn, 59520 digits, each digit must come about 960 times. */

static void
test_bias(void)
{
    int             i, j, seen[128], uneven;
    api_key_str_t   prefix;
    unsigned char   key[API_KEY_ISSUED_MAX];

    static const char  base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz";

    prefix = str("hc");
    memset(seen, 0, sizeof(seen));

    for (i = 0; i < 32 * 62; i++) {
        (void) api_key_token_make(key, &prefix, counting);

        for (j = 3; j < 33; j++) {
            seen[key[j] & 0x7f]++;
        }
    }

    uneven = 0;

    for (i = 0; i < 62; i++) {
        uneven += seen[(int) base62[i]] < 900 || seen[(int) base62[i]] > 1020;
    }

    is_int(uneven, 0, "each digit is as likely as the others");
}


int
main(void)
{
    test_check();
    test_characters();
    test_prefix();
    test_make();
    test_bias();

    return done();
}
