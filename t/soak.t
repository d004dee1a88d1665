# Guards: nothing is lost, forgotten or used up while everything goes on at
# once.  Four workers under load, and in random order: reloads, workers killed,
# Redis stopped or killed, its links cut, clients that reset, changes by the
# admin API.  Each answer is held against what was true while it was asked for:
# a good key gets 200, a bad one 401; 503 only while Redis is away and 2 s
# after; none at all only from a worker that was killed, or over a kept
# connection that a reload was about to close, and then another connection gets
# one.  What the API has answered is so from then on.  Memory and descriptors
# stay as they were, of workers that live on, and of others of the same age.
#
# TEST_SOAK_SECONDS says for how long (20), TEST_SEED repeats the order of
# events; scripts/soak MINUTES is this test for longer.  Seen red with 256 bytes
# a request or 16 KB a reload that are kept, a descriptor a reload or a lost
# link, reads that are not asked again when their link is cut, and a revoked key
# that only Redis tells of.

use Gate;
use Gate::Cache;
use Gate::Load;
use List::Util qw(max shuffle sum0);
use Time::HiRes qw(sleep);

my $SECONDS = $ENV{TEST_SOAK_SECONDS} // 20;
my $SEED = $ENV{TEST_SEED} // int rand 1_000_000_000;

die "TEST_SOAK_SECONDS is no number of seconds\n"
    unless $SECONDS =~ /^[1-9][0-9]*$/;

my $RECOVERY = 2;             # seconds after an outage that 503 is allowed for
my $NEVER = 9 ** 99;

# seconds: after 5 a worker has first written down which keys were used, and
# touched all the memory that it keeps for that; and the age of those compared
my ($WARM, $AGE) = (max(6, $SECONDS / 5), 2);

# KiB.  Each lost link leaves the heap in other pieces, and it grows, less and
# less, though as many blocks and bytes are in use as before: by 144 within the
# first 10 minutes, of which the first fifth is not looked at.
my $GROWTH = 128;

# what happens while workers live on, by turns, and when they do not
my @STAY = map { [('none') x 10, ('cut') x 3, $_] }
    'redis-killed', 'redis-stopped';
my @GO = ([('none') x 4, 'cut', ('reload') x 3, 'reload-twice', ('kill') x 5,
    ('reload-kill') x 3, 'redis-stopped-reload', 'redis-killed-kill']);

my $t = Gate->new;
my $redis = $t->redis(undef, port => 1,
    args => ['--appendonly', 'yes', '--appendfsync', 'no']);

# a machine that is busy is no outage
my $times = 'timeout 1s; connect_timeout 1s;';
my $c = Gate::Cache->new($t, {
    cached => "$times cache size=64k;",
    stale => "$times cache stale=60s;",
    loose => "$times cache push=off;",
    live => "$times cache off;",
}, workers => 4, log => 'notice');

# "crowd" is more than "cached" has room for
my %keys = (Gate::Load::mix($t), crowd => [map { ($t->key)[0] } 1 .. 400]);
my ($load, $begin);

diag("TEST_SEED=$SEED");


# What was true, and when.

my %MAY = (good => { 200 => 1 }, bad => { 401 => 1 },
    either => { 200 => 1, 401 => 1 });
my %history = map { $_ => [[0, /^(?:good|crowd)$/ ? 'good' : 'bad']] }
    keys %keys;               # kind => [[since, good, bad or either], ...]

my @away = ([0, 0]);          # Redis was: [from, until it had to be all right]
my %killed;                   # worker => when
my @reloads;                  # when
my ($cut, $born) = (0, 0);    # when links were cut, and when new ones made
my (%events, %answers, %writes, %lost, %felt, %in_a_row, @wrong);
my ($slowest, $latest) = (0, 0);

sub now { Gate::Cache::now() }


sub was {
    my ($kind, $code, $from, $to) = @_;
    my $until = $NEVER;

    for my $state (reverse @{$history{$kind}}) {
        my ($since, $is) = @$state;
        return 1 if $since <= $to && $until >= $from && $MAY{$is}{$code};
        $until = $since;
    }

    return 0;
}


sub was_away {
    my ($from, $to) = @_;
    return scalar grep { $_->[0] <= $to && $_->[1] >= $from }
        @away[max(0, $#away - 5) .. $#away];
}


# Why there was no answer, if there is a reason.

sub why_lost {
    my ($code, $sent, $got, $worker) = @_;

    my $when = $killed{$worker};
    return 'killed' if defined $when && $when <= $got && $got < $when + 15;

    return 'left' if $code == 0 && grep({ $_ <= $sent && $sent < $_ + 15 }
        @reloads) && !grep { $_ == $worker } $t->workers;

    return;
}


sub wrong { push @wrong, join ' ', @_ }


sub judge {
    my ($store, $kind, $code, $sent, $got, $who, $worker) = @_;

    my $ok = was($kind, $code, $sent, $got);
    my $group = $kind =~ s/[0-9]*@.*//r;
    my ($from, $until) = @{$away[-1]};

    $answers{"$store $group $code"}++;
    $slowest = max($slowest, $got - $sent);

    if ($code == 503) {
        $ok = was_away($sent, $got);
        $latest = max($latest, $sent - $until + $RECOVERY);

    } elsif ($code < 200) {
        my $why = why_lost($code, $sent, $got, $worker);
        $lost{$why // '?'}++;
        $ok = $why && ++$in_a_row{$who} <= 3;
    }

    delete $in_a_row{$who} if $code >= 200;
    $felt{"$store $code"}++ if $group =~ /^(?:good|crowd)$/
        && $from <= $sent && $got <= $until - $RECOVERY;

    wrong("$store $kind $code", sprintf('asked %.3f, answered %.3f', $sent,
        $got), "worker $worker") unless $ok;
}


sub judge_all { judge(@$_) for $load->drain }


# The admin API.  A key that it has made is one kind for the store that it was
# made through, and one for "live": other nginx instances, and so other stores,
# are told by Redis, in their time.

my %WRITES = (                # status, what the key is then, the call
    create => [201, undef, 'POST', 'v1/keys', { name => 'made' }],
    change => [200, 'good', 'PATCH', 'v1/keys/ID', { name => 'changed' }],
    disable => [200, 'bad', 'PATCH', 'v1/keys/ID', { state => 'disabled' }],
    enable => [200, 'good', 'PATCH', 'v1/keys/ID', { state => 'active' }],
    rotate => [201, 'bad', 'POST', 'v1/keys/ID/rotate', { grace => 0 }],
    succeed => [201, 'good', 'POST', 'v1/keys/ID/rotate', { grace => 86400 }],
    revoke => [204, 'bad', 'DELETE', 'v1/keys/ID'],
    arm => [200, undef, 'PUT', 'v1/clear', { ttl => 3600 }],
    disarm => [204, undef, 'DELETE', 'v1/clear'],
);

my (@made, @dead);            # keys that can be changed, and that cannot
my $n = 0;


sub kinds {
    my ($key) = @_;
    my %stores = map { $_ => 1 } $key->{store}, 'live';
    return map { "made$key->{n}\@$_" } sort keys %stores;
}


sub is_now {
    my ($key, $is) = @_;
    $key->{is} = $is;
    push @{$history{$_}}, [now(), $is] for kinds($key);
}


# Which write is next, and of which key.

sub pick {
    my (@chance) = @_;

    my @could = grep { $_->{is} eq 'good' } @made;
    my @disabled = grep { $_->{is} eq 'bad' } @made;
    my @unused = grep { !$_->{succeeded} } @could;
    my @writes = ('arm', 'disarm', @made < 8 ? ('create') x 4 : (),
        @could ? ('change', 'disable', ('revoke') x 2) : (),
        @unused ? ('rotate', 'succeed') : (), @disabled ? ('enable') x 3 : ());

    my $write = $writes[$chance[0] * @writes];
    my @keys = $write eq 'enable' ? @disabled
        : $write =~ /rotate|succeed/ ? @unused : @could;
    my $key = $write =~ /create|arm/ ? undef : $keys[$chance[1] * @keys];

    return { write => $write, key => $key, store => $key ? $key->{store}
        : $load->{stores}[$chance[2] * @{$load->{stores}}] };
}


sub send_write {
    my ($w) = @_;

    my ($status, undef, $method, $path, $body) = @{$WRITES{$w->{write}}};
    $path =~ s/ID/$w->{key}{id}/;
    $w->{status} = $status;
    $w->{since} = now();
    $w->{connection} = $c->send_admin($method, $path, $body,
        store => $w->{store});

    return $w;
}


sub begin_write {
    my $w = pick(@_);

    is_now($w->{key}, 'either') if $w->{key} && $w->{write} ne 'change'
        && $w->{write} ne 'succeed';
    return send_write($w);
}


# Not to know what has become of a write is no wonder in a storm; then it is
# sent again, until that is known.

sub end_write {
    my ($w) = @_;

    my $r = $w->{connection}->response;
    $writes{"$w->{write} " . $r->status}++;

    if ($r->status != $w->{status}) {
        wrong("$w->{write}:", $r->raw) unless $r->status == 503
            ? was_away($w->{since}, now()) || $cut >= $w->{since}
            : $r->status == 0 && grep { $_ >= $w->{since} } values %killed;

        $w->{write} = 'revoke' if $w->{write} =~ /rotate|succeed/;
        is_now($w->{key}, 'either') if $w->{write} eq 'revoke';
        $t->until(sub {
            $r = send_write($w)->{connection}->response;
            $r->status == $w->{status};
        }, 5) or return wrong("$w->{write}, again:", $r->raw);
    }

    written($w, $r);
}


sub written {
    my ($w, $r) = @_;
    my $key = $w->{key};

    if ($w->{write} =~ /arm/) {
        my $status = $t->delete("/$w->{store}/",
            'X-API-Key' => $keys{good}[0])->status;
        my $want = $w->{write} eq 'arm' ? 405 : 403;
        wrong("clear after $w->{write}: $status") unless $status == $want
            || $status == 503 && was_away($w->{since}, now());
        return;
    }

    if ($key) {
        is_now($key, $WRITES{$w->{write}}[1]);
        $key->{succeeded} = 1 if $w->{write} eq 'succeed';
        push @dead, $key if $w->{write} =~ /revoke|rotate/;
        @made = grep { $_ != $key } @made if $w->{write} =~ /revoke|rotate/;
        check($key);
    }

    if ($r->status == 201) {
        my $new = { n => $n++, store => $w->{store},
            map { $_ => $r->json->{$_} } 'id', 'key' };
        is_now($new, 'good');
        push @made, $new;
        check($new);
        $load->change(map { $_ => [$new->{key}] } kinds($new));
    }

    # the last ones that are dead are asked for all the time, and others later
    $load->change(map { $_ => [] } kinds($dead[-9]))
        if @dead > 8 && !$dead[-9]{left}++;
}


# What has been answered is so.

sub check {
    my ($key) = @_;

    for my $kind ((kinds($key)) x 2) {
        my ($store) = $kind =~ /@(.*)/;
        my $sent = now();
        my $status = $t->get("/$store/", 'X-API-Key' => $key->{key})->status;
        judge($store, $kind, $status, $sent, now(), 'at once', 0);
    }
}


# What happens, after the chances that the seed gives.

my %EVENTS = (
    none => sub {},
    cut => \&cut,
    reload => sub { reload(1) },
    'reload-twice' => sub { reload(2) },
    kill => sub { kill_worker($_[1]) },
    'reload-kill' => sub { reload(1); kill_worker($_[1]) },
    'redis-stopped' => sub { outage('stop', $_[0], sub {}) },
    'redis-killed' => sub { outage('kill', $_[0], sub {}) },
    'redis-stopped-reload' => sub { outage('stop', $_[0], sub { reload(1) }) },
    'redis-killed-kill' => sub {
        my ($long, $which) = @_;
        outage('kill', $long, sub { kill_worker($which) });
    },
);


# A link that is lost is made again at once, and what was asked over it is asked
# again; but not one that has lived for less than 0.1 s.  And it is to be seen.

sub cut {
    my $early = max($born + 0.5, $away[-1][1]) - now();
    sleep $early if $early > 0;

    $cut = now();
    $redis->cmd('CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes')
        for 'normal', 'pubsub';
    $born = now();
}


sub reload {
    my ($times) = @_;
    my %old = map { $_ => 1 } $t->workers;

    push @reloads, now();
    for (1 .. $times) { kill 'HUP', $t->{nginx}; sleep 0.005 }
    all_there(%old) or die "no new workers\n";
}


# One that is on its way out may be the one.

sub kill_worker {
    my ($which) = @_;
    my @pids = $t->workers(1);
    my $pid = $pids[$which * @pids];

    $t->allow_log(qr/\[alert\] \S+ worker process $pid exited on signal 9$/,
        qr/\[alert\] \S+ shared memory zone "[^"]+" was locked by $pid$/);
    $killed{$pid} = now();
    kill 'KILL', $pid;
    all_there($pid => 1) or die "no new worker\n";
}


sub all_there {
    my (%old) = @_;

    my $all = $t->until(sub {
        my @pids = $t->workers;
        @pids == 4 && !grep { $old{$_} } @pids
    });
    $born = now();

    return $all;
}


sub outage {
    my ($how, $long, $meanwhile) = @_;

    push @away, [now(), $NEVER];
    $redis->$how;
    $meanwhile->();
    my $status = $c->admin('POST', 'v1/keys', { name => 'x' },
        store => 'live')->status;
    wrong("a key was made without Redis: $status") if $status != 503;
    sleep 0.2 + 0.6 * $long;

    $redis->start;
    $born = now();
    $away[-1][1] = $born + $RECOVERY;
}


my ($deck, $said) = (0, now());


sub step {
    my ($event, @chance) = @_;

    my $write = begin_write(@chance[0 .. 2]);
    sleep 0.004 * $chance[3];
    $EVENTS{$event}->(@chance[4, 5]);
    $events{$event}++;
    end_write($write);
    judge_all();

    if (now() > $said + 60) {
        $said = now();
        note(sprintf('%d s: %d answers, %d wrong', $said - $begin,
            sum0(values %answers), scalar @wrong));
    }

    sleep 0.1 + 0.4 * $chance[6];
}


sub act {
    my ($until, @decks) = @_;

    do {
        srand($SEED + ++$deck);
        my @steps = map { [$_, map { rand } 0 .. 6] }
            shuffle @{$decks[$deck % @decks]};
        srand;
        step(@$_) for @steps;
    } while (now() < $until);
}


# What must stay as it is.

sub calm {
    my $left = $away[-1][1] - now();
    sleep $left if $left > 0;
    judge_all();
    return $load->resets(0);
}


# KiB of each worker, in the order of their ids, and of the master.

sub memory { [map { $load->memory($_) } $t->workers, $t->{nginx}] }


# Workers of the same age after a reload, each of which has been asked for all
# that needs memory of its own: another key each, as one writes down for all
# that a key was used.

sub young {
    reload(1);
    $t->until(sub { $t->workers(1) == 4 });
    $c->connect;
    for my $worker (0 .. 3) {
        $c->ask($keys{crowd}[$worker], store => $_, worker => $worker)
            for @{$load->{stores}};
    }
    sleep $AGE;
    judge_all();
    return memory();
}


sub descriptors {
    $t->until(sub { $t->workers(1) == 4 });
    return join ' ', map { $t->descriptors($_) // 'gone' }
        $t->workers, $t->{nginx};
}


sub flat {
    my ($what, $before, $after) = @_;
    my @growth = map { $after->[$_] - $before->[$_] } 0 .. $#$before;

    note("memory $what and of the master: before @$before, after @$after KiB");
    cmp_ok(max(@growth), '<', $GROWTH, "memory $what is flat");
}


# Of "cached", when it is full.

sub room { $c->room('cached', @{$keys{crowd}}) }


$c->warm($keys{good}[0], store => $_) for 'cached', 'stale';
my $descriptors = descriptors();
my $room = room();
$c->{to} = [];                # nginx would close them midway
cmp_ok($room, '>', 200, 'the zone is filled');

# workers that live on

$Gate::Load::PER_WORKER = 2;
$Gate::Load::PACE = 0.03;
$load = Gate::Load->new($t, $c, stores => ['cached', 'live', 'loose', 'stale'],
    keys => { %keys }, again => 1);
$load->right(undef, right => { crowd => 200 });
$load->drain;
$begin = now();
$load->resets(0.2);

act($begin + $WARM, @STAY);
calm();
$load->same;
my $first = memory();

$load->resets(0.2);
act($begin + $SECONDS / 2, @STAY);
calm();
$load->same('those who live on');
flat('of workers that live on', $first, memory());

# workers that come and go

my $young = young();
$load->resets(0.2);
act($begin + $SECONDS, @GO);
my $reset = calm();
flat('of new workers', $young, young());

# what is left

$load->stop;
$c->connect;
$c->warm($keys{good}[0], store => $_) for 'cached', 'stale';
ok($t->until(sub { room() == $room }, 10), 'the zone has as much room');
ok($t->until(sub { descriptors() eq $descriptors }, 10),
    'as many descriptors as at the beginning')
    or diag(descriptors(), " and not $descriptors");
check($_) for @made, @dead > 200 ? @dead[-200 .. -1] : @dead;

is(join("\n", grep { defined } @wrong[0 .. 19]), '', 'nothing was wrong')
    or diag(scalar @wrong, ' in all');
is(join(' ', grep { !$events{$_} } sort keys %EVENTS), '', 'all has happened');
ok($felt{'live 503'} && $felt{'stale 200'}, 'outages were felt, and not');
cmp_ok($slowest, '<', 3, 'nobody was kept waiting');


# Seconds that belong to an outage.

sub tolerant {
    my ($sum, $end) = (0, 0);

    for (@away) {
        my ($from, $until) = @$_;
        $sum += $until - max($from, $end);
        $end = $until;
    }

    return $sum;
}


sub counts {
    my ($what, %n) = @_;
    note("$what: ", join ', ', map { "$_: $n{$_}" } sort keys %n);
}


counts('events', %events);
for my $store (@{$load->{stores}}) {
    counts("answers of $store", map { (split ' ', $_, 2)[1] => $answers{$_} }
        grep { /^$store / } keys %answers);
}
counts('writes', %writes);
counts('without an answer', %lost);
counts('while Redis was away', %felt);
note(sprintf('%d answers, %d clients that reset, 503 was allowed in %d of'
    . ' %d s, the last one %.2f s after an outage, the slowest answer %.2f s',
    sum0(values %answers), $reset, tolerant(), now() - $begin, $latest,
    $slowest));

$t->done;
