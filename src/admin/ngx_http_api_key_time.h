/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * RFC 3339 times, both ways.
 */

#ifndef _NGX_HTTP_API_KEY_TIME_H_INCLUDED_
#define _NGX_HTTP_API_KEY_TIME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_API_KEY_TIME_LEN  (sizeof("2026-01-02T03:04:05Z") - 1)

/* the end of the year 9999, the last second that can be written */
#define NGX_HTTP_API_KEY_TIME_MAX  253402300799


/*
 * Writes Unix seconds, 0 to NGX_HTTP_API_KEY_TIME_MAX, as UTC and a zero byte
 * behind it to text, which has NGX_HTTP_API_KEY_TIME_LEN + 1 bytes.
 */

void ngx_http_api_key_time_write(int64_t seconds, char *text);


/*
 * Reads a time with any offset; a fraction of a second is dropped.  Returns
 * NGX_OK with Unix seconds, which may be negative or beyond the year 9999, or
 * NGX_DECLINED when it is malformed.
 */

ngx_int_t ngx_http_api_key_time_read(const char *text, size_t len,
    int64_t *seconds);


#endif /* _NGX_HTTP_API_KEY_TIME_H_INCLUDED_ */
