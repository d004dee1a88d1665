# Guards: what is remembered of a key, by whom, and for how long.  Seen red with
# records and unknown keys in one class of cells (flood), with a hit that does
# not move its cell to the front (LRU), with a long record read from its first
# cell only, with the end of a key judged in whole seconds and not at all, with
# an age that does not count (valid, invalid), with a zone that a reload sets up
# anew, with a zone's name without server, database and prefix, and with a
# revocation that is not forgotten by itself (push=off).

use Gate;
use Gate::Cache;
use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(time sleep);

my $t = Gate->new;
my $redis = $t->redis(undef, args => ['--enable-debug-command', 'yes']);
my %stores = (
    shop => '',
    none => 'cache off;',
    loose => 'cache push=off;',
    brief => 'cache valid=1s invalid=1s push=off;',
    never => 'cache invalid=0;',
    tiny => 'cache size=64k;',
    other => 'prefix other:; cache push=off;',
    second => 'database 2; cache push=off;',
);
my $c = Gate::Cache->new($t, { %stores }, workers => 2);
my $n = 0;

sub fresh { 'a-key-that-nobody-knows-' . $n++ }


# how many lookups the sub costs

sub cost {
    my ($sub) = @_;

    my $before = $c->lookups;
    $sub->();
    return $c->lookups - $before;
}


# the second link of each store comes up in its time

# and what is made in Redis is told of in its time: what follows is asked for
# after another key has become known

my ($early) = $t->key;
my ($key, $id) = $t->key(name => 'erp');
my %bad = map { $_ => ($t->key(state => $_))[0] } qw(revoked disabled);
$c->warm($early, store => $_) for qw(shop never tiny);

# hit, miss, live, and nothing at all

is(cost(sub {
    is($c->ask($key, worker => 0), '200 miss', 'not known yet');
    is($c->ask($key, worker => 1), '200 hit', 'known to all workers');
    is($c->ask($key, worker => 0), '200 hit', 'again');
}), 1, 'Redis was asked once');

my $unknown = fresh();
is(cost(sub {
    is($c->ask($unknown, worker => 1), '401 miss', 'an unknown key');
    is($c->ask($unknown, worker => 0), '401 hit', 'is known to be none');
    is($c->verdict, 'unknown', 'and called so');
}), 1, 'Redis was asked once');

for my $state ('revoked', 'disabled') {
    my $bad = $bad{$state};
    is(cost(sub {
        is(join(', ', map { $c->ask($bad) . ' ' . $c->verdict } 1 .. 3),
            "401 miss $state" . ", 401 hit $state" x 2, "a $state key");
    }), 1, 'Redis was asked once');
}

is($c->ask(undef), '401 -', 'no key: nothing was looked up');
is($c->ask('short'), '401 -', 'nor for a malformed one');

is(cost(sub {
    is($c->ask($key, method => 'DELETE'), '403 live', 'a clear asks Redis')
        for 1 .. 2;
}), 2, 'each time');
$t->arm(60);
is($c->ask($key, method => 'DELETE'), '405 live', 'an armed one too');
$t->disarm;
is($c->ask($unknown, method => 'DELETE'), '401 live', 'with an unknown key');

ok($t->wait_log(qr{^/shop/ 200 ok hit\n/shop/ 401 unknown miss\n}m,
    log => 'access.log'), 'the access log says it');

is(cost(sub {
    is(join(', ', map { $c->ask($key, store => 'none') } 1 .. 3),
        '200 miss, 200 miss, 200 miss', 'cache off');
    is($c->ask($unknown, store => 'none'), '401 miss', 'for unknown keys too');
}), 4, 'Redis is asked each time');

is(cost(sub {
    is($c->ask($unknown, store => 'never'), '401 miss', 'invalid=0')
        for 1 .. 3;
    $c->warm($key, store => 'never');
}), 4, 'Redis is asked for unknown keys only');

# the record comes back as it was, however long it is

my %meta = map { ("meta:m$_" => chr(64 + $_) x 256) } 1 .. 14;
my ($long) = $t->key(name => 'n' x 100, 'meta:text' => 'x' x 255 . 'y',
    scopes => join(' ', map { "scope-$_" . 's' x 50 } 1 .. 16), %meta);

for my $store ('shop', 'tiny') {
    is($c->ask($long, store => $store), '200 miss', "a long record, $store");
    is($c->text, 'x' x 255 . 'y', 'its metadata');

    # what Redis tells of its making may come behind the first answer

    ok($t->until(sub { $c->ask($long, store => $store) eq '200 hit' }),
        'the same from the cache');
    is($c->text, 'x' x 255 . 'y', 'its metadata');
}

# two stores know nothing of each other

my ($there) = $t->key(store => 'other:');
my ($here) = $t->key;
$redis->cmd('SELECT', 2);
my ($below) = $t->key;
$redis->cmd('SELECT', 0);

for (1 .. 2) {
    my $from = $_ == 1 ? 'miss' : 'hit';
    is($c->ask($there, store => 'other'), "200 $from", 'a key of this store');
    is($c->ask($there, store => 'loose'), "401 $from", 'and of no other');
    is($c->ask($here, store => 'other'), "401 $from", 'a key of another prefix');
    is($c->ask($here, store => 'loose'), "200 $from", 'where it belongs');
    is($c->ask($below, store => 'second'), "200 $from", 'of a database');
    is($c->ask($below, store => 'loose'), "401 $from", 'and of no other');
    is($c->ask($here, store => 'second'), "401 $from", 'nor the other way');
}

# a flood of unknown keys costs no good key its place

my @good = map { ($t->key)[0] } 1 .. 100;
is($c->ask($_, store => 'tiny'), '200 miss', 'a good key') for @good;
$c->ask(fresh(), store => 'tiny', worker => $_ % 2) for 1 .. 3000;
is(scalar(grep { $c->ask($_, store => 'tiny') ne '200 hit' } @good), 0,
    'a flood of unknown keys pushes out no good one');
my $recent = fresh();
is(join(', ', map { $c->ask($recent, store => 'tiny') } 1 .. 2),
    '401 miss, 401 hit', 'and there is place for a new unknown one');

# more good keys than there is place for: the oldest by use go

my @many = map { ($t->key)[0] } 1 .. 600;
my $kept = $good[50];
my @words;

for my $one (@many) {
    push @words, $c->ask($one, store => 'tiny');
    push @words, $c->ask($kept, store => 'tiny') eq '200 hit' ? () : 'lost';
}

is(scalar(grep { $_ ne '200 miss' } @words), 0,
    'more keys than fit in: all pass, and the one in use stays');
is($c->ask($many[-1], store => 'tiny'), '200 hit', 'the newest stays');
is($c->ask($many[-100], store => 'tiny'), '200 hit', 'and those before it');
is($c->ask($many[0], store => 'tiny'), '200 miss', 'the oldest has gone');
is($c->ask($good[0], store => 'tiny'), '200 miss', 'with all before it');

# long records and short ones, one after the other

@words = ();
my @turns = map {
    ($t->key('meta:text' => "text $_", map {
        ("meta:m$_" => 'x' x int(rand 256)) } 1 .. rand 15))[0]
} 1 .. 150;
$c->warm($early, store => "tiny");

for my $i (1 .. 150) {
    my $one = $turns[$i - 1];
    push @words, grep { $_ ne '200 miss' } $c->ask($one, store => 'tiny');
    push @words, grep { $_ ne '200 hit' } $c->ask($one, store => 'tiny');
    push @words, $c->text eq "text $i" ? () : 'another text';
}
is("@words", '', 'records of all lengths take turns');

# the end of a key is looked at on each use.  Redis is kept from finding out
# by itself, which it would announce.

$redis->cmd('DEBUG', 'SET-ACTIVE-EXPIRE', 0);


# When the key was accepted last and refused first, as seconds from now.

sub ends {
    my ($key, $begin, $seconds) = @_;

    my ($last, $first) = (-1, -1);

    while (time - $begin < $seconds && $first < 0) {
        my $sent = time - $begin;
        my ($words) = $c->ask($key, worker => rand 2);
        $words =~ /^200/ ? $last = $sent : ($first = time - $begin);
        is($words, '200 hit', 'it is known') if $last == $sent && $sent > 0.5
            && !$n++;
        sleep 0.001;
    }

    return ($last, $first);
}


my $begin = int(time) + 1;
my ($ending) = $t->key(expires_at => $begin + 1);
$c->warm($ending);
my ($last, $first) = ends($ending, $begin, 3);
is($c->verdict, 'expired', 'expires_at has come');
cmp_ok($last, '<', 1.002, 'not accepted later');
cmp_ok($first, '>=', 1, 'not refused earlier');

for my $ms (1400, 700) {
    my ($timed, $timed_id) = $t->key;
    $redis->cmd('PEXPIRE', "shop:key:$timed_id", $ms);
    $begin = time;
    $c->warm($timed);
    ($last, $first) = ends($timed, $begin, 3);
    cmp_ok($last, '<', $ms / 1000 + 0.01, "a TTL of $ms ms: not later");
    cmp_ok($first, '>', $ms / 1000 - 0.01, 'not earlier');
}

$redis->cmd('DEBUG', 'SET-ACTIVE-EXPIRE', 1);

# valid and invalid bound it where nobody tells of changes

my ($loose, $loose_id) = $t->key;
$c->warm($loose, store => 'brief');
$unknown = fresh();
$c->ask($unknown, store => 'brief');
is($c->ask($unknown, store => 'brief'), '401 hit', 'an unknown key');
$redis->cmd('DEL', "shop:key:$loose_id");
$t->key(key => $unknown);
is($c->ask($loose, store => 'brief'), '200 hit',
    'push=off: not told of a change');
is($c->ask($unknown, store => 'brief'), '401 hit', 'nor of a new key');
$begin = $c->now;
ok($t->until(sub { $c->ask($loose, store => 'brief') =~ /^401/ }, 3),
    'valid is the bound');
cmp_ok($c->now - $begin, '<', 1.4, 'of one second');
ok($t->until(sub { $c->ask($unknown, store => 'brief') =~ /^200/ }, 3),
    'and invalid');
cmp_ok($c->now - $begin, '<', 1.5, 'of one second');

($loose, $loose_id) = $t->key;
$c->warm($loose, store => 'loose');
is($c->admin('DELETE', "v1/keys/$loose_id", undef, store => 'loose')->status,
    204, 'revoked by the API');
is(join(', ', $c->all($loose, store => 'loose')), '401 miss, 401 hit',
    'push=off: felt at once');
is_deeply($c->admin('GET', 'v1/health', undef, store => 'loose')->json->{push},
    { up => JSON::PP::false(), since => undef, reason => 'off' },
    'health says that it is off');

# A reload keeps the zones.  Whose push is off says so best: new workers of the
# other stores have to ask once more.

$c->warm($here, store => 'loose');
$c->warm($key);
is(cost(sub {
    $c->reload;
    is(join(', ', $c->all($here, store => 'loose')), '200 hit, 200 hit',
        'known after a reload');
}), 0, 'Redis was not asked');
is(cost(sub { $c->warm($key) }), 1, 'with push: asked once more')
    or diag $t->error_log;

# whatever makes it another set of keys begins with an empty zone

my $B = $t->redis('B');
my ($moved) = $t->key(redis => $B);
my ($peppered) = $t->key(secret => 'p' x 32);
$t->write('pepper', 'p' x 32 . "\n", 0600);
$t->write('pepper2', 'q' x 32 . "\nnone\n", 0600);

my @cases = (
    ['size' => 'cache push=off size=1m;', $here],
    ['server' => 'server %%REDIS_B%%; cache push=off;', $moved],
    ['database' => 'database 2; cache push=off;', $below],
    ['prefix' => 'prefix other:; cache push=off;', $there],
    ['pepper' => 'pepper_file pepper; cache push=off;', $peppered],
    ['peppers' => 'pepper_file pepper2; cache push=off;', $here],
    ['push' => 'cache push=on;', $here],
    ['nothing' => 'cache push=off valid=50s stale=1s;', $here],
);

$c->reload({ map { $_->[0] => 'cache push=off;' } @cases });

for my $case (@cases) {
    $c->warm($here, store => $case->[0]);
    $c->ask($_, store => $case->[0]) for $moved, $below, $there, $peppered;
}

$c->reload({ map { $_->[0] => $_->[1] } @cases });

for my $case (@cases) {
    my ($what, $text, $good) = @$case;

    is($c->ask($good, store => $what), $what eq 'nothing' ? '200 hit'
        : '200 miss', "another $what");
    $c->warm($good, store => $what);
    isnt($c->ask($here, store => $what), '200 hit', 'the old key is not known')
        unless $good eq $here;
}

unlike($t->error_log, qr/\[(?:emerg|alert|crit)\]/, 'never an error');

# workers that die anywhere leave a zone that can be used

$c->reload({ shop => 'cache size=64k;' });
$c->warm($key);
$t->allow_log(qr/exited on signal 9|was locked by/);

my $load = fork // die;

if ($load == 0) {
    # as much as there can be, from the side
    while (1) {
        eval {
            my @to = map { $t->connect } 1 .. 8;
            for (1 .. 300) {
                $c->send($_, $many[rand @many]) || die for @to;
                $c->send($_, fresh() . rand) || die for @to;
                for (@to) { $_->response->status || die for 1 .. 2 }
            }
        };
    }
}

$t->started($load);

for (1 .. 25) {
    sleep 0.02 + rand 0.04;
    my @pids = $t->workers;
    my $victim = $pids[rand @pids] or redo;
    kill 'KILL', $victim;
    $t->until(sub { !grep { $_ == $victim } $t->workers });
}

kill 'KILL', $load;
waitpid $load, 0;

$t->until(sub { $t->workers == 2 });
$c->connect->warm($key);
is(cost(sub { is($c->ask($key), '200 hit', 'after 25 dead workers') }), 0,
    'the zone is in use');
@words = map { $c->ask($_) } @many, @many[500 .. 599];
is(scalar(grep { !/^200/ } @words), 0, 'and fit to be written');
is($words[-1], '200 hit', 'and read');

$t->done;
