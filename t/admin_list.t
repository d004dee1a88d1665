# Guards: the list of keys goes through all of them once, newest first,
# whatever is deleted or added meanwhile; filters; what cannot be read does not
# take the rest along; and a page costs a bounded number of commands.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t);

is_deeply($api->call('GET', 'v1/keys')->json, { keys => [], next => undef },
    'no keys');

# 1,500 keys, some of them of the same millisecond

my @ids;
my @batch;

for my $n (1 .. 1500) {
    my $id = sprintf '%05x%s', ($n * 7919) % 65536, 'a' x 15;
    my $ms = 1700000000000 + int($n / 7);

    $redis->cmd('HSET', "shop:key:$id", digest => $id . '0' x 44,
        name => "Key $n", state => $n % 10 ? 'active' : 'disabled',
        created_at => int($ms / 1000));
    $redis->cmd('ZADD', 'shop:keys', $ms, $id);
    push @ids, [$ms, $id];
}

my @newest = map { $_->[1] } sort { $b->[0] <=> $a->[0] || $b->[1] cmp $a->[1] }
    @ids;

sub page {
    my ($query) = @_;
    my $r = $api->call('GET', "v1/keys?$query", undef, token => 'read');
    is($r->status, 200, "page $query") unless $r->status == 200;
    return $r->json;
}

sub walk {
    my ($query, $each) = @_;
    my (@all, $next, $pages);

    do {
        my $page = page($query . (defined $next ? "&cursor=$next" : ''));
        push @all, map { $_->{id} } @{$page->{keys}};
        $next = $page->{next};
        $each->($page) if $each;
        return @all if ++$pages > 2000;
    } while (defined $next);

    return @all;
}

is_deeply([walk('')], \@newest, 'all, by 100');
for my $limit (1000, 333, 101, 7) {
    is_deeply([walk("limit=$limit")], \@newest, "all, by $limit");
}

my $page = page('limit=1000');
is(scalar @{$page->{keys}}, 1000, 'as many as asked for');
is(scalar(grep { exists $_->{key} || exists $_->{digest} } @{$page->{keys}}),
    0, 'without keys or digests');
is(page('limit=500&cursor=' . $page->{next})->{next}, undef,
    'a page that ends with the last one has no next');

# bounded cost, however many keys there are

my $cost = sub {
    $redis->monitor;
    page($_[0]);
    return scalar(my @commands = $redis->monitored);
};
cmp_ok($cost->('limit=1'), '<=', 12, 'few commands for one');
cmp_ok($cost->(''), '<=', 3 * 100 + 20, 'and for a page');
cmp_ok($cost->('limit=10&name=nobody'), '<=', 50, 'a filtered one too');

# filters

my @disabled = grep { my $id = $_;
    (grep { $_->[1] eq $id } @ids[map { 10 * $_ - 1 } 1 .. 150]) } @newest;
is_deeply([walk('state=disabled&limit=200')], \@disabled, 'by state');
is(scalar(walk('state=expired&limit=1000')), 0, 'none expired');
is(scalar(walk('name=KEY+15&limit=1000')), 1 + 10 + 1, 'by name');
is(scalar(walk('name=ey%2015&limit=1000&state=active')), 1 + 9,
    'by both');
is(scalar(walk('name=&limit=1000')), 1500, 'an empty part is in all');

# what comes and goes meanwhile

my %gone;
my @walked = walk('limit=100', sub {
    my ($page) = @_;
    # the cursor's own key, the one before and the next one
    my $last = $page->{keys}[-1]{id};
    my ($n) = grep { $newest[$_] eq $last } 0 .. $#newest;
    for my $id (map { $newest[$_] } grep { $_ >= 0 && $_ <= $#newest }
        $n - 1 .. $n + 1)
    {
        $redis->cmd('DEL', "shop:key:$id");
        $gone{$id} = 1;
    }
    $api->create(name => 'new');
});

my %walked = map { $_ => 1 } @walked;
is(scalar @walked, scalar keys %walked, 'nothing twice');
is_deeply([grep { !$walked{$_} && !$gone{$_} } @newest], [], 'nothing missed');

walk('limit=1000');
is($redis->cmd('ZCARD', 'shop:keys'), @{$redis->cmd('KEYS', 'shop:key:*')},
    'ids whose record is gone are taken off the list');

# what cannot be read

$redis->cmd('FLUSHALL');
my $good = $api->create(name => 'good')->{id};
my @bad = map { $_ x 20 } 0 .. 6;

$redis->cmd('ZADD', 'shop:keys', 9e12 + $_, $bad[$_]) for 0 .. $#bad;
$redis->cmd('SET', "shop:key:$bad[0]", 'x');
$redis->cmd('HSET', "shop:key:$bad[1]", 'name', 'x');
$redis->cmd('HSET', "shop:key:$bad[2]", digest => $bad[2] . '0' x 44,
    name => "a\nb", state => 'active', created_at => 1);
$redis->cmd('HSET', "shop:key:$bad[3]", digest => 'f' x 64, name => 'x',
    state => 'active', created_at => 1);
$redis->cmd('HSET', "shop:key:$bad[4]", digest => $bad[4] . '0' x 44,
    name => 'x', state => 'good', created_at => 1);
$redis->cmd('ZADD', 'shop:keys', 9.1e12, 'not-an-id', '+inf', "\r\nx", '-5',
    '5' x 20);

is_deeply([map { $_->{id} } @{page('')->{keys}}], [$good],
    'a bad record does not take the others along');
like($t->error_log, qr/\[error\].*\b$bad[1]\b.*cannot be trusted/,
    'and is logged by its id');

for my $id (@bad[0 .. 4]) {
    my $r = $api->call('GET', "v1/keys/$id");
    $api->problem($r, 503, $id eq $bad[0] ? 'store_refused' : 'unavailable',
        undef, 'a record that cannot be trusted');
    is($r->header('retry-after'), 1, 'Retry-After');
}

is($api->call('DELETE', "v1/keys/$bad[4]")->status, 204,
    'but it can be revoked');

$redis->cmd('DEL', 'shop:keys');
$redis->cmd('SET', 'shop:keys', 'x');
$api->problem($api->call('GET', 'v1/keys'), 503, 'store_refused', undef,
    'a list of a wrong type');

$t->done;
