/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The audit in pages.  The stream is input like all that is in Redis: an entry
 * that is not as the module writes them is logged by its id and left out, and
 * the others are shown.
 */

#include "ngx_http_api_key_audit.h"
#include "ngx_http_api_key_paging.h"
#include "ngx_http_api_key_record_json.h"
#include "ngx_http_api_key_script.h"
#include "ngx_http_api_key_time.h"


/* two numbers of 64 bits and a hyphen */
#define NGX_HTTP_API_KEY_AUDIT_ID      (20 + 1 + 20)

/* places in an entry of the script's answer */
#define NGX_HTTP_API_KEY_AUDIT_ACTION  2
#define NGX_HTTP_API_KEY_AUDIT_KEY     3
#define NGX_HTTP_API_KEY_AUDIT_FIELDS  6


typedef struct {
    ngx_uint_t   left;                             /* entries to look at */
    ngx_uint_t   part;                             /* asked for at once */
    ngx_str_t    last;                             /* id; len 0: none */
    u_char       id[NGX_HTTP_API_KEY_AUDIT_ID];    /* where last may lie */
    json_t      *events;                           /* in call->json */
} ngx_http_api_key_audit_t;


static ngx_int_t ngx_http_api_key_audit_limit(ngx_str_t *value, void *input);
static ngx_int_t ngx_http_api_key_audit_cursor(ngx_str_t *value, void *input);
static ngx_uint_t ngx_http_api_key_audit_is_id(ngx_str_t *id, int64_t *at);
static ngx_uint_t ngx_http_api_key_audit_is_number(u_char *digits, size_t len);
static ngx_int_t ngx_http_api_key_audit_part(ngx_http_api_key_call_t *call);
static ngx_int_t ngx_http_api_key_audit_entries(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_str_t *ngx_http_api_key_audit_entry(
    ngx_http_api_key_reply_t *entry);
static ngx_uint_t ngx_http_api_key_audit_trusted(
    ngx_http_api_key_reply_t *entry, int64_t *at);
static json_t *ngx_http_api_key_audit_event(ngx_http_api_key_reply_t *entry,
    int64_t at);
static ngx_uint_t ngx_http_api_key_audit_is_action(ngx_str_t *action);
static ngx_int_t ngx_http_api_key_audit_next(ngx_http_api_key_call_t *call,
    ngx_uint_t more);


static const ngx_http_api_key_paging_parameter_t
    ngx_http_api_key_audit_parameters[] =
{
    { "limit", ngx_http_api_key_audit_limit },
    { "cursor", ngx_http_api_key_audit_cursor },
    { NULL, NULL }
};


ngx_int_t
ngx_http_api_key_audit_list(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_audit_t  *audit;

    audit = ngx_pcalloc(call->pool, sizeof(ngx_http_api_key_audit_t));
    if (audit == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    audit->events = json_array();
    call->json = json_pack("{s:o}", "events", audit->events);
    call->data = audit;

    if (call->json == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    audit->left = NGX_HTTP_API_KEY_PAGING_DEFAULT;

    if (ngx_http_api_key_paging_query(call, ngx_http_api_key_audit_parameters,
                                      audit)
        != NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_http_api_key_audit_part(call);
}


static ngx_int_t
ngx_http_api_key_audit_limit(ngx_str_t *value, void *input)
{
    ngx_http_api_key_audit_t  *audit = input;

    return ngx_http_api_key_paging_limit(value, &audit->left);
}


/* An entry's id.  Redis would refuse another one with an error. */

static ngx_int_t
ngx_http_api_key_audit_cursor(ngx_str_t *value, void *input)
{
    ngx_http_api_key_audit_t  *audit = input;

    int64_t  at;

    if (!ngx_http_api_key_audit_is_id(value, &at)) {
        return NGX_DECLINED;
    }

    audit->last = *value;

    return NGX_OK;
}


/*
 * Whether id is a stream's, as Redis writes them: "MILLISECONDS-NUMBER", and
 * not 0-0, which no entry has.  at is in Unix seconds.
 */

static ngx_uint_t
ngx_http_api_key_audit_is_id(ngx_str_t *id, int64_t *at)
{
    u_char  *hyphen, *p, *last;

    last = id->data + id->len;

    hyphen = ngx_strlchr(id->data, last, '-');

    if (hyphen == NULL
        || !ngx_http_api_key_audit_is_number(id->data, hyphen - id->data)
        || !ngx_http_api_key_audit_is_number(hyphen + 1, last - hyphen - 1)
        || (id->len == 3 && ngx_strncmp(id->data, "0-0", 3) == 0))
    {
        return 0;
    }

    *at = 0;

    /* without the three digits of milliseconds */

    for (p = id->data; p + 3 < hyphen; p++) {
        *at = *at * 10 + (*p - '0');
    }

    return 1;
}


/* Whether it is a number of 64 bits, in as many digits as it takes. */

static ngx_uint_t
ngx_http_api_key_audit_is_number(u_char *digits, size_t len)
{
    size_t  i;

    static const char  max[] = "18446744073709551615";

    if (len == 0 || len > sizeof(max) - 1) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return 0;
        }
    }

    if (len > 1 && digits[0] == '0') {
        return 0;
    }

    return len < sizeof(max) - 1
           || ngx_strncmp(digits, max, sizeof(max) - 1) <= 0;
}


static ngx_int_t
ngx_http_api_key_audit_part(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_audit_t  *audit;

    audit = call->data;
    audit->part = ngx_min(audit->left, NGX_HTTP_API_KEY_PAGING_PART);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_audit, 1);
    ngx_http_api_key_call_key(call, "audit", NULL);
    ngx_http_api_key_call_number(call, audit->part);
    ngx_http_api_key_call_arg(call, audit->last.len, audit->last.data);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_audit_entries);
}


static ngx_int_t
ngx_http_api_key_audit_entries(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    int64_t                    at;
    ngx_str_t                 *id;
    ngx_uint_t                 i, more;
    ngx_http_api_key_reply_t  *reply;
    ngx_http_api_key_audit_t  *audit;

    audit = call->data;
    reply = replies[0];

    if (reply->type != NGX_HTTP_API_KEY_REPLY_ARRAY || reply->nelts < 1
        || reply->elts[0]->type != NGX_HTTP_API_KEY_REPLY_INTEGER
        || reply->nelts - 1 > audit->part)
    {
        return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
    }

    /* there cannot be more behind less than was asked for */

    more = reply->elts[0]->integer != 0 && reply->nelts - 1 == audit->part;

    for (i = 1; i < reply->nelts; i++) {

        id = ngx_http_api_key_audit_entry(reply->elts[i]);
        if (id == NULL) {
            return ngx_http_api_key_call_problem(call, 503, "unavailable",
                                                 NULL);
        }

        audit->last.len = id->len;
        audit->last.data = audit->id;
        ngx_memcpy(audit->id, id->data, id->len);

        if (!ngx_http_api_key_audit_trusted(reply->elts[i], &at)) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "api key store \"%V\": the audit's entry %V cannot "
                          "be trusted", &call->store->name, id);
            continue;
        }

        if (json_array_append_new(audit->events,
                       ngx_http_api_key_audit_event(reply->elts[i], at))
            != 0)
        {
            return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                                 NULL);
        }
    }

    audit->left -= audit->part;

    return ngx_http_api_key_audit_next(call, more);
}


/* The id of an entry of the script's answer, or NULL when it is none. */

static ngx_str_t *
ngx_http_api_key_audit_entry(ngx_http_api_key_reply_t *entry)
{
    int64_t     at;
    ngx_uint_t  i;

    if (entry->type != NGX_HTTP_API_KEY_REPLY_ARRAY || entry->nelts == 0) {
        return NULL;
    }

    for (i = 0; i < entry->nelts; i++) {
        if (entry->elts[i]->type != NGX_HTTP_API_KEY_REPLY_STRING) {
            return NULL;
        }
    }

    return ngx_http_api_key_audit_is_id(&entry->elts[0]->str, &at)
           ? &entry->elts[0]->str : NULL;
}


/* Whether an entry is as the module writes them; at is in Unix seconds. */

static ngx_uint_t
ngx_http_api_key_audit_trusted(ngx_http_api_key_reply_t *entry, int64_t *at)
{
    int             rc;
    ngx_uint_t      i;
    api_key_str_t   text;

    if (entry->nelts != NGX_HTTP_API_KEY_AUDIT_FIELDS
        || !ngx_http_api_key_audit_is_id(&entry->elts[0]->str, at)
        || *at > NGX_HTTP_API_KEY_TIME_MAX
        || !ngx_http_api_key_audit_is_action(
                        &entry->elts[NGX_HTTP_API_KEY_AUDIT_ACTION]->str))
    {
        return 0;
    }

    for (i = 1; i < NGX_HTTP_API_KEY_AUDIT_FIELDS; i++) {

        text.len = entry->elts[i]->str.len;
        text.data = entry->elts[i]->str.data;

        if (i != NGX_HTTP_API_KEY_AUDIT_KEY) {
            /* a name's rules: some text, not long, no control characters */
            rc = api_key_name_check(&text);

        } else {
            rc = text.len ? api_key_id_check(&text) : 0;
        }

        if (rc != 0) {
            return 0;
        }
    }

    return 1;
}


static json_t *
ngx_http_api_key_audit_event(ngx_http_api_key_reply_t *entry, int64_t at)
{
    int          failed;
    json_t      *event;
    ngx_str_t   *value;
    ngx_uint_t   i;

    static const char  *names[NGX_HTTP_API_KEY_AUDIT_FIELDS] =
        { "id", "who", "action", "key", "from", "request_id" };

    event = json_object();

    failed = json_object_set_new(event, "at",
                                 ngx_http_api_key_record_time(at));

    for (i = 0; i < NGX_HTTP_API_KEY_AUDIT_FIELDS; i++) {

        value = &entry->elts[i]->str;

        /* only the key may be empty: it is the store's own flag then */

        failed |= json_object_set_new(event, names[i],
                         value->len ? json_stringn((char *) value->data,
                                                   value->len)
                                    : json_null());
    }

    if (failed) {
        json_decref(event);
        return NULL;
    }

    return event;
}


static ngx_uint_t
ngx_http_api_key_audit_is_action(ngx_str_t *action)
{
    ngx_uint_t  i;

    static const char  *actions[] = { "create", "import", "change", "rotate",
                                      "revoke", "arm", "disarm", "clear",
                                      NULL };

    for (i = 0; actions[i]; i++) {
        if (ngx_strlen(actions[i]) == action->len
            && ngx_strncmp(actions[i], action->data, action->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* Goes on with the next part, or ends the page. */

static ngx_int_t
ngx_http_api_key_audit_next(ngx_http_api_key_call_t *call, ngx_uint_t more)
{
    json_t                    *next;
    ngx_http_api_key_audit_t  *audit;

    audit = call->data;

    if (more && audit->left) {
        return ngx_http_api_key_audit_part(call);
    }

    next = more ? json_stringn((char *) audit->last.data, audit->last.len)
                : json_null();

    if (json_object_set_new(call->json, "next", next) != 0) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    return ngx_http_api_key_call_status(call, 200);
}
