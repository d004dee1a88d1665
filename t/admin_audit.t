# Guards: all that changes something, and each clear that passed, leaves an
# entry that says who, what, when, from where and in which request; v1/audit
# goes through them once, newest first, in a bounded number of commands; and
# what is in the stream is not believed unchecked.
#
# Seen red with: an XADD taken from each of the scripts in turn; MAXLEN taken
# away; the end of XREVRANGE not exclusive; a cursor that is not checked; the
# checks of an entry's text, length, action, key, time, or of a field that is
# there twice, left out one by one.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t, '', '', <<'EOC');
        location /shop/ {
            api_key shop; api_key_clear DELETE;
            add_header X-Id $request_id always; empty_gif;
        }
        location /real/ {
            api_key_admin shop;
            set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;
            add_header X-Id $request_id always;
        }
EOC

sub audit {
    my ($query) = @_;
    my $r = $api->call('GET', "v1/audit$query", undef, token => 'read');
    is($r->status, 200, "v1/audit$query") or diag $r->raw;
    return $r->json;
}

is_deeply(audit(''), { events => [], next => undef }, 'nothing has happened');

# every action: one entry, and by whom

sub admin {
    my ($method, $path, $body, @headers) = @_;
    return $api->call($method, "../real/$path", $body,
        headers => ['X-Real-IP' => '2001:db8::7', @headers]);
}

my @want;

sub leaves {
    my ($name, $r, $status, $action, $key, %more) = @_;

    is($r->status, $status, $name) or diag $r->raw;
    unshift @want, { who => 'writer', action => $action, key => $key,
        from => '2001:db8::7', request_id => $r->header('x-id'), %more };

    my @events = @{audit('')->{events}};
    my %event = %{$events[0]};
    my ($id, $at) = delete @event{qw(id at)};

    is_deeply(\%event, $want[0], "$name: entry");
    is(scalar @events, scalar @want, 'and no other');
    like($id, qr/^\d+-\d+$/, 'its id');
    like($at, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'its time');
}

my $before = time;
my $r = admin('POST', 'v1/keys', { name => 'erp' });
my ($key, $id) = @{$r->json}{qw(key id)};
leaves('create', $r, 201, 'create', $id);

$r = admin('POST', 'v1/keys/import', { name => 'old', key => 'k' x 20 });
leaves('import', $r, 201, 'import', $r->json->{id});
leaves('change', admin('PATCH', "v1/keys/$id", { name => 'new' }), 200,
    'change', $id);
leaves('disable', admin('PATCH', "v1/keys/$id", { state => 'disabled' }), 200,
    'change', $id);
leaves('enable', admin('PATCH', "v1/keys/$id", { state => 'active' }), 200,
    'change', $id);

leaves('arm', admin('PUT', 'v1/clear', { ttl => 60 }), 200, 'arm', undef);
leaves('clear', $t->delete('/shop/x', 'X-API-Key' => $key), 405, 'clear', $id,
    who => $id, from => '127.0.0.1');
leaves('arm one', admin('PUT', 'v1/clear', { key => $id, uses => 2 }), 200,
    'arm', $id);
leaves('clear by its own flag', $t->delete('/shop/x', 'X-API-Key' => $key),
    405, 'clear', $id, who => $id, from => '127.0.0.1');
leaves('disarm one', admin('DELETE', "v1/clear?key=$id"), 204, 'disarm', $id);
leaves('disarm', admin('DELETE', 'v1/clear'), 204, 'disarm', undef);

$r = admin('POST', "v1/keys/$id/rotate");
leaves('rotate', $r, 201, 'rotate', $id);
my $new = $r->json->{id};
leaves('revoke', admin('DELETE', "v1/keys/$new"), 204, 'revoke', $new);

my ($oldest) = reverse @{audit('')->{events}};
my ($ms) = $oldest->{id} =~ /^(\d+)/;
cmp_ok(abs($ms / 1000 - $before), '<', 5, 'the id holds the time');
is($oldest->{at}, do { my @g = gmtime(int($ms / 1000));
    sprintf('%04d-%02d-%02dT%02d:%02d:%02dZ', $g[5] + 1900, $g[4] + 1,
    @g[3, 2, 1, 0]) }, 'at is that time');

# what does nothing leaves nothing

for my $case (['GET', 'v1/keys'], ['GET', "v1/keys/$id"], ['GET', 'v1/clear'],
    ['GET', 'v1/audit'], ['GET', 'v1/health'], ['DELETE', "v1/keys/$new"],
    ['POST', 'v1/keys', {}], ['PATCH', "v1/keys/$new", { name => 'x' }],
    ['PUT', 'v1/clear', { key => $new }], ['POST', "v1/keys/$id/rotate"],
    ['POST', 'v1/keys/import', { name => 'x', key => 'k' x 20 }])
{
    admin(@$case);
    is($redis->cmd('XLEN', 'shop:audit'), scalar @want, "@$case[0, 1]: no entry");
}
$t->delete('/shop/x', 'X-API-Key' => $key);
is($redis->cmd('XLEN', 'shop:audit'), scalar @want, 'a refused clear: no entry');

# the stream is bounded

# Redis takes no more than 10,000 off at once

sub fill {
    $redis->cmd('EVAL', <<'EOC', 1, 'shop:audit');
    for i = redis.call('XLEN', KEYS[1]), 15000 do
        redis.call('XADD', KEYS[1], '*', 'who', 'x', 'action', 'create', 'key',
            '', 'from', '127.0.0.1', 'request_id', tostring(i))
    end
EOC
}

for my $case (['POST', 'v1/keys', { name => 'x' }],
    ['POST', 'v1/keys/import', { name => 'x', key => 'm' x 20 }],
    ['PATCH', "v1/keys/$id", { name => 'x' }], ['PUT', 'v1/clear'],
    ['DELETE', 'v1/clear'])
{
    fill();
    is(int(admin(@$case)->status / 100), 2, "@$case[0, 1]");
    my $length = $redis->cmd('XLEN', 'shop:audit');
    ok($length >= 10000 && $length < 10200, "leaves about 10,000: $length");
}

for my $file (glob "$Gate::ROOT/src/store/lua/*.lua") {
    my $text = $t->read($file);
    is(scalar(() = $text =~ /'XADD'/g),
        scalar(() = $text =~ /'XADD', KEYS\[\d\], 'MAXLEN', '~', '10000',/g),
        'each XADD has a bound: ' . ($file =~ s{.*/}{}r));
}

# paging

$redis->cmd('DEL', 'shop:audit');

sub add {
    my ($id, %fields) = @_;
    return $redis->cmd('XADD', 'shop:audit', $id, map { @$_ }
        grep { defined $_->[1] } map { [$_, $fields{$_}] } sort keys %fields);
}

my %good = (who => 'writer', action => 'create', key => 'a' x 20,
    from => '127.0.0.1', request_id => 'f' x 32);

my @ids = map { add(1700000000000 + int($_ / 3) . '-' . $_ % 3, %good) }
    1 .. 1500;

sub walk {
    my ($limit, $each) = @_;
    my (@all, $next);

    for (1 .. 2000) {
        my $r = $api->call('GET', "v1/audit?limit=$limit"
            . (defined $next ? "&cursor=$next" : ''))->json;
        push @all, map { $_->{id} } @{$r->{events}};
        $next = $r->{next};
        $each->() if $each;
        last unless defined $next;
    }

    return \@all;
}

is_deeply(walk($_), [reverse @ids], "all, by $_") for 1000, 500, 300, 101, 7;
is(scalar @{audit('')->{events}}, 100, '100 by default');
is_deeply(audit('?cursor=1-0'), { events => [], next => undef },
    'before the first');
is(audit('?limit=1')->{events}[0]{at}, '2023-11-14T22:13:20Z', 'the time');
is(scalar @{walk(100, sub { add('*', %good) })}, 1500,
    'new ones do not come in between');
is(audit('?cursor=18446744073709551615-18446744073709551615&limit=1')
    ->{events}[0]{action}, 'create', 'the last of all cursors');

# bounded cost

my $cost = sub {
    $redis->monitor;
    audit($_[0]);
    # but for what the link for changes does once a second
    return scalar(grep { !/"PING"/i } $redis->monitored);
};
cmp_ok($cost->('?limit=1'), '<=', 2, 'two commands for one');
cmp_ok($cost->(''), '<=', 2, 'or 100');
cmp_ok($cost->('?limit=1000'), '<=', 20, 'few for 1,000');

# the query

for my $case (['limit=0', 'limit'], ['limit=1001', 'limit'], ['limit=', 'limit'],
    ['limit=x', 'limit'], ['limit=1&limit=1', 'limit'],
    ['cursor=1-1&cursor=1-1', 'cursor'], ['name=x', 'name'],
    ['state=active', 'state'], ['%00=1', 'query'],
    map { ["cursor=$_", 'cursor'] } '', 'x', '1', '-', '1-', '-1', '0-0', '1-1-1',
        '-1-1', '01-1', '1-01', '1-1x', '(1-1', '%2b', '+', '1.0-1',
        '18446744073709551616-1', '1-18446744073709551616', '1' x 21 . '-1',
        '1-1%20', '*')
{
    $api->problem($api->call('GET', "v1/audit?$case->[0]"), 400,
        'invalid_field', $case->[1], "?$case->[0]");
}
unlike($t->error_log, qr/Redis refused/, 'Redis has seen none of them');

# entries that are not ours

$redis->cmd('DEL', 'shop:audit');
my $n = 0;
my @bad = map { add(++$n . '-0', %good, %$_) } (
    { who => undef }, { action => undef }, { from => undef },
    { request_id => undef }, { who => '' }, { from => '' },
    { who => "a\nb" }, { from => "127.0.0.1\0" }, { request_id => "\x7f" },
    { who => "\xff" }, { who => "\xc2\x85" }, { from => "\e[2J" },
    { who => 'x' x 101 }, { who => 'x' x 100_000 }, { other => 'x' x 100_000 },
    { action => 'Create' }, { action => 'created' }, { action => 'creat' },
    { action => '' }, { key => 'x' }, { key => 'A' x 20 }, { key => 'a' x 21 },
    { key => "a\n" },
);
push @bad, $redis->cmd('XADD', 'shop:audit', ++$n . '-0', %good, who => 'other');
push @bad, $redis->cmd('XADD', 'shop:audit', ++$n . '-0', %good, key => 'b' x 20);
push @bad, $redis->cmd('XADD', 'shop:audit', ++$n . '-0', 'x', 'y');

my @sound = map { add(++$n . '-0', %good, %$_) } ({}, { key => undef },
    { key => '' }, { other => 'unknown fields are ignored' },
    { who => 'a' x 20, action => 'clear', from => 'unix:' },
    { who => "J\xc3\xb6rg <script>", from => '::1' });
push @sound, $redis->cmd('XADD', 'shop:audit', ++$n . '-0',
    (map { ("f$_", $_) } 1 .. 2000), %good);
my $far = add('253402300800000-0', %good);

my $page = audit('');
is_deeply([map { $_->{id} } @{$page->{events}}], [reverse @sound],
    'only what can be believed is shown');
is($page->{events}[1]{who}, "J\x{f6}rg <script>", 'UTF-8');
is_deeply([map { $_->{key} } @{$page->{events}}[-3 .. -1]], [undef, undef,
    'a' x 20], 'no key is null');
is($page->{events}[-1]{at}, '1970-01-01T00:00:00Z', 'its time');
like($t->error_log, qr/\[error\].*entry \Q$_\E cannot be trusted/,
    "$_ is logged") for @bad, $far;
is_deeply(walk(1), [reverse @sound], 'one by one');

$redis->cmd('DEL', 'shop:audit');
$redis->cmd('SET', 'shop:audit', 'x');
$api->problem($api->call('GET', 'v1/audit'), 503, 'store_refused', undef,
    'no stream at all');

# while Redis is away

$redis->stop;
$api->problem($api->call('GET', 'v1/audit'), 503, 'unavailable', undef, 'away');

$t->done;
