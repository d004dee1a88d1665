/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Refusals.
 */

#ifndef _NGX_HTTP_API_KEY_RESPONSE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_RESPONSE_H_INCLUDED_


#include "ngx_http_api_key_request.h"


/*
 * Prepares the refusal for a verdict and logs why.  Returns the status for
 * nginx to go on with; headers and body follow when it is really sent, as an
 * error_page or "satisfy any" may have it otherwise.
 */

ngx_int_t ngx_http_api_key_refuse(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    api_key_verdict_e verdict);


#endif /* _NGX_HTTP_API_KEY_RESPONSE_H_INCLUDED_ */
