/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Queries and cookies as lists of pieces: finding, removing, replacing and
 * masking those of a given name, all else byte for byte.
 */

#ifndef _API_KEY_QUERY_H_INCLUDED_
#define _API_KEY_QUERY_H_INCLUDED_


#include "api_key_str.h"


/* what separates pieces: a query is split at "&", a Cookie header at ";" */

typedef enum {
    API_KEY_QUERY = '&',
    API_KEY_COOKIE = ';'
} api_key_list_e;


typedef struct {
    api_key_str_t  whole;        /* without its separator */
    api_key_str_t  name;         /* up to the first "=" */
    api_key_str_t  value;        /* behind it; empty when there is none */
} api_key_piece_t;


/*
 * Takes the first piece out of *rest.  Returns 1, or 0 when nothing is left;
 * *rest starts as the list, and rest->data is NULL behind the last piece.
 */

int api_key_piece_next(api_key_str_t *rest, api_key_list_e list,
    api_key_piece_t *piece);


/*
 * Whether a piece's name is this one, which is given in lower case: letters
 * are compared without case, and in a query percent-decoded, "%uHHHH" of old
 * Microsoft stacks included.
 */

int api_key_piece_named(const api_key_piece_t *piece, api_key_list_e list,
    const api_key_str_t *lowcase);


/*
 * Percent-decodes src to dst, which has room for src->len bytes.  What is no
 * valid escape stays as it is, "+" too.  Returns the decoded length.
 */

size_t api_key_query_decode(unsigned char *dst, const api_key_str_t *src);


/*
 * Percent-encodes src to dst, which has room for 3 * src->len bytes: all but
 * the unreserved characters of RFC 3986.  Returns the encoded length.
 */

size_t api_key_query_encode(unsigned char *dst, const api_key_str_t *src);


typedef int (*api_key_piece_pt)(const api_key_piece_t *piece, void *data);


/*
 * Copies list text to dst without the pieces that chosen() is true of, each
 * with its separator.  replacement, when it is not NULL, takes the place of
 * the first of them, or is appended when there is none.  dst has room for
 * text->len + replacement->len + 1 bytes.  Returns the new length; *removed
 * is the number of pieces taken out.
 */

size_t api_key_list_without(unsigned char *dst, const api_key_str_t *text,
    api_key_list_e list, api_key_piece_pt chosen, void *data,
    const api_key_str_t *replacement, size_t *removed);


/*
 * Copies list text to dst with "***" for each value that is not empty of a
 * piece that chosen() is true of.  dst has room for 3 * text->len bytes.
 * Returns the new length; *masked is the number of values.
 */

size_t api_key_list_masked(unsigned char *dst, const api_key_str_t *text,
    api_key_list_e list, api_key_piece_pt chosen, void *data,
    size_t *masked);


/*
 * Whether a method stands in text, as the override headers and the query's
 * _method have it: without case, and as a word, for who reads it may take off
 * blanks of any kind, quotes, or what comes after a semicolon.
 */

int api_key_method_in(const api_key_str_t *text, const api_key_str_t *method);


#endif /* _API_KEY_QUERY_H_INCLUDED_ */
