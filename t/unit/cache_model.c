/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards that the table of known keys does what a plain model does, whatever
 * is done and in whatever order: the same answers, the same ones evicted, and
 * the same stamps that hold; and that lists, chains and cells stay whole.
 */

#include "cache.h"


/*
 * The model: an array of all ids, and a clock that says when each was last of
 * use.  Only who shares a bucket is asked of the table itself.
 */

#define STAMPS  24


typedef struct {
    int              there;
    size_t           len;
    uint64_t         salt;
    uint64_t         sequence;
    uint64_t         asked;
    uint64_t         used;
    uint32_t         noted;
    uint64_t         drops;                /* of who shared its bucket then */
} answer_t;


typedef struct {
    unsigned         n;
    uint64_t         drops;
    api_key_stamp_t  stamp;
} question_t;


static answer_t    answers[IDS];
static question_t  questions[STAMPS];

static uint64_t    tick, msec, sequence, all_drops, salt;
static uint32_t    room[2], size[2];


static uint64_t
model_drops(unsigned n)
{
    return all_drops + answers[n].drops;
}


static void
model_drop(unsigned n)
{
    room[answers[n].len != 0] += cells_of(answers[n].len);
    answers[n].there = 0;
}


static void
model_drop_all(void)
{
    unsigned  n;

    all_drops++;

    for (n = 0; n < IDS; n++) {
        if (answers[n].there) {
            model_drop(n);
        }
    }
}


static int
model_evict(int records)
{
    unsigned  n, oldest;

    for (n = 0, oldest = IDS; n < IDS; n++) {
        if (answers[n].there && (answers[n].len != 0) == records
            && (oldest == IDS || answers[n].used < answers[oldest].used))
        {
            oldest = n;
        }
    }

    if (oldest == IDS) {
        return 0;
    }

    model_drop(oldest);

    return records;
}


static int
model_put(unsigned n, const api_key_stamp_t *stamp, size_t len, uint32_t all)
{
    int        evicted;
    answer_t  *answer;

    answer = &answers[n];

    if (answer->there) {
        if (answer->sequence > stamp->sequence
            || (answer->sequence == stamp->sequence
                && answer->asked > stamp->asked))
        {
            return 0;
        }

        model_drop(n);
    }

    if (cells_of(len) > all) {
        return 0;
    }

    for (evicted = 0; room[len != 0] < cells_of(len); /* void */ ) {
        evicted += model_evict(len != 0);
    }

    room[len != 0] -= cells_of(len);

    answer->there = 1;
    answer->len = len;
    answer->salt = salt;
    answer->sequence = stamp->sequence;
    answer->asked = stamp->asked;
    answer->used = ++tick;
    answer->noted = 0;

    return evicted;
}


static int
model_get(unsigned n, const api_key_trust_t *trust, size_t max)
{
    uint64_t   valid;
    answer_t  *answer;

    answer = &answers[n];

    if (!answer->there || answer->len > max
        || answer->sequence < trust->sequence)
    {
        return API_KEY_CACHE_MISS;
    }

    valid = answer->len ? trust->valid : trust->invalid;

    if (trust->now >= answer->asked + valid) {
        return API_KEY_CACHE_MISS;
    }

    if (room[answer->len != 0] < size[answer->len != 0] / API_KEY_SCARCE) {
        answer->used = ++tick;
    }

    return answer->len ? API_KEY_CACHE_RECORD : API_KEY_CACHE_UNKNOWN;
}


/* Both lists against the model: the same answers in the same order. */

static const char *
differs(void)
{
    size_t                  i;
    int                     kind;
    uint32_t                n;
    uint64_t                used;
    unsigned                number, listed;
    const answer_t         *answer;
    const api_key_cell_t   *cell;
    const api_key_class_t  *class;

    listed = 0;

    for (kind = 0; kind < 2; kind++) {
        class = kind ? &cache->records : &cache->unknown;
        used = UINT64_MAX;

        if (class->left != room[kind]) {
            return "another number of cells is left";
        }

        for (n = class->newest; n; n = cell->older) {
            cell = api_key_cell(cache, n);
            number = number_of(cell->mark);
            answer = &answers[number];

            if (memcmp(cell->mark, mark_of(number), API_KEY_MARK_LEN) != 0
                || !answer->there
                || answer->len != cell->len
                || answer->sequence != cell->sequence
                || answer->asked != cell->asked
                || answer->noted != cell->used)
            {
                return "another answer";
            }

            if (answer->used >= used) {
                return "another order";
            }

            used = answer->used;
            listed++;
        }
    }

    for (i = 0; i < IDS; i++) {
        listed -= (unsigned) answers[i].there;
    }

    return listed ? "another number of answers" : NULL;
}


static void
model_start(size_t cells, uint64_t seed)
{
    unsigned  n;

    random_state = seed;
    start_in(size_of(cells), random_next());

    memset(answers, 0, sizeof(answers));

    msec = NOW;
    tick = 0;
    sequence = 0;
    all_drops = 0;
    room[0] = (uint32_t) (cells / 16);
    room[1] = (uint32_t) (cells - cells / 16);
    size[0] = room[0];
    size[1] = room[1];

    for (n = 0; n < STAMPS; n++) {
        questions[n].n = n;
        questions[n].drops = 0;
        (void) api_key_cache_stamp(cache, mark_of(n), msec,
                                   &questions[n].stamp);
    }
}


/* Some ids are much asked for. */

static unsigned
any_id(void)
{
    return (unsigned) random_below(random_below(2) ? IDS : IDS / 10);
}


static size_t
any_len(uint32_t cells)
{
    switch (random_below(16)) {

    case 0:
    case 1:
    case 2:
    case 3:
        return 0;

    case 4:
    case 5:
        return LONG + random_below(5) * MORE + random_below(3) - 1;

    case 6:
        return random_below(8192) + 1;

    case 7:
        return random_below(20) ? LONG : LONG + (cells - 1) * MORE
                                         + random_below(2);

    default:
        return random_below(LONG) + 1;
    }
}


static const char *
step_ask(void)
{
    int          known;
    question_t  *question;

    question = &questions[random_below(STAMPS)];
    question->n = any_id();
    question->drops = model_drops(question->n);

    known = api_key_cache_stamp(cache, mark_of(question->n), msec,
                                &question->stamp);

    if (known != (answers[question->n].there && answers[question->n].len)) {
        return "a record or none";
    }

    return question->stamp.sequence == sequence
           && question->stamp.asked == msec ? NULL : "another stamp";
}


static const char *
step_put(void)
{
    int          holds;
    size_t       len;
    uint32_t     all;
    question_t  *question;

    question = &questions[random_below(STAMPS)];

    holds = api_key_cache_holds(cache, mark_of(question->n), &question->stamp);

    if (holds != (question->drops == model_drops(question->n))) {
        return "a stamp that holds or does not";
    }

    if (!holds) {
        return NULL;
    }

    len = any_len(cache->records.end - 1);
    all = len ? cache->records.end - 1 : cache->ncells / 16;
    salt++;

    return put_answer(question->n, &question->stamp, salt, len)
           == model_put(question->n, &question->stamp, len, all)
           ? NULL : "other evictions";
}


static const char *
step_get(void)
{
    int              want;
    size_t           max;
    unsigned         n;
    answer_t        *answer;
    api_key_trust_t  trust;

    n = any_id();
    answer = &answers[n];

    trust.sequence = random_below(4) ? API_KEY_TRUST_ALL
                                     : sequence - random_below(3);
    trust.now = msec;
    trust.valid = random_below(200) + 1;
    trust.invalid = random_below(200) + 1;
    max = answer->len + random_below(64);

    if (sequence < 3 || random_below(50) == 0) {
        trust.sequence = random_below(2) ? API_KEY_TRUST_NONE : sequence;
    }

    switch (random_below(16)) {

    case 0:
        trust.now = answer->asked + trust.valid + random_below(3) - 1;
        break;

    case 1:
        trust.now = answer->asked + trust.invalid + random_below(3) - 1;
        break;

    case 2:
        trust.now = msec - random_below(300);
        break;

    case 3:
        max = answer->len + random_below(3);
        max -= max != 0;
        break;

    default:
        trust.valid += 10000;
        trust.invalid += 10000;
    }

    api_key_cache_fetch(cache, mark_of(n));
    want = model_get(n, &trust, max);

    return look(n, &trust, answer->salt, max) == want ? NULL : "another find";
}


static const char *
step(void)
{
    unsigned     n, m;
    size_t       what;
    const char  *wrong;

    what = random_below(1000);
    msec += random_below(2);
    wrong = NULL;

    api_key_cache_enter(cache);

    if (what < 250) {
        wrong = step_ask();

    } else if (what < 550) {
        wrong = step_put();

    } else if (what < 900) {
        wrong = step_get();

    } else if (what < 950) {
        n = any_id();
        answers[n].noted = (uint32_t) random_next();
        api_key_cache_use(cache, mark_of(n), answers[n].noted);

    } else if (what < 990) {
        n = any_id();
        api_key_cache_drop(cache, mark_of(n));

        for (m = 0; m < IDS; m++) {
            answers[m].drops += api_key_bucket(cache, mark_of(m))
                                == api_key_bucket(cache, mark_of(n));
        }

        if (answers[n].there) {
            model_drop(n);
        }

    } else if (what < 996) {
        wrong = api_key_cache_subscribe(cache) == ++sequence
                ? NULL : "another number";

    } else if (random_below(8) == 0) {
        api_key_cache_drop_all(cache);
        model_drop_all();

    } else if (random_below(8) == 0) {
        api_key_cache_enter(cache);
        model_drop_all();
    }

    api_key_cache_leave(cache);

    return wrong;
}


static void
test_model(size_t cells, unsigned steps, unsigned often, uint64_t seed)
{
    unsigned     i;
    char         name[128];
    const char  *wrong;

    model_start(cells, seed);

    for (i = 0, wrong = NULL; i < steps && wrong == NULL; i++) {
        wrong = step();

        if (wrong == NULL && i % often == 0) {
            wrong = walk();
            wrong = wrong ? wrong : differs();
        }
    }

    snprintf(name, sizeof(name), "%u steps on %u cells, seed %llu", steps,
             (unsigned) cells, (unsigned long long) seed);

    if (!ok(wrong == NULL && walk() == NULL && differs() == NULL, name)) {
        printf("#   step %u: %s\n", i, wrong ? wrong : "in the end");
    }
}


int
main(void)
{
    uint64_t  seed;

    seed = random_seed();

    test_model(64, 100000, 1, RANDOM_SEED);
    test_model(64, 50000, 1, seed);
    test_model(111, 100000, 3, RANDOM_SEED);
    test_model(111, 50000, 3, seed);
    test_model(600, 100000, 17, RANDOM_SEED);
    test_model(600, 50000, 17, seed);

    free(mem);

    return done();
}
