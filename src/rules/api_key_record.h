/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the store knows of one key: read from the fields of a Redis hash, and
 * trusted no more than any other input.
 */

#ifndef _API_KEY_RECORD_H_INCLUDED_
#define _API_KEY_RECORD_H_INCLUDED_


#include "api_key_digest.h"
#include "api_key_value.h"


#define API_KEY_NEVER          INT64_MAX      /* a record without an end */


typedef enum {
    API_KEY_ACTIVE = 0,
    API_KEY_DISABLED,
    API_KEY_REVOKED
} api_key_state_e;


typedef struct {
    api_key_str_t     name;
    api_key_str_t     value;
} api_key_field_t;


typedef struct {
    unsigned char     hash[API_KEY_HASH_LEN];
    api_key_state_e   state;
    unsigned          nmeta;
    int64_t           expires_at;             /* Unix ms, API_KEY_NEVER */
    uint32_t          rate_limit;             /* requests, 0 is no limit */
    uint32_t          rate_window;            /* seconds */
    api_key_str_t     name;
    api_key_str_t     scopes;                 /* separated by single spaces */
    api_key_str_t     allow_from;             /* likewise */
    api_key_field_t   meta[API_KEY_META_MAX];

    /* what no verdict needs, and a copy does not have */

    api_key_str_t     digest;                 /* the hash as it was read */
    int64_t           created_at;             /* Unix seconds */
    api_key_str_t     pepper;                 /* "none" when absent */
    api_key_str_t     replaces;
    api_key_str_t     replaced_by;
} api_key_record_t;


/*
 * Reads a record from the n fields of the hash of id (API_KEY_ID_LEN bytes).
 * ttl is the Redis key's own time to live in ms or -1, now Unix ms: the
 * earlier end counts.  Unknown fields are ignored.  The record's strings point
 * into the fields' values.
 *
 * Returns NULL, or the reason (static text) why it cannot be trusted: a
 * missing, repeated or malformed field, a control character, invalid UTF-8, a
 * digest that does not begin with id.
 */

const char *api_key_record_parse(api_key_record_t *record,
    const unsigned char *id, const api_key_field_t *fields, size_t n,
    int64_t ttl, int64_t now);


/* Unix ms in whole seconds, rounded up; API_KEY_NEVER stays. */

int64_t api_key_record_seconds(int64_t ms);


/*
 * What the gate needs of a record, and the strings of that, as one block: its
 * size in bytes, and its copy into mem, which must be that large and aligned
 * for a pointer.  The block ends before the unused elements of meta, so such a
 * copy must be copied by this function again, never by assignment.
 */

size_t api_key_record_size(const api_key_record_t *record);
api_key_record_t *api_key_record_copy(void *mem,
    const api_key_record_t *record);


#endif /* _API_KEY_RECORD_H_INCLUDED_ */
