/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * JSON as the admin API takes it in.  jansson reads it; what it does not look
 * at (depth), or does not tell (which member was at fault), is found by a walk
 * over the text.
 */

#include "ngx_http_api_key_json.h"


#define NGX_HTTP_API_KEY_JSON_DEPTH  8
#define NGX_HTTP_API_KEY_JSON_NAME   64            /* the longest named back */


typedef struct {
    ngx_uint_t  depth;                             /* the deepest nesting */
    ngx_str_t   name;      /* the last outermost name, with its quotes */
} ngx_http_api_key_json_walk_t;


static void ngx_http_api_key_json_walk(ngx_str_t *text, size_t end,
    ngx_http_api_key_json_walk_t *walk);
static ngx_int_t ngx_http_api_key_json_fault(ngx_http_api_key_call_t *call,
    ngx_str_t *text, json_error_t *error);


ngx_int_t
ngx_http_api_key_json_parse(ngx_http_api_key_call_t *call, ngx_str_t *text)
{
    json_error_t                  error;
    ngx_http_api_key_json_walk_t  walk;

    ngx_http_api_key_json_walk(text, text->len, &walk);

    if (walk.depth > NGX_HTTP_API_KEY_JSON_DEPTH) {
        goto invalid;
    }

    /* out of memory is all that jansson does not always tell in its error */

    ngx_set_errno(0);

    call->body = json_loadb((char *) text->data, text->len,
                            JSON_REJECT_DUPLICATES, &error);

    if (json_is_object(call->body)) {
        return NGX_OK;
    }

    if (call->body == NULL && ngx_errno == NGX_ENOMEM) {
        (void) ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
        return NGX_DECLINED;
    }

    if (call->body == NULL) {
        return ngx_http_api_key_json_fault(call, text, &error);
    }

invalid:

    (void) ngx_http_api_key_call_problem(call, 400, "invalid_json", NULL);

    return NGX_DECLINED;
}


/*
 * A name that stands twice and a number too big to be read are the fault of a
 * member; anything else is one of the text.
 */

static ngx_int_t
ngx_http_api_key_json_fault(ngx_http_api_key_call_t *call, ngx_str_t *text,
    json_error_t *error)
{
    json_t                        *name;
    const char                    *code, *field;
    ngx_http_api_key_json_walk_t   walk;

    code = "invalid_json";
    field = NULL;
    name = NULL;

    switch (json_error_code(error)) {

    case json_error_duplicate_key:
    case json_error_numeric_overflow:

        ngx_http_api_key_json_walk(text, error->position, &walk);

        name = json_loadb((char *) walk.name.data, walk.name.len,
                          JSON_DECODE_ANY, NULL);

        if (name) {
            code = "invalid_field";
            field = "body";

            if (ngx_http_api_key_json_nameable(json_string_value(name),
                                               json_string_length(name)))
            {
                field = json_string_value(name);
            }
        }

        break;

    default:
        break;
    }

    (void) ngx_http_api_key_call_problem(call, 400, code, field);

    json_decref(name);

    return NGX_DECLINED;
}


/*
 * Looks over the first end bytes of what may or may not be JSON: how deep it
 * goes, and which name of the outermost object came last.
 */

static void
ngx_http_api_key_json_walk(ngx_str_t *text, size_t end,
    ngx_http_api_key_json_walk_t *walk)
{
    size_t      i, start;
    ngx_uint_t  depth, naming;

    walk->depth = 0;
    ngx_str_null(&walk->name);

    depth = 0;
    naming = 0;

    for (i = 0; i < end && i < text->len; i++) {

        switch (text->data[i]) {

        case '{':
        case '[':
            depth++;
            naming = (depth == 1);
            walk->depth = ngx_max(walk->depth, depth);
            break;

        case '}':
        case ']':
            depth -= (depth > 0);
            break;

        case ',':
            naming = (depth == 1);
            break;

        case '"':
            start = i++;

            while (i < text->len && text->data[i] != '"') {
                i += (text->data[i] == '\\') ? 2 : 1;
            }

            if (naming && i < text->len) {
                walk->name.data = &text->data[start];
                walk->name.len = i + 1 - start;
            }

            naming = 0;
            break;

        default:
            break;
        }
    }
}


ngx_int_t
ngx_http_api_key_json_read(ngx_http_api_key_call_t *call,
    ngx_http_api_key_json_member_t *members, void *input)
{
    json_t                          *value;
    ngx_int_t                        rc;
    const char                      *name;
    ngx_http_api_key_json_member_t  *member;

    json_object_foreach(call->body, name, value) {

        rc = NGX_DECLINED;

        for (member = members; member->name; member++) {

            if (ngx_strcmp(member->name, name) == 0) {
                rc = member->handler(call, value, input);
                break;
            }
        }

        if (rc == NGX_OK) {
            continue;
        }

        if (rc == NGX_ERROR) {
            (void) ngx_http_api_key_call_problem(call, 500, "internal_error",
                                                 NULL);
            return NGX_DECLINED;
        }

        if (!ngx_http_api_key_json_nameable(name, ngx_strlen(name))) {
            name = "body";
        }

        (void) ngx_http_api_key_call_problem(call, 400, "invalid_field", name);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_api_key_json_nameable(const char *text, size_t len)
{
    api_key_str_t  name;

    name.len = len;
    name.data = (const unsigned char *) text;

    return len <= NGX_HTTP_API_KEY_JSON_NAME && api_key_name_check(&name) == 0;
}
