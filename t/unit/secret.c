/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the reading of secret files: which lines are a secret, a pepper, an
 * admin token, and what is refused at which line.
 */

#include "tap.h"

#include "api_key_secret.h"


#define P32   "0123456789abcdef0123456789ABCDEF"
#define Q32   "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
#define HASH  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define MALFORMED_PEPPER                                                      \
    "holds a pepper that is not 32 to 256 visible ASCII characters"
#define MALFORMED_NAME                                                        \
    "has a name that is not 1 to 64 characters of [A-Za-z0-9._-]"
#define MALFORMED_ROLE                                                        \
    "has a role that is neither \"read\" nor \"write\""
#define MALFORMED_DIGEST                                                      \
    "has a digest that is not 64 lower-case hexadecimal digits"
#define MALFORMED_LINE                                                        \
    "is not \"name:role:sha256\""


static const struct {
    const char  *text;
    const char  *line;
    const char  *reason;
} lines[] = {
    { "secret", "secret", NULL },
    { "secret\n", "secret", NULL },
    { "secret\r\n", "secret", NULL },
    { "secret\nnext\x01\n", "secret", NULL },
    { " two words ", " two words ", NULL },
    { "p\xc3\xa4ss", "p\xc3\xa4ss", NULL },
    { "", NULL, "is empty" },
    { "\n", NULL, "is empty" },
    { "\r\n", NULL, "is empty" },
    { "\nsecret\n", NULL, "is empty" },
    { "secret\r", NULL, "holds a control character" },
    { "secret\r\r\n", NULL, "holds a control character" },
    { "\tsecret", NULL, "holds a control character" },
    { "sec\tret", NULL, "holds a control character" },
    { "sec\x1fret", NULL, "holds a control character" },
    { "sec\x7fret", NULL, "holds a control character" }
};


static void
test_line(void)
{
    size_t         i;
    api_key_str_t  text, line;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        text = str(lines[i].text);

        is_text(api_key_secret_line(&text, &line), lines[i].reason,
                "the first line");

        if (lines[i].line != NULL) {
            is_str(&line, lines[i].line, "is the secret");
        }
    }

    text = bytes("sec\0ret", 7);
    is_text(api_key_secret_line(&text, &line), "holds a control character",
            "a zero inside");

    text.len = 0;
    text.data = NULL;
    is_text(api_key_secret_line(&text, &line), "is empty", "no text");
}


static const struct {
    const char  *text;
    const char  *first;
    const char  *second;
    const char  *reason;
    unsigned     line;
} peppers[] = {
    { P32, P32, NULL, NULL, 0 },
    { P32 "\n", P32, NULL, NULL, 0 },
    { P32 "\n\n\r\n\n", P32, NULL, NULL, 0 },
    { P32 "\r\n" Q32 "\r\n", P32, Q32, NULL, 0 },
    { P32 "\n" Q32, P32, Q32, NULL, 0 },
    { P32 "\nnone\n", P32, "", NULL, 0 },
    { P32 "\nnone\r\n\r\n", P32, "", NULL, 0 },
    { P32 "0\n" P32 "\n", P32 "0", P32, NULL, 0 },

    { "", NULL, NULL, "is empty", 1 },
    { "\n\n", NULL, NULL, "is empty", 1 },
    { "\r\n", NULL, NULL, "is empty", 1 },
    { "none\n", NULL, NULL, "has \"none\" as the first pepper", 1 },
    { "none\n" P32 "\n", NULL, NULL, "has \"none\" as the first pepper", 1 },
    { P32 "\n" P32 "\n", NULL, NULL, "holds the same pepper twice", 2 },
    { P32 "\n" Q32 "\n" P32 "x\n", NULL, NULL, "holds more than two peppers",
      3 },
    { P32 "\nnone\nnone\n", NULL, NULL, "holds more than two peppers", 3 },
    { P32 "\n" Q32 "\n\nx", NULL, NULL, "holds more than two peppers", 3 },
    { "\n" P32 "\n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { P32 "\n\n" Q32 "\n", NULL, NULL, MALFORMED_PEPPER, 2 },
    { "0123456789abcdef0123456789ABCDE\n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { P32 "\nNone\n", NULL, NULL, MALFORMED_PEPPER, 2 },
    { P32 " \n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { " " P32 "\n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { P32 "\x7f\n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { P32 "\xc3\xa4\n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { P32 "\r\r\n", NULL, NULL, MALFORMED_PEPPER, 1 },
    { P32 "\r", NULL, NULL, MALFORMED_PEPPER, 1 }
};


static void
test_peppers(void)
{
    size_t         i, n;
    char           name[64];
    unsigned       line;
    api_key_str_t  text, two[API_KEY_PEPPERS];

    for (i = 0; i < sizeof(peppers) / sizeof(peppers[0]); i++) {
        text = str(peppers[i].text);
        memset(two, 0, sizeof(two));

        snprintf(name, sizeof(name), "pepper file %d", (int) i);
        is_text(api_key_secret_peppers(&text, two, &n, &line),
                peppers[i].reason, name);

        if (peppers[i].reason != NULL) {
            is_int(line, peppers[i].line, "the line to blame");
            continue;
        }

        is_int((long long) n, peppers[i].second ? 2 : 1, "how many");
        is_str(&two[0], peppers[i].first, "the first");

        if (peppers[i].second != NULL) {
            is_str(&two[1], peppers[i].second, "the second");
            is_int(two[1].data == NULL, peppers[i].second[0] == '\0',
                   "\"none\" points nowhere, a pepper somewhere");
        }
    }

    text = repeat('x', 256);
    is_text(api_key_secret_peppers(&text, two, &n, &line), NULL,
            "256 characters");

    text = repeat('x', 257);
    is_text(api_key_secret_peppers(&text, two, &n, &line), MALFORMED_PEPPER,
            "257 characters");
}


static const struct {
    const char  *text;
    const char  *reason;
} malformed[] = {
    { "ops", MALFORMED_LINE },
    { "ops:read", MALFORMED_LINE },
    { ":", MALFORMED_LINE },
    { " ", MALFORMED_LINE },
    { "ops:", MALFORMED_LINE },
    { "ops read " HASH, MALFORMED_LINE },
    { ":read:" HASH, MALFORMED_NAME },
    { "o ps:read:" HASH, MALFORMED_NAME },
    { "o/ps:read:" HASH, MALFORMED_NAME },
    { " ops:read:" HASH, MALFORMED_NAME },
    { " #ops:read:" HASH, MALFORMED_NAME },
    { "\xc3\xa4:read:" HASH, MALFORMED_NAME },
    { "1234567890123456789012345678901234567890123456789012345678901234x:read:"
      HASH, MALFORMED_NAME },
    { "ops:admin:" HASH, MALFORMED_ROLE },
    { "ops::" HASH, MALFORMED_ROLE },
    { "ops:Write:" HASH, MALFORMED_ROLE },
    { "ops:reader:" HASH, MALFORMED_ROLE },
    { "ops: read:" HASH, MALFORMED_ROLE },
    { "ops:read:", MALFORMED_DIGEST },
    { "ops:read:" HASH "0", MALFORMED_DIGEST },
    { "ops:read:" HASH " ", MALFORMED_DIGEST },
    { "ops:read:" HASH ":", MALFORMED_DIGEST },
    { "ops:read:" HASH "\r", MALFORMED_DIGEST },
    { "ops:read:0123456789abcdef", MALFORMED_DIGEST },
    { "ops:read:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcde"
      "f", MALFORMED_DIGEST }
};


static void
test_tokens(void)
{
    size_t                 i;
    unsigned               line;
    const char            *reason;
    api_key_str_t          text;
    api_key_admin_token_t  token;

    char               buf[] = "ops:read:" HASH;
    static const char  others[] = "/:@AFG[`gz -";

    text = str("# who may\n"
               "\n"
               "ops:write:" HASH "\r\n"
               "\r\n"
               "#:\n"
               "Grafana-1.b_c:read:" HASH "\n"
               "12345678901234567890123456789012345678901234567890123456789012"
               "34:read:" HASH);
    line = 0;

    is_int(api_key_secret_token(&text, &token, &line, &reason), 1, "a token");
    is_str(&token.name, "ops", "its name");
    is_int(token.write, 1, "it may write");
    is_bytes(token.digest, API_KEY_DIGEST_LEN, HASH, "its digest");
    is_int(line, 3, "its line");

    is_int(api_key_secret_token(&text, &token, &line, &reason), 1, "another");
    is_str(&token.name, "Grafana-1.b_c", "its name");
    is_int(token.write, 0, "it may read");
    is_int(line, 6, "its line");

    is_int(api_key_secret_token(&text, &token, &line, &reason), 1,
           "one without a line end");
    is_int((long long) token.name.len, 64, "the longest name");
    is_int(line, 7, "its line");

    is_int(api_key_secret_token(&text, &token, &line, &reason), 0, "the end");
    is_int(api_key_secret_token(&text, &token, &line, &reason), 0,
           "still the end");

    text = str("# nobody\n\n");
    line = 0;
    is_int(api_key_secret_token(&text, &token, &line, &reason), 0,
           "a file without a token");

    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        text = str(malformed[i].text);
        line = 0;
        reason = NULL;

        is_int(api_key_secret_token(&text, &token, &line, &reason), -1,
               "a malformed line");
        is_text(reason, malformed[i].reason, malformed[i].text);
        is_int(line, 1, "its line");
        is_int((long long) text.len, 0, "it is passed over");
    }

    /* next to the digits and letters, and the letters behind them */

    for (i = 0; i < sizeof(others) - 1; i++) {
        buf[sizeof("ops:read:")] = others[i];
        text = str(buf);

        is_int(api_key_secret_token(&text, &token, &line, &reason), -1,
               "no hexadecimal digit");
    }

    text = bytes("op\0s:read:" HASH, 10 + 64);
    is_int(api_key_secret_token(&text, &token, &line, &reason), -1,
           "a zero inside a name");
}


int
main(void)
{
    test_line();
    test_peppers();
    test_tokens();

    return done();
}
