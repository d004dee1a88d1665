/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards that what the gate needs of a record comes back from its bytes as it
 * was, and into just as much memory as it needs, that each record that is
 * believed fits and a longer one is refused, and that bytes which are no
 * record lead nowhere outside of them.
 */

#include "tap.h"
#include "random.h"

#include "../../src/rules/api_key_pack.c"


#define ID     "fedcba98765432100123"
#define REST   "456789abcdef0123456789abcdef0123456789abcdef"

/* the same as bytes */

#define MARK   "\xfe\xdc\xba\x98\x76\x54\x32\x10\x01\x23"
#define TAIL   "\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89"                \
               "\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"

#define ROOM   100000                           /* for a record's texts */

#define HEAD   sizeof(api_key_packed_t)


static api_key_record_t   record;
static unsigned char      texts[ROOM];
static size_t             used;

static unsigned char     *packed;
static size_t             size;


static void *
memory(size_t len)
{
    void  *p;

    p = malloc(len ? len : 1);
    if (p == NULL) {
        printf("Bail out! no memory\n");
        exit(2);
    }

    memset(p, 0xa5, len);

    return p;
}


/* Leaves bytes on the stack, where the next function finds them. */

static void
soil(int c)
{
    size_t                  i;
    volatile unsigned char  stack[8192];

    for (i = 0; i < sizeof(stack); i++) {
        stack[i] = (unsigned char) c;
    }
}


/* A record of zeros, with no text, not even the address of one. */

static void
start(void)
{
    memset(&record, 0, sizeof(record));
    memcpy(record.hash, MARK TAIL, API_KEY_HASH_LEN);
    used = 0;
}


/* So many bytes that nobody else has. */

static api_key_str_t
text_of(size_t len)
{
    size_t         i;
    api_key_str_t  text;

    text.data = &texts[used];
    text.len = len;

    for (i = 0; i < len; i++) {
        texts[used++] = (unsigned char) random_next();
    }

    return text;
}


static void
add_meta(size_t name, size_t value)
{
    record.meta[record.nmeta].name = text_of(name);
    record.meta[record.nmeta].value = text_of(value);
    record.nmeta++;
}


/* All parts of some length. */

static void
fill(void)
{
    start();

    record.state = API_KEY_REVOKED;
    record.expires_at = API_KEY_NEVER;
    record.rate_limit = 1000000000;
    record.rate_window = 2678400;
    record.name = text_of(6);
    record.scopes = text_of(20);
    record.allow_from = text_of(30);

    add_meta(4, 5);
    add_meta(1, 0);
    add_meta(2, 7);
}


/* The record's bytes, in a block of just their size. */

static size_t
pack(void)
{
    unsigned char  *buf;

    free(packed);

    buf = memory(API_KEY_PACKED_MAX);
    size = api_key_pack(buf, &record);

    packed = memory(size);
    memcpy(packed, buf, size <= API_KEY_PACKED_MAX ? size : 0);
    free(buf);

    return size;
}


static int
same_text(const api_key_str_t *a, const api_key_str_t *b)
{
    return api_key_str_equal(a, b) && (a->len != 0 || a->data == NULL);
}


static int
same(const api_key_record_t *a, const api_key_record_t *b)
{
    size_t  i;

    for (i = 0; i < a->nmeta && i < b->nmeta; i++) {
        if (!same_text(&a->meta[i].name, &b->meta[i].name)
            || !same_text(&a->meta[i].value, &b->meta[i].value))
        {
            return 0;
        }
    }

    return memcmp(a->hash, b->hash, API_KEY_HASH_LEN) == 0
           && a->state == b->state
           && a->expires_at == b->expires_at
           && a->rate_limit == b->rate_limit
           && a->rate_window == b->rate_window
           && a->nmeta == b->nmeta
           && same_text(&a->name, &b->name)
           && same_text(&a->scopes, &b->scopes)
           && same_text(&a->allow_from, &b->allow_from);
}


/* Where the last text ends. */

static const unsigned char *
end_of(const api_key_record_t *a)
{
    size_t                i;
    const unsigned char  *end;
    const api_key_str_t  *text, *head[] = {
        &a->name, &a->scopes, &a->allow_from
    };

    end = NULL;

    for (i = 0; i < 3 + 2 * a->nmeta; i++) {
        text = (i < 3) ? head[i]
                       : (i % 2) ? &a->meta[(i - 3) / 2].name
                                 : &a->meta[(i - 3) / 2].value;

        if (text->len && (end == NULL || text->data + text->len > end)) {
            end = text->data + text->len;
        }
    }

    return end;
}


/* What is wrong with the way there and back, or NULL. */

static const char *
way_back(void)
{
    size_t                need;
    const char           *wrong;
    unsigned char        *mem;
    api_key_record_t     *back;
    const unsigned char  *end;

    if (pack() == 0) {
        return "too long";
    }

    need = api_key_unpack_size(packed, size);

    if (need == 0) {
        return "no record";
    }

    mem = memory(need);
    soil(0x33);
    back = api_key_unpack(mem, record.hash, packed, size);

    free(packed);
    packed = NULL;

    end = end_of(back);
    wrong = NULL;

    if ((unsigned char *) back != mem) {
        wrong = "another place";

    } else if (end && (end > mem + need
                       || (end < mem + need && back->nmeta == 0)))
    {
        wrong = "more memory than it takes";

    } else if (!same(back, &record)) {
        wrong = "another record";
    }

    free(mem);

    return wrong;
}


static void
test_small(void)
{
    size_t    least;
    unsigned  i;

    start();
    record.name.data = texts;
    is_text(way_back(), NULL, "a record of zeros, all texts empty");

    least = pack();
    ok(least <= 72, "takes little");

    record.name = text_of(1);
    is_int((long long) pack(), (long long) least + 1, "a byte more for one");
    is_text(way_back(), NULL, "a name of one byte");

    record.nmeta = 1;
    is_int((long long) pack(), (long long) least + 5, "four for metadata");
    is_text(way_back(), NULL, "empty metadata");

    for (i = 0; i < API_KEY_META_MAX; i++) {
        record.nmeta = i + 1;
        record.meta[i].name = text_of(i % 2);
        record.meta[i].value = text_of(i % 3);
    }

    is_text(way_back(), NULL, "as much metadata as there may be");

    fill();
    is_text(way_back(), NULL, "a record of all parts");

    record.state = API_KEY_DISABLED;
    record.expires_at = INT64_MIN;
    record.rate_limit = UINT32_MAX;
    record.rate_window = UINT32_MAX - 1;
    is_text(way_back(), NULL, "numbers at their ends");

    record.expires_at = -1;
    is_text(way_back(), NULL, "and at the others");
}


/* The bytes hold no id, but the rest of the digest. */

static void
test_id(void)
{
    size_t             i;
    unsigned char     *mem, *first;
    api_key_record_t  *back;

    fill();
    soil(0x11);
    (void) pack();

    for (i = 0; i + API_KEY_MARK_LEN <= size
                && memcmp(packed + i, MARK, API_KEY_MARK_LEN) != 0; i++)
    { /* void */ }

    ok(i + API_KEY_MARK_LEN > size, "no mark");

    mem = memory(api_key_unpack_size(packed, size));
    back = api_key_unpack(mem, (const unsigned char *) "ffffffffff", packed,
                          size);
    ok(memcmp(back->hash, "ffffffffff" TAIL, API_KEY_HASH_LEN) == 0,
       "the hash begins with the mark it is asked for");
    free(mem);

    first = packed;
    packed = NULL;

    /* what lay in memory before does not get in */

    soil(0x22);
    (void) pack();
    ok(memcmp(first, packed, size) == 0, "the same bytes each time");
    free(first);
}


/* The longest that api_key_record_parse() takes. */

static void
test_longest(void)
{
    size_t             i, n;
    unsigned char      list[1100];
    char               name[API_KEY_META_MAX][38];
    api_key_str_t      id;
    api_key_field_t    fields[11 + API_KEY_META_MAX];
    api_key_record_t   whole;

    static const char  range[]
        = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/000000000128 ";

    static const char  *plain[][2] = {
        { "digest", ID REST },
        { "state", "disabled" },
        { "created_at", "253402300799" },
        { "expires_at", "253402300799" },
        { "pepper", "0a1b2c3d" },
        { "rate", "1000000000/2678400" },
        { "replaces", "00000000000000000000" },
        { "replaced_by", "ffffffffffffffffffff" }
    };

    for (n = 0; n < 8; n++) {
        fields[n].name = str(plain[n][0]);
        fields[n].value = str(plain[n][1]);
    }

    for (i = 0; i < 400; i += 4) {
        memcpy(list + i, "\xf0\x9f\x94\x91", 4);
    }

    fields[n].name = str("name");
    fields[n++].value = bytes(list, 400);

    memset(list, 'x', sizeof(list));

    for (i = 1; i < 16; i++) {
        list[i * 65 - 1] = ' ';
    }

    fields[n].name = str("scopes");
    fields[n++].value = bytes(list, 16 * 65 - 1);

    for (i = 0; i < 16; i++) {
        memcpy(list + i * (sizeof(range) - 1), range, sizeof(range) - 1);
    }

    fields[n].name = str("allow_from");
    fields[n++].value = bytes(list, 16 * (sizeof(range) - 1) - 1);

    for (i = 0; i < API_KEY_META_MAX; i++) {
        snprintf(name[i], sizeof(name[i]), "meta:%032u", (unsigned) i);
        fields[n].name = str(name[i]);
        fields[n++].value = repeat('x', API_KEY_META_VALUE_MAX);
    }

    id = str(ID);
    is_text(api_key_record_parse(&whole, id.data, fields, n, -1, 0), NULL,
            "the longest record that is believed");

    record = whole;
    is_text(way_back(), NULL, "goes there and back");
    ok(pack() > 7000, "and is long");
}


/* Whether nothing at all is written of a record that is refused. */

static int
is_refused(void)
{
    int             wrong;
    size_t          i;
    unsigned char  *buf;

    buf = memory(API_KEY_PACKED_MAX);
    wrong = api_key_pack(buf, &record) != 0;

    for (i = 0; i < API_KEY_PACKED_MAX; i++) {
        wrong += buf[i] != 0xa5;
    }

    free(buf);

    return wrong == 0;
}


static void
test_refused(void)
{
    size_t          i, k, room;
    char            name[64];
    api_key_str_t  *text[] = {
        &record.name, &record.scopes, &record.allow_from,
        &record.meta[0].name, &record.meta[0].value, &record.meta[15].name,
        &record.meta[15].value
    };

    static const size_t  lens[] = { 1, 2, 1000, 57344, 65536, 65600 };

    for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        fill();
        record.nmeta = (i < 3) ? 0 : API_KEY_META_MAX;

        *text[i] = text_of(0);
        room = API_KEY_PACKED_MAX - pack();

        *text[i] = text_of(room);
        snprintf(name, sizeof(name), "text %u as long as there is room",
                 (unsigned) i);
        is_int((long long) pack(), API_KEY_PACKED_MAX, name);
        is_text(way_back(), NULL, name);

        for (k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
            used = 0;
            *text[i] = text_of(room + lens[k]);

            snprintf(name, sizeof(name), "text %u, %u bytes too long",
                     (unsigned) i, (unsigned) lens[k]);
            ok(is_refused(), name);
        }
    }

    fill();

    for (i = 0; i < API_KEY_META_MAX; i++) {
        record.meta[i].name = text_of(32);
        record.meta[i].value = text_of(700);
    }

    record.nmeta = API_KEY_META_MAX;
    ok(is_refused(), "too long only together");
}


/* Each length up to some, and any number of metadata. */

static size_t
any_length(size_t max)
{
    return random_below(4) ? random_below(max + 1) : random_below(2) * max;
}


static void
any_record(void)
{
    size_t  i, n;

    start();

    for (i = 0; i < API_KEY_HASH_LEN; i++) {
        record.hash[i] = (unsigned char) random_next();
    }

    record.state = (api_key_state_e) random_below(3);
    record.expires_at = (int64_t) random_next();
    record.rate_limit = (uint32_t) random_next();
    record.rate_window = (uint32_t) random_next();
    record.name = text_of(any_length(400));
    record.scopes = text_of(any_length(1039));
    record.allow_from = text_of(any_length(943));

    for (i = 0, n = any_length(API_KEY_META_MAX); i < n; i++) {
        add_meta(any_length(API_KEY_META_NAME_MAX),
                 any_length(API_KEY_META_VALUE_MAX));
    }
}


static void
test_random(uint64_t seed)
{
    int          i;
    char         name[64];
    const char  *wrong;

    random_state = seed;

    for (i = 0, wrong = NULL; i < 5000 && wrong == NULL; i++) {
        any_record();
        wrong = way_back();
    }

    snprintf(name, sizeof(name), "5000 records, seed %llu",
             (unsigned long long) seed);
    is_text(wrong, NULL, name);
}


/*
 * Bytes in a block of just their size: 0 when they are refused, 1 when they
 * make a record, whose every byte lies in memory.
 */

static int
try_bytes(const unsigned char *data, size_t len)
{
    size_t             i, need, sum;
    unsigned char     *copy, *mem;
    api_key_record_t  *back;

    copy = memory(len);
    memcpy(copy, data, len);

    need = api_key_unpack_size(copy, len);

    if (need == 0) {
        free(copy);
        return 0;
    }

    mem = memory(need);
    back = api_key_unpack(mem, (const unsigned char *) MARK, copy, len);
    free(copy);

    /* the sanitizer looks on */

    sum = HEAD + back->name.len + back->scopes.len + back->allow_from.len;

    for (i = 0; i < back->nmeta; i++) {
        sum += 4 + back->meta[i].name.len + back->meta[i].value.len;
    }

    if (sum != len || end_of(back) > mem + need || !same(back, back)) {
        free(mem);
        return -1;
    }

    free(mem);

    return 1;
}


/* A record of which nothing is missing is cut off everywhere. */

static void
test_truncated(void)
{
    int             wrong, i;
    size_t          len;
    unsigned char   longer[API_KEY_PACKED_MAX + 1];

    random_state = RANDOM_SEED;

    for (i = 0, wrong = 0; i < 20; i++) {
        any_record();
        (void) pack();

        for (len = 0; len < size; len++) {
            wrong += try_bytes(packed, len) != 0;
        }

        wrong += try_bytes(packed, size) != 1;
    }

    is_int(wrong, 0, "records that are cut off anywhere");

    fill();
    (void) pack();
    memset(longer, 0, sizeof(longer));
    memcpy(longer, packed, size);

    for (i = 1, wrong = 0; i < 50; i++) {
        wrong += try_bytes(longer, size + (size_t) i) != 0;
    }

    is_int(wrong, 0, "records with more behind them");

    start();
    (void) pack();

    for (len = 0, wrong = 0; len < size; len++) {
        wrong += try_bytes(packed, len) != 0;
    }

    is_int(wrong, 0, "a head that is cut off anywhere");
    is_int(try_bytes(packed, size), 1, "one that is not");
}


/* Each length in a record set to all others. */

static void
test_lengths(void)
{
    int            wrong;
    size_t         at[3 + 2], i;
    unsigned       n;
    uint16_t       was, len;
    unsigned char  meta[4] = { 0, 0, 0, 0 };
    unsigned char  longer[API_KEY_PACKED_MAX];

    start();
    record.name = text_of(10);
    record.allow_from = text_of(30);
    add_meta(7, 9);
    (void) pack();

    for (i = 0; i < 3; i++) {
        at[i] = offsetof(api_key_packed_t, texts) + i * 2;
    }

    at[3] = HEAD + 40;
    at[4] = HEAD + 42;

    for (i = 3, wrong = 0; i < 5; i++) {
        memcpy(&was, packed + at[i], 2);

        for (n = 0; n < 65536; n++) {
            len = (uint16_t) n;
            memcpy(packed + at[i], &len, 2);
            wrong += try_bytes(packed, size) != (n == was);
        }

        memcpy(packed + at[i], &was, 2);
    }

    is_int(wrong, 0, "no other length of metadata fits");

    for (i = 0, wrong = 0; i < 3; i++) {
        memcpy(&was, packed + at[i], 2);

        for (n = 0; n < 65536; n++) {
            len = (uint16_t) n;
            memcpy(packed + at[i], &len, 2);
            wrong += try_bytes(packed, size) == -1;
            wrong += n > size && try_bytes(packed, size) != 0;
        }

        memcpy(packed + at[i], &was, 2);
    }

    is_int(wrong, 0, "no length of a text leads outside");
    is_int(try_bytes(packed, size), 1, "all is as it was");

    start();
    record.nmeta = API_KEY_META_MAX;
    (void) pack();
    memcpy(longer, packed, size);
    memcpy(longer + size, meta, 4);
    is_int(try_bytes(longer, size), 1, "16 metadata");

    longer[offsetof(api_key_packed_t, nmeta)] = 17;
    is_int(try_bytes(longer, size + 4), 0, "17 metadata, all there");

    for (n = 18, wrong = 0; n < 256; n++) {
        memset(longer + size, 0, n * 4);
        longer[offsetof(api_key_packed_t, nmeta)] = (unsigned char) n;
        wrong += try_bytes(longer, HEAD + n * 4) != 0;
    }

    is_int(wrong, 0, "nor any more");
}


/*
 * Bytes of a record changed at random, most of them where lengths are, and at
 * times cut off or with more behind them.
 */

static size_t
mutate(unsigned char *data, size_t len)
{
    size_t  i, n, at;

    for (i = 0, n = random_below(4) + 1; i < n; i++) {
        at = random_below(2) ? random_below(len)
                             : offsetof(api_key_packed_t, texts)
                               + random_below(HEAD - offsetof(api_key_packed_t,
                                                              texts));

        switch (random_below(4)) {

        case 0:
            data[at] ^= (unsigned char) (1 << random_below(8));
            break;

        case 1:
            data[at] = (unsigned char) (random_below(2) ? 0 : 0xff);
            break;

        case 2:
            data[at] = (unsigned char) (data[at] + random_below(5) - 2);
            break;

        default:
            data[at] = (unsigned char) random_next();
        }
    }

    switch (random_below(8)) {

    case 0:
        return random_below(len);

    case 1:
        return len + random_below(64);

    default:
        return len;
    }
}


static void
test_mutated(uint64_t seed)
{
    int             i, got, taken, wrong;
    char            name[64];
    size_t          len;
    unsigned char   data[API_KEY_PACKED_MAX + 64];

    random_state = seed;

    for (i = 0, taken = 0, wrong = 0; i < 100000; i++) {
        if (i % 100 == 0) {
            any_record();
            (void) pack();
        }

        memcpy(data, packed, size);
        memset(data + size, (int) random_below(3), 64);

        len = mutate(data, size);
        got = try_bytes(data, len);

        wrong += got == -1;
        taken += got == 1;
    }

    snprintf(name, sizeof(name), "100000 mutations, seed %llu",
             (unsigned long long) seed);
    is_int(wrong, 0, name);
    ok(taken > 1000 && taken < 90000, "of which some are records");
}


int
main(void)
{
    uint64_t  seed;

    seed = random_seed();

    test_small();
    test_id();
    test_longest();
    test_refused();
    test_random(RANDOM_SEED);
    test_random(seed);
    test_truncated();
    test_lengths();
    test_mutated(RANDOM_SEED);
    test_mutated(seed);

    free(packed);

    return done();
}
