# Guards: whatever changes a key in Redis, no worker accepts it for longer than
# 100 ms, and whoever is not told of changes trusts nothing.  Seen red with
# messages that drop nothing, with a null message passed over, with a bound of
# 1,024 elements, without PING, with a link that is trusted while it is down, with
# a new link that gets no number of its own, with a refused link that counts as
# up, and with one that is never tried again.

use Gate;
use Gate::Cache;
use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Time::HiRes qw(sleep);

my $t = Gate->new;
my $redis = $t->redis(undef, port => 1);
my $replica = $t->redis('REPLICA', port => 1, args => ['--replicaof',
    '127.0.0.1', $redis->port, '--repl-diskless-sync-delay', 0]);
$redis->cmd('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
my $proxy = $t->proxy($redis);

my @users = (['client', '-client|tracking', '&*'], ['channel', 'resetchannels']);
$redis->cmd('ACL', 'SETUSER', $_->[0], 'on', '>secret', '~*', '+@all',
    @$_[1 .. $#$_]) for @users;
$t->write('pass', "secret\n", 0600);

my $c = Gate::Cache->new($t, {
    shop => '',
    proxied => 'server %%PROXY%%; cache stale=30s;',
    replica => 'server %%REDIS_REPLICA%%;',
    client => 'username client; password_file pass;',
    channel => 'username channel; password_file pass;',
}, workers => 2);
my $n = 0;

sub name { 'shop:key:' . $_[0] }
sub fresh { 'a-key-that-nobody-knows-' . $n++ }


# a refused permission: one warning, nothing is remembered.  Mended now, felt
# when the link is tried again; the other tests go on meanwhile.

my ($key, $id) = $t->key(name => 'erp');

for my $store ('client', 'channel') {
    ok($t->wait_log(qr/\[warn\].*store "$store": nothing is cached.*NOPERM/),
        "$store: the log says so");

    my $before = $c->lookups;
    is(join(', ', map { $c->all($key, store => $store) } 1 .. 3),
        join(', ', ('200 miss') x 6), 'nothing is cached');
    is($c->ask(fresh(), store => $store), '401 miss', 'of an unknown key too');
    is($c->lookups - $before, 7, 'Redis is asked each time');

    my $health = $c->admin('GET', 'v1/health', undef, store => $store);
    is($health->status, 200, 'health: all is well');
    my $push = $health->json->{push};
    like(delete $push->{since} // '', qr/^\d{4}-.*Z$/, 'since when');
    is_deeply($push, { up => JSON::PP::false(), reason => 'refused' },
        'but for the push');
}

my $mended = $c->now;
$redis->cmd('ACL', 'SETUSER', $_, '+@all', 'allchannels')
    for 'client', 'channel';


# The lines of one kind in the log, one for each worker.

sub warnings {
    my ($store) = @_;
    return scalar(() = $t->error_log =~ /\[warn\].*store "$store": nothing/g);
}


# A change, and how soon it is felt.

sub felt {
    my ($what, $change, %opt) = @_;

    my ($key, $id) = $t->key;
    $c->warm($key, %opt);
    my $later = $change->($key, $id, name($id)) // 0;
    $later = 0 unless $opt{later};
    my $ms = $c->refused_after($key, since => $c->now + $later,
        seconds => 0.15, %opt);
    cmp_ok($ms, '<', 100, "$what is felt") or diag $c->seen;
    unlike($c->ask($key, %opt), qr/^2/, 'for good');
}


sub raw_pipeline {
    my (@commands) = @_;

    my $client = $redis->connect;
    my $text = join '', map {
        '*' . @$_ . "\r\n" . join '', map { '$' . length . "\r\n$_\r\n" } @$_
    } @commands;
    $redis->send_command($client, 'PING');
    $redis->reply($client);

    # the replies are read meanwhile, or both sides would wait for ever
    my $pid = fork // die;
    if ($pid == 0) {
        syswrite($client->{socket}, $text, length($text) - $_ < 65536
            ? length($text) - $_ : 65536, $_)
            for map { $_ * 65536 } 0 .. length($text) / 65536;
        POSIX::_exit(0);
    }
    my $reply;
    ($reply) = $redis->reply($client) for @commands;
    waitpid $pid, 0;
    return $reply;
}


my %changes = (
    'DEL' => sub { $redis->cmd('DEL', $_[2]) },
    'UNLINK' => sub { $redis->cmd('UNLINK', $_[2]) },
    'HSET' => sub { $redis->cmd('HSET', $_[2], 'state', 'disabled') },
    'HSET of an end' => sub { $redis->cmd('HSET', $_[2], 'expires_at', 1) },
    'HDEL' => sub { $redis->cmd('HDEL', $_[2], 'digest') },
    'SET' => sub { $redis->cmd('SET', $_[2], 'x') },
    'RENAME away' => sub { $redis->cmd('RENAME', $_[2], 'elsewhere') },
    'RENAME onto' => sub {
        my ($key, $id) = $t->key;
        $redis->cmd('RENAME', name($id), $_[2]);
    },
    'EXPIREAT in the past' => sub { $redis->cmd('EXPIREAT', $_[2], 1) },
    'Lua' => sub {
        $redis->cmd('EVAL', "return redis.call('DEL', KEYS[1])", 1, $_[2]);
    },
    'MULTI' => sub {
        $redis->cmd(@$_) for ['MULTI'], ['SET', 'x', 1], ['DEL', $_[2]],
            ['EXEC'];
    },
    'FLUSHDB' => sub { $redis->cmd('FLUSHDB') },
    'FLUSHALL' => sub { $redis->cmd('FLUSHALL') },
    'eviction' => sub {
        $redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
        $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
        $redis->try('SET', 'x', 1);
        $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
    },
    'one of 5,000 of a script' => sub {
        $redis->cmd('EVAL', "for i = 1, 5000 do redis.call('SET', "
            . "string.format('shop:key:%020x', i), 'x') end "
            . "for i = 1, 5000 do redis.call('DEL', "
            . "string.format('shop:key:%020x', i)) "
            . "if i == 2500 then redis.call('DEL', KEYS[1]) end end", 1, $_[2]);
    },
    'the last of 20,000 in a pipeline' => sub {
        raw_pipeline((map { ['SET', name(sprintf '%020x', $_), 'x'] }
            1 .. 20000), ['DEL', $_[2]]);
    },
);

felt($_, $changes{$_}) for sort keys %changes;
unlike($t->error_log, qr/push link/, 'the links bear it all');

felt('one of 100,000, more than a link takes', sub {
    $redis->cmd('EVAL', "for i = 1, 100000 do redis.call('SET', "
        . "string.format('shop:key:%020x', i), 'x') "
        . "if i == 50000 then redis.call('DEL', KEYS[1]) end end", 1, $_[2]);
});
ok($t->wait_log(qr/push link.*a reply that is none/), 'the link is made anew');
$redis->cmd('FLUSHALL');

felt('EXPIRE, when it is over', sub {
    $redis->cmd('PEXPIRE', $_[2], 200);
    0.2
}, later => 1, seconds => 0.15);

is_deeply($redis->cmd('CONFIG', 'GET', 'notify-keyspace-events'),
    ['notify-keyspace-events', ''], 'no configuration of Redis is needed');

# changes that do not refuse

($key, $id) = $t->key('meta:text' => 'old');
$c->warm($key);
$redis->cmd('HSET', name($id), 'meta:text', 'new');
my $since = $c->now;
$t->until(sub { $c->ask($key); $c->text eq 'new' }, 1);
cmp_ok($c->now - $since, '<', 0.1, 'a new field is seen');

$redis->cmd('PEXPIRE', name($id), 300);
$c->warm($key);
$redis->cmd('PERSIST', name($id));
sleep 0.35;
like(join(', ', $c->all($key)), qr/^200 .*, 200 hit$/, 'PERSIST is seen');

# what is none of the store's keys disturbs nobody

my $before = $c->lookups;
$redis->cmd('SET', $_, 'x'), $redis->cmd('DEL', $_)
    for "other:key:$id", 'shop:used', 'shop:keys2', "shop:armed:$id";
sleep 0.02;
is(join(', ', $c->all($key)), '200 hit, 200 hit', 'other keys do not matter');
is($c->lookups, $before, 'Redis was not asked');

# what was unknown works at once

my $new = fresh();
$c->all($new) for 1 .. 2;
is(join(', ', $c->all($new)), '401 hit, 401 hit', 'known to be unknown');
my $r = $c->admin('POST', 'v1/keys/import', { name => 'x', key => $new });
is($r->status, 201, 'imported');
is(join(', ', $c->all($new)), '200 miss, 200 hit', 'and works at once');
$new = $c->admin('POST', 'v1/keys', { name => 'x' })->json->{key};
is(join(', ', $c->all($new)), '200 miss, 200 hit', 'a created one too');

$new = fresh();
$c->all($new) for 1 .. 2;
$t->key(key => $new);
$since = $c->now;
ok($t->until(sub { !grep { !/^200/ } $c->all($new) }, 1), 'by hand');
cmp_ok($c->now - $since, '<', 0.1, 'and soon');

# links that are cut: what happens meanwhile is lost to nobody

for (1 .. 5) {
    felt('a change with all links cut', sub {
        $redis->cmd(@$_) for ['MULTI'], ['CLIENT', 'KILL', 'TYPE', 'pubsub'],
            ['DEL', $_[2]], ['EXEC'];
    });
}

($key, $id) = $t->key;
$c->warm($key);
my ($link) = $redis->cmd('CLIENT', 'LIST', 'TYPE', 'pubsub') =~ /^id=(\d+)/m;
is($redis->cmd('CLIENT', 'KILL', 'ID', $link), 1, 'one link cut');
ok($t->until(sub { $redis->cmd('CLIENT', 'LIST', 'TYPE', 'pubsub')
    !~ /^id=$link /m }), 'it is gone');
$c->warm($key);
felt('with a new link a change', sub { $redis->cmd('DEL', $_[2]) });

# A link that is silent.  With the other one alive, Redis is asked instead.

$c->warm(($t->key)[0], store => 'proxied');

for my $which ('push', undef) {
    my $what = $which ? 'the link' : 'Redis';

    $proxy->mode('pass');
    ($key, $id) = $t->key;
    $c->warm($key, store => 'proxied', seconds => 5);
    $proxy->mode('stall', 0, $which // ());
    $redis->cmd('DEL', name($id));
    $since = $c->now;
    my $last = 0;
    my %seen;

    while ($c->now - $since < 3.7) {
        for my $worker (0, 1) {
            my $sent = $c->now - $since;
            my $words = $c->ask($key, store => 'proxied', worker => $worker);
            $seen{$words}++;
            $last = $sent if $words eq '200 hit';
        }
        sleep 0.005;
    }

    cmp_ok($last, '<', 3.05, "$what is silent: trusted for 3 s at most");
    cmp_ok($last, '>', 0.2, '(it was silent indeed)');
    my $words = $c->ask($key, store => 'proxied');
    $which ? is($words, '401 miss', 'then Redis is asked')
           : is($words, '200 stale', 'then stale decides');
}

my $health = $c->admin('GET', 'v1/health', undef, store => 'proxied');
is($health->status, 503, 'health knows');
is($health->json->{push}{reason}, 'down', 'of both');

$proxy->mode('pass');
($key, $id) = $t->key;
$c->warm($key, store => 'proxied', seconds => 5);
pass('all is well again');

# garbage

my $channel = "\$20\r\n__redis__:invalidate\r\n";

for my $garbage ("+OK\r\n", ":1\r\n", "\$-1\r\n", "*0\r\n", "garbage\r\n",
    "*1\r\n\$7\r\nmessage\r\n", "*3\r\n\$7\r\nmessage\r\n\$1\r\nx\r\n*0\r\n",
    "*3\r\n\$7\r\nmessage\r\n$channel:1\r\n",
    "*3\r\n\$7\r\nmessage\r\n$channel*1\r\n:1\r\n", "*2\r\n\$4\r\npong\r\n*-1\r\n",
    "*3\r\n\$11\r\nunsubscribe\r\n$channel:0\r\n", "%1\r\n+a\r\n+b\r\n",
    "\$99999999\r\n" . 'x' x 1000)
{
    my $word = $garbage =~ s/[\r\n]+/ /gr;
    $word = substr($word, 0, 30);

    $c->warm($key, store => 'proxied');
    my $count = $proxy->count;
    $proxy->inject($garbage, 'push');

    # a string that does not end is one until the next PING
    ok($t->until(sub { $proxy->count >= $count + 2 },
        $garbage =~ /99999999/ ? 5 : 1), "closed by $word");
}

$c->warm($key, store => 'proxied');
felt('after garbage a change', sub { $redis->cmd('DEL', $_[2]) },
    store => 'proxied');

# a replica

sub synced {
    $t->until(sub { $replica->cmd('INFO', 'replication')
        =~ /master_link_status:up/ }, 20) or die "no replication\n";
}

synced();
felt('on a replica: DEL', sub { $redis->cmd('DEL', $_[2]) },
    store => 'replica');
felt('EXPIRE', sub { $redis->cmd('PEXPIRE', $_[2], 100); 0.1 },
    store => 'replica', later => 1);
felt('FLUSHALL', sub { $redis->cmd('FLUSHALL') }, store => 'replica');
felt('a full resync', sub {
    $replica->cmd('REPLICAOF', 'NO', 'ONE');
    $redis->cmd('DEL', $_[2]);
    $replica->cmd('REPLICAOF', '127.0.0.1', $redis->port);
    synced();
}, store => 'replica');

# what was refused works when it is allowed

ok($t->until(sub {
    $c->ask(($t->key)[0], store => $_) for 'client', 'channel';
    eval { $c->warm($key = ($t->key)[0], store => $_, seconds => 0.1)
        for 'client', 'channel'; 1 };
}, 15), 'the refused links are up');
cmp_ok($c->now - $mended, '<', 30, 'without anybody\'s help');

for my $store ('client', 'channel') {
    cmp_ok(warnings($store), '<=', 2, "$store: one warning for each worker");
    felt("$store: a change", sub { $redis->cmd('DEL', $_[2]) },
        store => $store);
}

# Reloads and workers that die: nothing falls into the gap.

sub gap {
    my ($what, $happens) = @_;

    my @late;

    for my $round (1 .. 12) {
        my ($key, $id) = $t->key;
        my $ask = sub { $t->get('/shop/', 'X-API-Key' => $key)->status };
        $t->until(sub { $ask->() == 200 });
        $ask->() for 1 .. 4;

        $happens->();
        sleep rand 0.03 if $round > 2;
        $redis->cmd('DEL', name($id));
        my $since = $c->now;

        while ($c->now - $since < 0.15) {
            my $sent = $c->now - $since;
            push @late, $sent if $ask->() == 200 && $sent > 0.1;
        }

        $t->until(sub { $t->workers == 2 });
    }

    is("@late", '', "$what: nothing is lost");
}

gap('reload', sub { kill 'HUP', $t->{nginx} });
$t->allow_log(qr/exited on signal 9|was locked by/);
gap('a dead worker', sub { kill 'KILL', ($t->workers)[rand 2] });

$t->done;
