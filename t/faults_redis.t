# Guards: what the gate answers under load while Redis itself fails - killed,
# stopped, restarted empty, full, read-only, without room for a client, with a
# full disk, busy - and when a clock is set.  Seen red with a link not made
# because a full disk lets Redis refuse PING, an error taken for "no such key",
# an end in the record that is not looked at, answers that are remembered for
# ever or by the wall clock, rates counted by the wall clock, and a clear flag
# without a longest time.

use Gate;
use Gate::Cache;
use Gate::Load;
use File::Path qw(remove_tree);
use Time::HiRes qw(sleep);

my $t = Gate->new;

# Data outlive a kill without a wait for the disk, and a machine that holds its
# breath for the default of 200 ms is none of the faults here.

my $redis = $t->redis(undef, port => 1,
    args => ['--appendonly', 'yes', '--appendfsync', 'no']);
my $timeout = 'timeout 500ms;';
my $c = Gate::Cache->new($t, { cached => $timeout,
    live => "$timeout cache off;" });

my %keys = Gate::Load::mix($t);
my %in_time = (good => [200], victim => [200, 401],
    map { $_ => [401] } grep { $_ ne 'good' } keys %keys);
my $load = Gate::Load->new($t, $c, stores => ['cached', 'live'],
    keys => \%keys);
my $key = $keys{good}[0];

sub config { $redis->cmd('CONFIG', 'SET', @_) }


# Closes all links; whoever can comes back.

sub cut {
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
}


# Reads go on, also over links that are made meanwhile; what would have to be
# written down is refused.

sub no_writes {
    my ($what, $begins, $ends) = @_;

    $load->fault($what, $begins, $ends, may => \%in_time, also => sub {
        for my $store ('cached', 'live') {
            is($c->ask($key, store => $store, method => 'DELETE'), '503 live',
                "$what: no clear operation");
            is($c->admin('POST', 'v1/keys', { name => 'x' },
                store => $store)->status, 503, 'no new key');
        }
    });

    $load->fault("$what, and new links", sub { $begins->(); cut() }, $ends,
        seconds => 1, also => sub {
            sleep 0.3;
            my $since = $load->now;
            sleep 0.1;
            my @answers = $load->answers($since);
            is(Gate::Load::counts(grep { $_->[2] == 503 } @answers), '',
                "$what: a new link is as good as the old one");
        });
}


$load->right;
$load->same;
$t->arm(600);
is($c->ask($key, method => 'DELETE', store => 'live'), '405 live',
    'a clear operation passes, and empty_gif does not know it');

# away

my %away = (felt => qr/^live \w+ 503/, seconds => 0.9);
$load->fault('killed', sub { $redis->kill }, sub { $redis->start }, %away);
$load->fault('stopped', sub { $redis->pause }, sub { $redis->resume }, %away);

my %fields = map { $_ => $redis->cmd('DUMP', $_) }
    @{$redis->cmd('KEYS', 'shop:*')};
my $gone = $load->now;
$load->fault('restarted, and empty', sub { $redis->kill }, sub {
    remove_tree($t->dir . '/redis/appendonlydir');
    $redis->start;
}, %away, may => { good => [200, 401, 503] }, right => { good => 401 });
$load->fault('the data are back', sub {
    $redis->cmd('RESTORE', $_, 0, $fields{$_}) for keys %fields;
}, sub {}, may => { good => [200, 401] }, seconds => 0);
$t->arm(600);

# full, read-only

no_writes('out of memory', sub { config('maxmemory', 1) },
    sub { config('maxmemory', 0) });
no_writes('a replica', sub { $redis->cmd('REPLICAOF', '127.0.0.1', 1) },
    sub { $redis->cmd('REPLICAOF', 'NO', 'ONE') });

$redis->cmd('SET', 'filler', join '', map { chr rand 256 } 1 .. 300_000);
config('appendonly', 'no');
config('save', '3600 1000000');
no_writes('a full disk', sub {
    system('prlimit', '--pid', $redis->pid, '--fsize=200000:unlimited');
    $redis->cmd('BGSAVE');
    $t->until(sub { $redis->cmd('INFO', 'persistence')
        =~ /rdb_last_bgsave_status:err/ }) or die 'the dump was written';
}, sub {
    system('prlimit', '--pid', $redis->pid, '--fsize=unlimited');
    $redis->cmd('BGSAVE');
    $t->until(sub { $redis->cmd('INFO', 'persistence')
        =~ /rdb_last_bgsave_status:ok/ }) or die 'the dump was not written';
});

# nothing to say

config('replica-serve-stale-data', 'no');
$load->fault('a replica without its primary', sub {
    $redis->cmd('REPLICAOF', '127.0.0.1', 1);
}, sub { $redis->cmd('REPLICAOF', 'NO', 'ONE') }, %away);

config('busy-reply-threshold', 50);
my $busy = $redis->connect;
$load->fault('busy with a script', sub {
    $redis->send_command($busy, 'EVAL', 'while true do end', 0);
}, sub { $redis->try('SCRIPT', 'KILL') }, %away);

$load->fault('no place for a client', sub { config('maxclients', 1); cut() },
    sub { config('maxclients', 1000) }, %away, bound => 0.1);

$load->fault('all links cut over and over', \&cut, sub {},
    also => sub { cut(), sleep 0.03 for 1 .. 10 }, bound => 0.5);

# memory

my %memory = map { $_ => $load->memory($_) } $c->pids;
$load->fault('killed, and killed again', sub {}, sub {}, also => sub {
    for (1 .. 8) { $redis->kill; sleep 0.1; $redis->start; sleep 0.1 }
}, seconds => 0);
cmp_ok($load->memory($_) - $memory{$_}, '<', 64, 'memory is flat')
    for $c->pids;
is(join(', ', $t->workers), join(', ', $c->pids), 'the same workers');

$load->stop;

# the sanitizers want to be loaded before all else
if ($ENV{TEST_SANITIZERS}) {
    $t->done;
    exit;
}

# Clocks that are set.  Only the wall clock is, as by an administrator or NTP.

my $library = $t->dir . '/clock.so';
is(system('cc', qw(-std=gnu11 -O1 -Wall -Wextra -Werror -shared -fPIC -o),
    $library, "$Gate::ROOT/t/lib/clock.c"), 0, 'clock.c');


sub clock {
    my ($whose, $hours) = @_;
    open(my $file, '+<:raw', $t->dir . "/$whose.clock") or die;
    syswrite $file, pack 'q', $hours * 3600;    # in place: it is mapped
}


# runs a server under a clock of its own

sub clocked {
    my ($whose, $run) = @_;

    $t->write("$whose.clock", pack 'q', 0);
    local @ENV{'LD_PRELOAD', 'TEST_CLOCK'}
        = ($library, $t->dir . "/$whose.clock");
    return $run->();
}


$t->stop;
$redis = clocked('redis', sub { $t->redis('CLOCK', port => 1) });
my $server = 'server %%REDIS_CLOCK%%;';
$c = clocked('nginx', sub {
    Gate::Cache->new($t, {
        cached => "$server cache valid=1s;",
        live => "$server cache off;",
        loose => "$server cache valid=1s push=off;",
    });
});

sub made { ($t->key(redis => $redis, @_))[0] }


sub ttl {
    my ($seconds) = @_;
    my ($key, $id) = $t->key(redis => $redis);
    $redis->cmd('EXPIRE', "shop:key:$id", $seconds);
    return $key;
}


sub pings {
    my ($calls) = $redis->cmd('INFO', 'commandstats')
        =~ /^cmdstat_ping:calls=(\d+)/m;
    return $calls // 0;
}


# Clock ticks that a process has worked for.

sub ticks {
    my ($pid) = @_;
    my @stat = split ' ', $t->read("/proc/$pid/stat") =~ s/^.*\) //r;
    return $stat[11] + $stat[12];
}


sub clear { $c->ask($_[0], store => 'live', method => 'DELETE') }


# What each store says of a key, cached answers too.

sub says {
    my ($key, %opt) = @_;
    return join ' ', map { ($c->ask($key, store => $_, %opt) =~ /^(\d+)/)[0] }
        'cached', 'live', 'loose';
}


%keys = (
    good => [map { made() } 1 .. 5],
    revoked => [made(state => 'revoked')],
    expired => [made(expires_at => 1_000_000_000)],
    unknown => ['a-key-that-never-was-0'],
    fresh => ['a-key-that-nobody-knows-'],
);
$load = Gate::Load->new($t, $c, stores => ['cached', 'live', 'loose'],
    keys => \%keys);
$load->right;
$load->same;

my $ended = made(expires_at => time - 3600);
my $soon = made(expires_at => time + 3600);
my $later = made(expires_at => time + 5 * 3600);
my $short = ttl(3600);
my $limited = made(rate => '1/3');


sub set {
    my ($what, $whose, $hours) = @_;
    $load->fault($what, sub { clock($whose, $hours) }, sub {},
        may => \%in_time, seconds => 0.1, slowest => 0.5);
}


$c->warm($_, store => 'cached'), says($_) for $soon, $later, $short;
is(says($ended), '401 401 401', 'a key that has ended');
my $window = $c->now;
is(says($limited), '200 200 200', 'a key with a rate');

set('nginx: 3 h forward', 'nginx', 3);
is(says($soon), '401 401 401', 'a key that ends meanwhile is dead, cached too');
is(says($later), '200 200 200', 'one that does not is not');
is(says($limited), '429 429 429', 'no new window');
ok($t->until(sub { says($limited) =~ /200/ }, 4), 'a window ends');
cmp_ok($c->now - $window, '<', 3.3, 'in its time');
ok($t->until(sub { says($short) eq '200 200 200' }, 2),
    'a TTL is up to Redis, at the latest after "valid"');

$window = $c->now;
says($limited);
my ($changed, $id) = $t->key(redis => $redis);
says($changed);

set('nginx: 6 h back', 'nginx', -3);
is(says($_), '200 200 200', 'what ends by the clock has not ended yet')
    for $ended, $soon, $later, $short;
ok($t->until(sub { says($limited) =~ /200/ }, 4), 'a window ends');
cmp_ok($c->now - $window, '<', 3.5, 'in its time');

says($changed);
$redis->cmd('HSET', "shop:key:$id", 'state', 'revoked');
my $since = $c->now;
ok($t->until(sub { says($changed) eq '401 401 401' }, 3),
    'a change is felt by whoever is not told of it');
cmp_ok($c->now - $since, '<', 1.2, 'after "valid" and no later');

my $pings = pings();
ok($t->until(sub { pings() >= $pings + 4 }, 4), 'timers go on');
$load->fault('links cut', \&cut, sub {});
set('nginx: right again', 'nginx', 0);
is(says($ended), '401 401 401', 'what has ended is dead again');
is(says($soon), '200 200 200', 'what has not is not');

# Redis' clock: its TTLs, and with them the clear flag

$t->arm(7200, redis => $redis);
is(clear($later), '405 live', 'a clear operation passes');
$c->warm($short, store => 'cached');
set('Redis: 3 h forward', 'redis', 3);
is(clear($later), '403 live', 'the flag has ended');
ok($t->until(sub { says($short) eq '401 401 401' }, 1.5),
    'a TTL has ended, and all know');
is(says($soon), '200 200 200', 'an end in a record is judged by nginx');
$t->arm(7200, redis => $redis);
is(clear($soon), '401 live', 'and by both clocks for a clear operation');

set('Redis: 6 h back', 'redis', -3);
is(clear($later), '405 live', 'the flag ends by the clock');
set('Redis: 40 h back', 'redis', -40);
is(clear($later), '403 live', 'one for more than a day is none');
set('Redis: right again', 'redis', 0);

# nobody spins

$load->stop;
my %ticks = map { $_ => ticks($_) } $c->pids;
sleep 0.5;
cmp_ok(ticks($_) - $ticks{$_}, '<', 10, 'a worker is at rest') for $c->pids;

$t->done;
