/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * AUTH and SELECT where they are configured, and PING.
 */

#include "ngx_http_api_key_greeting.h"


void
ngx_http_api_key_greeting(ngx_http_api_key_greeting_t *greeting,
    ngx_http_api_key_login_t *login)
{
    u_char                      *p;
    ngx_http_api_key_command_t  *command;

    command = greeting->commands;

    if (login->password.len) {
        ngx_str_set(&greeting->auth[0], "AUTH");
        command->argv = greeting->auth;
        command->argc = 1;

        if (login->username.len) {
            command->argv[command->argc++] = login->username;
        }

        command->argv[command->argc++] = login->password;
        command++;
    }

    if (login->database) {
        p = greeting->database;

        ngx_str_set(&greeting->select[0], "SELECT");
        greeting->select[1].data = p;
        greeting->select[1].len = ngx_sprintf(p, "%ui", login->database) - p;

        command->argv = greeting->select;
        command->argc = 2;
        command++;
    }

    ngx_str_set(&greeting->ping, "PING");

    command->argv = &greeting->ping;
    command->argc = 1;
    command++;

    greeting->n = command - greeting->commands;
}


const char *
ngx_http_api_key_greeting_refused(ngx_http_api_key_login_t *login,
    ngx_http_api_key_reply_t **replies, ngx_http_api_key_error_e *kind,
    ngx_str_t **error)
{
    ngx_uint_t  i, n;

    *error = NULL;

    n = 1 + (login->password.len != 0) + (login->database != 0);

    for (i = 0; i < n; i++) {

        if (replies[i]->type == NGX_HTTP_API_KEY_REPLY_ERROR) {

            /* a Redis that cannot save says so to PING, and answers reads */

            if (i == n - 1 && replies[i]->str.len > 8
                && ngx_strncmp(replies[i]->str.data, "MISCONF ", 8) == 0)
            {
                continue;
            }

            *kind = NGX_HTTP_API_KEY_ERROR_REFUSED;
            *error = &replies[i]->str;

            return "the greeting was refused";
        }

        if (replies[i]->type != NGX_HTTP_API_KEY_REPLY_STRING) {
            *kind = NGX_HTTP_API_KEY_ERROR_PROTOCOL;

            return "an unexpected greeting";
        }
    }

    return NULL;
}
