# Guards: what the admin API says when Redis refuses, is away, or does not
# answer; and that a request parked meanwhile harms nobody, whoever leaves.

use Gate;
use Gate::Admin;
use Time::HiRes qw(time sleep);

my $t = Gate->new;
my $redis = $t->redis;
my $proxy = $t->proxy($redis);

my $api = Gate::Admin->new($t, 'timeout 300ms;', '', <<'EOC');
        location /far/ { api_key_admin far; }
        location /late/ { api_key_admin late; }
    }
    api_key_store far {
        server %%PROXY%%; prefix shop:; timeout 200ms; connect_timeout 200ms;
    }
    api_key_store late { server %%PROXY%%; prefix shop:; timeout 5s; }
    server {
        listen 127.0.0.1:%%PORT_3%%;
        location / { return 204; }
EOC

my $made = $api->create(name => 'here');
my $id = $made->{id};

my @reads = (['GET', 'v1/keys'], ['GET', "v1/keys/$id"], ['GET', 'v1/clear'],
    ['GET', 'v1/audit']);
my @writes = (['POST', 'v1/keys', { name => 'x' }],
    ['POST', 'v1/keys/import', { name => 'x', key => 'k' x 20 }],
    ['PATCH', "v1/keys/$id", { name => 'y' }],
    ['DELETE', "v1/keys/$id"], ['POST', "v1/keys/$id/rotate", {}],
    ['PUT', 'v1/clear', { key => $id }], ['PUT', 'v1/clear', {}],
    ['DELETE', 'v1/clear'], ['DELETE', "v1/clear?key=$id"]);

sub state {
    return { map { ($_ => $redis->cmd('DUMP', $_)) }
        @{$redis->cmd('KEYS', '*')} };
}

sub far { $api->call($_[0], "../far/$_[1]", $_[2]) }
sub late { $api->call($_[0], "../late/$_[1]", $_[2]) }

sub health {
    my ($r) = @_;
    return $r->status . ' ' . ($r->json->{redis}{up} ? 'up' : 'down');
}

# health

my $r = $api->call('GET', 'v1/health', undef, token => 'read');
is(health($r), '200 up', 'health');
like($r->json->{redis}{since}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'since');
ok($t->until(sub {
    $r = $api->call('GET', 'v1/health', undef, token => 'read');
    $r->json->{push}{up};
}), 'the link for invalidations comes up');
is_deeply([sort keys %{$r->json->{push}}], [qw(since up)], 'what push says');
like($r->json->{push}{since}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    'since');
is(health(far('GET', 'v1/health')), '200 up', 'health of the other');

# refused: nothing changes

my $before = state();

sub refused {
    my ($why) = @_;

    for my $case (@writes) {
        my $r = $api->call(@$case);
        $api->problem($r, 503, 'store_refused', undef, "$case->[0] $case->[1]: $why");
        is($r->header('retry-after'), 1, 'Retry-After') or last;
    }

    return;
}

$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
refused('out of memory');
is_deeply(state(), $before, 'nothing has changed');
$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

$redis->cmd('CONFIG', 'SET', 'min-replicas-to-write', 1);
refused('no replicas');
is_deeply(state(), $before, 'nothing has changed');
$redis->cmd('CONFIG', 'SET', 'min-replicas-to-write', 0);

# each command that a script ends with, taken from the user in turn

my %without = (hset => [0, 1, 2, 3, 4], expire => [3], zadd => [0, 1, 4, 5],
    zrem => [3, 4, 8], del => [3, 4, 7, 8], hdel => [2], persist => [2],
    set => [5, 6], zremrangebyscore => [5, 6]);

for my $command (sort keys %without) {
    $redis->cmd('ACL', 'SETUSER', 'default', "-$command");

    for my $n (@{$without{$command}}) {
        $api->problem($api->call(@{$writes[$n]}), 503, 'store_refused', undef,
            "$writes[$n][0] $writes[$n][1]: without $command");
    }

    $redis->cmd('ACL', 'SETUSER', 'default', '+@all');
    is_deeply(state(), $before, 'nothing has changed');
}

my $primary = $t->redis('B', port => 1);
$redis->cmd('REPLICAOF', '127.0.0.1', 1);
refused('a replica');
$redis->cmd('REPLICAOF', 'NO', 'ONE');
is_deeply(state(), $before, 'nothing has changed');

for my $type (['keys', 0, 1, 4], ['live', 0, 1, 3, 4], ['audit', 0 .. 8],
    ['armed-keys', 3 .. 8])
{
    my ($name, @which) = @$type;
    $redis->cmd('RENAME', "shop:$name", 'aside')
        if $redis->cmd('EXISTS', "shop:$name");
    $redis->cmd('SET', "shop:$name", 'x');
    my $all = state();

    for my $n (@which) {
        $api->problem($api->call(@{$writes[$n]}), 503, 'store_refused', undef,
            "$writes[$n][0] $writes[$n][1]: $name is of a wrong type");
    }

    is_deeply(state(), $all, 'nothing has changed');
    $redis->cmd('DEL', "shop:$name");
    $redis->cmd('RENAME', 'aside', "shop:$name")
        if $redis->cmd('EXISTS', 'aside');
}

like($t->error_log, qr/\[error\].*Redis refused/, 'the log says so');

# no answer

for my $case (@writes) {
    $proxy->mode('pass');
    $t->until(sub { far('GET', 'v1/health')->status == 200 });
    $proxy->mode('deaf');

    my $r = far(@$case);
    my ($body) = $r->json;
    is($r->status . ' ' . $body->{code}, '503 outcome_unknown',
        "$case->[0] $case->[1]: no answer");
    is($r->header('retry-after'), 1, 'Retry-After');

    my $names = $case->[1] =~ /$id/ || ($case->[2] // {})->{key}
        && $case->[2]{key} eq $id ? $id
        : $case->[0] eq 'POST' ? $body->{id} : undef;
    is($body->{id}, $names, 'names the key');
    like($body->{detail}, qr/$names/, 'and in words') if $names;
}

for my $case (@reads) {
    my $r = far(@$case);
    $api->problem($r, 503, 'unavailable', undef, "$case->[0] $case->[1]");
    is($r->header('retry-after'), 1, 'Retry-After');
}

is(health(far('GET', 'v1/health')), '503 down', 'health');

$proxy->mode('pass');
ok($t->until(sub { far('GET', 'v1/health')->status == 200 }), 'and back');

is($api->get($id)->{state}, 'revoked', 'what was sent was done all the same');
is(far('DELETE', "v1/keys/$id")->status, 204, 'and may be repeated');

# away

$proxy->mode('refuse');
$proxy->drop;
$t->until(sub { far('GET', 'v1/health')->status == 503 });

my $start = time;
for my $case (@reads) {
    $api->problem(far(@$case), 503, 'unavailable', undef, "away: $case->[1]");
}
for my $case (@writes) {
    my $r = far(@$case);
    is($r->status, 503, "away: $case->[0] $case->[1]");
    like($r->json->{code}, qr/^(unavailable|outcome_unknown)$/, 'its code');
}
cmp_ok(time - $start, '<', 6, 'soon');

$r = far('GET', 'v1/health');
is(health($r), '503 down', 'health');
is($r->header('content-type'), 'application/json', 'is no problem');
is($r->header('retry-after'), 1, 'Retry-After');
is($api->call('GET', '../far/', undef, token => undef)->status, 200,
    'the page is there');
is($api->call('GET', '../far/v1/health', undef, token => undef)->status, 401,
    'a token is asked for');

# from here on everything takes its time, so nothing has a short deadline

$proxy->mode('pass');
ok($t->until(sub { late('GET', 'v1/health')->status == 200 }), 'back again');

# replies in pieces, and late ones

$proxy->mode('split');
is(late('GET', 'v1/keys?limit=1')->status, 200, 'byte by byte');
$proxy->mode('delay', 0.05);
is(late('POST', 'v1/keys', { name => 'late' })->status, 201, 'late');
is($api->call('GET', '../late/v1/keys', undef, h2 => 1)->status, 200,
    'late, HTTP/2');

# who leaves does not harm who stays

my $auth = ['Authorization', "Bearer $Gate::Admin::WRITE",
    'Content-Type', 'application/json'];
my $count = scalar @{$redis->cmd('ZRANGE', 'shop:keys', 0, -1)};

$proxy->mode('delay', 0.1);
my @left = map { my $c = $t->connect; $c->request('POST', '/late/v1/keys',
    headers => $auth, body => '{"name":"left"}'); $c } 1 .. 10;
my $stays = $t->connect;
$stays->request('POST', '/late/v1/keys', headers => $auth,
    body => '{"name":"stays"}');
sleep 0.05;
$_ % 2 ? $left[$_]->close : $left[$_]->reset for 0 .. $#left;

is($stays->response->status, 201, 'who stays is answered');
ok($t->wait_log(qr/ 499 /, log => 'access.log'), 'who left is logged as 499');
is(scalar(() = $t->access_log =~ / 499 /g), 10, 'all of them');
is(scalar @{$redis->cmd('ZRANGE', 'shop:keys', 0, -1)}, $count + 11,
    'what they asked for was done');

# one connection, several requests

$proxy->mode('delay', 0.02);
my $c = $t->connect;
$c->request('GET', '/late/v1/keys?limit=1', headers => $auth);
$c->request('HEAD', '/late/v1/keys?limit=1', headers => $auth);
$c->request('POST', '/late/v1/keys', headers => $auth, body => '{"name":"a"}');
$c->request('POST', '/late/v1/keys', headers => $auth, body => '{"name":}');
$c->request('GET', '/late/v1/nothing', headers => $auth, body => 'x' x 100);
$c->request('GET', '/late/v1/health', headers => $auth, body => 'x' x 5000);
$c->request('DELETE', '/late/v1/clear', headers => $auth);
$c->request('PUT', '/late/v1/clear', body => '{}');
$c->request('GET', '/late/v1/health', headers => $auth);
is(join(' ', map { $c->response->status } 1 .. 9),
    '200 200 201 400 404 200 204 401 200', 'pipelined');
$c->close;

# slow bodies

$c = $t->connect;
my $body = '{"name":"slow"}';
$c->send("POST /late/v1/keys HTTP/1.1\r\nHost: x\r\nContent-Type: "
    . "application/json\r\nAuthorization: Bearer $Gate::Admin::WRITE\r\n"
    . 'Content-Length: ' . length($body) . "\r\n\r\n");
for my $byte (split //, $body) { $c->send($byte); sleep 0.005 }
is($c->response->status, 201, 'byte by byte');
$c->send("POST /late/v1/keys HTTP/1.1\r\nHost: x\r\nContent-Type: "
    . "application/json\r\nAuthorization: Bearer $Gate::Admin::WRITE\r\n"
    . "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
sleep 0.02;
$c->send("5\r\n{\"nam\r\n"); sleep 0.02;
$c->send("a\r\ne\":\"slow\"}\r\n"); sleep 0.02;
$c->send("0\r\n\r\n");
is($c->response->status, 201, 'chunk by chunk');
$c->send("POST /late/v1/keys HTTP/1.1\r\nHost: x\r\nContent-Type: "
    . "application/json\r\nAuthorization: Bearer $Gate::Admin::WRITE\r\n"
    . "Content-Length: 100\r\n\r\n{");
$c->reset;
is(late('GET', 'v1/health')->status, 200, 'a body that never ends');

# a reload lets parked requests end

$proxy->mode('delay', 0.1);
$c = $t->connect;
$c->request('POST', '/late/v1/keys', headers => $auth, body => '{"name":"r"}',
    close => 1);
sleep 0.05;
$t->reload;
is($c->response->status, 201, 'parked over a reload');

$t->done;
