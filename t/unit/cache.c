/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the table of known keys: who trusts which answer and for how long,
 * that no change is forgotten while Redis is asked, that the longest unused
 * goes first and never for an answer of the other kind, that records of any
 * length come back as they were, that a use is noted for its own key and gone
 * with the answer, and that a process that dies inside leaves nothing behind.
 */

#include "cache.h"


#define FLOOD  100000


/* Every size, up to where two cells more fit. */

static void
test_init(void)
{
    int          wrong;
    size_t       size, least;
    unsigned     n;
    const char  *reason;

    least = size_of(64);

    for (size = 0, wrong = 0; size < least; size++) {
        start_in(size, 42);
        wrong += cache != NULL;
    }

    is_int(wrong, 0, "less than 64 cells are no table");

    for (reason = NULL; size <= size_of(66) && reason == NULL; size++) {
        start_in(size, 42);

        if (cache == NULL || (void *) cache != mem) {
            reason = "no table";
            break;
        }

        if (size < size_of(cache->ncells) || size >= size_of(cache->ncells + 1)
            || (cache->cells - mem) % 128 != 0)
        {
            reason = "another number of cells";
        }

        for (n = 0; n < 200; n++) {
            (void) keep(n, n % 2 ? LONG : 0);
        }

        if (api_key_cache_entries(cache) != cache->ncells) {
            reason = "not full";
        }

        reason = reason ? reason : walk();
    }

    is_text(reason, NULL, "a table of any size");

    start_in(1 << 20, 42);
    is_int(cache->ncells, 7280, "cells in a megabyte");

    most_cells = 70;
    start_in(size_of(71), 42);
    is_int(cache->ncells, 70, "no more cells than can be counted");
    is_whole("which are whole");

    start_in(size_of(70), 42);
    is_int(cache->ncells, 70, "as many cells as can be counted");

    most_cells = 2147483647;
}


/* A table with 2000 buckets. */

static void
start_spread(uint64_t seed)
{
    unsigned  n;

    start_in(size_of(2000), seed);

    for (n = 0; n < 1000; n++) {
        (void) keep(FLOOD + n, 1);
    }
}


/* Wherever two keys differ, and whoever picks them. */

static void
test_spread(void)
{
    int              wrong, same;
    size_t           i;
    unsigned         n, m, c, len, longest;
    uint32_t         bucket;
    unsigned char    mark[API_KEY_MARK_LEN];
    uint64_t         seed;
    static unsigned  picked[64];

    for (seed = 0, wrong = 0, longest = 0; seed < 20; seed++) {
        start_in(size_of(20000), random_mix(seed));

        for (n = 0; n < 20000; n++) {
            (void) keep(n, 1);
        }

        for (i = 0; i < API_KEY_MARK_LEN; i++) {
            memset(mark, 0, sizeof(mark));
            bucket = api_key_bucket(cache, mark);

            for (c = 1, same = 0; c < 256; c++) {
                mark[i] = (unsigned char) c;
                same += api_key_bucket(cache, mark) == bucket;
            }

            wrong += same > 1;
        }

        for (n = 0; n < cache->nbuckets; n++) {
            len = 0;

            for (m = cache->buckets[n]; m;
                 m = api_key_cell(cache, m)->next)
            {
                len++;
            }

            longest = len > longest ? len : longest;
        }
    }

    is_int(wrong, 0, "keys that differ in one byte are in two buckets");
    ok(longest < 10, "no bucket is much fuller than others");

    start_spread(1);
    bucket = api_key_bucket(cache, mark_of(0));

    for (n = 0, m = 0; m < 64; n++) {
        if (api_key_bucket(cache, mark_of(n)) == bucket) {
            picked[m++] = n;
        }
    }

    for (seed = 2, wrong = 0; seed < 20; seed++) {
        start_spread(seed);
        bucket = api_key_bucket(cache, mark_of(picked[0]));

        for (m = 1, same = 0; m < 64; m++) {
            same += api_key_bucket(cache, mark_of(picked[m])) == bucket;
        }

        wrong += same > 4;
    }

    is_int(wrong, 0, "with another seed others share a bucket");
}


/* Keys that share a bucket under any seed, if it does not come in first. */

static void
chosen(unsigned char *mark, uint64_t n)
{
    int       i;
    uint16_t  last;
    uint64_t  first, inverse;

    /* each step makes twice as many bits of the inverse right */

    for (inverse = 1, i = 0; i < 6; i++) {
        inverse *= 2 - 0x9e3779b97f4a7c15 * inverse;
    }

    first = (n ^ (n >> 32)) * inverse;
    last = (uint16_t) n;

    memcpy(mark, &first, sizeof(uint64_t));
    memcpy(mark + 8, &last, sizeof(uint16_t));
}


static void
test_chosen(void)
{
    int            wrong, same;
    uint32_t       bucket;
    uint64_t       seed, n;
    unsigned char  mark[API_KEY_MARK_LEN];

    for (seed = 0, wrong = 0; seed < 20; seed++) {
        start_spread(random_mix(seed + 1));

        chosen(mark, 0);
        bucket = api_key_bucket(cache, mark);

        for (n = 1, same = 0; n < 1000; n++) {
            chosen(mark, n);
            same += api_key_bucket(cache, mark) == bucket;
        }

        wrong += same > 15;
    }

    is_int(wrong, 0, "who knows the hash cannot choose a bucket");
}


/* Keys that differ in a single bit, in one bucket, as all others are. */

static void
test_differing(void)
{
    int               wrong;
    size_t            i;
    unsigned char     mark[API_KEY_MARK_LEN];
    api_key_stamp_t   stamp;

    start(128);
    cache->mask = 0;
    cache->nbuckets = 1000;

    (void) keep(1, 10);

    for (i = 0, wrong = 0; i < 8 * API_KEY_MARK_LEN; i++) {
        memcpy(mark, mark_of(1), sizeof(mark));
        mark[i / 8] ^= (unsigned char) (1 << i % 8);

        wrong += api_key_cache_stamp(cache, mark, NOW, &stamp) != 0;
        api_key_cache_drop(cache, mark);
        wrong += found(1) != API_KEY_CACHE_RECORD;

        (void) api_key_cache_stamp(cache, mark, NOW, &stamp);
        (void) api_key_cache_put(cache, mark, &stamp, mark, 1);
        wrong += found(1) != API_KEY_CACHE_RECORD;
        wrong += api_key_cache_stamp(cache, mark, NOW, &stamp) != 1;
    }

    is_int(wrong, 0, "keys that differ in one bit are two keys");
    is_int(api_key_cache_entries(cache), 1 + 8 * API_KEY_MARK_LEN,
           "each of them");
}


/*
 * One bucket after the other, and what was in it: found, and with stamps that
 * hold or not as before.
 */

static void
test_split(void)
{
    int              wrong;
    unsigned         n, m;
    api_key_stamp_t  stamps[200];

    start(1000);
    is_int(cache->nbuckets, 64, "few buckets for few keys");
    is_whole("which are whole");

    for (n = 0; n < 200; n++) {
        (void) api_key_cache_stamp(cache, mark_of(n), NOW, &stamps[n]);
    }

    /* what shares a bucket now was told of a drop, wherever it goes */

    for (n = 0; n < 10; n++) {
        api_key_cache_drop(cache, mark_of(n));
    }

    for (n = 0, m = 0; n < 200; n++) {
        m += (unsigned) api_key_cache_holds(cache, mark_of(n), &stamps[n]);
    }

    ok(m > 150 && m < 190, "a drop is told to few");

    for (n = 200, wrong = 0; n < 900; n++) {
        (void) keep(n, 1);
        wrong += cache->nbuckets != (n < 231 ? 64 : 2 * (n - 199));
        wrong += walk() != NULL;
        wrong += found(n) != API_KEY_CACHE_RECORD;
        wrong += found(200) != API_KEY_CACHE_RECORD;
    }

    is_int(wrong, 0, "two buckets for each");
    is_int(count(200, 900), 700, "all are there");

    for (n = 0; n < 200; n++) {
        m -= (unsigned) api_key_cache_holds(cache, mark_of(n), &stamps[n]);
    }

    is_int(m, 0, "the same stamps hold");

    for (n = 200; n < 900; n++) {
        api_key_cache_drop(cache, mark_of(n));
    }

    is_int(cache->nbuckets, 1400, "buckets stay");
    is_whole("and are whole");

    api_key_cache_drop_all(cache);
    is_int(cache->nbuckets, 64, "until all is dropped");
    is_whole("the table is whole");
}


static void
test_answers(void)
{
    unsigned         n;
    api_key_trust_t  trust = { API_KEY_TRUST_ALL, NOW, VALID, VALID };

    start(64);
    is_int(found(1), API_KEY_CACHE_MISS, "nothing is known at first");
    is_int(api_key_cache_entries(cache), 0, "no entries");

    is_int(keep(1, 10), 0, "a record");
    is_int(keep(2, 0), 0, "an unknown key");
    is_int(found(1), API_KEY_CACHE_RECORD, "is found");
    is_int(found(2), API_KEY_CACHE_UNKNOWN, "is found too");
    is_int(found(3), API_KEY_CACHE_MISS, "another is not");
    is_int(api_key_cache_entries(cache), 2, "two entries");

    is_int(look(1, &trust, 1, 10), API_KEY_CACHE_RECORD, "just room enough");
    is_int(look(1, &trust, 1, 9), API_KEY_CACHE_MISS, "too little room");
    is_int(look(2, &trust, 2, 0), API_KEY_CACHE_UNKNOWN, "none is needed");

    for (n = 10; n < 40; n++) {
        (void) keep(n, n);
    }

    is_int(api_key_cache_entries(cache), 32, "some more entries");

    for (n = 10; n < 40 && found(n) == API_KEY_CACHE_RECORD; n++) { /* void */ }

    is_int(n, 40, "each is found");
    is_whole("the table is whole");
}


static void
test_used(void)
{
    start(64);
    (void) keep(1, 10);
    (void) keep(2, LONG + MORE);
    (void) keep(3, 0);
    is_int(used(1), 0, "nothing is noted at first");

    api_key_cache_use(cache, mark_of(1), 4000000000u);
    is_int(used(1), 4000000000, "a use");
    is_int(used(2), 0, "is noted for one key");

    api_key_cache_use(cache, mark_of(2), 7);
    api_key_cache_use(cache, mark_of(1), 8);
    is_int(used(1), 8, "a later one");
    is_int(used(2), 7, "for one key each");
    is_int(found(1), API_KEY_CACHE_RECORD, "which changes no record");
    is_int(found(2), API_KEY_CACHE_RECORD, "however long");

    api_key_cache_use(cache, mark_of(3), 9);
    api_key_cache_use(cache, mark_of(4), 9);
    is_int(used(3), -1, "an unknown key has none");
    is_int(used(4), -1, "nor has what is not there");

    (void) keep(1, 10);
    is_int(used(1), 0, "another answer has not been used");

    (void) keep(3, 10);
    is_int(used(3), 0, "nor has what was unknown");

    api_key_cache_use(cache, mark_of(2), 10);
    api_key_cache_drop(cache, mark_of(2));
    (void) keep(2, 10);
    is_int(used(2), 0, "nor what comes again");
    is_whole("the table is whole");
}


static void
test_sequence(void)
{
    api_key_stamp_t  stamp;
    api_key_trust_t  trust = { 1, NOW, VALID, VALID };

    start(64);
    is_int((long long) api_key_cache_subscribe(cache), 1, "the first number");

    (void) keep(1, 10);
    (void) keep(2, 0);

    (void) api_key_cache_stamp(cache, mark_of(3), NOW, &stamp);
    is_int((long long) stamp.sequence, 1, "a stamp has it");

    is_int((long long) api_key_cache_subscribe(cache), 2, "the second");
    (void) put_answer(3, &stamp, 3, 10);
    (void) keep(4, 10);

    is_int(look(1, &trust, 1, 99), API_KEY_CACHE_RECORD, "the first trusts");
    is_int(look(2, &trust, 2, 99), API_KEY_CACHE_UNKNOWN, "any answer");
    is_int(look(3, &trust, 3, 99), API_KEY_CACHE_RECORD, "and later ones");
    is_int(look(4, &trust, 4, 99), API_KEY_CACHE_RECORD, "and others'");

    trust.sequence = 2;
    is_int(look(1, &trust, 1, 99), API_KEY_CACHE_MISS, "the second does not");
    is_int(look(2, &trust, 2, 99), API_KEY_CACHE_MISS, "nor that");
    is_int(look(3, &trust, 3, 99), API_KEY_CACHE_MISS,
           "nor what was asked for before");
    is_int(look(4, &trust, 4, 99), API_KEY_CACHE_RECORD, "but for its own");

    trust.sequence = 3;
    is_int(look(4, &trust, 4, 99), API_KEY_CACHE_MISS, "the third does not");

    trust.sequence = API_KEY_TRUST_NONE;
    is_int(look(4, &trust, 4, 99), API_KEY_CACHE_MISS, "no trust");

    trust.sequence = API_KEY_TRUST_ALL;
    is_int(look(1, &trust, 1, 99), API_KEY_CACHE_RECORD, "all trust");
    is_int(look(2, &trust, 2, 99), API_KEY_CACHE_UNKNOWN, "in all");

    api_key_cache_drop_all(cache);
    is_int((long long) api_key_cache_subscribe(cache), 3,
           "numbers go on when all is dropped");

    start(64);
    (void) keep(1, 10);
    trust.sequence = API_KEY_TRUST_ALL;
    is_int(look(1, &trust, 1, 99), API_KEY_CACHE_RECORD,
           "trust without numbers");
}


static const struct {
    uint64_t          now;
    uint64_t          valid;
    uint64_t          invalid;
    api_key_cache_e   record;
    api_key_cache_e   unknown;
    const char       *name;
} ages[] = {
    { NOW, 100, 10, API_KEY_CACHE_RECORD, API_KEY_CACHE_UNKNOWN,
      "as new as can be" },
    { NOW, 0, 0, API_KEY_CACHE_MISS, API_KEY_CACHE_MISS, "valid for no time" },
    { NOW, 1, 0, API_KEY_CACHE_RECORD, API_KEY_CACHE_MISS, "a record only" },
    { NOW, 0, 1, API_KEY_CACHE_MISS, API_KEY_CACHE_UNKNOWN, "unknown only" },
    { NOW + 9, 100, 10, API_KEY_CACHE_RECORD, API_KEY_CACHE_UNKNOWN,
      "the last moment of unknown" },
    { NOW + 10, 100, 10, API_KEY_CACHE_RECORD, API_KEY_CACHE_MISS,
      "unknown has ended" },
    { NOW + 99, 100, 10, API_KEY_CACHE_RECORD, API_KEY_CACHE_MISS,
      "the last moment of a record" },
    { NOW + 100, 100, 10, API_KEY_CACHE_MISS, API_KEY_CACHE_MISS,
      "a record has ended" },
    { NOW + 99, 10, 100, API_KEY_CACHE_MISS, API_KEY_CACHE_UNKNOWN,
      "unknown for longer than a record" },
    { NOW + 100, 10, 100, API_KEY_CACHE_MISS, API_KEY_CACHE_MISS,
      "unknown has ended too" },
    { NOW - 1, 1, 1, API_KEY_CACHE_RECORD, API_KEY_CACHE_UNKNOWN,
      "newer than now" },
    { 0, 1, 1, API_KEY_CACHE_RECORD, API_KEY_CACHE_UNKNOWN,
      "far newer than now" },
    { NOW + (UINT64_C(1) << 40), UINT64_C(1) << 40, UINT64_C(1) << 40,
      API_KEY_CACHE_MISS, API_KEY_CACHE_MISS, "34 years old" },
    { NOW + (UINT64_C(1) << 40) - 1, UINT64_C(1) << 40, UINT64_C(1) << 40,
      API_KEY_CACHE_RECORD, API_KEY_CACHE_UNKNOWN, "nearly" }
};


static void
test_ages(void)
{
    size_t           i;
    api_key_trust_t  trust;

    start(64);
    (void) keep(1, 10);
    (void) keep(2, 0);

    for (i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        trust.sequence = API_KEY_TRUST_ALL;
        trust.now = ages[i].now;
        trust.valid = ages[i].valid;
        trust.invalid = ages[i].invalid;

        is_int(look(1, &trust, 1, 99), ages[i].record, ages[i].name);
        is_int(look(2, &trust, 2, 99), ages[i].unknown, ages[i].name);
    }

    is_int(api_key_cache_entries(cache), 2, "who is too old stays");
}


/* Two numbers of one bucket, and one of another. */

static void
pick(unsigned *a, unsigned *b, unsigned *other)
{
    *a = 1;

    for (*b = 2;
         api_key_bucket(cache, mark_of(*b))
         != api_key_bucket(cache, mark_of(*a));
         (*b)++)
    { /* void */ }

    for (*other = 2;
         api_key_bucket(cache, mark_of(*other))
         == api_key_bucket(cache, mark_of(*a));
         (*other)++)
    { /* void */ }
}


static void
test_stamps(void)
{
    unsigned         a, b, other;
    api_key_stamp_t  stamp, again;

    start(64);
    pick(&a, &b, &other);

    memset(&stamp, 0xa5, sizeof(stamp));
    is_int(api_key_cache_stamp(cache, mark_of(a), 7, &stamp), 0, "no record");
    is_int((long long) stamp.asked, 7, "when it was asked");
    is_int((long long) stamp.sequence, 0, "who was told");
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 1, "holds at first");

    (void) keep(a, 10);
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 1,
           "holds when there is an answer");

    (void) api_key_cache_subscribe(cache);
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 1,
           "holds when somebody else comes");

    is_int(api_key_cache_stamp(cache, mark_of(a), 8, &again), 1, "a record");
    is_int((long long) again.asked, 8, "asked later");
    is_int((long long) again.sequence, 1, "when somebody else was told");

    (void) keep(b, 0);
    is_int(api_key_cache_stamp(cache, mark_of(b), 8, &again), 0,
           "an unknown key is no record");

    api_key_cache_drop(cache, mark_of(other));
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 1,
           "holds when another is dropped");

    api_key_cache_drop(cache, mark_of(a));
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 0,
           "does not when it is dropped");
    is_int(api_key_cache_stamp(cache, mark_of(a), 8, &again), 0,
           "which leaves no record");
    is_int(api_key_cache_holds(cache, mark_of(a), &again), 1,
           "a new one holds");
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 0,
           "the old one does not");

    api_key_cache_drop(cache, mark_of(a));
    is_int(api_key_cache_holds(cache, mark_of(a), &again), 0,
           "not even when there was nothing to drop");

    (void) api_key_cache_stamp(cache, mark_of(a), 8, &stamp);
    api_key_cache_drop(cache, mark_of(b));
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 0,
           "rather too often than too seldom");

    (void) api_key_cache_stamp(cache, mark_of(a), 8, &stamp);
    (void) api_key_cache_stamp(cache, mark_of(other), 8, &again);
    api_key_cache_drop_all(cache);
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 0,
           "none does when all are dropped");
    is_int(api_key_cache_holds(cache, mark_of(other), &again), 0, "none");

    (void) api_key_cache_stamp(cache, mark_of(a), 8, &stamp);
    is_int(api_key_cache_holds(cache, mark_of(a), &stamp), 1,
           "one from then on holds");
}


static void
test_replace(void)
{
    api_key_stamp_t  early, late, again;
    api_key_trust_t  trust = { API_KEY_TRUST_ALL, NOW, VALID, VALID };

    start(64);
    (void) api_key_cache_stamp(cache, mark_of(1), NOW, &early);
    (void) api_key_cache_subscribe(cache);
    (void) api_key_cache_stamp(cache, mark_of(1), NOW, &late);

    is_int(put_answer(1, &early, 11, 10), 0, "an answer");
    is_int(put_answer(1, &late, 12, 500), 0, "a later one");
    is_int(look(1, &trust, 12, 999), API_KEY_CACHE_RECORD, "takes its place");
    is_int(api_key_cache_entries(cache), 1, "and is one entry");
    is_whole("the table is whole");

    is_int(put_answer(1, &early, 11, 10), 0, "an earlier one");
    is_int(look(1, &trust, 12, 999), API_KEY_CACHE_RECORD, "does not");
    is_int(put_answer(1, &early, 11, 0), 0, "not even an unknown key");
    is_int(look(1, &trust, 12, 999), API_KEY_CACHE_RECORD, "does");

    trust.sequence = 1;
    is_int(look(1, &trust, 12, 999), API_KEY_CACHE_RECORD,
           "who trusts the later one still does");

    is_int(put_answer(1, &late, 13, 20), 0, "one as late");
    is_int(look(1, &trust, 13, 999), API_KEY_CACHE_RECORD, "takes its place");

    late.asked = NOW + 100;
    trust.now = NOW + VALID;
    is_int(look(1, &trust, 13, 999), API_KEY_CACHE_MISS, "which gets old");
    is_int(put_answer(1, &late, 13, 20), 0, "one that was asked for later");
    is_int(look(1, &trust, 13, 999), API_KEY_CACHE_RECORD, "is new again");

    again = late;
    again.asked = NOW + 99;
    is_int(put_answer(1, &again, 11, 10), 0, "one that was asked for before");
    is_int(look(1, &trust, 13, 999), API_KEY_CACHE_RECORD,
           "but comes later, does not");

    (void) api_key_cache_subscribe(cache);
    (void) api_key_cache_stamp(cache, mark_of(1), NOW, &late);
    is_int(put_answer(1, &late, 15, 20), 0, "one by whom more was told");
    is_int(look(1, &trust, 15, 999), API_KEY_CACHE_MISS,
           "does, whatever its clock says");
    late.asked = NOW + 100;

    is_int(put_answer(1, &late, 1, 0), 0, "an unknown key");
    is_int(look(1, &trust, 1, 999), API_KEY_CACHE_UNKNOWN,
           "takes a record's place");
    is_int(api_key_cache_entries(cache), 1, "and is one entry");
    is_whole("the table is whole");

    is_int(put_answer(1, &late, 14, 30), 0, "a record");
    is_int(look(1, &trust, 14, 999), API_KEY_CACHE_RECORD,
           "takes an unknown key's place");
    is_int(api_key_cache_entries(cache), 1, "and is one entry");
    is_whole("the table is whole");
}


/* Who goes for whom: the number that was put, or -1 for none. */

static int
goes_for(unsigned begin, unsigned end, unsigned n, size_t len)
{
    int               gone, number;
    unsigned          i;
    static unsigned   before[FLOOD];

    for (i = begin; i < end; i++) {
        before[i] = (unsigned) there(i);
    }

    (void) keep(n, len);

    for (i = begin, gone = 0, number = -1; i < end; i++) {
        if (before[i] && !there(i)) {
            number = (int) i;
            gone++;
        }
    }

    return gone > 1 ? -2 : number;
}


static void
test_order_of(size_t len, unsigned room, const char *name)
{
    int              wrong;
    unsigned         i, n;
    unsigned         order[1000];
    api_key_stamp_t  stamp;
    api_key_trust_t  none = { API_KEY_TRUST_NONE, NOW, VALID, VALID };
    api_key_trust_t  old = { API_KEY_TRUST_ALL, NOW + VALID, VALID, VALID };

    start(320);

    for (n = 0; n < room; n++) {
        (void) keep(n, len);
        order[n] = n;
    }

    is_int(count(0, room), room, name);

    /* the newest again, one from amidst, the oldest, and one put anew */

    random_state = RANDOM_SEED;

    for (i = 0; i < 4 * room; i++) {
        n = (i == 0) ? room - 1
                     : (i == 1) ? 0 : (unsigned) random_below(room);

        if (i % 5 == 4) {
            (void) keep(order[n], len);

        } else {
            (void) found(order[n]);
        }

        order[room] = order[n];
        memmove(&order[n], &order[n + 1], (room - n) * sizeof(order[0]));

        /* these are no use */

        (void) look(order[i % room], &none, 0, 99999);
        (void) look(order[i % room], &old, 0, 99999);
        (void) api_key_cache_stamp(cache, mark_of(order[i % room]), NOW,
                                   &stamp);
        (void) api_key_cache_holds(cache, mark_of(order[i % room]), &stamp);

        if (len) {
            (void) look(order[i % room], &(api_key_trust_t)
                        { API_KEY_TRUST_ALL, NOW, VALID, VALID }, 0, len - 1);
        }
    }

    is_whole("in use");

    for (i = 0, wrong = 0; i < room; i++) {
        wrong += goes_for(0, room, room + i, len) != (int) order[i];
    }

    is_int(wrong, 0, "the longest unused goes first");
    is_int(count(room, 2 * room), room, "for the new ones");
    is_whole("the table is whole");
}


static void
test_order(void)
{
    test_order_of(10, 300, "as many records as there is room for");
    test_order_of(0, 20, "as many unknown keys as there is room for");
    test_order_of(LONG + 1, 150, "records of two cells");
    test_order_of(LONG + 2 * MORE, 100, "records of three cells");
}


/* Where there is room, who is asked for often is not brought to the front. */

static void
test_roomy(void)
{
    unsigned  n;

    start(64);

    for (n = 0; n < 54; n++) {
        (void) keep(n, 10);
    }

    (void) found(0);
    is_int((long long) cache->records.left, 6,
           "less than an eighth of 60 cells");
    is_int(number_of(api_key_cell(cache, cache->records.newest)->mark), 0,
           "then the last used is the newest");

    api_key_cache_drop(cache, mark_of(53));
    api_key_cache_drop(cache, mark_of(52));
    (void) found(1);

    is_int(number_of(api_key_cell(cache, cache->records.newest)->mark), 0,
           "with more of them left the order stays");
    is_whole("the table is whole");

    for (n = 100; n < 160; n++) {
        (void) found(2);
        (void) keep(n, 10);
    }

    is_int(found(2), API_KEY_CACHE_RECORD, "who is used stays all the same");
    is_whole("the table is whole");
}


static void
test_apart(void)
{
    unsigned  n, evicted;

    start(1600);

    for (n = 0; n < 1500; n++) {
        (void) keep(n, LONG);
    }

    for (n = 1500, evicted = 0; n < 1500 + FLOOD; n++) {
        evicted += (unsigned) keep(n, 0);
    }

    is_int(count(0, 1500), 1500, "unknown keys push out no record");
    is_int(evicted, 0, "nor are they counted");
    is_int(count(1500, 1500 + FLOOD), 100, "they have cells of their own");
    is_int(count(1400 + FLOOD, 1500 + FLOOD), 100, "the last ones are known");
    is_int(api_key_cache_entries(cache), 1600, "every cell is in use");
    is_whole("the table is whole");

    for (n = 0, evicted = 0; n < FLOOD; n++) {
        evicted += (unsigned) keep(n + 2 * FLOOD, LONG);
    }

    is_int(count(1400 + FLOOD, 1500 + FLOOD), 100,
           "records push out no unknown key");
    is_int(evicted, FLOOD, "each pushes out a record");
    is_int(count(3 * FLOOD - 1500, 3 * FLOOD), 1500,
           "the last ones are known");
    is_int(api_key_cache_entries(cache), 1600, "every cell is in use");
    is_whole("the table is whole");
}


/* Records of every length up to some cells, and some longer ones. */

static void
test_lengths(void)
{
    int          wrong, lost;
    size_t       len;
    uint32_t     left;
    api_key_trust_t  trust = { API_KEY_TRUST_ALL, NOW, VALID, VALID };

    start(100);
    left = cache->records.left;
    is_int(left, 94, "one cell of sixteen is for unknown keys");

    for (len = 1, wrong = 0, lost = 0; len <= 8192;
         len += len > LONG + 4 * MORE + 1 ? 71 : 1)
    {
        (void) keep(1, len);
        wrong += left - cache->records.left != cells_of(len);
        wrong += look(1, &trust, 1, len) != API_KEY_CACHE_RECORD;
        wrong += look(1, &trust, 1, len - 1) != API_KEY_CACHE_MISS;

        (void) keep(2, 8193 - len);
        wrong += found(1) != API_KEY_CACHE_RECORD;
        wrong += found(2) != API_KEY_CACHE_RECORD;
        wrong += walk() != NULL;

        api_key_cache_drop(cache, mark_of(1));
        api_key_cache_drop(cache, mark_of(2));
        lost += cache->records.left != left;
    }

    is_int(wrong, 0, "records of many lengths");
    is_int(lost, 0, "which give all cells back");
    ok(LONG >= 82 && LONG < MORE && MORE < 128, "not all of a cell is head");
    is_whole("the table is whole");
}


static void
test_longest(void)
{
    size_t           longest;
    unsigned         n;
    api_key_trust_t  trust = { API_KEY_TRUST_ALL, NOW, VALID, VALID };

    start(64);
    longest = LONG + 59 * MORE;

    for (n = 0; n < 64; n++) {
        (void) keep(n, n < 60 ? 10 : 0);
    }

    is_int(keep(70, longest + 1), 0, "one longer than all cells");
    is_int(there(70), 0, "is not kept");
    is_int(api_key_cache_entries(cache), 64, "and nothing goes for it");

    is_int(keep(1, longest + 1), 0, "one that has become too long");
    is_int(there(1), 0, "is not kept either, old as it was");
    is_int(api_key_cache_entries(cache), 63, "and nothing else goes");
    is_int(keep(1, 10), 0, "its cell is free");
    is_whole("the table is whole");

    is_int(keep(71, longest), 60, "one of all cells takes them all");
    is_int(found(71), API_KEY_CACHE_RECORD, "and is kept");
    is_int((long long) cache->records.left, 0, "no cell is left");
    is_int(count(60, 64), 4, "unknown keys stay");
    is_int(api_key_cache_entries(cache), 5, "five entries");
    is_whole("the table is whole");

    is_int(keep(71, longest), 0, "again, in its own cells");
    is_int(found(71), API_KEY_CACHE_RECORD, "and is kept");
    is_int(keep(72, 1), 1, "a short one pushes it out");
    is_int(found(71), API_KEY_CACHE_MISS, "so that it is gone");
    is_int(found(72), API_KEY_CACHE_RECORD, "for the short one");
    is_int((long long) cache->records.left, 59, "all its cells are free");
    is_whole("the table is whole");

    is_int(keep(72, longest * 1000), 0, "one far too long");
    is_int(there(72), 0, "is not kept");
    is_whole("the table is whole");

    /* where there is room, its length must fit into its cell's head */

    start(150000);
    (void) keep(1, 16777215);
    is_int(look(1, &trust, 1, 16777215), API_KEY_CACHE_RECORD,
           "the longest that a head can tell");
    (void) keep(2, 16777216);
    is_int(there(2), 0, "one longer is not kept");
    is_int(api_key_cache_entries(cache), 1, "and nothing goes for it");
}


static void
test_evicted(void)
{
    unsigned  n;

    start(64);

    for (n = 0; n < 60; n++) {
        (void) keep(n, n < 10 ? LONG + 1 : 10);
    }

    /* the last ten of 70 cells have pushed out five of two cells */

    is_int(count(0, 60), 55, "what there is");
    is_int(keep(100, 10), 1, "one of two cells goes for one of one");
    is_int(keep(101, 10), 0, "none for the next, as a cell is left");
    is_int(keep(102, LONG + MORE), 1, "two cells for two");
    is_int(keep(103, LONG + 2 * MORE), 2, "two goes, then two");
    is_int((long long) cache->records.left, 1, "one cell too many");
    is_int(keep(104, LONG + 5 * MORE), 4, "three cells more than these");
    is_int(count(0, 10), 0, "no long one is there");
    is_int(count(10, 60), 47, "nor are the oldest of the short ones");
    is_int(count(13, 60), 47, "which are these");
    is_int(keep(105, 0), 0, "an unknown key evicts none");
    is_whole("the table is whole");
}


static void
test_drop(void)
{
    unsigned  n;

    start(64);

    for (n = 0; n < 64; n++) {
        (void) keep(n, n < 60 ? 10 : 0);
    }

    api_key_cache_drop(cache, mark_of(30));
    api_key_cache_drop(cache, mark_of(62));
    is_int(found(30), API_KEY_CACHE_MISS, "a record is dropped");
    is_int(found(62), API_KEY_CACHE_MISS, "an unknown key is dropped");
    is_int(count(0, 64), 62, "no other is");
    is_int(api_key_cache_entries(cache), 62, "which is counted");
    is_whole("the table is whole");

    api_key_cache_drop(cache, mark_of(30));
    api_key_cache_drop(cache, mark_of(99));
    is_int(api_key_cache_entries(cache), 62, "what is not there stays away");

    api_key_cache_drop(cache, mark_of(0));
    api_key_cache_drop(cache, mark_of(59));
    is_int(count(0, 64), 60, "the oldest and the newest too");
    is_whole("the table is whole");

    is_int(keep(70, LONG + 2 * MORE), 0, "there is room for three cells");
    is_int(keep(71, 0), 0, "and for an unknown key");
    is_int(count(60, 64), 3, "for which none goes");
    is_int(api_key_cache_entries(cache), 62, "two entries more");

    api_key_cache_drop_all(cache);
    is_int(api_key_cache_entries(cache), 0, "all are dropped");
    is_int(count(0, 100), 0, "none is found");
    is_whole("the table is whole");

    for (n = 0; n < 64; n++) {
        (void) keep(n, n < 60 ? LONG : 0);
    }

    is_int(count(0, 64), 64, "and there is room for as many again");
    is_whole("the table is whole");
}


/* What a process that died inside may have left behind: anything. */

static void
test_died(void)
{
    int              wrong, round;
    size_t           i;
    unsigned         n;
    unsigned char   *p;
    api_key_stamp_t  stamp;

    start(64);
    api_key_cache_enter(cache);
    is_int(cache->busy, 1, "inside");
    (void) keep(1, 10);
    (void) api_key_cache_stamp(cache, mark_of(1), NOW, &stamp);
    api_key_cache_leave(cache);
    is_int(cache->busy, 0, "outside");

    api_key_cache_enter(cache);
    is_int(found(1), API_KEY_CACHE_RECORD, "what was left well stays");
    is_int(api_key_cache_holds(cache, mark_of(1), &stamp), 1, "stamps hold");

    api_key_cache_enter(cache);
    is_int(cache->busy, 1, "inside, after one who never left");
    is_int(found(1), API_KEY_CACHE_MISS, "the table is empty");
    is_int(api_key_cache_entries(cache), 0, "no entries");
    is_int(api_key_cache_holds(cache, mark_of(1), &stamp), 0, "no stamp holds");
    is_whole("the table is whole");

    (void) keep(2, 10);
    api_key_cache_leave(cache);
    api_key_cache_enter(cache);
    is_int(found(2), API_KEY_CACHE_RECORD, "and works on");
    api_key_cache_leave(cache);

    random_state = RANDOM_SEED;

    for (round = 0, wrong = 0; round < 200; round++) {
        api_key_cache_enter(cache);
        (void) api_key_cache_subscribe(cache);
        (void) api_key_cache_stamp(cache, mark_of(1), NOW, &stamp);

        for (i = 0; i < 64 * API_KEY_CELL; i++) {
            cache->cells[i] = (unsigned char) random_next();
        }

        for (i = 0; i < 2 * 64; i++) {
            cache->buckets[i] = (uint32_t) random_next();
        }

        for (n = 0; n < 100; n++) {
            api_key_cache_fetch(cache, mark_of(n));
        }

        cache->nbuckets = (uint32_t) random_next();
        cache->mask = (uint32_t) random_next();

        for (i = 0, p = (unsigned char *) &cache->records;
             i < 2 * sizeof(api_key_class_t); i++)
        {
            p[i] = (unsigned char) random_next();
        }

        api_key_cache_enter(cache);
        wrong += walk() != NULL || api_key_cache_entries(cache) != 0;
        wrong += api_key_cache_holds(cache, mark_of(1), &stamp);

        for (n = 0; n < 100; n++) {
            (void) keep(n, n % 7 * 36);
        }

        /* four unknown keys, and all since a fifth */

        for ( /* void */ ; n != 0 && there(n - 1); n--) {
            wrong += found(n - 1) < API_KEY_CACHE_RECORD;
        }

        wrong += n != 71 || walk() != NULL;
        api_key_cache_leave(cache);
    }

    is_int(wrong, 0, "whatever it has left in pieces");
    is_int((long long) api_key_cache_subscribe(cache), 201,
           "but for the numbers, which go on");
}


int
main(void)
{
    test_init();
    test_spread();
    test_chosen();
    test_differing();
    test_split();
    test_answers();
    test_used();
    test_sequence();
    test_ages();
    test_stamps();
    test_replace();
    test_order();
    test_roomy();
    test_apart();
    test_lengths();
    test_longest();
    test_evicted();
    test_drop();
    test_died();

    free(mem);

    return done();
}
