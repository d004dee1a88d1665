/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Secret files at configuration time: read whole, bounded, wiped after use.
 */

#include "ngx_http_api_key_file.h"
#include "api_key_secret.h"


#define NGX_HTTP_API_KEY_FILE_MAX  (256 * 1024)    /* bytes */


static void ngx_http_api_key_file_wipe(void *data);


ngx_int_t
ngx_http_api_key_file_read(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *text)
{
    ssize_t              n;
    ngx_fd_t             fd;
    ngx_int_t            rc;
    ngx_str_t           *value;
    ngx_file_t           file;
    ngx_file_info_t      fi;
    ngx_pool_cleanup_t  *cln;

    value = cf->args->elts;
    rc = NGX_ERROR;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\": " ngx_open_file_n " \"%V\" failed",
                           &value[0], name);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": \"%V\" is not a file", &value[0], name);
        goto done;
    }

    if (ngx_file_size(&fi) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": file \"%V\" is empty", &value[0], name);
        goto done;
    }

    if (ngx_file_size(&fi) > NGX_HTTP_API_KEY_FILE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": file \"%V\" is too large",
                           &value[0], name);
        goto done;
    }

    if (ngx_file_access(&fi) & S_IROTH) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\": file \"%V\" can be read by others",
                           &value[0], name);
    }

    text->len = ngx_file_size(&fi);
    text->data = ngx_pnalloc(cf->temp_pool, text->len);
    if (text->data == NULL) {
        goto done;
    }

    cln = ngx_pool_cleanup_add(cf->temp_pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        goto done;
    }

    cln->handler = ngx_http_api_key_file_wipe;
    *(ngx_str_t *) cln->data = *text;

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.fd = fd;
    file.name = *name;
    file.log = cf->log;

    n = ngx_read_file(&file, text->data, text->len, 0);

    if (n == NGX_ERROR || (size_t) n != text->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": file \"%V\" could not be read whole",
                           &value[0], name);
        goto done;
    }

    rc = NGX_OK;

done:

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", name);
    }

    return rc;
}


ngx_int_t
ngx_http_api_key_file_line(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *line)
{
    ngx_str_t       text, *value;
    const char     *reason;
    api_key_str_t   whole, first;

    if (ngx_http_api_key_file_read(cf, name, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    whole.data = text.data;
    whole.len = text.len;

    reason = api_key_secret_line(&whole, &first);

    if (reason) {
        value = cf->args->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": the first line of \"%V\" %s",
                           &value[0], name, reason);
        return NGX_ERROR;
    }

    line->len = first.len;
    line->data = ngx_pnalloc(cf->pool, first.len);
    if (line->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(line->data, first.data, first.len);

    return NGX_OK;
}


static void
ngx_http_api_key_file_wipe(void *data)
{
    ngx_str_t  *text = data;

    ngx_explicit_memzero(text->data, text->len);
}
