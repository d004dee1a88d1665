/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The scripts that Redis runs for us.  Each is sent whole by EVAL; its keys,
 * arguments and answers are described at the head of its file in lua/.
 */

#ifndef _NGX_HTTP_API_KEY_SCRIPT_H_INCLUDED_
#define _NGX_HTTP_API_KEY_SCRIPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


extern ngx_str_t  ngx_http_api_key_script_arm;
extern ngx_str_t  ngx_http_api_key_script_audit;
extern ngx_str_t  ngx_http_api_key_script_change;
extern ngx_str_t  ngx_http_api_key_script_clear;
extern ngx_str_t  ngx_http_api_key_script_create;
extern ngx_str_t  ngx_http_api_key_script_disarm;
extern ngx_str_t  ngx_http_api_key_script_list;
extern ngx_str_t  ngx_http_api_key_script_revoke;
extern ngx_str_t  ngx_http_api_key_script_rotate;
extern ngx_str_t  ngx_http_api_key_script_used;


#endif /* _NGX_HTTP_API_KEY_SCRIPT_H_INCLUDED_ */
