/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A record as a string of bytes: a head of fixed size, then all texts in the
 * order of their lengths in the head, then the metadata, each with a head of
 * its own.
 */

#include <stddef.h>

#include "api_key_pack.h"


#define API_KEY_TAIL   (API_KEY_HASH_LEN - API_KEY_MARK_LEN)
#define API_KEY_TEXTS  3                      /* name, scopes, allow_from */


typedef struct {
    int64_t         expires_at;
    uint32_t        rate_limit;
    uint32_t        rate_window;
    uint16_t        texts[API_KEY_TEXTS];
    uint8_t         state;
    uint8_t         nmeta;
    unsigned char   hash[API_KEY_TAIL];
} api_key_packed_t;


typedef struct {
    uint16_t        name;
    uint16_t        value;
} api_key_packed_meta_t;


static size_t api_key_packed_meta(const unsigned char *packed, size_t len,
    size_t at, api_key_packed_meta_t *meta);
static unsigned char *api_key_pack_text(unsigned char *p,
    const api_key_str_t *text);
static const unsigned char *api_key_unpack_text(const unsigned char *p,
    size_t len, api_key_str_t *text);


size_t
api_key_pack(unsigned char *buf, const api_key_record_t *record)
{
    size_t                  i, size;
    unsigned char          *p;
    api_key_packed_t        head;
    api_key_packed_meta_t   meta;

    const api_key_str_t    *texts[] = {
        &record->name, &record->scopes, &record->allow_from
    };

    memset(&head, 0, sizeof(api_key_packed_t));

    head.expires_at = record->expires_at;
    head.rate_limit = record->rate_limit;
    head.rate_window = record->rate_window;
    head.state = record->state;
    head.nmeta = record->nmeta;

    memcpy(head.hash, record->hash + API_KEY_MARK_LEN, API_KEY_TAIL);

    size = sizeof(api_key_packed_t);

    for (i = 0; i < API_KEY_TEXTS; i++) {
        head.texts[i] = texts[i]->len;
        size += texts[i]->len;
    }

    for (i = 0; i < record->nmeta; i++) {
        size += sizeof(api_key_packed_meta_t) + record->meta[i].name.len
                + record->meta[i].value.len;
    }

    if (size > API_KEY_PACKED_MAX) {
        return 0;
    }

    memcpy(buf, &head, sizeof(api_key_packed_t));
    p = buf + sizeof(api_key_packed_t);

    for (i = 0; i < API_KEY_TEXTS; i++) {
        p = api_key_pack_text(p, texts[i]);
    }

    for (i = 0; i < record->nmeta; i++) {
        meta.name = record->meta[i].name.len;
        meta.value = record->meta[i].value.len;

        memcpy(p, &meta, sizeof(api_key_packed_meta_t));
        p += sizeof(api_key_packed_meta_t);

        p = api_key_pack_text(p, &record->meta[i].name);
        p = api_key_pack_text(p, &record->meta[i].value);
    }

    return size;
}


size_t
api_key_unpack_size(const unsigned char *packed, size_t len)
{
    size_t                  i, at;
    api_key_packed_t        head;
    api_key_packed_meta_t   meta;

    if (len < sizeof(api_key_packed_t)) {
        return 0;
    }

    memcpy(&head, packed, sizeof(api_key_packed_t));

    if (head.nmeta > API_KEY_META_MAX) {
        return 0;
    }

    at = sizeof(api_key_packed_t);

    for (i = 0; i < API_KEY_TEXTS; i++) {
        at += head.texts[i];
    }

    for (i = 0; i < head.nmeta; i++) {
        at = api_key_packed_meta(packed, len, at, &meta);
    }

    if (at != len) {
        return 0;
    }

    return offsetof(api_key_record_t, meta)
           + head.nmeta * sizeof(api_key_field_t)
           + len - sizeof(api_key_packed_t);
}


/* Where the metadata that begins at at ends; past len when it does not fit. */

static size_t
api_key_packed_meta(const unsigned char *packed, size_t len, size_t at,
    api_key_packed_meta_t *meta)
{
    if (at > len || len - at < sizeof(api_key_packed_meta_t)) {
        return len + 1;
    }

    memcpy(meta, packed + at, sizeof(api_key_packed_meta_t));

    return at + sizeof(api_key_packed_meta_t) + meta->name + meta->value;
}


api_key_record_t *
api_key_unpack(void *mem, const unsigned char *mark,
    const unsigned char *packed, size_t len)
{
    size_t                  i;
    unsigned char          *p;
    const unsigned char    *text;
    api_key_packed_t        head;
    api_key_record_t       *record;
    api_key_packed_meta_t   meta;

    memcpy(&head, packed, sizeof(api_key_packed_t));

    record = mem;

    memcpy(record->hash, mark, API_KEY_MARK_LEN);
    memcpy(record->hash + API_KEY_MARK_LEN, head.hash, API_KEY_TAIL);

    record->state = head.state;
    record->expires_at = head.expires_at;
    record->rate_limit = head.rate_limit;
    record->rate_window = head.rate_window;
    record->nmeta = head.nmeta;

    p = (unsigned char *) mem + offsetof(api_key_record_t, meta)
        + head.nmeta * sizeof(api_key_field_t);

    memcpy(p, packed + sizeof(api_key_packed_t),
           len - sizeof(api_key_packed_t));

    text = p;
    text = api_key_unpack_text(text, head.texts[0], &record->name);
    text = api_key_unpack_text(text, head.texts[1], &record->scopes);
    text = api_key_unpack_text(text, head.texts[2], &record->allow_from);

    for (i = 0; i < head.nmeta; i++) {
        memcpy(&meta, text, sizeof(api_key_packed_meta_t));
        text += sizeof(api_key_packed_meta_t);

        text = api_key_unpack_text(text, meta.name, &record->meta[i].name);
        text = api_key_unpack_text(text, meta.value, &record->meta[i].value);
    }

    return record;
}


static unsigned char *
api_key_pack_text(unsigned char *p, const api_key_str_t *text)
{
    if (text->len) {
        memcpy(p, text->data, text->len);
    }

    return p + text->len;
}


static const unsigned char *
api_key_unpack_text(const unsigned char *p, size_t len, api_key_str_t *text)
{
    text->data = len ? p : NULL;
    text->len = len;

    return p + len;
}
