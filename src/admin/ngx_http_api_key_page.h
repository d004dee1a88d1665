/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin page: static text without data, for whoever asks.
 */

#ifndef _NGX_HTTP_API_KEY_PAGE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_PAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Answers a GET or HEAD for a file of the page; path is what follows the
 * location's name.  Returns what a content handler returns, or NGX_DECLINED
 * when there is no such file.
 */

ngx_int_t ngx_http_api_key_page_handler(ngx_http_request_t *r,
    ngx_str_t *path);


#endif /* _NGX_HTTP_API_KEY_PAGE_H_INCLUDED_ */
