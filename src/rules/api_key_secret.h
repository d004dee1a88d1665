/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The text of secret files: one secret on the first line, a list of peppers,
 * a list of admin tokens.  Reading the file itself is the caller's.
 */

#ifndef _API_KEY_SECRET_H_INCLUDED_
#define _API_KEY_SECRET_H_INCLUDED_


#include "api_key_digest.h"


#define API_KEY_PEPPER_MIN    32
#define API_KEY_PEPPER_MAX    256
#define API_KEY_PEPPERS       2
#define API_KEY_TOKEN_NAME    64          /* the longest admin token's name */


typedef struct {
    api_key_str_t         name;
    int                   write;          /* role: 1 write, 0 read */
    unsigned char         digest[API_KEY_DIGEST_LEN];
} api_key_admin_token_t;


/*
 * The first line of text without its line end (LF or CR LF).  Returns NULL,
 * or why there is none: "is empty", "holds a control character".
 */

const char *api_key_secret_line(const api_key_str_t *text,
    api_key_str_t *line);


/*
 * Splits text into one or two peppers of 32 to 256 visible ASCII characters,
 * one a line; "none" as the second is given with data NULL.  Empty lines at
 * the end do not count.  Returns NULL, or the reason; *line is then its line
 * number, from 1.
 */

const char *api_key_secret_peppers(const api_key_str_t *text,
    api_key_str_t *peppers, size_t *n, unsigned *line);


/*
 * Reads the next "name:role:sha256hex" from *text, skipping empty lines and
 * "#" comments, and moves *text behind it.  A name is 1 to 64 characters of
 * [A-Za-z0-9._-].  *line counts lines and starts at 0.  Returns 1 when a token
 * was read, 0 at the end, -1 when the line is malformed, with *reason set.
 */

int api_key_secret_token(api_key_str_t *text, api_key_admin_token_t *token,
    unsigned *line, const char **reason);


#endif /* _API_KEY_SECRET_H_INCLUDED_ */
