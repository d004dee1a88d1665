/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the gate needs of a record, as a string of bytes, the way a cache keeps
 * it: no pointers, and short.  Only this program reads it back.
 */

#ifndef _API_KEY_PACK_H_INCLUDED_
#define _API_KEY_PACK_H_INCLUDED_


#include "api_key_record.h"


/* no record that api_key_record_parse() has accepted is longer, in bytes */

#define API_KEY_PACKED_MAX  8192


/*
 * Writes record to buf, which holds API_KEY_PACKED_MAX bytes.  Returns how
 * many it took, or 0 when it would be more.  Of its hash the
 * mark is left out.
 */

size_t api_key_pack(unsigned char *buf, const api_key_record_t *record);


/*
 * How many bytes api_key_unpack() needs for the len bytes of packed, or 0 when
 * these are no packed record.
 */

size_t api_key_unpack_size(const unsigned char *packed, size_t len);


/*
 * Reads the record of the key with this mark into mem, which is that large
 * and aligned for a pointer; packed may go afterwards.  Such a record must be
 * copied by api_key_record_copy(), never by assignment.
 */

api_key_record_t *api_key_unpack(void *mem, const unsigned char *mark,
    const unsigned char *packed, size_t len);


#endif /* _API_KEY_PACK_H_INCLUDED_ */
