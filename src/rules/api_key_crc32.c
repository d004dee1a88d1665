/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Each request's key is checked by this.  zlib goes through such a short text
 * byte by byte, each waiting for the one before, and may fetch as many lines
 * of a table; four bytes at a time, by halves, all of the table is 8 lines.
 */

#include "api_key_crc32.h"


/* From what the four single bits of half a byte make: all sixteen. */

#define api_key_crc32_row(a, b, c, d)                                         \
    {                                                                         \
        0, (a), (b), (a) ^ (b), (c), (a) ^ (c), (b) ^ (c), (a) ^ (b) ^ (c),   \
        (d), (a) ^ (d), (b) ^ (d), (a) ^ (b) ^ (d), (c) ^ (d),                \
        (a) ^ (c) ^ (d), (b) ^ (c) ^ (d), (a) ^ (b) ^ (c) ^ (d)               \
    }

/* rows by the half's distance from the end: eight halves are four bytes */

static const uint32_t  api_key_crc32_rows[8][16] = {
    api_key_crc32_row(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef),
    api_key_crc32_row(0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b),
    api_key_crc32_row(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8),
    api_key_crc32_row(0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80),
    api_key_crc32_row(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08),
    api_key_crc32_row(0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b),
    api_key_crc32_row(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832),
    api_key_crc32_row(0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320)
};


uint32_t
api_key_crc32(const unsigned char *data, size_t len)
{
    uint32_t  crc, x;

    crc = 0xffffffff;

    for ( /* void */ ; len >= 4; len -= 4, data += 4) {
        x = crc ^ ((uint32_t) data[0] | (uint32_t) data[1] << 8
                   | (uint32_t) data[2] << 16 | (uint32_t) data[3] << 24);

        crc = api_key_crc32_rows[0][x & 15]
              ^ api_key_crc32_rows[1][(x >> 4) & 15]
              ^ api_key_crc32_rows[2][(x >> 8) & 15]
              ^ api_key_crc32_rows[3][(x >> 12) & 15]
              ^ api_key_crc32_rows[4][(x >> 16) & 15]
              ^ api_key_crc32_rows[5][(x >> 20) & 15]
              ^ api_key_crc32_rows[6][(x >> 24) & 15]
              ^ api_key_crc32_rows[7][x >> 28];
    }

    for ( /* void */ ; len; len--, data++) {
        x = crc ^ *data;

        crc = (crc >> 8) ^ api_key_crc32_rows[6][x & 15]
              ^ api_key_crc32_rows[7][(x >> 4) & 15];
    }

    return ~crc;
}
