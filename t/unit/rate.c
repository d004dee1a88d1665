/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards counts of requests: the limit, the edges of a window, what is given
 * back, a rate that changes, and who goes when a row is full.  Seen red with
 * the limit off by one, a window that slides, a give that does not look at
 * the window, the row's first entry evicted always, refused requests not
 * taken for use, and a broken table not emptied.
 */

#include "tap.h"

#include "../../src/rules/api_key_rate.c"


#define NOW    1000000
#define SEED   0x0123456789abcdef
#define ROW    API_KEY_RATE_ROW
#define HEAD   64

#define BYTES(rows)  (HEAD + (rows) * sizeof(api_key_rate_row_t))


static unsigned char   *mem;
static api_key_rate_t  *rate;
static uint64_t         ms;


/* An empty table of so many rows, in a block of just its size. */

static void
start(size_t rows)
{
    free(mem);

    mem = malloc(BYTES(rows));
    if (mem == NULL) {
        printf("Bail out! no memory\n");
        exit(2);
    }

    /* not a byte of it may be trusted */

    memset(mem, 0xa5, BYTES(rows));

    rate = api_key_rate_init(mem, BYTES(rows), SEED);
}


static const unsigned char *
mark_of(unsigned n)
{
    static unsigned char  mark[API_KEY_MARK_LEN];

    n *= 2654435761u;
    memcpy(mark, &n, sizeof(n));

    return mark;
}


static int
take(unsigned n, uint32_t limit, uint32_t window, uint64_t now)
{
    int  taken;

    api_key_rate_enter(rate);
    taken = api_key_rate_take(rate, mark_of(n), limit, window, now, &ms);
    api_key_rate_leave(rate);

    return taken;
}


static void
give(unsigned n, uint64_t began)
{
    api_key_rate_enter(rate);
    api_key_rate_give(rate, mark_of(n), began);
    api_key_rate_leave(rate);
}


/* How many are left of a limit; takes them. */

static int
left(unsigned n, uint32_t limit, uint64_t now)
{
    int  count;

    for (count = 0; take(n, limit, 60, now); count++) { /* void */ }

    return count;
}


static void
test_init(void)
{
    static uint64_t  small[BYTES(1) / sizeof(uint64_t)];

    ok(api_key_rate_init(small, 0, SEED) == NULL, "no memory, no table");
    ok(api_key_rate_init(small, BYTES(1) - 1, SEED) == NULL,
       "less than a row is no table");
    ok(HEAD >= sizeof(api_key_rate_t), "a head of 64 bytes");

    start(1);
    is_int(rate->nrows, 1, "one row");
    start(7);
    is_int(rate->nrows, 7, "seven rows");
}


static void
test_limit(void)
{
    int  i, taken;

    start(3);

    for (i = 0, taken = 0; i < 400; i++) {
        taken += take(1, 100, 60, NOW + (uint64_t) i);
    }

    is_int(taken, 100, "100 of 400");
    is_int(take(2, 1, 60, NOW), 1, "another key has its own");
    is_int((long long) ms, NOW, "from its first request");
    is_int(take(2, 1, 60, NOW), 0, "one is one");
}


static void
test_window(void)
{
    start(3);

    is_int(take(1, 2, 60, NOW), 1, "the first begins a window");
    is_int(take(1, 2, 60, NOW + 59000), 1, "the second is in it");
    is_int((long long) ms, NOW, "as it says");
    is_int(take(1, 2, 60, NOW + 59000), 0, "the third is refused");
    is_int((long long) ms, 1000, "for another second");
    is_int(take(1, 2, 60, NOW + 59999), 0, "to the end");
    is_int((long long) ms, 1, "of the last millisecond");
    is_int(take(1, 2, 60, NOW + 60000), 1, "then a window begins");
    is_int((long long) ms, NOW + 60000, "of its own");
    is_int(take(1, 2, 60, NOW + 119999), 1, "with a whole quota");
    is_int(take(1, 2, 60, NOW + 119999), 0, "and no more");

    is_int(take(1, 2, 60, NOW + 59000), 0, "a clock that is behind");
    is_int((long long) ms, 60000, "never waits for longer than a window");
    is_int(take(1, 3, 60, NOW + 59000), 1, "and counts");
    is_int((long long) ms, NOW + 60000, "in the window that is open");

    is_int(take(2, 1, 2678400, NOW), 1, "the longest window");
    is_int(take(2, 1, 2678400, NOW + 2678399999), 0, "lasts a month");
    is_int(take(2, 1, 2678400, NOW + 2678400000), 1, "and ends");
}


static void
test_give(void)
{
    start(3);

    give(1, NOW);
    is_int(left(1, 2, NOW), 2, "who has taken nothing gets nothing");

    give(1, NOW);
    is_int(take(1, 2, 60, NOW + 10), 1, "one is given back");
    is_int(take(1, 2, 60, NOW + 10), 0, "and taken once");

    give(1, NOW + 1);
    is_int(take(1, 2, 60, NOW + 10), 0, "one of another window is not");

    is_int(take(1, 2, 60, NOW + 60000), 1, "the next window");
    give(1, NOW);
    is_int(left(1, 2, NOW + 60000), 1, "owes nothing to the last one");

    give(1, NOW + 60000);
    give(1, NOW + 60000);
    give(1, NOW + 60000);
    is_int(left(1, 2, NOW + 60000), 2, "no more than were taken");

    start(3);
    is_int(take(1, 2, 60, NOW), 1, "the only one");
    give(1, NOW);
    is_int(take(1, 2, 60, NOW + 500), 1, "is given back: a window begins");
    is_int((long long) ms, NOW + 500, "with the next");
}


static void
test_change(void)
{
    start(3);

    is_int(left(1, 5, NOW), 5, "five are used");
    is_int(take(1, 4, 60, NOW), 0, "a lower limit is used up");
    is_int(left(1, 8, NOW), 3, "of a higher one the rest is left");
    is_int(take(1, 8, 10, NOW + 9999), 0, "a shorter window");
    is_int((long long) ms, 1, "is counted from the same begin");
    is_int(take(1, 8, 100, NOW + 99999), 0, "a longer one too");
    is_int(take(1, 8, 10, NOW + 50000), 1, "and one that is over is over");
    is_int((long long) ms, NOW + 50000, "so another begins");
}


/* One row: whose turn it is to go. */

static void
test_room(void)
{
    unsigned  n, kept;

    start(1);

    for (n = 1; n <= ROW; n++) {
        (void) take(n, 1, n == 20 ? 10 : 60, NOW + n);
    }

    for (n = 1, kept = 0; n <= ROW; n++) {
        kept += !take(n, 1, n == 20 ? 10 : 60, NOW + 1000 + n);
    }

    is_int(kept, ROW, "a row holds as many as it has entries");

    (void) take(100, 1, 60, NOW + 10020);

    for (n = 1, kept = 0; n <= ROW; n++) {
        kept += n != 20 && !take(n, 1, 60, NOW + 11000 + n);
    }

    is_int(kept, ROW - 1, "a window that has ended goes first");
    is_int(take(100, 1, 60, NOW + 12000), 0, "for the new one");

    /* all are open, and 7 was asked for longest ago, if refusals count */

    for (n = 1; n <= ROW; n++) {
        if (n != 20 && n != 7) {
            (void) take(n, 1, 60, NOW + 13000);
        }
    }

    is_int(take(101, 1, 60, NOW + 14000), 1, "all are open");

    for (n = 1, kept = 0; n <= ROW; n++) {
        kept += n != 20 && n != 7 && !take(n, 1, 60, NOW + 15000);
    }

    is_int(kept, ROW - 2, "the one that was asked for longest ago goes");
    is_int(take(7, 1, 60, NOW + 15000), 1, "and begins anew");

    start(1);

    for (n = 1; n <= ROW; n++) {
        (void) take(n, 1, 60, NOW + n);
    }

    give(9, NOW + 9);
    (void) take(100, 1, 60, NOW + 100);

    for (n = 1, kept = 0; n <= ROW; n++) {
        kept += n != 9 && !take(n, 1, 60, NOW + 101);
    }

    is_int(kept, ROW - 1, "who has given all back makes room");

    give(9, NOW + 9);
    give(100, NOW + 9);
    is_int(take(100, 1, 60, NOW + 102), 0, "and gives nothing back for others");
}


/* Half of a zone's table: as good as nothing is lost. */

static void
test_spread(void)
{
    unsigned  n, lost;

    start(1365);

    for (n = 0; n < 1365 * ROW / 2; n++) {
        (void) take(n, 1, 60, NOW);
    }

    for (n = 0, lost = 0; n < 1365 * ROW / 2; n++) {
        lost += take(n, 1, 60, NOW + 1);
    }

    ok(lost <= 10, "half of the table is used, and ten at most were lost");
    printf("# lost: %u of %u\n", lost, 1365 * ROW / 2);
}


static void
test_broken(void)
{
    start(3);

    (void) take(1, 1, 60, NOW);
    is_int(take(1, 1, 60, NOW), 0, "used up");

    api_key_rate_enter(rate);

    is_int(take(1, 1, 60, NOW), 1, "after a death in between all begin anew");
    is_int(take(1, 1, 60, NOW), 0, "and count");
}


int
main(void)
{
    test_init();
    test_limit();
    test_window();
    test_give();
    test_change();
    test_room();
    test_spread();
    test_broken();

    free(mem);

    return done();
}
