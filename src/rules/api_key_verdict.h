/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Who gets in: the verdict on one request as a function of the key's record,
 * the facts of the request, and time.
 */

#ifndef _API_KEY_VERDICT_H_INCLUDED_
#define _API_KEY_VERDICT_H_INCLUDED_


#include "api_key_record.h"


typedef enum {
    API_KEY_UNJUDGED = 0,
    API_KEY_OK,
    API_KEY_AMBIGUOUS,
    API_KEY_MISSING,
    API_KEY_MALFORMED,
    API_KEY_UNKNOWN,
    API_KEY_REVOKED_KEY,
    API_KEY_DISABLED_KEY,
    API_KEY_EXPIRED,
    API_KEY_FORBIDDEN_ADDRESS,
    API_KEY_FORBIDDEN_SCOPE,
    API_KEY_NOT_ARMED,
    API_KEY_LIMITED,
    API_KEY_UNAVAILABLE,
    API_KEY_VERDICTS
} api_key_verdict_e;


typedef struct {
    const unsigned char  *hash;           /* of the key presented */
    const api_key_str_t  *scopes;         /* that the place demands */
    size_t                nscopes;
    int                   family;         /* AF_INET, AF_INET6, else none */
    const unsigned char  *address;        /* 4 or 16 bytes, network order */
    int64_t               now;            /* Unix ms */
} api_key_facts_t;


/*
 * Judges a key by its record; NULL is a key that the store does not know.
 * Returns OK, UNKNOWN, REVOKED_KEY, DISABLED_KEY, EXPIRED, FORBIDDEN_ADDRESS
 * or FORBIDDEN_SCOPE, the first that holds.  The hash is compared in
 * constant time.  An IPv4 address mapped into IPv6 is judged as IPv4.
 */

api_key_verdict_e api_key_judge(const api_key_record_t *record,
    const api_key_facts_t *facts);


/* The verdict's word as in $api_key_status; empty for UNJUDGED. */

const api_key_str_t *api_key_verdict_name(api_key_verdict_e verdict);

/* The same as a client may see it: "invalid" for the five that look alike. */

const api_key_str_t *api_key_verdict_error(api_key_verdict_e verdict);

/* The HTTP status of a refusal; 0 for OK and UNJUDGED. */

unsigned api_key_verdict_status(api_key_verdict_e verdict);


#endif /* _API_KEY_VERDICT_H_INCLUDED_ */
