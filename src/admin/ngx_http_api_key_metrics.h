/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The metrics, in Prometheus' text format:
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

#ifndef _NGX_HTTP_API_KEY_METRICS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_METRICS_H_INCLUDED_


#include "ngx_http_api_key_call.h"


/*
 * GET metrics.  Redis is asked for what only it knows; without an answer the
 * rest is told all the same.
 */

ngx_int_t ngx_http_api_key_metrics(ngx_http_api_key_call_t *call);


#endif /* _NGX_HTTP_API_KEY_METRICS_H_INCLUDED_ */
