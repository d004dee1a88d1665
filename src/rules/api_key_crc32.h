/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * CRC-32 as zlib, PNG and Ethernet have it (ISO/IEC 8802-3, reflected
 * polynomial 0xedb88320).
 */

#ifndef _API_KEY_CRC32_H_INCLUDED_
#define _API_KEY_CRC32_H_INCLUDED_


#include "api_key_str.h"


uint32_t api_key_crc32(const unsigned char *data, size_t len);


#endif /* _API_KEY_CRC32_H_INCLUDED_ */
