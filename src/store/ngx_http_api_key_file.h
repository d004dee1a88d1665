/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Secret files at configuration time.
 */

#ifndef _NGX_HTTP_API_KEY_FILE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Reads the file, its name relative to the configuration's folder, whole into
 * text, and makes *name its full name.  The text is wiped and freed with the
 * temporary pool.  Warns when others can read the file.  Returns NGX_OK, or
 * NGX_ERROR when it has logged why not, with the directive's file and line.
 */

ngx_int_t ngx_http_api_key_file_read(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *text);


/* The same, for a secret that is the file's first line; it lives in pool. */

ngx_int_t ngx_http_api_key_file_line(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *line);


#endif /* _NGX_HTTP_API_KEY_FILE_H_INCLUDED_ */
