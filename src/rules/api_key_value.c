/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The grammar of each kind of value that a record has.
 */

#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include "api_key_value.h"


#define API_KEY_DIGITS_MAX     12             /* of any number here */


static int api_key_split(const api_key_str_t *text, int separator,
    api_key_str_t *head, api_key_str_t *tail);
static int api_key_text_length(const api_key_str_t *text);
static size_t api_key_utf8(const unsigned char *p, size_t len,
    uint32_t *symbol);
static int api_key_cidr_address(const api_key_str_t *text,
    api_key_cidr_t *cidr);
static void api_key_cidr_unmap(api_key_cidr_t *cidr);


int
api_key_list_check(const api_key_str_t *list, unsigned max,
    api_key_word_pt check)
{
    unsigned       n;
    api_key_str_t  rest, word;

    if (list->len == 0) {
        return -1;
    }

    rest = *list;

    for (n = 0; api_key_list_next(&rest, &word); n++) {
        if (n == max || check(&word) != 0) {
            return -1;
        }
    }

    return 0;
}


int
api_key_list_next(api_key_str_t *list, api_key_str_t *word)
{
    api_key_str_t  rest;

    if (list->data == NULL) {
        return 0;
    }

    (void) api_key_split(list, ' ', word, &rest);

    *list = rest;

    return 1;
}


/* Without a separator head is the whole text, and tail has data NULL. */

static int
api_key_split(const api_key_str_t *text, int separator, api_key_str_t *head,
    api_key_str_t *tail)
{
    const unsigned char  *p;

    *head = *text;

    tail->len = 0;
    tail->data = NULL;

    p = (text->len != 0) ? memchr(text->data, separator, text->len) : NULL;
    if (p == NULL) {
        return 0;
    }

    head->len = (size_t) (p - text->data);

    tail->len = text->len - head->len - 1;
    tail->data = p + 1;

    return 1;
}


int
api_key_number(const api_key_str_t *text, int64_t max, int64_t *number)
{
    size_t         i;
    int64_t        n;
    unsigned char  c;

    if (text->len == 0 || text->len > API_KEY_DIGITS_MAX) {
        return -1;
    }

    n = 0;

    for (i = 0; i < text->len; i++) {
        c = text->data[i];

        if (c < '0' || c > '9') {
            return -1;
        }

        n = n * 10 + (c - '0');
    }

    if (n > max) {
        return -1;
    }

    *number = n;

    return 0;
}


int
api_key_rate_parse(const api_key_str_t *text, uint32_t *limit,
    uint32_t *window)
{
    int64_t        requests, seconds;
    api_key_str_t  head, tail;

    if (!api_key_split(text, '/', &head, &tail)
        || api_key_number(&head, API_KEY_RATE_MAX, &requests) != 0
        || api_key_number(&tail, API_KEY_WINDOW_MAX, &seconds) != 0
        || requests == 0 || seconds == 0)
    {
        return -1;
    }

    *limit = (uint32_t) requests;
    *window = (uint32_t) seconds;

    return 0;
}


int
api_key_name_check(const api_key_str_t *name)
{
    int  length;

    length = api_key_text_length(name);

    return (length >= 1 && length <= API_KEY_NAME_MAX) ? 0 : -1;
}


int
api_key_meta_value_check(const api_key_str_t *value)
{
    if (value->len > API_KEY_META_VALUE_MAX) {
        return -1;
    }

    return (api_key_text_length(value) == -1) ? -1 : 0;
}


/*
 * The characters of valid UTF-8, or -1 where it is invalid or has a control
 * character, U+0080 to U+009F included.
 */

static int
api_key_text_length(const api_key_str_t *text)
{
    int       length;
    size_t    i, n;
    uint32_t  symbol;

    length = 0;

    for (i = 0; i < text->len; i += n) {
        n = api_key_utf8(text->data + i, text->len - i, &symbol);

        if (n == 0 || symbol < 0x20 || (symbol >= 0x7f && symbol < 0xa0)) {
            return -1;
        }

        length++;
    }

    return length;
}


/*
 * Decodes one character; returns its length, or 0 when it is invalid: cut
 * off, longer than needed, a surrogate, or beyond U+10FFFF.
 */

static size_t
api_key_utf8(const unsigned char *p, size_t len, uint32_t *symbol)
{
    size_t    i, n;
    uint32_t  u, min;

    if (p[0] < 0x80) {
        *symbol = p[0];
        return 1;
    }

    if ((p[0] & 0xe0) == 0xc0) {
        n = 2;
        u = p[0] & 0x1f;
        min = 0x80;

    } else if ((p[0] & 0xf0) == 0xe0) {
        n = 3;
        u = p[0] & 0x0f;
        min = 0x800;

    } else if ((p[0] & 0xf8) == 0xf0) {
        n = 4;
        u = p[0] & 0x07;
        min = 0x10000;

    } else {
        return 0;
    }

    if (n > len) {
        return 0;
    }

    for (i = 1; i < n; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        u = (u << 6) | (p[i] & 0x3f);
    }

    if (u < min || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff)) {
        return 0;
    }

    *symbol = u;

    return n;
}


int
api_key_scope_check(const api_key_str_t *scope)
{
    size_t         i;
    unsigned char  c;

    if (scope->len == 0 || scope->len > API_KEY_SCOPE_MAX) {
        return -1;
    }

    for (i = 0; i < scope->len; i++) {
        c = scope->data[i];

        if (!api_key_is_alnum(c)
            && c != ':' && c != '.' && c != '_' && c != '-')
        {
            return -1;
        }
    }

    return 0;
}


int
api_key_meta_name_check(const api_key_str_t *name)
{
    size_t         i;
    unsigned char  c;

    if (name->len == 0 || name->len > API_KEY_META_NAME_MAX) {
        return -1;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((!api_key_is_alnum(c) || c != api_key_lower(c)) && c != '_') {
            return -1;
        }
    }

    return 0;
}


int
api_key_id_check(const api_key_str_t *id)
{
    return api_key_str_is_hex(id, API_KEY_ID_LEN) ? 0 : -1;
}


int
api_key_cidr_check(const api_key_str_t *cidr)
{
    api_key_cidr_t  parsed;

    return api_key_cidr_parse(cidr, &parsed);
}


int
api_key_cidr_parse(const api_key_str_t *text, api_key_cidr_t *cidr)
{
    int            counted;
    int64_t        len;
    api_key_str_t  head, tail;

    counted = api_key_split(text, '/', &head, &tail);

    if (api_key_cidr_address(&head, cidr) != 0) {
        return -1;
    }

    if (counted) {
        if (api_key_number(&tail, cidr->len, &len) != 0) {
            return -1;
        }

        cidr->len = (unsigned) len;
    }

    api_key_cidr_unmap(cidr);

    return 0;
}


static int
api_key_cidr_address(const api_key_str_t *text, api_key_cidr_t *cidr)
{
    char  buf[INET6_ADDRSTRLEN];

    if (text->len == 0 || text->len >= sizeof(buf)) {
        return -1;
    }

    memcpy(buf, text->data, text->len);
    buf[text->len] = '\0';

    /* a zero inside would hide what follows it from inet_pton() */

    if (strlen(buf) != text->len) {
        return -1;
    }

    if (inet_pton(AF_INET, buf, cidr->address) == 1) {
        cidr->family = AF_INET;
        cidr->len = 32;
        return 0;
    }

    if (inet_pton(AF_INET6, buf, cidr->address) == 1) {
        cidr->family = AF_INET6;
        cidr->len = 128;
        return 0;
    }

    return -1;
}


/* Clients' mapped addresses are judged as IPv4, so ranges of them must be. */

static void
api_key_cidr_unmap(api_key_cidr_t *cidr)
{
    struct in6_addr  address;

    if (cidr->family != AF_INET6 || cidr->len < 96) {
        return;
    }

    memcpy(&address, cidr->address, sizeof(address));

    if (!IN6_IS_ADDR_V4MAPPED(&address)) {
        return;
    }

    memcpy(cidr->address, address.s6_addr + 12, 4);

    cidr->family = AF_INET;
    cidr->len -= 96;
}
