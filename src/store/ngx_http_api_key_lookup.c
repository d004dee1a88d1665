/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Lookups of one worker.  A flight is a question to Redis that is on its way;
 * who wants to know the same gets on.  When it comes back and its key has
 * changed meanwhile, its answer is not kept, and not believed either: whoever
 * got on later than the change must not see what was before it.  So it is sent
 * again.  A key that changes all the time, as it seems when each of many
 * workers hears of one change, must not keep them waiting: in the end those who
 * were there when the question was sent take the answer to it, and it is asked
 * once more for the others.
 */

#include "ngx_http_api_key_lookup.h"
#include "ngx_http_api_key_used.h"
#include "api_key_pack.h"


#define NGX_HTTP_API_KEY_FLIGHTS  256         /* buckets */
#define NGX_HTTP_API_KEY_TRIES    3           /* of one flight */


typedef struct {
    ngx_queue_t                    queue;
    ngx_http_api_key_lookup_pt     handler;
    void                          *data;
} ngx_http_api_key_passenger_t;


typedef struct {
    ngx_queue_t                    queue;     /* in its bucket */
    ngx_queue_t                    passengers;
    ngx_queue_t                   *last;      /* aboard when it was sent */
    ngx_http_api_key_store_t      *store;
    api_key_stamp_t                stamp;
    ngx_uint_t                     tries;
    ngx_uint_t                     known;     /* seen good before */
    u_char                         id[API_KEY_ID_LEN];
    u_char                         mark[API_KEY_MARK_LEN];
} ngx_http_api_key_flight_t;


struct ngx_http_api_key_flights_s {
    ngx_queue_t                    buckets[NGX_HTTP_API_KEY_FLIGHTS];
};


static uint64_t ngx_http_api_key_lookup_trust(
    ngx_http_api_key_store_t *store);
static ngx_int_t ngx_http_api_key_lookup_get(ngx_http_api_key_store_t *store,
    const u_char *mark, const api_key_trust_t *trust,
    ngx_http_api_key_place_t *place, api_key_record_t **record, time_t *used);
static ngx_queue_t *ngx_http_api_key_flights(ngx_http_api_key_store_t *store,
    const u_char *id);
static ngx_http_api_key_flight_t *ngx_http_api_key_flight_find(
    ngx_queue_t *bucket, const u_char *id);
static ngx_int_t ngx_http_api_key_flight_send(
    ngx_http_api_key_flight_t *flight);
static void ngx_http_api_key_flight_leave(ngx_queue_t *passengers,
    ngx_int_t rc, api_key_record_t *record);
static void ngx_http_api_key_flight_landed(void *data, ngx_int_t rc,
    api_key_record_t *record);
static ngx_int_t ngx_http_api_key_flight_keep(
    ngx_http_api_key_flight_t *flight, ngx_int_t rc,
    api_key_record_t *record);


/*
 * Where records are packed and unpacked.  On the stack, all that is called
 * meanwhile would work behind them, on memory that nothing else has used.
 */

static u_char  ngx_http_api_key_packed[API_KEY_PACKED_MAX];


void *
ngx_http_api_key_place_alloc(ngx_http_api_key_place_t *place, size_t size)
{
    return (size <= NGX_HTTP_API_KEY_ROOM) ? place->room
                                           : ngx_palloc(place->pool, size);
}


void
ngx_http_api_key_lookup_fetch(ngx_http_api_key_store_t *store,
    const u_char *mark)
{
    if (store->cache) {
        ngx_http_api_key_cache_fetch(store->cache, mark);
    }
}


ngx_int_t
ngx_http_api_key_lookup_cached(ngx_http_api_key_store_t *store,
    const u_char *mark, ngx_http_api_key_place_t *place,
    api_key_record_t **record, time_t *used)
{
    ngx_int_t        rc;
    ngx_uint_t       result;
    api_key_trust_t  trust;

    if (store->cache == NULL) {
        return NGX_AGAIN;
    }

    trust.sequence = ngx_http_api_key_lookup_trust(store);
    trust.now = ngx_current_msec;
    trust.valid = store->cache_valid;
    trust.invalid = store->cache_invalid;

    rc = ngx_http_api_key_lookup_get(store, mark, &trust, place, record, used);

    switch (rc) {

    case NGX_OK:
        result = NGX_HTTP_API_KEY_COUNT_HIT;
        break;

    case NGX_DECLINED:
        result = NGX_HTTP_API_KEY_COUNT_NEGATIVE;
        break;

    default:
        result = NGX_HTTP_API_KEY_COUNT_MISS;
    }

    ngx_http_api_key_count(store->counters, result, 1);

    return rc;
}


/*
 * The question is what would have been trusted at the moment when Redis was
 * last heard, and changes were still told of.
 */

ngx_int_t
ngx_http_api_key_lookup_stale(ngx_http_api_key_store_t *store,
    const u_char *mark, ngx_http_api_key_place_t *place,
    api_key_record_t **record)
{
    time_t           used;
    ngx_msec_t       heard;
    api_key_trust_t  trust;

    if (store->cache == NULL || store->cache_stale == 0
        || store->redis == NULL)
    {
        return NGX_DECLINED;
    }

    heard = ngx_http_api_key_redis_heard(store->redis);
    trust.sequence = API_KEY_TRUST_ALL;

    if (store->push) {
        heard = ngx_http_api_key_push_heard(store->push, heard);
        trust.sequence = ngx_http_api_key_push_trust_last(store->push);
    }

    if (heard == 0 || ngx_current_msec - heard >= store->cache_stale) {
        return NGX_DECLINED;
    }

    trust.now = heard;
    trust.valid = store->cache_valid;
    trust.invalid = 0;

    if (ngx_http_api_key_lookup_get(store, mark, &trust, place, record, &used)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if ((*record)->state != API_KEY_ACTIVE) {
        *record = NULL;
        return NGX_DECLINED;
    }

    ngx_http_api_key_count(store->counters, NGX_HTTP_API_KEY_COUNT_STALE, 1);

    return NGX_OK;
}


ngx_uint_t
ngx_http_api_key_lookup_away(ngx_http_api_key_store_t *store)
{
    time_t  since;

    return store->cache && store->cache_stale && store->redis
           && !ngx_http_api_key_redis_up(store->redis, &since);
}


/* The lowest sequence of answers that this worker trusts. */

static uint64_t
ngx_http_api_key_lookup_trust(ngx_http_api_key_store_t *store)
{
    if (!store->cache_push) {
        return API_KEY_TRUST_ALL;
    }

    return store->push ? ngx_http_api_key_push_trust_now(store->push)
                       : API_KEY_TRUST_NONE;
}


/*
 * What the cache holds: NGX_OK and a record, NGX_DECLINED: there is no such
 * key, NGX_AGAIN: nothing that is trusted, or no memory for it.
 */

static ngx_int_t
ngx_http_api_key_lookup_get(ngx_http_api_key_store_t *store,
    const u_char *mark, const api_key_trust_t *trust,
    ngx_http_api_key_place_t *place, api_key_record_t **record, time_t *used)
{
    void            *mem;
    size_t           size;
    api_key_copy_t   copy;

    copy.data = ngx_http_api_key_packed;
    copy.max = API_KEY_PACKED_MAX;

    switch (ngx_http_api_key_cache_get(store->cache, mark, trust, &copy)) {

    case API_KEY_CACHE_RECORD:
        break;

    case API_KEY_CACHE_UNKNOWN:
        return NGX_DECLINED;

    default:
        return NGX_AGAIN;
    }

    size = api_key_unpack_size(copy.data, copy.len);

    if (size == 0) {
        return NGX_AGAIN;
    }

    mem = ngx_http_api_key_place_alloc(place, size);
    if (mem == NULL) {
        return NGX_AGAIN;
    }

    *record = api_key_unpack(mem, mark, copy.data, copy.len);
    *used = copy.used;

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_lookup(ngx_http_api_key_store_t *store, const u_char *id,
    ngx_uint_t live, ngx_http_api_key_lookup_pt handler, void *data)
{
    ngx_queue_t                   *bucket;
    ngx_http_api_key_flight_t     *flight;
    ngx_http_api_key_passenger_t  *passenger;

    bucket = ngx_http_api_key_flights(store, id);
    if (bucket == NULL) {
        return NGX_ERROR;
    }

    passenger = ngx_alloc(sizeof(ngx_http_api_key_passenger_t),
                          ngx_cycle->log);
    if (passenger == NULL) {
        return NGX_ERROR;
    }

    passenger->handler = handler;
    passenger->data = data;

    /*
     * Who is not told of changes cannot know whether a flight that left before
     * brings what is true now.
     */

    if (!live && store->cache
        && ngx_http_api_key_lookup_trust(store) != API_KEY_TRUST_NONE)
    {
        flight = ngx_http_api_key_flight_find(bucket, id);

        if (flight) {
            ngx_queue_insert_tail(&flight->passengers, &passenger->queue);
            return NGX_OK;
        }
    }

    flight = ngx_alloc(sizeof(ngx_http_api_key_flight_t), ngx_cycle->log);
    if (flight == NULL) {
        ngx_free(passenger);
        return NGX_ERROR;
    }

    ngx_memzero(flight, sizeof(ngx_http_api_key_flight_t));

    flight->store = store;
    ngx_memcpy(flight->id, id, API_KEY_ID_LEN);
    api_key_digest_bytes(flight->mark, id, API_KEY_MARK_LEN);

    ngx_queue_init(&flight->passengers);
    ngx_queue_insert_tail(&flight->passengers, &passenger->queue);

    if (ngx_http_api_key_flight_send(flight) != NGX_OK) {
        ngx_free(passenger);
        ngx_free(flight);
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(bucket, &flight->queue);

    return NGX_OK;
}


void
ngx_http_api_key_lookup_forget(ngx_http_api_key_store_t *store,
    const u_char *id)
{
    u_char  mark[API_KEY_MARK_LEN];

    if (store->cache) {
        api_key_digest_bytes(mark, id, API_KEY_MARK_LEN);
        ngx_http_api_key_cache_drop(store->cache, mark);
    }
}


static ngx_queue_t *
ngx_http_api_key_flights(ngx_http_api_key_store_t *store, const u_char *id)
{
    ngx_uint_t  i;

    if (store->flights == NULL) {
        store->flights = ngx_alloc(sizeof(ngx_http_api_key_flights_t),
                                   ngx_cycle->log);
        if (store->flights == NULL) {
            return NULL;
        }

        for (i = 0; i < NGX_HTTP_API_KEY_FLIGHTS; i++) {
            ngx_queue_init(&store->flights->buckets[i]);
        }
    }

    i = ngx_crc32_short((u_char *) id, API_KEY_ID_LEN);

    return &store->flights->buckets[i % NGX_HTTP_API_KEY_FLIGHTS];
}


static ngx_http_api_key_flight_t *
ngx_http_api_key_flight_find(ngx_queue_t *bucket, const u_char *id)
{
    ngx_queue_t                *q;
    ngx_http_api_key_flight_t  *flight;

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_api_key_flight_t, queue);

        if (ngx_memcmp(flight->id, id, API_KEY_ID_LEN) == 0) {
            return flight;
        }
    }

    return NULL;
}


/* A key that was never seen good waits behind those that were. */

static ngx_int_t
ngx_http_api_key_flight_send(ngx_http_api_key_flight_t *flight)
{
    ngx_uint_t                 flags;
    ngx_http_api_key_store_t  *store;

    flags = 0;
    store = flight->store;

    if (store->cache) {
        flight->known |= ngx_http_api_key_cache_stamp(store->cache,
                                                      flight->mark,
                                                      &flight->stamp);
        flags = flight->known ? 0 : NGX_HTTP_API_KEY_REDIS_YIELD;
    }

    flight->tries++;
    flight->last = ngx_queue_last(&flight->passengers);

    return ngx_http_api_key_store_ask(store, flight->id, flags,
                                      ngx_http_api_key_flight_landed, flight);
}


static void
ngx_http_api_key_flight_landed(void *data, ngx_int_t rc,
    api_key_record_t *record)
{
    ngx_queue_t                 late;
    ngx_http_api_key_flight_t  *flight = data;

    ngx_queue_init(&late);

    if ((rc == NGX_OK || rc == NGX_DECLINED)
        && ngx_http_api_key_flight_keep(flight, rc, record) != NGX_OK)
    {
        if (flight->tries < NGX_HTTP_API_KEY_TRIES) {

            if (ngx_http_api_key_flight_send(flight) == NGX_OK) {
                return;
            }

            rc = NGX_ABORT;

        } else if (flight->last != ngx_queue_last(&flight->passengers)) {
            ngx_queue_split(&flight->passengers, ngx_queue_next(flight->last),
                            &late);
        }
    }

    ngx_queue_remove(&flight->queue);

    ngx_http_api_key_flight_leave(&flight->passengers, rc, record);

    if (!ngx_queue_empty(&late)) {
        ngx_queue_add(&flight->passengers, &late);
        flight->tries = 0;

        if (ngx_http_api_key_flight_send(flight) == NGX_OK) {
            ngx_queue_insert_tail(ngx_http_api_key_flights(flight->store,
                                                           flight->id),
                                  &flight->queue);
            return;
        }

        ngx_http_api_key_flight_leave(&flight->passengers, NGX_ABORT, NULL);
    }

    ngx_free(flight);
}


static void
ngx_http_api_key_flight_leave(ngx_queue_t *passengers, ngx_int_t rc,
    api_key_record_t *record)
{
    ngx_queue_t                   *q;
    ngx_http_api_key_passenger_t  *passenger;

    while (!ngx_queue_empty(passengers)) {
        q = ngx_queue_head(passengers);
        ngx_queue_remove(q);

        passenger = ngx_queue_data(q, ngx_http_api_key_passenger_t, queue);
        passenger->handler(passenger->data, rc, record);
        ngx_free(passenger);
    }
}


/*
 * NGX_DECLINED when the key has changed while the answer was on its way.  What
 * nobody here is going to trust is not kept, unless it takes the place of an
 * older answer: that one must not be taken for the last one by and by.
 */

static ngx_int_t
ngx_http_api_key_flight_keep(ngx_http_api_key_flight_t *flight, ngx_int_t rc,
    api_key_record_t *record)
{
    size_t                     len;
    ngx_int_t                  kept;
    ngx_uint_t                 evicted, trusted;
    ngx_http_api_key_store_t  *store;

    store = flight->store;

    if (store->cache == NULL) {
        return NGX_OK;
    }

    len = (rc == NGX_OK) ? api_key_pack(ngx_http_api_key_packed, record) : 0;

    trusted = ngx_http_api_key_lookup_trust(store) != API_KEY_TRUST_NONE
              && (rc == NGX_OK || store->cache_invalid);

    if ((rc == NGX_OK && len == 0) || (!trusted && !flight->known)) {
        return ngx_http_api_key_cache_holds(store->cache, flight->mark,
                                            &flight->stamp)
               ? NGX_OK : NGX_DECLINED;
    }

    kept = ngx_http_api_key_cache_put(store->cache, flight->mark,
                                      &flight->stamp, ngx_http_api_key_packed,
                                      len, &evicted);

    if (evicted) {
        ngx_http_api_key_count(store->counters,
                               NGX_HTTP_API_KEY_COUNT_EVICTIONS, evicted);
    }

    return kept;
}
