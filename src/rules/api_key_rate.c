/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Counts of requests by key and window.
 */

#include "api_key_rate.h"
#include "api_key_table.h"


#define API_KEY_RATE_ROW  32                  /* entries */


/* all zero when it was never used: a key with that mark has used nothing */

typedef struct {
    uint64_t            began;                /* ms, when count is not 0 */
    uint64_t            ends;                 /* ms */
    uint64_t            asked;                /* ms, the last time */
    uint32_t            count;
    unsigned char       mark[API_KEY_MARK_LEN];
} api_key_rate_entry_t;


typedef struct {
    api_key_rate_entry_t   entries[API_KEY_RATE_ROW];
} api_key_rate_row_t;


struct api_key_rate_s {
    volatile uint32_t      busy;              /* somebody is inside */
    uint32_t               nrows;
    uint64_t               seed;
    api_key_rate_row_t    *rows;
};


static void api_key_rate_empty(api_key_rate_t *rate);
static api_key_rate_row_t *api_key_rate_row(const api_key_rate_t *rate,
    const unsigned char *mark);
static api_key_rate_entry_t *api_key_rate_find(const api_key_rate_t *rate,
    const unsigned char *mark);
static api_key_rate_entry_t *api_key_rate_room(const api_key_rate_t *rate,
    const unsigned char *mark, uint64_t now);


api_key_rate_t *
api_key_rate_init(void *mem, size_t size, uint64_t seed)
{
    size_t           n, head;
    api_key_rate_t  *rate;

    head = (sizeof(api_key_rate_t) + 63) & ~(size_t) 63;

    if (size < head + sizeof(api_key_rate_row_t)) {
        return NULL;
    }

    n = (size - head) / sizeof(api_key_rate_row_t);

    rate = mem;
    memset(rate, 0, sizeof(api_key_rate_t));

    rate->seed = seed;
    rate->nrows = (uint32_t) n;
    rate->rows = (api_key_rate_row_t *) ((unsigned char *) mem + head);

    api_key_rate_empty(rate);

    return rate;
}


static void
api_key_rate_empty(api_key_rate_t *rate)
{
    memset(rate->rows, 0, rate->nrows * sizeof(api_key_rate_row_t));
}


void
api_key_rate_enter(api_key_rate_t *rate)
{
    if (api_key_table_enter(&rate->busy)) {
        api_key_rate_empty(rate);
    }
}


void
api_key_rate_leave(api_key_rate_t *rate)
{
    api_key_table_leave(&rate->busy);
}


int
api_key_rate_take(api_key_rate_t *rate, const unsigned char *mark,
    uint32_t limit, uint32_t window, uint64_t now, uint64_t *ms)
{
    uint64_t               length;
    api_key_rate_entry_t  *entry;

    length = (uint64_t) window * 1000;
    entry = api_key_rate_find(rate, mark);

    if (entry == NULL) {
        entry = api_key_rate_room(rate, mark, now);
        entry->count = 0;
        memcpy(entry->mark, mark, API_KEY_MARK_LEN);
    }

    if (entry->count == 0 || now >= entry->began + length) {
        entry->began = now;
        entry->count = 0;
    }

    entry->ends = entry->began + length;
    entry->asked = now;

    if (entry->count >= limit) {

        /* by a clock that is behind, the window has not even begun */

        *ms = entry->ends - (now > entry->began ? now : entry->began);
        return 0;
    }

    entry->count++;
    *ms = entry->began;

    return 1;
}


void
api_key_rate_give(api_key_rate_t *rate, const unsigned char *mark,
    uint64_t began)
{
    api_key_rate_entry_t  *entry;

    entry = api_key_rate_find(rate, mark);

    /* a later window owes nothing to an earlier one */

    if (entry == NULL || entry->began != began || entry->count == 0) {
        return;
    }

    entry->count--;

    if (entry->count == 0) {
        entry->ends = 0;
    }
}


static api_key_rate_row_t *
api_key_rate_row(const api_key_rate_t *rate, const unsigned char *mark)
{
    uint64_t  hash;

    hash = api_key_table_hash(mark, rate->seed);

    return &rate->rows[(hash * rate->nrows) >> 32];
}


static api_key_rate_entry_t *
api_key_rate_find(const api_key_rate_t *rate, const unsigned char *mark)
{
    size_t                 i;
    api_key_rate_row_t    *row;

    row = api_key_rate_row(rate, mark);

    for (i = 0; i < API_KEY_RATE_ROW; i++) {
        if (memcmp(row->entries[i].mark, mark, API_KEY_MARK_LEN) == 0) {
            return &row->entries[i];
        }
    }

    return NULL;
}


/* The entry that another key's count may go into; an unused one has ended. */

static api_key_rate_entry_t *
api_key_rate_room(const api_key_rate_t *rate, const unsigned char *mark,
    uint64_t now)
{
    size_t                 i;
    api_key_rate_row_t    *row;
    api_key_rate_entry_t  *entry, *oldest;

    row = api_key_rate_row(rate, mark);
    oldest = &row->entries[0];

    for (i = 0; i < API_KEY_RATE_ROW; i++) {
        entry = &row->entries[i];

        if (entry->ends <= now) {
            return entry;
        }

        if (entry->asked < oldest->asked) {
            oldest = entry;
        }
    }

    return oldest;
}
