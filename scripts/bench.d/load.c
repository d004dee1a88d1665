/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The load of scripts/bench: requests with a key each over connections that
 * stay open, and what they cost the processes that serve them.
 *
 *   load [slice=SECONDS] [rounds=N] [watch=PID] STREAM...
 *
 * A STREAM is "name=TEXT,port=N,keys=FILE" and, separated by commas,
 *
 *   phase=N       streams of one phase run at the same time, phases take
 *                 turns, in every other round backwards (default 0)
 *   pid=N         the process whose CPU time is asked for
 *   conns=N       connections (default 32), one request at a time on each
 *   order=uniform|zipf|walk
 *                 how keys are chosen: all alike, the first ones more often
 *                 (exponent 1), or one after the other; where that begins
 *                 moves on with time, so that a list which is asked for again
 *                 does not begin with what was asked for just before
 *   rate=N        requests a second (default: as fast as answers come)
 *   count=N       ends a slice after so many requests, not after its time
 *   expect=N      the status that each answer must have.  Default: what
 *                 follows the key in its line of the file, else 200
 *
 * A slice ends when all its answers are there and the processes sleep again:
 * only then the kernel's account of their time is exact.  For each stream of
 * each slice one line is printed:
 *
 *   round=N stream=TEXT seconds=S requests=N wrong=N cpu=NS watch=NS
 *   p50=US p99=US status=200:N,401:N,...
 *
 * The latency counts from the moment when the request was due, so it holds
 * the time that it has waited for a connection.  It is 0 without a rate.
 * Round 0 is a rehearsal.
 * Exit status 1, and no line for the slice, if an answer did not come.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>


#define SECOND       1000000000LL
#define PATIENCE     (10 * SECOND)        /* without any answer */
#define WALK         50000                /* keys a second */
#define MAX_STREAMS  8
#define MAX_KEY      256
#define MAX_STATUS   600

#define HEAD         "GET /v1/items HTTP/1.1\r\nHost: bench\r\nX-API-Key: "
#define TAIL         "\r\n\r\n"


typedef struct stream_s  stream_t;


typedef struct {
    uint32_t      offset;
    uint16_t      len;
    uint16_t      status;
} bench_key_t;


typedef struct {
    stream_t     *stream;
    int           fd;
    unsigned      expect;
    long long     due;
    size_t        got;
    char          in[8192];
    char          out[sizeof(HEAD) + MAX_KEY + sizeof(TAIL)];
} conn_t;


struct stream_s {
    const char   *name;
    const char   *file;
    const char   *order;
    long          port;
    long          pid;
    long          phase;
    long          nconns;
    long          rate;
    long          count;
    long          expect;

    char         *text;
    bench_key_t  *keys;
    size_t        nkeys;
    size_t        next;
    double       *zipf;
    uint64_t      random;
    bench_key_t  *soon[2];                /* of the next requests */

    conn_t       *conns;
    conn_t      **idle;                   /* a ring: the longest idle first */
    size_t        first_idle;
    size_t        nidle;

    long          limit;                  /* of a slice, 0 is none */
    long          sent;
    long          done;
    long          wrong;
    long          status[MAX_STATUS];
    long long     last;
    long long     cpu;
    uint32_t     *latency;
};


static stream_t   streams[MAX_STREAMS];
static int        nstreams;
static double     slice = 1;
static long       rounds = 5;
static long       watched;
static int        poller;
static int        timer;
static long long  now;


static void
die(const char *format, ...)
{
    va_list  args;

    fflush(stdout);
    fprintf(stderr, "load: ");

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fprintf(stderr, "\n");
    exit(1);
}


static void *
allocate(size_t n, size_t size)
{
    void  *p;

    p = calloc(n ? n : 1, size);
    if (p == NULL) {
        die("no memory");
    }

    return p;
}


static long long
clock_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * SECOND + ts.tv_nsec;
}


/* the CPU time of a process' first thread; nginx and Redis work in no other */

static long long
cpu_time(long pid)
{
    FILE       *f;
    char        name[64];
    long long   ns;

    if (pid == 0) {
        return 0;
    }

    snprintf(name, sizeof(name), "/proc/%ld/schedstat", pid);

    f = fopen(name, "r");

    if (f == NULL || fscanf(f, "%lld", &ns) != 1) {
        die("cannot read %s: is process %ld gone?", name, pid);
    }

    fclose(f);

    return ns;
}


/* arguments */

static long
number(const char *name, const char *value)
{
    char  *end;
    long   n;

    n = strtol(value, &end, 10);

    if (end == value || *end != '\0' || n < 0) {
        die("%s=%s is no number", name, value);
    }

    return n;
}


static void
parse_stream(char *argument)
{
    char      *word, *value;
    stream_t  *s;

    if (nstreams == MAX_STREAMS) {
        die("too many streams");
    }

    s = &streams[nstreams++];

    s->order = "uniform";
    s->nconns = 32;
    s->random = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t) nstreams;

    for (word = strtok(argument, ","); word; word = strtok(NULL, ",")) {

        value = strchr(word, '=');
        if (value == NULL) {
            die("what is \"%s\"?", word);
        }

        *value++ = '\0';

        if (strcmp(word, "name") == 0) {
            s->name = value;

        } else if (strcmp(word, "keys") == 0) {
            s->file = value;

        } else if (strcmp(word, "order") == 0) {
            s->order = value;

        } else if (strcmp(word, "port") == 0) {
            s->port = number(word, value);

        } else if (strcmp(word, "pid") == 0) {
            s->pid = number(word, value);

        } else if (strcmp(word, "phase") == 0) {
            s->phase = number(word, value);

        } else if (strcmp(word, "conns") == 0) {
            s->nconns = number(word, value);

        } else if (strcmp(word, "rate") == 0) {
            s->rate = number(word, value);

        } else if (strcmp(word, "count") == 0) {
            s->count = number(word, value);

        } else if (strcmp(word, "expect") == 0) {
            s->expect = number(word, value);

        } else {
            die("what is \"%s\"?", word);
        }
    }

    if (s->name == NULL || s->file == NULL || s->port == 0 || s->nconns == 0) {
        die("a stream needs name, port, keys and connections");
    }
}


/* keys */

static void
read_keys(stream_t *s)
{
    int           fd;
    char         *p, *end, *line, *last;
    size_t        i, size;
    struct stat   st;

    fd = open(s->file, O_RDONLY);
    if (fd == -1 || fstat(fd, &st) == -1) {
        die("%s: %s", s->file, strerror(errno));
    }

    size = (size_t) st.st_size;
    s->text = allocate(size + 1, 1);

    for (i = 0; i < size; /* void */ ) {
        ssize_t  n = read(fd, s->text + i, size - i);

        if (n <= 0) {
            die("cannot read %s", s->file);
        }

        i += (size_t) n;
    }

    close(fd);

    end = s->text + size;

    for (p = s->text; p < end; p++) {
        s->nkeys += (*p == '\n');
    }

    s->keys = allocate(s->nkeys, sizeof(bench_key_t));

    for (p = s->text, i = 0; i < s->nkeys; p = last + 1, i++) {

        line = p;
        last = memchr(p, '\n', (size_t) (end - p));

        for ( /* void */ ; p < last && *p != ' '; p++) { /* void */ }

        if (p == line || p - line > MAX_KEY) {
            die("%s: line %zu holds no key", s->file, i + 1);
        }

        s->keys[i].offset = (uint32_t) (line - s->text);
        s->keys[i].len = (uint16_t) (p - line);
        s->keys[i].status = (uint16_t) (p < last ? atoi(p) : 200);

        if (s->expect) {
            s->keys[i].status = (uint16_t) s->expect;
        }
    }

    if (s->nkeys == 0) {
        die("%s is empty", s->file);
    }
}


static void
prepare_order(stream_t *s)
{
    size_t  i;
    double  sum;

    if (strcmp(s->order, "uniform") == 0) {
        return;
    }

    if (strcmp(s->order, "walk") == 0) {
        s->next = (size_t) (clock_now() / (SECOND / WALK)) % s->nkeys;
        return;
    }

    if (strcmp(s->order, "zipf") != 0) {
        die("what is \"order=%s\"?", s->order);
    }

    s->zipf = allocate(s->nkeys, sizeof(double));

    for (sum = 0, i = 0; i < s->nkeys; i++) {
        sum += 1.0 / (double) (i + 1);
        s->zipf[i] = sum;
    }
}


static uint64_t
random_bits(stream_t *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;

    return s->random * UINT64_C(0x2545f4914f6cdd1d);
}


static bench_key_t *
choose_key(stream_t *s)
{
    size_t  low, high, middle;
    double  x;

    if (s->order[0] == 'w') {
        s->next = (s->next < s->nkeys) ? s->next : 0;
        return &s->keys[s->next++];
    }

    if (s->zipf == NULL) {
        return &s->keys[random_bits(s) % s->nkeys];
    }

    x = (double) (random_bits(s) >> 11) / 9007199254740992.0
        * s->zipf[s->nkeys - 1];

    for (low = 0, high = s->nkeys - 1; low < high; /* void */ ) {
        middle = (low + high) / 2;

        if (s->zipf[middle] <= x) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return &s->keys[low];
}


/* connections */

static void
put_idle(conn_t *c)
{
    stream_t  *s = c->stream;

    s->idle[(s->first_idle + s->nidle) % (size_t) s->nconns] = c;
    s->nidle++;
}


static conn_t *
get_idle(stream_t *s)
{
    conn_t  *c;

    c = s->idle[s->first_idle];

    s->first_idle = (s->first_idle + 1) % (size_t) s->nconns;
    s->nidle--;

    return c;
}


static void
open_connections(stream_t *s)
{
    int                 one = 1;
    long                i;
    conn_t             *c;
    struct sockaddr_in  sin;
    struct epoll_event  event;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) s->port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    s->conns = allocate((size_t) s->nconns, sizeof(conn_t));
    s->idle = allocate((size_t) s->nconns, sizeof(conn_t *));

    for (i = 0; i < s->nconns; i++) {
        c = &s->conns[i];
        c->stream = s;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);

        if (c->fd == -1
            || connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
            || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            || fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1)
        {
            die("%s, port %ld: %s", s->name, s->port, strerror(errno));
        }

        event.events = EPOLLIN;
        event.data.ptr = c;

        if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) == -1) {
            die("epoll_ctl: %s", strerror(errno));
        }

        memcpy(c->out, HEAD, sizeof(HEAD) - 1);
        put_idle(c);
    }
}


/*
 * Keys are chosen ahead, and their memory comes meanwhile: of a million keys
 * none is near, and a load that waits for them is what would be measured.
 */

static bench_key_t *
next_key(stream_t *s)
{
    bench_key_t  *key;

    if (s->soon[0] == NULL) {
        s->soon[0] = choose_key(s);
        s->soon[1] = choose_key(s);
    }

    key = s->soon[0];

    s->soon[0] = s->soon[1];
    __builtin_prefetch(s->text + s->soon[0]->offset);

    s->soon[1] = choose_key(s);
    __builtin_prefetch(s->soon[1]);

    return key;
}


static void
send_request(conn_t *c, long long due)
{
    char         *p;
    bench_key_t  *key;
    ssize_t       len;
    stream_t     *s = c->stream;

    key = next_key(s);

    p = c->out + sizeof(HEAD) - 1;
    memcpy(p, s->text + key->offset, key->len);
    p += key->len;
    memcpy(p, TAIL, sizeof(TAIL) - 1);
    p += sizeof(TAIL) - 1;

    c->expect = key->status;
    c->due = due;
    c->got = 0;

    len = p - c->out;

    if (send(c->fd, c->out, (size_t) len, MSG_NOSIGNAL) != len) {
        die("%s: a request could not be sent: %s", s->name, strerror(errno));
    }

    s->sent++;
}


/* the whole answer's length, or 0 while its header is not complete */

static size_t
answer_length(conn_t *c)
{
    char    *end, *p;
    size_t   len;

    end = memmem(c->in, c->got, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }

    *end = '\0';
    p = strcasestr(c->in, "\r\ncontent-length:");
    len = (size_t) (end + 4 - c->in);

    if (p != NULL) {
        len += strtoul(p + sizeof("\r\ncontent-length:") - 1, NULL, 10);

    } else if (memcmp(c->in, "HTTP/1.1 204", 12) != 0) {
        die("%s: an answer without a length: %.40s", c->stream->name, c->in);
    }

    *end = '\r';

    return len;
}


static void
receive(conn_t *c)
{
    ssize_t    n;
    size_t     len;
    unsigned   status;
    stream_t  *s = c->stream;

    n = recv(c->fd, c->in + c->got, sizeof(c->in) - 1 - c->got, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n <= 0) {
        die("%s: a connection was closed after %ld answers: %s", s->name,
            s->done, n ? strerror(errno) : "end of file");
    }

    c->got += (size_t) n;
    c->in[c->got] = '\0';

    len = answer_length(c);

    if (len == 0 || c->got < len) {
        if (c->got == sizeof(c->in) - 1) {
            die("%s: an answer is too long", s->name);
        }

        return;
    }

    status = (unsigned) atoi(c->in + sizeof("HTTP/1.1 ") - 1);

    if (c->got > len || status < 100 || status >= MAX_STATUS) {
        die("%s: an answer is malformed: %.40s", s->name, c->in);
    }

    if (s->latency) {
        s->latency[s->done] = (uint32_t) ((clock_now() - c->due) / 1000);
    }

    s->done++;
    s->status[status]++;
    s->wrong += (status != c->expect);
    s->last = now;

    put_idle(c);
}


/* slices */

/* sends what may be sent; returns when the next request is due, if it is */

static long long
send_due(stream_t *s, long long start, long long end)
{
    long long  due;

    while (s->nidle && (s->limit == 0 || s->sent < s->limit)) {

        if (s->rate == 0) {
            if (s->limit == 0 && now >= end) {
                break;
            }

            send_request(get_idle(s), now);
            continue;
        }

        due = start + s->sent * SECOND / s->rate;

        if (due > now) {
            return due;
        }

        send_request(get_idle(s), due);
    }

    return 0;
}


/* how many requests a slice has, 0 if that is up to the time */

static long
slice_limit(stream_t *s)
{
    return s->count ? s->count : (long) ((double) s->rate * slice);
}


static void
wake_at(long long when)
{
    struct itimerspec  its;

    memset(&its, 0, sizeof(its));
    its.it_value.tv_sec = when / SECOND;
    its.it_value.tv_nsec = when % SECOND;

    timerfd_settime(timer, TFD_TIMER_ABSTIME, &its, NULL);
}


static int
finished(stream_t *s, long long end)
{
    if (s->sent != s->done) {
        return 0;
    }

    return s->limit ? s->sent == s->limit : now >= end;
}


static int
compare(const void *a, const void *b)
{
    uint32_t  x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}


static void
report(stream_t *s, long round, long long start, long long watch)
{
    long         i;
    double       p50, p99;
    const char  *comma;

    p50 = p99 = 0;

    if (s->latency && s->done) {
        qsort(s->latency, (size_t) s->done, sizeof(uint32_t), compare);
        p50 = s->latency[s->done / 2];
        p99 = s->latency[s->done * 99 / 100];
    }

    printf("round=%ld stream=%s seconds=%.6f requests=%ld wrong=%ld "
           "cpu=%lld watch=%lld p50=%.0f p99=%.0f status=",
           round, s->name, (double) (s->last - start) / SECOND, s->done,
           s->wrong, s->cpu, watch, p50, p99);

    for (comma = "", i = 0; i < MAX_STATUS; i++) {
        if (s->status[i]) {
            printf("%s%ld:%ld", comma, i, s->status[i]);
            comma = ",";
        }
    }

    printf("\n");
}


static void
run_slice(long phase, long round)
{
    int                 i, n, busy;
    uint64_t            ticks;
    long long           start, end, due, next, wake, heard, watch;
    conn_t             *c;
    stream_t           *s;
    struct timespec     rest = { 0, 3000000 };
    struct epoll_event  events[64];

    for (i = 0; i < nstreams; i++) {
        s = &streams[i];

        s->sent = s->done = s->wrong = 0;
        memset(s->status, 0, sizeof(s->status));

        s->limit = slice_limit(s);
        s->cpu = cpu_time(s->pid);
    }

    wake = 0;
    watch = cpu_time(watched);

    start = now = heard = clock_now();
    end = start + (long long) (slice * SECOND);

    for ( ;; ) {
        busy = 0;
        next = 0;

        for (i = 0; i < nstreams; i++) {
            s = &streams[round % 2 ? nstreams - 1 - i : i];

            if (s->phase != phase) {
                continue;
            }

            due = send_due(s, start, end);

            if (due && (next == 0 || due < next)) {
                next = due;
            }

            busy |= !finished(s, end);
        }

        if (!busy) {
            break;
        }

        if (next && next != wake) {
            wake_at(next);
            wake = next;
        }

        n = epoll_wait(poller, events, 64, 100);
        now = clock_now();

        if (n > 0) {
            heard = now;

        } else if (now - heard > PATIENCE) {
            die("no answers any more");
        }

        /*
         * The next request goes out at once, so in the order of the answers.
         * Stream by stream, the first one's process would be woken by its
         * first request, and the second one's find many waiting: that costs
         * the first some per cent more.
         */

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (c) {
                receive(c);
                (void) send_due(c->stream, start, end);

            } else if (read(timer, &ticks, sizeof(ticks)) == -1) {
                continue;
            }
        }
    }

    /* a worker has something left to do after an answer's last byte */

    nanosleep(&rest, NULL);

    watch = cpu_time(watched) - watch;

    for (i = 0; i < nstreams; i++) {
        s = &streams[i];

        if (s->phase == phase) {
            s->cpu = cpu_time(s->pid) - s->cpu;
            report(s, round, start, watch);
        }
    }

    fflush(stdout);
}


static void
parse(int argc, char **argv)
{
    int  i;

    for (i = 1; i < argc; i++) {

        if (strncmp(argv[i], "slice=", 6) == 0) {
            slice = atof(argv[i] + 6);

        } else if (strncmp(argv[i], "rounds=", 7) == 0) {
            rounds = number("rounds", argv[i] + 7);

        } else if (strncmp(argv[i], "watch=", 6) == 0) {
            watched = number("watch", argv[i] + 6);

        } else {
            parse_stream(argv[i]);
        }
    }

    if (nstreams == 0 || slice <= 0) {
        die("usage: load [slice=SECONDS] [rounds=N] [watch=PID] STREAM...");
    }
}


int
main(int argc, char **argv)
{
    int                 i;
    long                round, phase, phases;
    stream_t           *s;
    struct epoll_event  event;

    parse(argc, argv);

    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    event.events = EPOLLIN;
    event.data.ptr = NULL;

    if (poller == -1 || timer == -1
        || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) == -1)
    {
        die("epoll: %s", strerror(errno));
    }

    phases = 0;

    for (i = 0; i < nstreams; i++) {
        s = &streams[i];

        read_keys(s);
        prepare_order(s);
        open_connections(s);

        if (s->rate) {
            s->latency = allocate((size_t) slice_limit(s), sizeof(uint32_t));
        }

        phases = (s->phase >= phases) ? s->phase + 1 : phases;
    }

    for (round = 0; round <= rounds; round++) {
        for (phase = 0; phase < phases; phase++) {
            run_slice(round % 2 ? phases - 1 - phase : phase, round);
        }
    }

    return 0;
}
