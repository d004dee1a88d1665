/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A table of known keys for unit tests, with the rules' own source, so that
 * its lists can be walked: answers are told by numbers, and walk() says
 * whether lists, chains and cells are whole.
 */

#ifndef _API_KEY_UNIT_CACHE_H_INCLUDED_
#define _API_KEY_UNIT_CACHE_H_INCLUDED_


#include "tap.h"
#include "random.h"


/* So many cells would take 480 GB, so how many there may be is a variable. */

static size_t  most_cells = INT32_MAX;

#undef INT32_MAX
#define INT32_MAX  most_cells

#include "../../src/rules/api_key_cache.c"


#define NOW    1000000
#define VALID  60000

#define LONG   API_KEY_CELL_DATA                 /* the most in one cell */
#define MORE   API_KEY_CELL_MORE                 /* the most in each further */

#define IDS    300                               /* with low numbers */


static unsigned char    *mem;
static api_key_cache_t  *cache;


/* A table of so many cells, in a block of just its size. */

static inline size_t
size_of(size_t cells)
{
    size_t  head;

    for (head = 0; head < sizeof(api_key_cache_t); head += 128) { /* void */ }

    return head + cells * (API_KEY_CELL + 4 * sizeof(uint32_t));
}


static inline void
start_in(size_t size, uint64_t seed)
{
    free(mem);

    mem = malloc(size ? size : 1);
    if (mem == NULL) {
        printf("Bail out! no memory for a table\n");
        exit(2);
    }

    memset(mem, 0xa5, size);
    cache = api_key_cache_init(mem, size, seed);
}


static inline void
start(size_t cells)
{
    start_in(size_of(cells), 42);
}


/*
 * The mark of number n, which its last bytes say.  Those of low numbers are
 * kept, and the last one of the others.
 */

static inline const unsigned char *
mark_of(unsigned n)
{
    uint64_t              mixed;
    unsigned char        *mark;
    static unsigned char  all[IDS + 1][API_KEY_MARK_LEN];

    mark = all[n < IDS ? n : IDS];
    mixed = random_mix(n);

    memcpy(mark, &mixed, 6);
    memcpy(mark + 6, &n, sizeof(n));

    return mark;
}


static inline unsigned
number_of(const unsigned char *mark)
{
    unsigned  n;

    memcpy(&n, mark + 6, sizeof(n));

    return n;
}


/* The bytes of a record, told by a number too. */

static inline unsigned char *
bytes_of(uint64_t salt, size_t len)
{
    size_t          i;
    uint64_t        next;
    unsigned char  *data;

    data = malloc(len ? len : 1);
    if (data == NULL) {
        printf("Bail out! no memory for a record\n");
        exit(2);
    }

    for (i = 0, next = 0; i < len; i++) {
        next = i % 8 ? next >> 8 : random_mix(salt * 131 + i);
        data[i] = (unsigned char) next;
    }

    return data;
}


static inline int
put_answer(unsigned n, const api_key_stamp_t *stamp, uint64_t salt, size_t len)
{
    unsigned        evicted;
    unsigned char  *data;

    data = bytes_of(salt, len);
    evicted = api_key_cache_put(cache, mark_of(n), stamp, len ? data : NULL,
                                len);
    free(data);

    return (int) evicted;
}


/* Asks and keeps in one go. */

static inline int
keep(unsigned n, size_t len)
{
    api_key_stamp_t  stamp;

    (void) api_key_cache_stamp(cache, mark_of(n), NOW, &stamp);

    return put_answer(n, &stamp, n, len);
}


/* What is found, or -1 when it is not what was put. */

static inline int
look(unsigned n, const api_key_trust_t *trust, uint64_t salt, size_t max)
{
    int              right;
    unsigned char   *want, *rest;
    api_key_copy_t   copy;
    api_key_cache_e  found;

    /* of what is not written nothing may change */

    copy.data = bytes_of(UINT64_MAX, max);
    copy.max = max;
    copy.len = 0;
    rest = bytes_of(UINT64_MAX, max);

    found = api_key_cache_get(cache, mark_of(n), trust, &copy);

    want = bytes_of(salt, copy.len);

    right = copy.len <= max
            && memcmp(copy.data, want, copy.len) == 0
            && memcmp(copy.data + copy.len, rest + copy.len, max - copy.len)
               == 0
            && (copy.len != 0) == (found == API_KEY_CACHE_RECORD);

    free(copy.data);
    free(want);
    free(rest);

    return right ? (int) found : -1;
}


/* The answer that keep() has put, by who trusts all. */

static inline int
found(unsigned n)
{
    api_key_trust_t  trust = { API_KEY_TRUST_ALL, NOW, VALID, VALID };

    return look(n, &trust, n, 16384);
}


/* When its last use was, or -1 when there is no record. */

static inline int64_t
used(unsigned n)
{
    unsigned char    data[16384];
    api_key_copy_t   copy = { data, sizeof(data), 0, 0 };
    api_key_trust_t  trust = { API_KEY_TRUST_ALL, NOW, VALID, VALID };

    return api_key_cache_get(cache, mark_of(n), &trust, &copy)
           == API_KEY_CACHE_RECORD ? (int64_t) copy.used : -1;
}


/* Whether there is an answer; that does not count as use. */

static inline int
there(unsigned n)
{
    return api_key_find(cache, mark_of(n)) != 0;
}


static inline unsigned
count(unsigned begin, unsigned end)
{
    unsigned  n, there_are;

    for (n = begin, there_are = 0; n < end; n++) {
        there_are += (unsigned) there(n);
    }

    return there_are;
}


/*
 * Walks all that is linked, and says what is wrong or returns NULL.  Each cell
 * is marked once, by what it was found to be.
 */

enum {
    CELL_LOST = 0,
    CELL_ENTRY,
    CELL_CHAINED,                               /* an entry, in its bucket */
    CELL_MORE,
    CELL_FREE
};


static inline uint32_t
cells_of(size_t len)
{
    uint32_t  n;

    for (n = 1; len > LONG + (n - 1) * MORE; n++) { /* void */ }

    return n;
}


static inline const char *
walk_class(const api_key_class_t *class, int records, unsigned char *marks)
{
    uint32_t               n, m, left, entries, newer, cells;
    const api_key_cell_t  *cell;

    if (class->fresh < class->begin || class->fresh > class->end) {
        return "fresh cells of another class";
    }

    entries = 0;
    newer = 0;

    for (n = class->newest; n; n = cell->older) {
        if (n < class->begin || n >= class->fresh || marks[n] != CELL_LOST) {
            return "an entry that cannot be";
        }

        cell = api_key_cell(cache, n);

        if (cell->newer != newer) {
            return "a list that differs from behind";
        }

        if ((cell->len != 0) != records) {
            return "an answer of the other kind";
        }

        marks[n] = CELL_ENTRY;
        newer = n;
        entries++;
        cells = 1;

        for (m = cell->more; m; m = api_key_more(cache, m)->more) {
            if (m < class->begin || m >= class->fresh
                || marks[m] != CELL_LOST)
            {
                return "a record that goes on elsewhere";
            }

            marks[m] = CELL_MORE;
            cells++;
        }

        if (cells != cells_of(cell->len)) {
            return "a record of too many or too few cells";
        }
    }

    if (class->oldest != newer) {
        return "an oldest that is not the last";
    }

    if (class->entries != entries) {
        return "a wrong number of entries";
    }

    left = class->end - class->fresh;

    for (n = class->free; n; n = api_key_cell(cache, n)->next) {
        if (n < class->begin || n >= class->fresh || marks[n] != CELL_LOST) {
            return "a free cell that cannot be";
        }

        marks[n] = CELL_FREE;
        left++;
    }

    if (class->left != left) {
        return "a wrong number of cells left";
    }

    for (n = class->begin; n < class->end; n++) {
        if ((marks[n] == CELL_LOST) != (n >= class->fresh)) {
            return "a lost cell";
        }
    }

    return NULL;
}


static inline const char *
walk_chains(unsigned char *marks)
{
    uint32_t               i, n;
    const api_key_cell_t  *cell;

    if (cache->nbuckets < API_KEY_BUCKETS_MIN
        || cache->nbuckets < 2 * api_key_cache_entries(cache)
        || cache->nbuckets > 2 * cache->ncells)
    {
        return "too few or too many buckets";
    }

    if ((cache->mask & (cache->mask + 1)) || cache->mask < cache->nbuckets - 1
        || cache->mask / 2 >= cache->nbuckets - 1)
    {
        return "a mask of too few or too many bits";
    }

    for (i = 0; i < cache->nbuckets; i++) {
        for (n = cache->buckets[i]; n; n = cell->next) {
            if (n > cache->ncells || marks[n] != CELL_ENTRY) {
                return "a chain with what is no entry, or another's";
            }

            cell = api_key_cell(cache, n);

            if (api_key_bucket(cache, cell->mark) != i) {
                return "an entry in another bucket";
            }

            marks[n] = CELL_CHAINED;
        }
    }

    for (n = 1; n <= cache->ncells; n++) {
        if (marks[n] == CELL_ENTRY) {
            return "an entry in no bucket";
        }
    }

    return NULL;
}


static inline const char *
walk(void)
{
    const char     *wrong;
    unsigned char  *marks;

    if (cache->records.begin != 1
        || cache->records.end != cache->unknown.begin
        || cache->unknown.end != cache->ncells + 1
        || cache->unknown.end - cache->unknown.begin != cache->ncells / 16)
    {
        return "cells that are shared out wrong";
    }

    if (cache->records.entries + cache->unknown.entries
        != api_key_cache_entries(cache))
    {
        return "a wrong number of all entries";
    }

    marks = calloc(cache->ncells + 1, 1);
    if (marks == NULL) {
        printf("Bail out! no memory for marks\n");
        exit(2);
    }

    wrong = walk_class(&cache->records, 1, marks);
    wrong = wrong ? wrong : walk_class(&cache->unknown, 0, marks);
    wrong = wrong ? wrong : walk_chains(marks);

    free(marks);

    return wrong;
}


static inline void
is_whole(const char *name)
{
    is_text(walk(), NULL, name);
}


#endif /* _API_KEY_UNIT_CACHE_H_INCLUDED_ */
