/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A table of answers by key.  Cells of one size, named by their number, which
 * is never 0; a record that is longer takes several.  The cells of records and
 * those of unknown keys are apart, so that random keys cannot push out good
 * ones.
 */

#include <stddef.h>

#include "api_key_cache.h"
#include "api_key_table.h"


#define API_KEY_LINE           64             /* bytes, of a CPU's cache */

#define API_KEY_CELL           (2 * API_KEY_LINE)
#define API_KEY_CELL_DATA      (API_KEY_CELL - offsetof(api_key_cell_t, data))
#define API_KEY_CELL_MORE      (API_KEY_CELL - offsetof(api_key_more_t, data))

#define API_KEY_LEN_MAX        0xffffff       /* bytes of a record */

#define API_KEY_CELLS_MIN      64
#define API_KEY_UNKNOWN_SHARE  16             /* one cell of so many */
#define API_KEY_BUCKETS_MIN    64             /* a power of two */
#define API_KEY_BUCKETS_SHARE  2              /* for an entry, at least */
#define API_KEY_SCARCE         8              /* less than one cell of so many
                                                 is left */


typedef struct {
    uint32_t        next;                     /* in the bucket, or free */
    uint32_t        newer;
    uint32_t        older;
    uint32_t        more;                     /* the record goes on there */
    uint64_t        asked;                    /* ms */
    uint64_t        sequence:40;              /* years, a thousand a second */
    uint64_t        len:24;                   /* bytes, 0 is an unknown key */
    uint32_t        used;                     /* Unix seconds, or 0 */
    unsigned char   mark[API_KEY_MARK_LEN];
    unsigned char   data[];
} api_key_cell_t;


/* a cell that another one goes on in */

typedef struct {
    uint32_t        next;                     /* as the above, when free */
    uint32_t        more;
    unsigned char   data[];
} api_key_more_t;


/* the cells of one kind of answer */

typedef struct {
    uint32_t        begin;                    /* its first cell */
    uint32_t        end;                      /* behind its last */
    uint32_t        fresh;                    /* never used from here on */
    uint32_t        free;                     /* given back: a list */
    uint32_t        left;                     /* free and fresh ones */
    uint32_t        newest;
    uint32_t        oldest;
    uint32_t        entries;
} api_key_class_t;


struct api_key_cache_s {
    volatile uint32_t   busy;                 /* somebody is inside */
    uint32_t            epoch;                /* raised when all is dropped */
    uint64_t            sequence;
    uint64_t            seed;
    uint32_t            nbuckets;             /* in use */
    uint32_t            mask;                 /* of bits that number them */
    uint32_t            ncells;
    api_key_class_t     records;
    api_key_class_t     unknown;
    uint32_t           *buckets;              /* the first cell of each */
    uint32_t           *generations;          /* likewise, raised by changes */
    unsigned char      *cells;
};


static void api_key_cache_empty(api_key_cache_t *cache);
static void api_key_class_init(api_key_class_t *class, uint32_t begin,
    uint32_t end);
static api_key_cell_t *api_key_cell(const api_key_cache_t *cache, uint32_t n);
static api_key_more_t *api_key_more(const api_key_cache_t *cache, uint32_t n);
static api_key_class_t *api_key_class(api_key_cache_t *cache, size_t len);
static uint32_t api_key_bucket(const api_key_cache_t *cache,
    const unsigned char *mark);
static void api_key_bucket_split(api_key_cache_t *cache);
static uint32_t api_key_find(const api_key_cache_t *cache,
    const unsigned char *mark);
static void api_key_prefetch(const api_key_cell_t *cell);
static void api_key_link(api_key_cache_t *cache, api_key_class_t *class,
    uint32_t n);
static void api_key_unlink(api_key_cache_t *cache, api_key_class_t *class,
    uint32_t n);
static void api_key_remove(api_key_cache_t *cache, uint32_t n);
static uint32_t api_key_take(api_key_cache_t *cache, api_key_class_t *class);
static void api_key_give(api_key_cache_t *cache, api_key_class_t *class,
    uint32_t n);
static uint32_t api_key_cells(size_t len);
static void api_key_write(api_key_cache_t *cache, uint32_t n,
    const unsigned char *data, size_t len);
static void api_key_read(const api_key_cache_t *cache,
    const api_key_cell_t *cell, unsigned char *buf);


api_key_cache_t *
api_key_cache_init(void *mem, size_t size, uint64_t seed)
{
    size_t            n, head;
    api_key_cache_t  *cache;

    head = (sizeof(api_key_cache_t) + API_KEY_CELL - 1)
           & ~(size_t) (API_KEY_CELL - 1);

    if (size < head) {
        return NULL;
    }

    n = (size - head) / (API_KEY_CELL
                         + API_KEY_BUCKETS_SHARE * 2 * sizeof(uint32_t));

    if (n < API_KEY_CELLS_MIN) {
        return NULL;
    }

    if (n > INT32_MAX) {
        n = INT32_MAX;
    }

    cache = mem;
    memset(cache, 0, sizeof(api_key_cache_t));

    cache->seed = seed;
    cache->ncells = n;
    cache->cells = (unsigned char *) mem + head;
    cache->buckets = (uint32_t *) (cache->cells + n * API_KEY_CELL);
    cache->generations = cache->buckets + n * API_KEY_BUCKETS_SHARE;

    api_key_cache_empty(cache);

    return cache;
}


/* What a cell that has never been used holds does not matter. */

static void
api_key_cache_empty(api_key_cache_t *cache)
{
    uint32_t  unknown;

    cache->nbuckets = API_KEY_BUCKETS_MIN;
    cache->mask = API_KEY_BUCKETS_MIN - 1;

    memset(cache->buckets, 0, cache->nbuckets * sizeof(uint32_t));
    memset(cache->generations, 0, cache->nbuckets * sizeof(uint32_t));

    unknown = cache->ncells / API_KEY_UNKNOWN_SHARE;

    api_key_class_init(&cache->records, 1, cache->ncells - unknown + 1);
    api_key_class_init(&cache->unknown, cache->ncells - unknown + 1,
                       cache->ncells + 1);
}


static void
api_key_class_init(api_key_class_t *class, uint32_t begin, uint32_t end)
{
    memset(class, 0, sizeof(api_key_class_t));

    class->begin = begin;
    class->end = end;
    class->fresh = begin;
    class->left = end - begin;
}


void
api_key_cache_enter(api_key_cache_t *cache)
{
    if (api_key_table_enter(&cache->busy)) {
        api_key_cache_drop_all(cache);
    }
}


void
api_key_cache_leave(api_key_cache_t *cache)
{
    api_key_table_leave(&cache->busy);
}


void
api_key_cache_fetch(const api_key_cache_t *cache, const unsigned char *mark)
{
    uint32_t  n;

    n = cache->buckets[api_key_bucket(cache, mark)];

    if (n) {
        api_key_prefetch(api_key_cell(cache, n));
    }
}


api_key_cache_e
api_key_cache_get(api_key_cache_t *cache, const unsigned char *mark,
    const api_key_trust_t *trust, api_key_copy_t *copy)
{
    uint32_t          n;
    int64_t           age;
    api_key_cell_t   *cell;
    api_key_class_t  *class;

    n = api_key_find(cache, mark);

    if (n == 0) {
        return API_KEY_CACHE_MISS;
    }

    cell = api_key_cell(cache, n);
    age = (int64_t) (trust->now - cell->asked);

    if (cell->len > copy->max
        || cell->sequence < trust->sequence
        || age >= (int64_t) (cell->len ? trust->valid : trust->invalid))
    {
        return API_KEY_CACHE_MISS;
    }

    class = api_key_class(cache, cell->len);

    /*
     * Its neighbours in the list are memory that nothing else here needs.
     * While there is room for all, it is enough that an answer comes to the
     * front each time when it is asked for.
     */

    if (class->newest != n
        && class->left < (class->end - class->begin) / API_KEY_SCARCE)
    {
        api_key_unlink(cache, class, n);
        api_key_link(cache, class, n);
    }

    if (cell->len == 0) {
        return API_KEY_CACHE_UNKNOWN;
    }

    api_key_read(cache, cell, copy->data);
    copy->len = cell->len;
    copy->used = cell->used;

    return API_KEY_CACHE_RECORD;
}


void
api_key_cache_use(api_key_cache_t *cache, const unsigned char *mark,
    uint32_t at)
{
    uint32_t  n;

    n = api_key_find(cache, mark);

    if (n) {
        api_key_cell(cache, n)->used = at;
    }
}


int
api_key_cache_stamp(const api_key_cache_t *cache, const unsigned char *mark,
    uint64_t now, api_key_stamp_t *stamp)
{
    uint32_t  n;

    stamp->sequence = cache->sequence;
    stamp->asked = now;
    stamp->epoch = cache->epoch;
    stamp->generation = cache->generations[api_key_bucket(cache, mark)];

    n = api_key_find(cache, mark);

    return n && api_key_cell(cache, n)->len;
}


int
api_key_cache_holds(const api_key_cache_t *cache, const unsigned char *mark,
    const api_key_stamp_t *stamp)
{
    return stamp->epoch == cache->epoch
           && stamp->generation
              == cache->generations[api_key_bucket(cache, mark)];
}


unsigned
api_key_cache_put(api_key_cache_t *cache, const unsigned char *mark,
    const api_key_stamp_t *stamp, const unsigned char *record, size_t len)
{
    uint32_t          n, cells, *bucket;
    unsigned          evicted;
    api_key_cell_t   *cell;
    api_key_class_t  *class;

    n = api_key_find(cache, mark);

    if (n) {
        cell = api_key_cell(cache, n);

        if (cell->sequence > stamp->sequence
            || (cell->sequence == stamp->sequence
                && cell->asked > stamp->asked))
        {
            /* somebody has asked later */
            return 0;
        }

        api_key_remove(cache, n);
    }

    class = api_key_class(cache, len);
    cells = api_key_cells(len);

    if (len > API_KEY_LEN_MAX || cells > class->end - class->begin) {
        return 0;
    }

    evicted = 0;

    while (class->left < cells) {
        api_key_remove(cache, class->oldest);
        evicted += (len != 0);
    }

    n = api_key_take(cache, class);
    cell = api_key_cell(cache, n);

    cell->sequence = stamp->sequence;
    cell->asked = stamp->asked;
    cell->len = len;
    cell->used = 0;
    memcpy(cell->mark, mark, API_KEY_MARK_LEN);

    api_key_write(cache, n, record, len);

    bucket = &cache->buckets[api_key_bucket(cache, mark)];
    cell->next = *bucket;
    *bucket = n;

    api_key_link(cache, class, n);
    class->entries++;

    while (cache->nbuckets / API_KEY_BUCKETS_SHARE
           < api_key_cache_entries(cache))
    {
        api_key_bucket_split(cache);
    }

    return evicted;
}


void
api_key_cache_drop(api_key_cache_t *cache, const unsigned char *mark)
{
    uint32_t  n;

    cache->generations[api_key_bucket(cache, mark)]++;

    n = api_key_find(cache, mark);

    if (n) {
        api_key_remove(cache, n);
    }
}


void
api_key_cache_drop_all(api_key_cache_t *cache)
{
    cache->epoch++;
    api_key_cache_empty(cache);
}


uint64_t
api_key_cache_subscribe(api_key_cache_t *cache)
{
    return ++cache->sequence;
}


unsigned
api_key_cache_entries(const api_key_cache_t *cache)
{
    return cache->records.entries + cache->unknown.entries;
}


static api_key_cell_t *
api_key_cell(const api_key_cache_t *cache, uint32_t n)
{
    return (api_key_cell_t *) (cache->cells + (size_t) (n - 1) * API_KEY_CELL);
}


static api_key_more_t *
api_key_more(const api_key_cache_t *cache, uint32_t n)
{
    return (api_key_more_t *) api_key_cell(cache, n);
}


static api_key_class_t *
api_key_class(api_key_cache_t *cache, size_t len)
{
    return len ? &cache->records : &cache->unknown;
}


static uint32_t
api_key_bucket(const api_key_cache_t *cache, const unsigned char *mark)
{
    uint32_t  n;

    n = api_key_table_hash(mark, cache->seed) & cache->mask;

    if (n >= cache->nbuckets) {
        n &= cache->mask >> 1;
    }

    return n;
}


/*
 * One bucket more, which takes over what is its own from the one that had it so
 * far.  Thus those in use are always few for what they hold, and close to each
 * other: W. Litwin, "Linear hashing", 1980.
 */

static void
api_key_bucket_split(api_key_cache_t *cache)
{
    uint32_t         n, from, to, *link;
    api_key_cell_t  *cell;

    to = cache->nbuckets++;
    cache->mask |= to;
    from = to & (cache->mask >> 1);

    cache->buckets[to] = 0;
    cache->generations[to] = cache->generations[from];

    link = &cache->buckets[from];

    while (*link) {
        n = *link;
        cell = api_key_cell(cache, n);

        if (api_key_bucket(cache, cell->mark) == from) {
            link = &cell->next;
            continue;
        }

        *link = cell->next;
        cell->next = cache->buckets[to];
        cache->buckets[to] = n;
    }
}


static uint32_t
api_key_find(const api_key_cache_t *cache, const unsigned char *mark)
{
    uint32_t         n;
    api_key_cell_t  *cell;

    for (n = cache->buckets[api_key_bucket(cache, mark)]; n; n = cell->next) {
        cell = api_key_cell(cache, n);

        /* the head is waited for; what is behind it can come meanwhile */

        api_key_prefetch(cell);

        if (memcmp(cell->mark, mark, API_KEY_MARK_LEN) == 0) {
            break;
        }
    }

    return n;
}


static void
api_key_prefetch(const api_key_cell_t *cell)
{
    __builtin_prefetch(cell);
    __builtin_prefetch((const unsigned char *) cell + API_KEY_LINE);
}


/* The list from the newest to the oldest. */

static void
api_key_link(api_key_cache_t *cache, api_key_class_t *class, uint32_t n)
{
    api_key_cell_t  *cell;

    cell = api_key_cell(cache, n);
    cell->newer = 0;
    cell->older = class->newest;

    if (class->newest) {
        api_key_cell(cache, class->newest)->newer = n;

    } else {
        class->oldest = n;
    }

    class->newest = n;
}


static void
api_key_unlink(api_key_cache_t *cache, api_key_class_t *class, uint32_t n)
{
    api_key_cell_t  *cell;

    cell = api_key_cell(cache, n);

    if (cell->newer) {
        api_key_cell(cache, cell->newer)->older = cell->older;

    } else {
        class->newest = cell->older;
    }

    if (cell->older) {
        api_key_cell(cache, cell->older)->newer = cell->newer;

    } else {
        class->oldest = cell->newer;
    }
}


static void
api_key_remove(api_key_cache_t *cache, uint32_t n)
{
    uint32_t         *link, more;
    api_key_cell_t   *cell;
    api_key_class_t  *class;

    cell = api_key_cell(cache, n);
    class = api_key_class(cache, cell->len);

    link = &cache->buckets[api_key_bucket(cache, cell->mark)];

    while (*link != n) {
        link = &api_key_cell(cache, *link)->next;
    }

    *link = cell->next;

    api_key_unlink(cache, class, n);
    class->entries--;

    more = cell->more;
    api_key_give(cache, class, n);

    while (more) {
        n = more;
        more = api_key_more(cache, n)->more;
        api_key_give(cache, class, n);
    }
}


/* One cell; the caller has seen that one is left. */

static uint32_t
api_key_take(api_key_cache_t *cache, api_key_class_t *class)
{
    uint32_t  n;

    class->left--;

    if (class->free) {
        n = class->free;
        class->free = api_key_cell(cache, n)->next;
        return n;
    }

    return class->fresh++;
}


static void
api_key_give(api_key_cache_t *cache, api_key_class_t *class, uint32_t n)
{
    api_key_cell(cache, n)->next = class->free;
    class->free = n;
    class->left++;
}


static uint32_t
api_key_cells(size_t len)
{
    if (len <= API_KEY_CELL_DATA) {
        return 1;
    }

    return 1 + (len - API_KEY_CELL_DATA + API_KEY_CELL_MORE - 1)
               / API_KEY_CELL_MORE;
}


static void
api_key_write(api_key_cache_t *cache, uint32_t n, const unsigned char *data,
    size_t len)
{
    size_t           size;
    uint32_t        *link;
    api_key_cell_t  *cell;
    api_key_more_t  *more;

    cell = api_key_cell(cache, n);
    link = &cell->more;

    size = len < API_KEY_CELL_DATA ? len : API_KEY_CELL_DATA;

    if (size) {
        memcpy(cell->data, data, size);
    }

    for (len -= size; len; len -= size) {
        data += size;
        size = len < API_KEY_CELL_MORE ? len : API_KEY_CELL_MORE;

        *link = api_key_take(cache, &cache->records);
        more = api_key_more(cache, *link);
        memcpy(more->data, data, size);

        link = &more->more;
    }

    *link = 0;
}


static void
api_key_read(const api_key_cache_t *cache, const api_key_cell_t *cell,
    unsigned char *buf)
{
    size_t           size, len;
    uint32_t         n;
    api_key_more_t  *more;

    size = cell->len < API_KEY_CELL_DATA ? cell->len : API_KEY_CELL_DATA;
    memcpy(buf, cell->data, size);

    n = cell->more;

    for (len = cell->len - size; len; len -= size) {
        buf += size;
        size = len < API_KEY_CELL_MORE ? len : API_KEY_CELL_MORE;

        more = api_key_more(cache, n);
        memcpy(buf, more->data, size);

        n = more->more;
    }
}
