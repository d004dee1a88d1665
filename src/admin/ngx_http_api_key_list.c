/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The list of keys: pages of ids from a script, their records by pipelines.
 * A call looks at "limit" ids, however many of them pass the filters, so that
 * it costs a bounded number of commands.
 */

#include "ngx_http_api_key_keys.h"
#include "ngx_http_api_key_paging.h"
#include "ngx_http_api_key_record_json.h"
#include "ngx_http_api_key_script.h"


#define NGX_HTTP_API_KEY_LIST_DIGITS  15           /* of a score */


typedef struct {
    ngx_uint_t    left;                            /* ids to look at */
    ngx_uint_t    part;                            /* asked for at once */
    ngx_uint_t    more;                            /* there are older ones */
    ngx_str_t     score;                           /* of the last one */
    ngx_str_t     last;                            /* its id; len 0: none */
    ngx_str_t     state;                           /* filter; len 0: all */
    ngx_str_t     name;                            /* likewise */
    ngx_uint_t    nids;
    u_char      (*ids)[API_KEY_ID_LEN];
    json_t       *keys;                            /* in call->json */
} ngx_http_api_key_list_t;


static ngx_int_t ngx_http_api_key_list_limit(ngx_str_t *value, void *input);
static ngx_int_t ngx_http_api_key_list_cursor(ngx_str_t *value, void *input);
static ngx_int_t ngx_http_api_key_list_state(ngx_str_t *value, void *input);
static ngx_int_t ngx_http_api_key_list_name(ngx_str_t *value, void *input);
static ngx_int_t ngx_http_api_key_list_part(ngx_http_api_key_call_t *call);
static ngx_int_t ngx_http_api_key_list_ids(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_list_records(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_list_next(ngx_http_api_key_call_t *call);
static ngx_uint_t ngx_http_api_key_list_wanted(ngx_http_api_key_list_t *list,
    const api_key_record_t *record);
static ngx_int_t ngx_http_api_key_list_copy(ngx_http_api_key_call_t *call,
    ngx_str_t *string, ngx_http_api_key_reply_t *reply);


static const ngx_http_api_key_paging_parameter_t
    ngx_http_api_key_list_parameters[] =
{
    { "limit", ngx_http_api_key_list_limit },
    { "cursor", ngx_http_api_key_list_cursor },
    { "state", ngx_http_api_key_list_state },
    { "name", ngx_http_api_key_list_name },
    { NULL, NULL }
};


ngx_int_t
ngx_http_api_key_keys_list(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_list_t  *list;

    list = ngx_pcalloc(call->pool, sizeof(ngx_http_api_key_list_t));
    if (list == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    list->ids = ngx_palloc(call->pool,
                           NGX_HTTP_API_KEY_PAGING_PART * API_KEY_ID_LEN);
    list->keys = json_array();
    call->json = json_pack("{s:o}", "keys", list->keys);
    call->data = list;

    if (list->ids == NULL || call->json == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    list->left = NGX_HTTP_API_KEY_PAGING_DEFAULT;

    if (ngx_http_api_key_paging_query(call, ngx_http_api_key_list_parameters,
                                    list)
        != NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_http_api_key_list_part(call);
}


static ngx_int_t
ngx_http_api_key_list_limit(ngx_str_t *value, void *input)
{
    ngx_http_api_key_list_t  *list = input;

    return ngx_http_api_key_paging_limit(value, &list->left);
}


/* "SCORE-ID", as written by ngx_http_api_key_list_next() */

static ngx_int_t
ngx_http_api_key_list_cursor(ngx_str_t *value, void *input)
{
    ngx_http_api_key_list_t  *list = input;

    size_t         i, digits;
    api_key_str_t  id;

    if (value->len < 1 + 1 + API_KEY_ID_LEN
        || value->len > NGX_HTTP_API_KEY_LIST_DIGITS + 1 + API_KEY_ID_LEN)
    {
        return NGX_DECLINED;
    }

    digits = value->len - 1 - API_KEY_ID_LEN;

    for (i = 0; i < digits; i++) {
        if (value->data[i] < '0' || value->data[i] > '9') {
            return NGX_DECLINED;
        }
    }

    id.len = API_KEY_ID_LEN;
    id.data = value->data + digits + 1;

    if (value->data[digits] != '-' || api_key_id_check(&id) != 0) {
        return NGX_DECLINED;
    }

    list->score.len = digits;
    list->score.data = value->data;
    list->last.len = API_KEY_ID_LEN;
    list->last.data = value->data + digits + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_list_state(ngx_str_t *value, void *input)
{
    ngx_http_api_key_list_t  *list = input;

    ngx_uint_t  i;

    static const char  *states[] = { "active", "disabled", "revoked",
                                     "expired", NULL };

    for (i = 0; states[i]; i++) {
        if (ngx_strlen(states[i]) == value->len
            && ngx_strncmp(states[i], value->data, value->len) == 0)
        {
            list->state = *value;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_api_key_list_name(ngx_str_t *value, void *input)
{
    ngx_http_api_key_list_t  *list = input;

    api_key_str_t  text;

    text.len = value->len;
    text.data = value->data;

    /* nothing is a part of every name, but not a name */

    if (text.len && api_key_name_check(&text) != 0) {
        return NGX_DECLINED;
    }

    list->name = *value;

    return NGX_OK;
}


/* Asks for the next ids, or ends the page. */

static ngx_int_t
ngx_http_api_key_list_part(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_list_t  *list;

    list = call->data;
    list->part = ngx_min(list->left, NGX_HTTP_API_KEY_PAGING_PART);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_list, 3);
    ngx_http_api_key_call_key(call, "keys", NULL);
    ngx_http_api_key_call_key(call, "live", NULL);
    ngx_http_api_key_call_key(call, "used", NULL);
    ngx_http_api_key_call_key(call, "key:", NULL);
    ngx_http_api_key_call_number(call, list->part);
    ngx_http_api_key_call_arg(call, list->score.len, list->score.data);
    ngx_http_api_key_call_arg(call, list->last.len, list->last.data);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_list_ids);
}


static ngx_int_t
ngx_http_api_key_list_ids(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    ngx_uint_t                i;
    api_key_str_t             id;
    ngx_http_api_key_list_t  *list;
    ngx_http_api_key_reply_t  *reply;

    list = call->data;
    reply = replies[0];

    if (reply->type != NGX_HTTP_API_KEY_REPLY_ARRAY || reply->nelts < 3
        || reply->elts[0]->type != NGX_HTTP_API_KEY_REPLY_INTEGER
        || reply->nelts - 3 > NGX_HTTP_API_KEY_PAGING_PART)
    {
        return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
    }

    list->left -= list->part;
    list->more = (reply->elts[0]->integer != 0);

    if (list->more
        && (ngx_http_api_key_list_copy(call, &list->score, reply->elts[1])
            != NGX_OK
            || ngx_http_api_key_list_copy(call, &list->last, reply->elts[2])
               != NGX_OK))
    {
        return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
    }

    list->nids = 0;

    for (i = 3; i < reply->nelts; i++) {

        id.len = reply->elts[i]->str.len;
        id.data = reply->elts[i]->str.data;

        if (reply->elts[i]->type != NGX_HTTP_API_KEY_REPLY_STRING
            || api_key_id_check(&id) != 0)
        {
            continue;
        }

        ngx_memcpy(list->ids[list->nids], id.data, API_KEY_ID_LEN);

        ngx_http_api_key_call_command(call, "HGETALL");
        ngx_http_api_key_call_key(call, "key", list->ids[list->nids]);
        ngx_http_api_key_call_command(call, "PTTL");
        ngx_http_api_key_call_key(call, "key", list->ids[list->nids]);

        list->nids++;
    }

    if (list->nids == 0) {
        return ngx_http_api_key_list_next(call);
    }

    ngx_http_api_key_call_command(call, "HMGET");
    ngx_http_api_key_call_key(call, "used", NULL);

    for (i = 0; i < list->nids; i++) {
        ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, list->ids[i]);
    }

    /* one bad record must not cost the whole list, so errors are judged here */

    call->judges = 1;

    return ngx_http_api_key_call_send(call, ngx_http_api_key_list_records);
}


static ngx_int_t
ngx_http_api_key_list_records(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    ngx_uint_t                 i;
    api_key_record_t           record;
    ngx_http_api_key_list_t   *list;
    ngx_http_api_key_reply_t  *used;

    call->judges = 0;
    list = call->data;

    if (replies == NULL) {
        return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
    }

    used = replies[2 * list->nids];

    if (used->type != NGX_HTTP_API_KEY_REPLY_ARRAY
        || used->nelts != list->nids)
    {
        used = NULL;
    }

    for (i = 0; i < list->nids; i++) {

        /* what cannot be read has been logged, and is left out */

        if (ngx_http_api_key_record_read(call->store, list->ids[i],
                                         replies[2 * i], replies[2 * i + 1],
                                         &record)
            != NGX_OK
            || !ngx_http_api_key_list_wanted(list, &record))
        {
            continue;
        }

        if (json_array_append_new(list->keys,
                          ngx_http_api_key_record_json(call->store,
                                                       list->ids[i], &record,
                                                       used ? used->elts[i]
                                                            : NULL))
            != 0)
        {
            return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                                 NULL);
        }
    }

    return ngx_http_api_key_list_next(call);
}


static ngx_int_t
ngx_http_api_key_list_next(ngx_http_api_key_call_t *call)
{
    json_t                   *next;
    ngx_http_api_key_list_t  *list;
    char                      cursor[NGX_HTTP_API_KEY_LIST_DIGITS + 1
                                     + API_KEY_ID_LEN + 1];

    list = call->data;

    if (list->more && list->left) {
        return ngx_http_api_key_list_part(call);
    }

    next = json_null();

    if (list->more) {

        if (list->score.len > NGX_HTTP_API_KEY_LIST_DIGITS
            || list->last.len != API_KEY_ID_LEN)
        {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "api key store \"%V\": the list of keys holds what "
                          "is no id or no time", &call->store->name);

            return ngx_http_api_key_call_problem(call, 503, "unavailable",
                                                 NULL);
        }

        *ngx_sprintf((u_char *) cursor, "%V-%V", &list->score, &list->last) =
                                                                         '\0';
        next = json_string(cursor);
    }

    if (json_object_set_new(call->json, "next", next) != 0) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    return ngx_http_api_key_call_status(call, 200);
}


static ngx_uint_t
ngx_http_api_key_list_wanted(ngx_http_api_key_list_t *list,
    const api_key_record_t *record)
{
    size_t       i;
    const char  *state;

    if (list->state.len) {
        state = ngx_http_api_key_record_state(record);

        if (ngx_strlen(state) != list->state.len
            || ngx_strncmp(state, list->state.data, list->state.len) != 0)
        {
            return 0;
        }
    }

    for (i = 0; i + list->name.len <= record->name.len; i++) {
        if (ngx_strncasecmp((u_char *) record->name.data + i,
                            list->name.data, list->name.len)
            == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_api_key_list_copy(ngx_http_api_key_call_t *call, ngx_str_t *string,
    ngx_http_api_key_reply_t *reply)
{
    if (reply->type != NGX_HTTP_API_KEY_REPLY_STRING) {
        return NGX_ERROR;
    }

    string->len = reply->str.len;
    string->data = ngx_pstrdup(call->pool, &reply->str);

    return string->data ? NGX_OK : NGX_ERROR;
}
