/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * RFC 3339 times, both ways.
 */

#include "ngx_http_api_key_time.h"


static ngx_int_t ngx_http_api_key_time_digits(const char **p, const char *last,
    ngx_uint_t n);
static int64_t ngx_http_api_key_time_days(ngx_int_t year, ngx_int_t month,
    ngx_int_t day);


void
ngx_http_api_key_time_write(int64_t seconds, char *text)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) seconds, &tm);

    *ngx_sprintf((u_char *) text, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                 tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                 tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec) = '\0';
}


ngx_int_t
ngx_http_api_key_time_read(const char *text, size_t len, int64_t *seconds)
{
    ngx_int_t    part[6], offset, hours, minutes, sign;
    ngx_uint_t   i;
    const char  *p, *last;

    static const char        separators[] = "--T::";
    static const ngx_uint_t  digits[] = { 4, 2, 2, 2, 2, 2 };
    static const ngx_int_t   days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30,
                                        31, 30, 31 };

    p = text;
    last = text + len;

    for (i = 0; i < 6; i++) {
        part[i] = ngx_http_api_key_time_digits(&p, last, digits[i]);

        if (part[i] == NGX_ERROR) {
            return NGX_DECLINED;
        }

        if (i < 5) {
            if (p == last || ngx_toupper(*p) != separators[i]) {
                return NGX_DECLINED;
            }

            p++;
        }
    }

    /* a leap second is the first one of the next minute */

    if (part[1] < 1 || part[1] > 12
        || part[2] < 1 || part[2] > days[part[1] - 1]
        || part[3] > 23 || part[4] > 59 || part[5] > 60)
    {
        return NGX_DECLINED;
    }

    if (part[1] == 2 && part[2] == 29
        && (part[0] % 4 || (part[0] % 100 == 0 && part[0] % 400)))
    {
        return NGX_DECLINED;
    }

    if (p < last && *p == '.') {
        p++;

        if (ngx_http_api_key_time_digits(&p, last, 1) == NGX_ERROR) {
            return NGX_DECLINED;
        }

        while (p < last && *p >= '0' && *p <= '9') {
            p++;
        }
    }

    if (p == last) {
        return NGX_DECLINED;
    }

    offset = 0;

    switch (*p++) {

    case 'Z':
    case 'z':
        break;

    case '+':
    case '-':
        sign = (p[-1] == '-') ? -1 : 1;

        hours = ngx_http_api_key_time_digits(&p, last, 2);

        if (p == last || *p++ != ':') {
            return NGX_DECLINED;
        }

        minutes = ngx_http_api_key_time_digits(&p, last, 2);

        if (hours == NGX_ERROR || hours > 23
            || minutes == NGX_ERROR || minutes > 59)
        {
            return NGX_DECLINED;
        }

        offset = sign * (hours * 60 + minutes) * 60;

        break;

    default:
        return NGX_DECLINED;
    }

    if (p != last) {
        return NGX_DECLINED;
    }

    *seconds = ngx_http_api_key_time_days(part[0], part[1], part[2]) * 86400
               + part[3] * 3600 + part[4] * 60 + part[5] - offset;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_time_digits(const char **p, const char *last, ngx_uint_t n)
{
    ngx_int_t  value;

    if ((ngx_uint_t) (last - *p) < n) {
        return NGX_ERROR;
    }

    value = ngx_atoi((u_char *) *p, n);
    *p += n;

    return value;
}


/* days since 1970-01-01 in the Gregorian calendar */

static int64_t
ngx_http_api_key_time_days(ngx_int_t year, ngx_int_t month, ngx_int_t day)
{
    /* the year begins in March, so that a leap day is its last one */

    if (month <= 2) {
        month += 12;
        year--;
    }

    /* in the year 0, January and February belong to -1 */

    return (int64_t) 365 * year + (year + 400) / 4 - (year + 400) / 100
           + (year + 400) / 400 - 97
           + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}
