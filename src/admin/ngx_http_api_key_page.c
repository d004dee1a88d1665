/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin page, from the header that scripts/embed makes of page/.  What it
 * shows it asks of the admin API, with the token that its user has typed.
 */

#include "ngx_http_api_key_page.h"
#include "ngx_http_api_key_answer.h"
#include "ngx_http_api_key_page_text.h"


/* the quotes are part of an ETag */

#define ngx_http_api_key_page(path, type, text)                               \
    { ngx_string(path), type, ngx_string("\"" text##_sum "\""),               \
      { text##_len, (u_char *) text } }


static struct {
    ngx_str_t    path;
    const char  *type;
    ngx_str_t    etag;
    ngx_str_t    text;

} ngx_http_api_key_page_files[] = {

    ngx_http_api_key_page("", "text/html; charset=utf-8",
                          ngx_http_api_key_html_page),

    ngx_http_api_key_page("page.css", "text/css; charset=utf-8",
                          ngx_http_api_key_css_page),

    ngx_http_api_key_page("page.js", "text/javascript; charset=utf-8",
                          ngx_http_api_key_js_page)
};


ngx_int_t
ngx_http_api_key_page_handler(ngx_http_request_t *r, ngx_str_t *path)
{
    ngx_int_t   rc;
    ngx_str_t  *name;
    ngx_uint_t  i, n;

    n = sizeof(ngx_http_api_key_page_files)
        / sizeof(ngx_http_api_key_page_files[0]);

    for (i = 0; i < n; i++) {

        name = &ngx_http_api_key_page_files[i].path;

        if (name->len == path->len
            && ngx_memcmp(name->data, path->data, name->len) == 0)
        {
            break;
        }
    }

    if (i == n) {
        return NGX_DECLINED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_api_key_answer_page(r, ngx_http_api_key_page_files[i].type,
                                        &ngx_http_api_key_page_files[i].etag,
                                        &ngx_http_api_key_page_files[i].text);
}
