/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The scripts' texts, from the header that scripts/embed makes of lua/.
 */

#include "ngx_http_api_key_script.h"
#include "ngx_http_api_key_lua.h"


#define ngx_http_api_key_script(text)                                         \
    { text##_len, (u_char *) text }


ngx_str_t  ngx_http_api_key_script_arm =
    ngx_http_api_key_script(ngx_http_api_key_lua_arm);

ngx_str_t  ngx_http_api_key_script_audit =
    ngx_http_api_key_script(ngx_http_api_key_lua_audit);

ngx_str_t  ngx_http_api_key_script_change =
    ngx_http_api_key_script(ngx_http_api_key_lua_change);

ngx_str_t  ngx_http_api_key_script_clear =
    ngx_http_api_key_script(ngx_http_api_key_lua_clear);

ngx_str_t  ngx_http_api_key_script_create =
    ngx_http_api_key_script(ngx_http_api_key_lua_create);

ngx_str_t  ngx_http_api_key_script_disarm =
    ngx_http_api_key_script(ngx_http_api_key_lua_disarm);

ngx_str_t  ngx_http_api_key_script_list =
    ngx_http_api_key_script(ngx_http_api_key_lua_list);

ngx_str_t  ngx_http_api_key_script_revoke =
    ngx_http_api_key_script(ngx_http_api_key_lua_revoke);

ngx_str_t  ngx_http_api_key_script_rotate =
    ngx_http_api_key_script(ngx_http_api_key_lua_rotate);

ngx_str_t  ngx_http_api_key_script_used =
    ngx_http_api_key_script(ngx_http_api_key_lua_used);
