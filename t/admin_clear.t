# Guards: the clear flag through the admin API, for the store and for one key;
# what it shows is what the gate would take for armed; and the gate takes uses
# of it.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t, '', '', <<'EOC');
        location /shop/ { api_key shop; api_key_clear DELETE; empty_gif; }
EOC

my $key = $api->create(name => 'erp');
my $other = $api->create(name => 'other');
my $id = $key->{id};

sub state { $api->call('GET', 'v1/clear', undef, token => 'read')->json }

# DELETE gets as far as empty_gif, which does not know it, only when let through

sub clear {
    my ($key) = @_;
    my $status = $t->delete('/shop/x', 'X-API-Key' => $key->{key})->status;
    return $status == 405 ? 'passed' : $status;
}

my $closed = { armed => JSON::PP::false, expires_at => undef,
    expires_in => undef, uses => undef, keys => [] };

is_deeply(state(), $closed, 'closed');
is(clear($key), 403, 'refused');

# the store's flag

my $r = $api->call('PUT', 'v1/clear');
is($r->status, 200, 'armed');
my $armed = $r->json;
like($armed->{expires_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'until');
is_deeply($armed, { %$closed, armed => JSON::PP::true, expires_in => 3600,
    expires_at => $armed->{expires_at} }, 'for an hour');
cmp_ok($redis->cmd('TTL', 'shop:armed'), '<=', 3600, 'Redis ends it');
is(clear($key), 'passed', 'let through');
is(clear($other), 'passed', 'another key too');

$r = $api->call('PUT', 'v1/clear', { ttl => 86400, uses => 2 });
is($r->json->{uses}, 2, 'replaced: two uses');
is($r->json->{expires_in}, 86400, 'for a day');
is($redis->cmd('GET', 'shop:armed'), 'uses:2', 'the value');
is(join(' ', map { clear($key) } 1 .. 3), 'passed passed 403', 'two, not three');
is_deeply(state(), $closed, 'closed again');

is($api->call('PUT', 'v1/clear', { ttl => 1, uses => 999999999999999 })
    ->json->{uses}, 999999999999999, 'very many');
sleep 2;
is(clear($key), 403, 'until the time is over');

# a key's own

$r = $api->call('PUT', 'v1/clear', { ttl => 60, key => $id, uses => 1 });
is_deeply($r->json, { %$closed, keys => [{ key => $id, expires_in => 60,
    expires_at => $r->json->{keys}[0]{expires_at}, uses => 1 }] },
    'armed for one key');
is(clear($other), 403, 'not for the other');
is(clear($key), 'passed', 'for this one');
is(clear($key), 403, 'once');
is_deeply(state(), $closed, 'closed');

$api->call('PUT', 'v1/clear', { key => $id, uses => 1 });
$api->call('PUT', 'v1/clear', { uses => 5 });
is(clear($key), 'passed', 'with both');
is($redis->cmd('GET', 'shop:armed'), 'uses:5', "the key's own goes first");
is(clear($key), 'passed', 'then');
is($redis->cmd('GET', 'shop:armed'), 'uses:4', "the store's");

# closed

$api->call('PUT', 'v1/clear', { key => $_->{id} }) for $key, $other;
is(scalar @{state()->{keys}}, 2, 'both armed');
is($api->call('DELETE', "v1/clear?key=$id")->status, 204, 'one closed');
is_deeply([map { $_->{key} } @{state()->{keys}}], [$other->{id}], 'one left');
is(state()->{uses}, 4, "and the store's");
is($api->call('DELETE', 'v1/clear')->status, 204, 'all closed');
is_deeply(state(), $closed, 'none left');
is($api->call('DELETE', 'v1/clear')->status, 204, 'again');
is($api->call('DELETE', "v1/clear?key=$id")->status, 204, 'and again');
is(clear($other), 403, 'refused');

is_deeply([map { "$_->{who} $_->{action} $_->{key}" } ($api->audit)[-5 .. -1]],
    ["writer arm $other->{id}", "writer disarm $id", 'writer disarm ',
     'writer disarm ', "writer disarm $id"], 'audit of it');
is_deeply([map { "$_->{who} $_->{key} $_->{from}" } grep
    { $_->{action} eq 'clear' } $api->audit],
    [map { "$_->{id} $_->{id} 127.0.0.1" } $key, $other, $key, $key, $key, $key,
     $key], 'audit of clears');

# keys that do not work

$api->problem($api->call('PUT', 'v1/clear', { key => 'f' x 20 }), 404, 'not_found',
    undef, 'an unknown key');
$api->problem($api->call('DELETE', 'v1/clear?key=' . 'f' x 20), 404, 'not_found',
    undef, 'to close one too');

my %dead = map { $_ => $api->create->{id} } qw(revoked disabled expired);
$api->call('DELETE', "v1/keys/$dead{revoked}");
$api->call('PATCH', "v1/keys/$dead{disabled}", { state => 'disabled' });
$redis->cmd('HSET', "shop:key:$dead{expired}", 'expires_at', time - 1);

for my $state (sort keys %dead) {
    $api->problem($api->call('PUT', 'v1/clear', { key => $dead{$state} }), 409,
        'conflict', undef, "a key that is $state");
    is($redis->cmd('EXISTS', "shop:armed:$dead{$state}"), 0, 'no flag');
}

$redis->cmd('SET', 'shop:armed:' . 'e' x 20, 'x', 'EX', 60);
is($api->call('DELETE', 'v1/clear?key=' . 'e' x 20)->status, 204,
    'a flag that an operator has set for what is no key');

# flags that operators have set: shown as the gate takes them

for my $case (['x', 60, 1], ['1', 60, 1], ['', 60, 1], ['uses:3', 60, 1],
    ['uses:007', 60, 1], ['uses:0', 60, 0], ['uses:', 60, 0],
    ['uses:1.5', 60, 0], ['uses:-1', 60, 0], ['uses:x', 60, 0],
    ['uses: 1', 60, 0], ['uses:1234567890123456', 60, 0], ['x', 0, 0],
    ['x', 86400, 1], ['x', 86402, 0], ['uses:1', 0, 0])
{
    my ($value, $ttl, $want) = @$case;
    $redis->cmd('SET', 'shop:armed', $value, $ttl ? ('EX', $ttl) : ());
    is(state()->{armed} ? 1 : 0, $want, "'$value' for $ttl s is shown");
    is(clear($key), $want ? 'passed' : 403, 'and judged');

    $redis->cmd('SET', 'shop:armed', $value, $ttl ? ('EX', $ttl) : ());
    $redis->cmd('SET', "shop:armed:$id", $value, $ttl ? ('EX', $ttl) : ());
    $redis->cmd('SET', 'shop:armed', 'x', 'EX', 60);
    is(clear($key), 'passed', "the store's flag is looked at next") if !$want;
    $redis->cmd('DEL', 'shop:armed', "shop:armed:$id");
}

# exactly as many as there are uses, however many try

$api->call('PUT', 'v1/clear', { uses => 5 });
my @r = $t->parallel(map { ['DELETE', '/shop/x', headers =>
    ['X-API-Key', $_ % 2 ? $key->{key} : $other->{key}]] } 1 .. 30);
is(scalar(grep { $_->status == 405 } @r), 5, '5 of 30 pass');
is(scalar(grep { $_->status == 403 } @r), 25, 'the others are refused');

# oddities

$redis->cmd('HSET', 'shop:armed', 'a', 'b');
is(clear($key), 503, 'a flag of a wrong type');
$api->problem($api->call('GET', 'v1/clear'), 503, 'store_refused', undef, 'shown');
is($api->call('PUT', 'v1/clear', { uses => 1 })->status, 200, 'replaced');
$redis->cmd('DEL', 'shop:audit');
$redis->cmd('SET', 'shop:audit', 'x');
is(clear($key), 503, 'no audit entry');
is($redis->cmd('GET', 'shop:armed'), 'uses:1', 'no use taken');
$api->problem($api->call('DELETE', 'v1/clear'), 503, 'store_refused', undef,
    'closing takes an entry too');

$t->done;
