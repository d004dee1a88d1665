/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the checksum: the same as zlib's for texts of all lengths up to that
 * of a key, at any address, and for each single bit.
 */

#include <zlib.h>

#include "tap.h"

#include "api_key_crc32.h"


int
main(void)
{
    int            bad;
    size_t         i, len, at;
    unsigned char  text[64];

    is_int(api_key_crc32((unsigned char *) "123456789", 9), 0xcbf43926,
           "the catalogue's check value");

    for (bad = 0, len = 0; len <= 48; len++) {
        for (at = 0; at < 8; at++) {

            for (i = 0; i < sizeof(text); i++) {
                text[i] = (unsigned char) (i * 167 + len * 31 + at);
            }

            bad += api_key_crc32(text + at, len)
                   != crc32(0, text + at, (uInt) len);
        }
    }

    is_int(bad, 0, "zlib's, for each length and address");

    for (bad = 0, i = 0; i < 8 * 37; i++) {
        memset(text, 0, sizeof(text));
        text[i / 8] = (unsigned char) (1 << (i % 8));

        bad += api_key_crc32(text, 37) != crc32(0, text, 37);
    }

    is_int(bad, 0, "zlib's, for each bit");

    return done();
}
