/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the reading of what Redis sends, src/store/ngx_http_api_key_resp.c:
 * any split of the bytes gives the same replies as the whole, and what is taken
 * in is within its bounds.
 */

#include "ngx_http_api_key_resp.h"

#include "fuzz.h"


#define ELEMENTS  64
#define BUFFERED  4096
#define SPLITS    64           /* the longest input split at every byte */
#define SHOWN     (1 << 16)


typedef struct {
    size_t         len;
    unsigned char  text[SHOWN];
} transcript_t;


static ngx_log_t  log_nowhere;


static void
note(transcript_t *shown, const void *data, size_t len)
{
    if (len > SHOWN - shown->len) {
        len = SHOWN - shown->len;
    }

    if (len) {
        memcpy(shown->text + shown->len, data, len);
        shown->len += len;
    }
}


static void
note_reply(transcript_t *shown, ngx_http_api_key_reply_t *reply,
    unsigned depth)
{
    ngx_uint_t  i;

    check(reply && depth < 16);

    note(shown, &reply->type, sizeof(reply->type));

    switch (reply->type) {

    case NGX_HTTP_API_KEY_REPLY_STRING:
    case NGX_HTTP_API_KEY_REPLY_ERROR:
        note(shown, &reply->str.len, sizeof(reply->str.len));
        note(shown, reply->str.data, reply->str.len);
        break;

    case NGX_HTTP_API_KEY_REPLY_INTEGER:
        note(shown, &reply->integer, sizeof(reply->integer));
        break;

    case NGX_HTTP_API_KEY_REPLY_ARRAY:
        check(reply->nelts <= ELEMENTS);
        note(shown, &reply->nelts, sizeof(reply->nelts));

        for (i = 0; i < reply->nelts; i++) {
            note_reply(shown, reply->elts[i], depth + 1);
        }

        break;

    case NGX_HTTP_API_KEY_REPLY_NIL:
        break;
    }
}


static ngx_http_api_key_resp_t *
reader(void)
{
    ngx_http_api_key_resp_t         *resp;
    ngx_http_api_key_resp_bounds_t   bounds = { ELEMENTS, BUFFERED };

    resp = ngx_http_api_key_resp_create(&bounds, &log_nowhere);
    check(resp);

    return resp;
}


/* Feeds one part and notes what came out; 0 when the link would be closed. */

static int
feed(ngx_http_api_key_resp_t *resp, const uint8_t *data, size_t size,
    transcript_t *shown)
{
    ngx_int_t                  rc;
    ngx_str_t                  error;
    unsigned char             *copy;
    ngx_http_api_key_reply_t  *reply;

    if (size == 0) {
        return 1;
    }

    copy = copy_of(data, size);
    rc = ngx_http_api_key_resp_feed(resp, copy, size);
    free(copy);

    check(rc == NGX_OK);

    for ( ;; ) {
        rc = ngx_http_api_key_resp_next(resp, &reply, &error);

        if (rc != NGX_OK) {
            break;
        }

        note_reply(shown, reply, 0);
        ngx_http_api_key_resp_release(resp);
    }

    if (rc == NGX_ERROR) {
        check(error.len);
        note(shown, "!", 1);
    }

    return rc == NGX_AGAIN;
}


static void
read_split(const uint8_t *data, size_t size, size_t first, size_t step,
    transcript_t *shown)
{
    size_t                    n;
    ngx_http_api_key_resp_t  *resp;

    shown->len = 0;
    resp = reader();

    for (n = first; feed(resp, data, n, shown) && size > n; n = step) {
        data += n;
        size -= n;
        step = ngx_min(step, size);
    }

    ngx_http_api_key_resp_destroy(resp);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t  n;

    static transcript_t  whole, split;

    if (size == 0 || size > BUFFERED) {
        return 0;
    }

    read_split(data, size, size, size, &whole);
    read_split(data, size, 1, 1, &split);

    check(whole.len == split.len);
    check(memcmp(whole.text, split.text, whole.len) == 0);

    for (n = 1; n < size && size <= SPLITS; n++) {
        read_split(data, size, n, size - n, &split);

        check(whole.len == split.len);
        check(memcmp(whole.text, split.text, whole.len) == 0);
    }

    return 0;
}
