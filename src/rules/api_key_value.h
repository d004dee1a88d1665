/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the values of a record may look like, wherever they come from: Redis,
 * the admin API or the configuration.
 */

#ifndef _API_KEY_VALUE_H_INCLUDED_
#define _API_KEY_VALUE_H_INCLUDED_


#include "api_key_digest.h"


#define API_KEY_NAME_MAX       100            /* characters of UTF-8 */
#define API_KEY_SCOPES_MAX     16
#define API_KEY_SCOPE_MAX      64             /* bytes */
#define API_KEY_CIDRS_MAX      16
#define API_KEY_META_MAX       16
#define API_KEY_META_NAME_MAX  32             /* bytes */
#define API_KEY_META_VALUE_MAX 256            /* bytes */
#define API_KEY_RATE_MAX       1000000000     /* requests */
#define API_KEY_WINDOW_MAX     2678400        /* 31 days, in seconds */


/* An address range; an IPv4 range mapped into IPv6 is given as IPv4. */

typedef struct {
    int               family;                 /* AF_INET, AF_INET6 */
    unsigned          len;                    /* bits that count */
    unsigned char     address[16];            /* network order, 4 or 16 */
} api_key_cidr_t;


/*
 * The rules for one value each.  0 when it is well-formed, else -1.  rate_parse
 * reads "100/60".
 */

int api_key_name_check(const api_key_str_t *name);
int api_key_scope_check(const api_key_str_t *scope);
int api_key_cidr_check(const api_key_str_t *cidr);
int api_key_meta_name_check(const api_key_str_t *name);
int api_key_meta_value_check(const api_key_str_t *value);
int api_key_id_check(const api_key_str_t *id);
int api_key_rate_parse(const api_key_str_t *text, uint32_t *limit,
    uint32_t *window);


/* Reads an address with or without "/len"; 0, or -1 when it is malformed. */

int api_key_cidr_parse(const api_key_str_t *text, api_key_cidr_t *cidr);


/*
 * Takes the first word off a list separated by single spaces.  Returns 1, or
 * 0 when list holds no more (data NULL).  Where the list begins or ends with
 * a space or has two in a row, a word is empty.
 */

int api_key_list_next(api_key_str_t *list, api_key_str_t *word);


/*
 * Whether a list has 1 to max words that check says are well-formed: 0, else
 * -1.  An empty list is malformed: only an absent field means "none", so that
 * an emptied allow_from does not open the door to all.
 */

typedef int (*api_key_word_pt)(const api_key_str_t *word);

int api_key_list_check(const api_key_str_t *list, unsigned max,
    api_key_word_pt check);


/* Reads decimal digits alone, 0 to max; 0, or -1 when it is anything else. */

int api_key_number(const api_key_str_t *text, int64_t max, int64_t *number);


#endif /* _API_KEY_VALUE_H_INCLUDED_ */
