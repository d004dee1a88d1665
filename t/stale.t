# Guards: what passes while Redis is away: nothing, or with stale=TIME keys known
# to be good, and for no longer than that after Redis was last heard.  Refused
# by deadline, and back soon.  Seen red with a window without an end, with one
# that begins when Redis is found missing, with any record taken for a good one,
# with an answer that is not kept leaving the older one where it was, with a
# window that goes on while nobody tells of changes, with the first pepper only,
# and with a clear operation that may pass.

use Gate;
use Gate::Cache;
use Time::HiRes qw(sleep);

my $t = Gate->new;
my $redis = $t->redis(undef, port => 1);
$t->write('peppers', 'p' x 32 . "\nnone\n", 0600);
my %stores = (
    shop => 'cache stale=3s;',
    strict => '',
    loose => 'cache stale=3s push=off;',
    short => 'cache stale=10s valid=1s;',
    peppers => 'pepper_file peppers; cache stale=30s;',
    zero => 'cache stale=3s invalid=0;',
    quick => 'cache stale=1s;',
    none => 'cache off;',
);
my $c = Gate::Cache->new($t, { %stores }, workers => 2);

sub name { 'shop:key:' . $_[0] }


# The slowest answer to a question about this key, in seconds, and all words.

sub slowest {
    my ($key, $n, %opt) = @_;

    my ($slowest, %words) = (0);

    for (1 .. $n) {
        my $begin = $c->now;
        $words{$c->ask($key, %opt, worker => $_ % 2)}++;
        my $took = $c->now - $begin;
        $slowest = $took if $took > $slowest;
        sleep 0.02;
    }

    return ($slowest, join ' ', sort keys %words);
}


sub back {
    my ($what, $key) = @_;

    my $begin = $c->now;
    ok($t->until(sub {
        !grep { !/^200 (?:hit|miss)$/ } map { $c->all($key, store => $_) }
            keys %stores
    }, 5), "$what: all is well again");
    cmp_ok($c->now - $begin, '<', 2, 'within 2 s');
}


# Redis goes.  The keys are in no store's memory but where they were asked for.

my ($key, $id) = $t->key(name => 'erp');
my %fields = @{$redis->cmd('HGETALL', name($id))};
my ($other) = $t->key;
my ($revoked) = $t->key(state => 'revoked');
my ($disabled) = $t->key(state => 'disabled');
my ($changed, $changed_id) = $t->key;
my ($gone, $gone_id) = $t->key;
my ($expiring) = $t->key(expires_at => int(time) + 3);
my ($under_first) = $t->key(secret => 'p' x 32);

$c->warm($key, store => $_) for grep { $_ ne 'none' } keys %stores;
$c->warm($_) for $changed, $gone;
$c->warm($_, store => 'peppers') for $under_first, $expiring;
$redis->cmd('HSET', name($changed_id), 'state', 'disabled');
$redis->cmd('DEL', name($gone_id));
my @refused = ($revoked, $disabled, $changed, $gone, 'a-key-that-nobody-knows');
$t->until(sub { !grep { !/^401 hit/ } map { $c->all($_) } @refused });
$t->arm(60);
$c->warm($key);

$redis->kill;
my $begin = $c->now;

is(join(', ', $c->all($key)), '200 stale, 200 stale', 'a known good key');
is($c->verdict, 'ok', 'is good');
is(join(', ', $c->all($_)), '503 miss, 503 miss', 'any other is not')
    for $other, @refused;
is($c->verdict, 'unavailable', 'it cannot be asked for');
is($c->last->header('retry-after'), 1, 'with Retry-After');
is(join(', ', $c->all($key, method => 'DELETE')), '503 live, 503 live',
    'no clear operation passes');

is(join(', ', $c->all($key, store => 'strict')), '503 miss, 503 miss',
    'stale=0: nothing passes');
is(join(', ', $c->all($key, store => 'none')), '503 miss, 503 miss',
    'nor with the cache off');
is(join(', ', $c->all($key, store => 'peppers')), '200 stale, 200 stale',
    'two peppers: under the second one');
is(join(', ', $c->all($under_first, store => 'peppers')),
    '200 stale, 200 stale', 'and under the first');
is(join(', ', $c->all($other, store => 'peppers')), '503 miss, 503 miss',
    'under none of them');

is(join(', ', $c->all($key, store => 'loose')), '200 hit, 200 hit',
    'push=off: valid is the bound');

my ($slowest, $words) = slowest($other, 10);
cmp_ok($slowest, '<', 0.1, 'refused at once');
is($words, '503 miss', 'each time');

my ($last, $first) = (0);

while ($c->now - $begin < 4) {
    my $sent = $c->now - $begin;
    my @words = $c->all($key);
    $last = $sent if grep { /^200/ } @words;
    $first //= $sent if grep { !/^200/ } @words;
    sleep 0.01;
}

cmp_ok($last, '<', 3.02, 'no longer than 3 s');
cmp_ok($first, '>', 1.9, 'and no shorter but for the time Redis was silent');
is(join(', ', $c->all($key, store => 'peppers')), '200 stale, 200 stale',
    'stale=30s: still');
is(join(', ', $c->all($key, store => 'short')), '200 stale, 200 stale',
    'longer than valid, if it was trusted when Redis was last heard');

is(join(', ', $c->all($expiring, store => 'peppers')),
    '401 stale, 401 stale', 'a key that has ended meanwhile');
is($c->verdict, 'expired', 'is refused for that');

ok($t->wait_log(qr{^/shop/ 200 ok stale$}m, log => 'access.log'),
    'the access log says so');

my $r = $c->admin('GET', 'v1/health');
is($r->status, 503, 'health');
is($r->json->{push}{up} ? 1 : 0, 0, 'of the push too');

# Redis comes back, and is empty

$redis->start;
$begin = $c->now;
ok($t->until(sub {
    !grep { !/^401/ } map { $c->all($key, store => $_) }
        grep { $_ ne 'loose' } sort keys %stores
}, 5), 'empty: the old key is refused');
cmp_ok($c->now - $begin, '<', 2.2, 'within 2 s');
is(scalar(grep { /^200/ } map { $c->ask($key) } 1 .. 100), 0, 'for good');

$redis->cmd('HSET', name($id), %fields);
back('the key is back', $key);

# what Redis said after the last link was lost counts

for my $how ('revoked', 'deleted') {
    my ($bad, $bad_id) = $t->key;
    my ($quiet) = $t->key;
    $c->warm($bad, store => $_) for 'shop', 'zero';
    $c->warm($quiet, store => 'quick');
    $redis->cmd('ACL', 'SETUSER', 'default', '-client|tracking');
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
    $t->until(sub {
        !grep { $_ ne '200 miss' } map { $c->all($bad, store => $_) }
            'shop', 'zero'
    });
    $how eq 'revoked' ? $redis->cmd('HSET', name($bad_id), 'state', $how)
                      : $redis->cmd('DEL', name($bad_id));
    is($c->ask($bad, store => $_), '401 miss', "$how, with no link to tell")
        for 'shop', 'zero';
    my $begin = $c->now;
    $t->until(sub { $c->all($other, store => 'quick');
        $c->now - $begin > 1.05 });
    $redis->kill;
    is(join(', ', $c->all($bad, store => $_)), '503 miss, 503 miss',
        'then Redis goes: it is not accepted as it was') for 'shop', 'zero';
    is(join(', ', $c->all($quiet, store => 'quick')), '503 miss, 503 miss',
        'nor what nobody has been told of for too long');
    $redis->start;
    $redis->cmd('HSET', name($id), %fields);
    back($how, $key);
}

# Redis stops, but keeps its connections

$c->warm($key, store => $_) for qw(shop strict);
my ($late) = $t->key;
$redis->pause;
$begin = $c->now;
($slowest, $words) = slowest($late, 6);
is($words, '503 miss', 'stopped: an unknown key is refused');
cmp_ok($slowest, '<', 0.95, 'by deadline');
($last, my $strict) = (0, 0);
$slowest = 0;

while ($c->now - $begin < 4.5) {
    for my $store ('shop', 'strict') {
        my $sent = $c->now - $begin;
        my @words = $c->all($key, store => $store);
        my $took = $c->now - $begin - $sent;
        $slowest = $took if $took > $slowest;
        $last = $sent if $store eq 'shop' && "@words" =~ /200/;
        $strict = $sent if $store eq 'strict' && "@words" =~ /200/;
    }
    sleep 0.01;
}

cmp_ok($strict, '<', 3.05, 'stale=0: nothing passes after 3 s');
cmp_ok($last, '<', 3.05, 'stale=3s: nor here');
cmp_ok($last, '>', 1.9, 'but until then');
cmp_ok($slowest, '<', 1.8, 'nobody hangs');

$redis->resume;
back('it goes on', $key);

# a reload keeps what may pass

$c->reload;
$c->warm($key, store => $_) for qw(shop peppers);
$redis->kill;
is(join(', ', $c->all($key)), '200 stale, 200 stale', 'after a reload');
is(join(', ', $c->all($key, store => 'peppers')), '200 stale, 200 stale',
    'the same');

$t->done;
