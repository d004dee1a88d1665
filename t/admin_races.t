# Guards: changes of one key at the same time. Whatever the order, each happens
# whole or not at all: one successor, no revived key, no lost change.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t, 'issue max_keys=400;', '', '',
    workers => 3);

sub ask {
    my ($method, $path, $body) = @_;
    $body = $body && $Gate::Admin::JSON->encode($body);
    return [$method, "/admin/$path", body => $body, headers => ['Authorization',
        "Bearer $Gate::Admin::WRITE",
        $body ? ('Content-Type', 'application/json') : ()]];
}

sub statuses { join ' ', sort map { $_->status } @_ }

# one successor

for (1 .. 20) {
    my $id = $api->create->{id};
    my @r = $t->parallel(map { ask('POST', "v1/keys/$id/rotate",
        { grace => 60 }) } 1 .. 5);
    my @made = grep { $_->status == 201 } @r;

    is(statuses(@r), '201 409 409 409 409', 'one rotation of five');
    is($api->get($id)->{replaced_by}, $made[0]->json->{id}, 'its successor');
    $api->call('DELETE', 'v1/keys/' . $made[0]->json->{id});
    $api->call('DELETE', "v1/keys/$id");
}

# revoked is revoked

my (%orders, @bad);

for (1 .. 60) {
    my $key = $api->create;
    my $id = $key->{id};
    my @both = (ask('POST', "v1/keys/$id/rotate", { grace => 60 }),
        ask('DELETE', "v1/keys/$id"),
        ask('PATCH', "v1/keys/$id", { state => 'active' }),
        ask('PUT', 'v1/clear', { key => $id }));
    my ($rotate, $revoke, $change, $arm) = $t->parallel(
        $_ % 2 ? @both : (@both[1, 0, 2, 3]));
    ($rotate, $revoke) = ($revoke, $rotate) unless $_ % 2;

    $orders{$rotate->status}++;
    push @bad, $revoke->raw if $revoke->status != 204;
    push @bad, $rotate->raw if $rotate->status !~ /^(201|409)$/;
    push @bad, $change->raw if $change->status !~ /^(200|409)$/;
    push @bad, $arm->raw if $arm->status !~ /^(200|409)$/;

    push @bad, 'not revoked' if $api->get($id)->{state} ne 'revoked';
    push @bad, 'it works'
        if $t->get('/guarded/', 'X-API-Key' => $key->{key})->status != 401;
    push @bad, 'armed' if $redis->cmd('EXISTS', "shop:armed:$id");
    push @bad, 'live' if defined $redis->cmd('ZSCORE', 'shop:live', $id);

    $api->call('DELETE', 'v1/keys/' . $rotate->json->{id})
        if $rotate->status == 201;
}

is_deeply(\@bad, [], 'whatever comes with it, a revoked key is revoked');
diag('rotations: ' . join ', ', map { "$_: $orders{$_}" } sort keys %orders);

# the same key imported by many

my $theirs = '1-b91c45bc-1752-4fb9-aa48-f59b68244b57';
my @r = $t->parallel(map { ask('POST', 'v1/keys/import',
    { name => "i$_", key => $theirs }) } 1 .. 10);
is(statuses(@r), join(' ', 201, (409) x 9), 'imported once');

# changes of different fields

my $id = $api->create->{id};
@r = $t->parallel(ask('PATCH', "v1/keys/$id", { name => 'n' }),
    ask('PATCH', "v1/keys/$id", { scopes => ['s'] }),
    ask('PATCH', "v1/keys/$id", { allow_from => ['10.0.0.0/8'] }),
    ask('PATCH', "v1/keys/$id", { metadata => { m => '1' } }),
    ask('PATCH', "v1/keys/$id", { expires_at => '2999-01-01T00:00:00Z' }),
    ask('PATCH', "v1/keys/$id", { state => 'disabled' }));
is(statuses(@r), join(' ', (200) x 6), 'six changes');

my $record = $api->get($id);
is_deeply([@$record{qw(name scopes allow_from metadata expires_at state)}],
    ['n', ['s'], ['10.0.0.0/8'], { m => '1' }, '2999-01-01T00:00:00Z',
     'disabled'], 'all are kept');

# the last free place

my $live = $redis->cmd('ZCARD', 'shop:live');
my @fill = map { $redis->cmd('ZADD', 'shop:live', $_, "fill-$_");
    $redis->cmd('SET', "shop:key:fill-$_", 'x') } 1 .. 397 - $live;
@r = $t->parallel(map { ask('POST', 'v1/keys', { name => 'x' }) } 1 .. 10);
is(statuses(@r), join(' ', (201) x 3, (409) x 7), 'three places, three keys');

$t->done;
