/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards how queries and cookies are taken apart and put together again: what
 * is found, removed, replaced and masked, and that all else stays byte for
 * byte.  Seen red with a removed piece that leaves its separator, with names
 * compared undecoded, and with masking that goes on behind the value.
 */

#include "tap.h"

#include "api_key_query.h"


static const struct {
    api_key_list_e  list;
    const char     *text;
    const char     *without;
    const char     *replaced;
    const char     *masked;
    size_t          removed;
} lists[] = {
    { API_KEY_QUERY, "", "", "key=OWN", "", 0 },
    { API_KEY_QUERY, "a", "a", "a&key=OWN", "a", 0 },
    { API_KEY_QUERY, "key=K", "", "key=OWN", "key=***", 1 },
    { API_KEY_QUERY, "key=K&", "", "key=OWN&", "key=***&", 1 },
    { API_KEY_QUERY, "&key=K", "", "&key=OWN", "&key=***", 1 },
    { API_KEY_QUERY, "a=1&key=K&b", "a=1&b", "a=1&key=OWN&b",
      "a=1&key=***&b", 1 },
    { API_KEY_QUERY, "key=K&a&key=L", "a", "key=OWN&a", "key=***&a&key=***",
      2 },
    { API_KEY_QUERY, "KEY=K", "", "key=OWN", "KEY=***", 1 },
    { API_KEY_QUERY, "%6Be%79=K", "", "key=OWN", "%6Be%79=***", 1 },
    { API_KEY_QUERY, "%u006bey=K", "", "key=OWN", "%u006bey=***", 1 },
    { API_KEY_QUERY, "%U006bey=K", "", "key=OWN", "%U006bey=***", 1 },
    { API_KEY_QUERY, "%6b%65=K", "%6b%65=K", "%6b%65=K&key=OWN", "%6b%65=K",
      0 },
    { API_KEY_QUERY, "%u016bey=K", "%u016bey=K", "%u016bey=K&key=OWN",
      "%u016bey=K", 0 },
    { API_KEY_QUERY, "%6gey=K", "%6gey=K", "%6gey=K&key=OWN", "%6gey=K", 0 },
    { API_KEY_QUERY, "ke%7", "ke%7", "ke%7&key=OWN", "ke%7", 0 },
    { API_KEY_QUERY, "ke%", "ke%", "ke%&key=OWN", "ke%", 0 },
    { API_KEY_QUERY, "ke=K", "ke=K", "ke=K&key=OWN", "ke=K", 0 },
    { API_KEY_QUERY, "keyx=K", "keyx=K", "keyx=K&key=OWN", "keyx=K", 0 },
    { API_KEY_QUERY, "key%00=K", "key%00=K", "key%00=K&key=OWN", "key%00=K",
      0 },
    { API_KEY_QUERY, "key", "", "key=OWN", "key", 1 },
    { API_KEY_QUERY, "key=", "", "key=OWN", "key=", 1 },
    { API_KEY_QUERY, "key==K=", "", "key=OWN", "key=***", 1 },
    { API_KEY_QUERY, "a;key=K", "a;key=K", "a;key=K&key=OWN", "a;key=K", 0 },
    { API_KEY_COOKIE, "key=K", "", "key=OWN", "key=***", 1 },
    { API_KEY_COOKIE, "key=K; a=1", "a=1", "key=OWN; a=1", "key=***; a=1",
      1 },
    { API_KEY_COOKIE, "a=1; key=K;b=2", "a=1;b=2", "a=1; key=OWN;b=2",
      "a=1; key=***;b=2", 1 },
    { API_KEY_COOKIE, "a=1; Key = K ", "a=1", "a=1; key=OWN",
      "a=1; Key = *** ", 1 },
    { API_KEY_COOKIE, "a=1;\tkey\t=\tK\t", "a=1", "a=1; key=OWN",
      "a=1;\tkey\t=\t***\t", 1 },
    { API_KEY_COOKIE, "key=K; ", "", "key=OWN; ", "key=***; ", 1 },
    { API_KEY_COOKIE, "key=", "", "key=OWN", "key=", 1 },
    { API_KEY_COOKIE, "key= ", "", "key=OWN", "key= ", 1 },
    { API_KEY_COOKIE, "=K", "=K", "=K; key=OWN", "=K", 0 },
    { API_KEY_COOKIE, "a=1", "a=1", "a=1; key=OWN", "a=1", 0 },
    { API_KEY_COOKIE, "%6bey=K", "%6bey=K", "%6bey=K; key=OWN", "%6bey=K", 0 }
};


static const struct {
    const char  *text;
    const char  *method;
    int          in;
} methods[] = {
    { "DELETE", "DELETE", 1 },
    { "delete", "DELETE", 1 },
    { "GET, DELETE", "DELETE", 1 },
    { "GET\tDELETE", "DELETE", 1 },
    { " DELETE ", "DELETE", 1 },
    { "\"DELETE\"", "DELETE", 1 },
    { "DELETE;q=1", "DELETE", 1 },
    { "\xa0" "DELETE\x0b", "DELETE", 1 },
    { "DELETED", "DELETE", 0 },
    { "DELETE-ALL", "DELETE", 0 },
    { "X-DELETE", "DELETE", 0 },
    { "XDELETE", "DELETE", 0 },
    { "9DELETE", "DELETE", 0 },
    { "DELETE0", "DELETE", 0 },
    { "DELET", "DELETE", 0 },
    { "", "DELETE", 0 },
    { "DELETED,DELETE", "DELETE", 1 }
};


static int
named(const api_key_piece_t *piece, void *data)
{
    api_key_str_t  name = api_key_string("key");

    return api_key_piece_named(piece, *(api_key_list_e *) data, &name);
}


int
main(void)
{
    size_t         i, n, len;
    unsigned char  buf[256];
    api_key_str_t  text, method, own;

    own = str("key=OWN");

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        api_key_list_e  list = lists[i].list;

        text = str(lists[i].text);

        len = api_key_list_without(buf, &text, list, named, &list, NULL, &n);
        is_bytes(buf, len, lists[i].without, lists[i].text);
        is_int((long long) n, (long long) lists[i].removed, "so many pieces");

        len = api_key_list_without(buf, &text, list, named, &list, &own, &n);
        is_bytes(buf, len, lists[i].replaced, "replaced");

        len = api_key_list_masked(buf, &text, list, named, &list, &n);
        is_bytes(buf, len, lists[i].masked, "masked");
    }

    text.data = NULL;
    text.len = 0;
    n = 1;
    {
        api_key_list_e  list = API_KEY_QUERY;

        is_int((long long) api_key_list_masked(buf, &text, list, named, &list,
                                               &n),
               0, "no list at all");
    }

    text = str("a%20b%2Bc+%u0041%zz%-1%4[%4");
    len = api_key_query_decode(buf, &text);
    is_bytes(buf, len, "a b+c+A%zz%-1%4[%4", "decoded");

    text = str("%u4141x");
    len = api_key_query_decode(buf, &text);
    is_bytes(buf, len, "\xffx", "beyond Latin 1");

    text = str("aZ09-._~ +/%\x80");
    len = api_key_query_encode(buf, &text);
    is_bytes(buf, len, "aZ09-._~%20%2B%2F%25%80", "encoded");

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        text = str(methods[i].text);
        method = str(methods[i].method);

        is_int(api_key_method_in(&text, &method), methods[i].in,
               methods[i].text);
    }

    return done();
}
