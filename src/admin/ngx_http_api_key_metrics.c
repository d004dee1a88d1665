/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The metrics: what this nginx has counted, and three questions to Redis
 * however many keys there are.
 */

#include "ngx_http_api_key_metrics.h"
#include "ngx_http_api_key_flags.h"


/* enough for all lines without the store's name, which is in each of them */

#define NGX_HTTP_API_KEY_METRICS_SIZE   16384
#define NGX_HTTP_API_KEY_METRICS_LINES  128
#define NGX_HTTP_API_KEY_METRICS_SERVER 300


typedef struct {
    ngx_http_api_key_store_t     *store;
    u_char                       *last;
    u_char                       *end;
} ngx_http_api_key_metrics_t;


static ngx_int_t ngx_http_api_key_metrics_replied(
    ngx_http_api_key_call_t *call, ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_metrics_family(ngx_http_api_key_metrics_t *m,
    const char *name, const char *type, const char *help);
static void ngx_http_api_key_metrics_line(ngx_http_api_key_metrics_t *m,
    const char *name, const char *label, const char *value, uint64_t n);
static void ngx_http_api_key_metrics_verdicts(ngx_http_api_key_metrics_t *m,
    const char *name, ngx_uint_t first);
static void ngx_http_api_key_metrics_cache(ngx_http_api_key_metrics_t *m);
static void ngx_http_api_key_metrics_redis(ngx_http_api_key_metrics_t *m,
    ngx_uint_t up);
static void ngx_http_api_key_metrics_seconds(ngx_http_api_key_metrics_t *m);
static void ngx_http_api_key_metrics_keys(ngx_http_api_key_metrics_t *m,
    ngx_http_api_key_reply_t **replies);
static uint64_t ngx_http_api_key_metrics_sum(ngx_http_api_key_metrics_t *m,
    ngx_uint_t which);


ngx_int_t
ngx_http_api_key_metrics(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_call_command(call, "GET");
    ngx_http_api_key_call_key(call, "armed", NULL);

    ngx_http_api_key_call_command(call, "PTTL");
    ngx_http_api_key_call_key(call, "armed", NULL);

    /* the scores are milliseconds */

    ngx_http_api_key_call_command(call, "ZCOUNT");
    ngx_http_api_key_call_key(call, "live", NULL);
    ngx_http_api_key_call_text(call, "-inf");
    ngx_http_api_key_call_number(call, 1000 * (ngx_time()
                                               - call->store->rotate_after));

    call->judges = 1;

    return ngx_http_api_key_call_send(call, ngx_http_api_key_metrics_replied);
}


static ngx_int_t
ngx_http_api_key_metrics_replied(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    ngx_str_t                   text;
    ngx_uint_t                  i;
    ngx_http_api_key_metrics_t  m;

    text.data = ngx_pnalloc(call->pool, NGX_HTTP_API_KEY_METRICS_SIZE
                                        + NGX_HTTP_API_KEY_METRICS_LINES
                                          * call->store->name.len);
    if (text.data == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    m.store = call->store;
    m.last = text.data;
    m.end = text.data + NGX_HTTP_API_KEY_METRICS_SIZE
            + NGX_HTTP_API_KEY_METRICS_LINES
                                          * call->store->name.len;

    ngx_http_api_key_metrics_family(&m, "requests_total", "counter",
                                    "Requests judged, by verdict.");
    ngx_http_api_key_metrics_verdicts(&m, "requests_total",
                                      NGX_HTTP_API_KEY_COUNT_REQUESTS);

    ngx_http_api_key_metrics_family(&m, "observed_total", "counter",
                                    "Requests that only api_key_observe has "
                                    "let through, by verdict.");
    ngx_http_api_key_metrics_verdicts(&m, "observed_total",
                                      NGX_HTTP_API_KEY_COUNT_OBSERVED);

    ngx_http_api_key_metrics_cache(&m);
    ngx_http_api_key_metrics_redis(&m, replies != NULL);
    ngx_http_api_key_metrics_seconds(&m);

    ngx_http_api_key_metrics_family(&m, "admin_total", "counter",
                                    "What the admin API has done, by action.");

    for (i = 0; i < NGX_HTTP_API_KEY_ACTIONS; i++) {
        ngx_http_api_key_metrics_line(&m, "admin_total", "action",
                                      ngx_http_api_key_action_name(i),
                                      ngx_http_api_key_metrics_sum(&m,
                                          NGX_HTTP_API_KEY_COUNT_ADMIN + i));
    }

    if (replies) {
        ngx_http_api_key_metrics_keys(&m, replies);
    }

    text.len = m.last - text.data;

    return ngx_http_api_key_call_document(call,
                           "text/plain; version=0.0.4; charset=utf-8", &text);
}


static void
ngx_http_api_key_metrics_verdicts(ngx_http_api_key_metrics_t *m,
    const char *name, ngx_uint_t first)
{
    ngx_uint_t  i;

    for (i = API_KEY_OK; i < API_KEY_VERDICTS; i++) {
        ngx_http_api_key_metrics_line(m, name, "verdict",
                       (const char *) api_key_verdict_name(i)->data,
                       ngx_http_api_key_metrics_sum(m, first + i));
    }
}


static void
ngx_http_api_key_metrics_cache(ngx_http_api_key_metrics_t *m)
{
    ngx_uint_t           i;

    static const char   *results[] = { "hit", "miss", "stale", "negative" };

    ngx_http_api_key_metrics_family(m, "cache_total", "counter",
                                    "Looks into the cache, by result.");

    for (i = 0; i < 4; i++) {
        ngx_http_api_key_metrics_line(m, "cache_total", "result", results[i],
                                      ngx_http_api_key_metrics_sum(m,
                                          NGX_HTTP_API_KEY_COUNT_HIT + i));
    }

    ngx_http_api_key_metrics_family(m, "cache_entries", "gauge",
                                    "Keys in the cache, unknown ones too.");
    ngx_http_api_key_metrics_line(m, "cache_entries", NULL, NULL,
                                  m->store->cache
                                  ? ngx_http_api_key_cache_entries(
                                                         m->store->cache)
                                  : 0);

    ngx_http_api_key_metrics_family(m, "cache_evictions_total", "counter",
                                    "Known keys that had to make room.");
    ngx_http_api_key_metrics_line(m, "cache_evictions_total", NULL, NULL,
                                  ngx_http_api_key_metrics_sum(m,
                                       NGX_HTTP_API_KEY_COUNT_EVICTIONS));

    ngx_http_api_key_metrics_family(m, "invalidations_total", "counter",
                                    "Changes that Redis has told of, by "
                                    "worker.");
    ngx_http_api_key_metrics_line(m, "invalidations_total", NULL, NULL,
                                  ngx_http_api_key_metrics_sum(m,
                                       NGX_HTTP_API_KEY_COUNT_INVALIDATIONS));
}


static void
ngx_http_api_key_metrics_redis(ngx_http_api_key_metrics_t *m, ngx_uint_t up)
{
    ngx_str_t  *url;
    ngx_uint_t  i;
    u_char      server[NGX_HTTP_API_KEY_METRICS_SERVER + 1];

    url = &m->store->redis_conf.server->url;

    (void) ngx_cpystrn(server, url->data,
                       ngx_min(url->len, NGX_HTTP_API_KEY_METRICS_SERVER) + 1);

    for (i = 0; server[i]; i++) {
        if (server[i] == '"' || server[i] == '\\') {
            server[i] = '_';
        }
    }

    ngx_http_api_key_metrics_family(m, "redis_up", "gauge",
                                    "Whether Redis has just answered.");
    ngx_http_api_key_metrics_line(m, "redis_up", "server", (char *) server,
                                  up);

    ngx_http_api_key_metrics_family(m, "redis_errors_total", "counter",
                                    "Broken links and failed attempts to "
                                    "make one, by kind.");

    for (i = 0; i < NGX_HTTP_API_KEY_ERRORS; i++) {
        ngx_http_api_key_metrics_line(m, "redis_errors_total", "kind",
                                      ngx_http_api_key_error_name(i),
                                      ngx_http_api_key_metrics_sum(m,
                                          NGX_HTTP_API_KEY_COUNT_ERRORS + i));
    }
}


static void
ngx_http_api_key_metrics_seconds(ngx_http_api_key_metrics_t *m)
{
    u_char      end[NGX_INT64_LEN + sizeof("0.000000")];
    uint64_t    n, us;
    ngx_uint_t  i;

    ngx_http_api_key_metrics_family(m, "redis_seconds", "histogram",
                                    "Time until Redis answers.");

    n = 0;

    for (i = 0; i < NGX_HTTP_API_KEY_BUCKETS; i++) {
        n += ngx_http_api_key_metrics_sum(m,
                                          NGX_HTTP_API_KEY_COUNT_BUCKETS + i);
        us = ngx_http_api_key_bucket_end(i);

        if (us) {
            *ngx_sprintf(end, "%uL.%06uL", us / 1000000, us % 1000000) = '\0';

        } else {
            ngx_memcpy(end, "+Inf", sizeof("+Inf"));
        }

        ngx_http_api_key_metrics_line(m, "redis_seconds_bucket", "le",
                                      (char *) end, n);
    }

    us = ngx_http_api_key_metrics_sum(m, NGX_HTTP_API_KEY_COUNT_MICROSECONDS);

    m->last = ngx_slprintf(m->last, m->end,
                           "nginx_api_key_redis_seconds_sum{store=\"%V\"} "
                           "%uL.%06uL\n",
                           &m->store->name, us / 1000000, us % 1000000);

    ngx_http_api_key_metrics_line(m, "redis_seconds_count", NULL, NULL, n);
}


/* What only Redis knows; what it does not answer rightly is not told. */

static void
ngx_http_api_key_metrics_keys(ngx_http_api_key_metrics_t *m,
    ngx_http_api_key_reply_t **replies)
{
    json_int_t  uses;

    if (replies[0]->type != NGX_HTTP_API_KEY_REPLY_ERROR
        && replies[1]->type == NGX_HTTP_API_KEY_REPLY_INTEGER)
    {
        ngx_http_api_key_metrics_family(m, "armed", "gauge",
                                        "Whether the store's clear flag is "
                                        "set.");
        ngx_http_api_key_metrics_line(m, "armed", NULL, NULL,
                                      ngx_http_api_key_flags_set(replies[0],
                                                                 replies[1],
                                                                 &uses));
    }

    if (replies[2]->type == NGX_HTTP_API_KEY_REPLY_INTEGER) {
        ngx_http_api_key_metrics_family(m, "rotate_due", "gauge",
                                        "Keys older than rotate_after.");
        ngx_http_api_key_metrics_line(m, "rotate_due", NULL, NULL,
                                      m->store->rotate_after
                                      ? replies[2]->integer : 0);
    }
}


static void
ngx_http_api_key_metrics_family(ngx_http_api_key_metrics_t *m,
    const char *name, const char *type, const char *help)
{
    m->last = ngx_slprintf(m->last, m->end,
                           "# HELP nginx_api_key_%s %s\n"
                           "# TYPE nginx_api_key_%s %s\n",
                           name, help, name, type);
}


static void
ngx_http_api_key_metrics_line(ngx_http_api_key_metrics_t *m, const char *name,
    const char *label, const char *value, uint64_t n)
{
    m->last = ngx_slprintf(m->last, m->end, "nginx_api_key_%s{store=\"%V\"",
                           name, &m->store->name);

    if (label) {
        m->last = ngx_slprintf(m->last, m->end, ",%s=\"%s\"", label, value);
    }

    m->last = ngx_slprintf(m->last, m->end, "} %uL\n", n);
}


static uint64_t
ngx_http_api_key_metrics_sum(ngx_http_api_key_metrics_t *m, ngx_uint_t which)
{
    return ngx_http_api_key_counters_sum(m->store->counters, which);
}
