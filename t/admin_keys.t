# Guards: the life of a key through the admin API: created, imported, listed,
# read, changed, rotated, revoked; what Redis then holds; and the rules for
# ends, peppers and the number of keys.

use Gate;
use Gate::Admin;

use Digest::SHA qw(sha256_hex hmac_sha256_hex);
use Time::Local qw(timegm);

my $t = Gate->new;
my $redis = $t->redis;

my $pepper = 'the-first-pepper-0123456789abcdef';
my $older = 'the-second-pepper-0123456789abcde';
my ($first, $second) = map { substr sha256_hex($_), 0, 8 } $pepper, $older;

$t->write('pepper', "$pepper\n$older\n", 0600);
$t->write('half', "$pepper\nnone\n", 0600);

my $api = Gate::Admin->new($t, 'issue prefix=hc;', '', <<'EOC');
        location /peppered/ { api_key_admin peppered; }
        location /halved/ { api_key_admin halved; }
        location /few/ { api_key_admin few; }
        location /short/ { api_key_admin short; }
        location /default/ { api_key_admin default; }
        location /bounded/ { api_key_admin bounded; }
    }
    api_key_store peppered { server %%REDIS%%; pepper_file %%TESTDIR%%/pepper; }
    api_key_store halved { server %%REDIS%%; pepper_file %%TESTDIR%%/half; }
    api_key_store few { server %%REDIS%%; issue max_keys=3; }
    api_key_store short { server %%REDIS%%; issue default_ttl=60s max_ttl=1h; }
    api_key_store default { server %%REDIS%%; issue default_ttl=60s; }
    api_key_store bounded {
        server %%REDIS%%;
        issue max_ttl=1h rotate_after=1h;
    }
    server {
        listen 127.0.0.1:%%PORT_3%%;
        api_key peppered;
        location / { empty_gif; }
EOC

sub store { $api->call($_[1], "../$_[0]/$_[2]", $_[3]) }
sub seconds {
    my ($year, $month, @rest) =
        $_[0] =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z$/;
    return timegm(reverse($year, $month - 1, @rest));
}
sub hash { my %hash = @{$redis->cmd('HGETALL', $_[0])}; \%hash }
sub use_key { $t->get('/guarded/', 'X-API-Key' => $_[0])->status }

# create

my $r = $api->call('POST', 'v1/keys', { name => 'erp', scopes => ['a', 'b:c'],
    allow_from => ['127.0.0.0/8'], metadata => { owner => 'x' },
    expires_in => 600 });
is($r->status, 201, 'created');

my $made = $r->json;
my ($key, $id) = ($made->{key}, $made->{id});
my $digest = sha256_hex($key);

like($key, qr/^hc_[0-9A-Za-z]{36}$/, 'the form of an issued key');
is($key, substr($key, 0, -6) . Gate::base62_crc(substr($key, 0, -6)),
    'its checksum');
is($id, substr($digest, 0, 20), 'the id is of the digest');
is($r->header('location'), "/admin/v1/keys/$id", 'Location');
is($t->get($r->header('location'), Authorization =>
    "Bearer $Gate::Admin::READ")->json->{id}, $id, 'leads to the key');

my $created = seconds($made->{created_at});
cmp_ok(abs($created - time), '<', 3, 'created_at');
is(seconds($made->{expires_at}) - $created, 600, 'expires_in');

my $want = { id => $id, name => 'erp', state => 'active',
    created_at => $made->{created_at}, expires_at => $made->{expires_at},
    scopes => ['a', 'b:c'], allow_from => ['127.0.0.0/8'], rate => undef,
    metadata => { owner => 'x' }, last_used_at => undef, pepper => 'none',
    replaces => undef, replaced_by => undef, rotate_due => JSON::PP::false };

is_deeply($made, { %$want, key => $key }, 'the record, and the key once');
is_deeply($api->get($id), $want, 'the record without it');
is(use_key($key), 200, 'the key works');

is_deeply(hash("shop:key:$id"), { digest => $digest, name => 'erp',
    state => 'active', created_at => $created, expires_at => $created + 600,
    scopes => 'a b:c', allow_from => '127.0.0.0/8', 'meta:owner' => 'x' },
    'the hash');
is($redis->cmd('TTL', "shop:key:$id"), -1, 'has no end of its own');

my ($score) = $redis->cmd('ZSCORE', 'shop:keys', $id);
is(int($score / 1000), $created, 'listed by milliseconds');
is($redis->cmd('ZSCORE', 'shop:live', $id), $score, 'and live');

is_deeply([$api->audit], [{ who => 'writer', action => 'create', key => $id,
    from => '127.0.0.1', request_id => ($api->audit)[0]{request_id} }], 'audit');
like(($api->audit)[0]{request_id}, qr/^[0-9a-f]{32}$/, 'with a request id');

$redis->monitor;
my $shown = $api->create;
my @commands = $redis->monitored;
ok(scalar(grep { /\Q$shown->{id}/ } @commands), 'Redis sees the id');
is(scalar(grep { /\Q$shown->{key}/ } @commands), 0, 'and never the key');

my %seen = map { $api->create->{key} => 1 } 1 .. 50;
is(scalar keys %seen, 50, 'keys differ');

# not there

my $none = 'f' x 20;
for my $case (['GET'], ['PATCH', {}], ['DELETE']) {
    $api->problem($api->call($case->[0], "v1/keys/$none", $case->[1]), 404,
        'not_found', undef, "$case->[0] of an unknown key");
}
$api->problem($api->call('POST', "v1/keys/$none/rotate"), 404, 'not_found', undef,
    'rotate of an unknown key');

# change

$r = $api->call('PATCH', "v1/keys/$id", { name => "new \x{e4}",
    scopes => [], metadata => { a => '', b => '2' } });
is($r->status, 200, 'changed');
$want = { %$want, name => "new \x{e4}", scopes => [],
    metadata => { a => '', b => '2' } };
is_deeply($r->json, $want, 'only what was named');
is_deeply($api->get($id), $want, 'and as read again');
is_deeply([sort keys %{hash("shop:key:$id")}], [sort qw(digest name state
    created_at expires_at allow_from meta:a meta:b)], 'what is none is absent');

is($api->call('PATCH', "v1/keys/$id", { state => 'disabled' })->json->{state},
    'disabled', 'disabled');
is(use_key($key), 401, 'and refused');
is($api->call('PATCH', "v1/keys/$id", { state => 'active' })->json->{state},
    'active', 'active');
is(use_key($key), 200, 'and let through');

for my $state ('revoked', 'expired', '', 'Active', undef, 1) {
    $api->problem($api->call('PATCH', "v1/keys/$id", { state => $state }), 400,
        'invalid_field', 'state', 'no such state');
}

for my $field (qw(id key digest created_at pepper replaces)) {
    $api->problem($api->call('PATCH', "v1/keys/$id", { name => 'z',
        $field => 'x' }), 400, 'invalid_field', $field, "$field is fixed");
}
is($api->get($id)->{name}, "new \x{e4}", 'all or nothing');

is($api->call('PATCH', "v1/keys/$id", { expires_at => undef })->json
    ->{expires_at}, undef, 'no end');
cmp_ok(abs(seconds($api->call('PATCH', "v1/keys/$id", { expires_in => 100 })
    ->json->{expires_at}) - time - 100), '<', 3, 'an end from now');
is($api->call('PATCH', "v1/keys/$id", { expires_at => '2999-01-01T00:00:00Z' })
    ->json->{expires_at}, '2999-01-01T00:00:00Z', 'an end');
is($api->call('PATCH', "v1/keys/$id", {})->status, 200, 'nothing');

my $rate = { limit => 100, window => 60 };
is_deeply($api->call('PATCH', "v1/keys/$id", { rate => $rate })->json->{rate},
    $rate, 'a rate');
is(hash("shop:key:$id")->{rate}, '100/60', 'the field');
is_deeply($api->call('PATCH', "v1/keys/$id", { name => 'y' })->json->{rate},
    $rate, 'stays');
is_deeply($api->call('PATCH', "v1/keys/$id", { rate => { limit => 1,
    window => 1 } })->json->{rate}, { limit => 1, window => 1 }, 'another one');

for my $wrong ('100/60', { limit => 1 }, { limit => 0, window => 1 }, [], 5) {
    $api->problem($api->call('PATCH', "v1/keys/$id", { rate => $wrong }), 400,
        'invalid_field', 'rate', 'no rate');
}
is(hash("shop:key:$id")->{rate}, '1/1', 'is not taken');

is($api->call('PATCH', "v1/keys/$id", { rate => undef })->json->{rate}, undef,
    'none');
ok(!exists hash("shop:key:$id")->{rate}, 'is absent');

is_deeply($api->call('PATCH', "v1/keys/$id", { allow_from => ['10.0.0.0/8'] })
    ->json->{allow_from}, ['10.0.0.0/8'], 'addresses');
is(use_key($key), 403, 'from elsewhere');
$api->call('PATCH', "v1/keys/$id", { allow_from => [] });
is(use_key($key), 200, 'from anywhere');

# expired

my $brief = $api->create(expires_in => 1);
$t->until(sub { $api->get($brief->{id})->{state} eq 'expired' }, 5);
is($api->get($brief->{id})->{state}, 'expired', 'an expired key is still known');
is(use_key($brief->{key}), 401, 'and refused');
$api->problem($api->call('POST', "v1/keys/$brief->{id}/rotate"), 409, 'conflict',
    undef, 'rotate of an expired key');

# an operator's own EXPIRE is an end too

my $op = $api->create;
$redis->cmd('EXPIRE', "shop:key:$op->{id}", 100);
cmp_ok(abs(seconds($api->get($op->{id})->{expires_at}) - time - 100), '<', 3,
    "the Redis key's own end counts");
is($api->call('PATCH', "v1/keys/$op->{id}", { expires_at => undef })->json
    ->{expires_at}, undef, 'until it is removed');

# revoke

$redis->cmd('SET', "shop:armed:$id", 'x', 'EX', 60);
$redis->cmd('ZADD', 'shop:armed-keys', time + 60, $id);

$r = $api->call('DELETE', "v1/keys/$id");
is($r->status, 204, 'revoked');
is($r->body . ($r->header('content-type') // ''), '', 'without a body');
is(use_key($key), 401, 'and refused at once');
is($redis->cmd('EXISTS', "shop:armed:$id"), 0, 'its flag is closed');
is($redis->cmd('ZSCORE', 'shop:armed-keys', $id), undef, 'and unlisted');
is($redis->cmd('ZSCORE', 'shop:live', $id), undef, 'not live');
cmp_ok(abs($redis->cmd('TTL', "shop:key:$id") - 30 * 86400), '<', 5,
    'a tombstone for 30 days');
is($api->get($id)->{state}, 'revoked', 'shown as revoked');
is($api->get($id)->{expires_at}, '2999-01-01T00:00:00Z',
    "the tombstone's end is not the key's");

my $entries = () = $api->audit;
is($api->call('DELETE', "v1/keys/$id")->status, 204, 'again');
is(scalar(() = $api->audit), $entries, 'is no event');

$api->problem($api->call('PATCH', "v1/keys/$id", { state => 'active' }), 409,
    'conflict', undef, 'a revoked key stays so');
$api->problem($api->call('PATCH', "v1/keys/$id", {}), 409, 'conflict', undef,
    'whatever is changed');
$api->problem($api->call('POST', "v1/keys/$id/rotate"), 409, 'conflict', undef,
    'rotate of a revoked key');
$api->problem($api->call('POST', 'v1/keys/import', { name => 'x', key => $key }),
    409, 'conflict', undef, 'a tombstone cannot be imported over');
is(use_key($key), 401, 'still refused');

# rotate

my $old = $api->create(name => 'r', scopes => ['s'], allow_from => ['127.0.0.1/32'],
    metadata => { m => '1' }, expires_in => 5000, rate => { limit => 5,
    window => 60 });
is(hash("shop:key:$old->{id}")->{rate}, '5/60', 'created with a rate');
$redis->cmd('SET', "shop:armed:$old->{id}", 'x', 'EX', 60);
$redis->cmd('ZADD', 'shop:armed-keys', time + 60, $old->{id});
$redis->cmd('HSET', "shop:key:$old->{id}", 'other', 'x',
    'created_at', time - 1000, 'expires_at', time + 4000);

$r = $api->call('POST', "v1/keys/$old->{id}/rotate", { grace => 100 });
is($r->status, 201, 'rotated');
my $new = $r->json;
is($r->header('location'), "/admin/v1/keys/$new->{id}", 'Location');
is($new->{replaces}, $old->{id}, 'replaces');
for my $field (qw(name scopes allow_from metadata rate)) {
    is_deeply($new->{$field}, $old->{$field}, "the same $field");
}
cmp_ok(abs(seconds($new->{expires_at}) - time - 5000), '<', 4,
    'a fresh lifetime, as long as the old one');
is(use_key($new->{key}), 200, 'the new key works');
is(use_key($old->{key}), 200, 'the old one during the grace');

my $gone = $api->get($old->{id});
is($gone->{replaced_by}, $new->{id}, 'replaced_by');
cmp_ok(abs(seconds($gone->{expires_at}) - time - 100), '<', 4, 'an end');
is($redis->cmd('EXISTS', "shop:armed:$old->{id}"), 0, 'its flag is closed');
is($redis->cmd('ZCARD', 'shop:armed-keys'), 0, 'and unlisted');
is($redis->cmd('EXISTS', "shop:armed:$new->{id}"), 0, 'the successor has none');

$api->problem($api->call('POST', "v1/keys/$old->{id}/rotate"), 409, 'conflict',
    undef, 'once only');
$api->problem($api->call('PATCH', "v1/keys/$old->{id}", { expires_in => 9000 }),
    409, 'conflict', undef, 'a rotated key gets no longer life');
is($api->call('PATCH', "v1/keys/$old->{id}", { expires_in => 10 })->status, 200,
    'but a shorter one');

$r = $api->call('POST', "v1/keys/$new->{id}/rotate");
is($r->status, 201, 'the successor in turn');
is(use_key($new->{key}), 401, 'without grace the old one ends now');
is($api->get($new->{id})->{state}, 'expired', 'and is expired');
is(use_key($r->json->{key}), 200, 'the new one works');

my $soon = $api->create(expires_in => 50);
$api->call('POST', "v1/keys/$soon->{id}/rotate", { grace => 86400 });
is($api->get($soon->{id})->{expires_at}, $soon->{expires_at},
    'grace does not put off the end');

my $off = $api->create;
$api->call('PATCH', "v1/keys/$off->{id}", { state => 'disabled' });
$api->problem($api->call('POST', "v1/keys/$off->{id}/rotate"), 409, 'conflict',
    undef, 'rotate of a disabled key');

is_deeply([map { $_->{action} } grep { $_->{key} eq $old->{id} } $api->audit],
    ['create', 'rotate', 'change'], 'audit of a rotation');

# import

my $theirs = '1-b91c45bc-1752-4fb9-aa48-f59b68244b57';
$r = $api->call('POST', 'v1/keys/import', { name => 'hot', key => $theirs,
    rate => $rate });
is($r->status, 201, 'imported');
my $in = $r->json;
is_deeply($in->{rate}, $rate, 'with a rate');
ok(!exists $in->{key}, 'the key is not repeated');
is($in->{id}, substr(sha256_hex($theirs), 0, 20), 'its id');
is($r->header('location'), "/admin/v1/keys/$in->{id}", 'Location');
is(use_key($theirs), 200, 'it works');
is(($api->audit)[-1]{action}, 'import', 'audit');

$api->problem($api->call('POST', 'v1/keys/import', { name => 'x', key => $theirs }),
    409, 'conflict', undef, 'known');
$api->problem($api->call('POST', 'v1/keys/import', { name => 'x',
    digest => sha256_hex($theirs) }), 409, 'conflict', undef, 'by digest too');

my $other = 'another-key-0123456789';
is($api->call('POST', 'v1/keys/import', { name => 'x', pepper => 'none',
    digest => sha256_hex($other) })->status, 201, 'by digest');
is(use_key($other), 200, 'works');

my $issued = Gate::issued_key('hc');
is($api->call('POST', 'v1/keys/import', { name => 'x', key => $issued })->status,
    201, 'an issued key of elsewhere');
(my $bad = Gate::issued_key('hc')) =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/e;

for my $case (
    [{ key => $bad }, 'key'], [{ key => 'x' x 15 }, 'key'],
    [{ key => 'x' x 257 }, 'key'], [{ key => 'with a blank 0123456' }, 'key'],
    [{ key => "umlaut-\x{e4}-0123456789" }, 'key'], [{ key => undef }, 'key'],
    [{}, 'key'], [{ key => $other, digest => sha256_hex($other) }, 'digest'],
    [{ key => "$other.", pepper => 'none' }, 'pepper'],
    [{ digest => uc sha256_hex('a') }, 'digest'], [{ digest => 'a' x 63 }, 'digest'],
    [{ digest => 'a' x 65 }, 'digest'], [{ digest => 'g' x 64 }, 'digest'],
    [{ digest => 'a' x 64, pepper => '00000000' }, 'pepper'],
    [{ digest => 'a' x 64, pepper => '' }, 'pepper'],
    [{ digest => 'a' x 64, id => 'x' }, 'id'])
{
    my ($body, $field) = @$case;
    $r = $api->call('POST', 'v1/keys/import', { name => 'x', %$body });
    $api->problem($r, 400, 'invalid_field', $field,
        'import: ' . join ',', %{{ map { $_ => substr $body->{$_} // '', 0, 9 }
            keys %$body }});
    is(index($r->body, $body->{key}), -1, 'not echoed') if $body->{key};
}

# peppers

$r = store('peppered', 'POST', 'v1/keys', { name => 'p' });
is($r->json->{pepper}, $first, 'a new key is made under the first pepper');
is($r->json->{id}, substr(hmac_sha256_hex($r->json->{key}, $pepper), 0, 20),
    'HMAC');
ok(!$r->json->{rotate_due}, 'nothing is due');
is(hash("peppered:key:" . $r->json->{id})->{pepper}, $first, 'the field');
is($t->request('GET', '/', port => $t->port(3), headers =>
    ['X-API-Key', $r->json->{key}])->status, 200, 'it works');

my $under = 'made-under-the-second-pepper';
$r = store('peppered', 'POST', 'v1/keys/import', { name => 's',
    digest => hmac_sha256_hex($under, $older), pepper => $second });
is($r->status, 201, 'imported under the second');
is($r->json->{pepper}, $second, 'which shows');
ok($r->json->{rotate_due}, 'due');
my $due = $r->json->{id};

$api->problem(store('peppered', 'POST', 'v1/keys/import', { name => 'x',
    key => $under }), 409, 'conflict', undef, 'known under the other pepper');
$api->problem(store('peppered', 'POST', 'v1/keys/import', { name => 'x',
    digest => 'a' x 64, pepper => 'none' }), 400, 'invalid_field', 'pepper',
    'none is not configured');

$r = store('peppered', 'POST', "v1/keys/$due/rotate");
is($r->json->{pepper}, $first, 'a rotation moves to the first');
ok(!store('peppered', 'GET', "v1/keys/$due")->json->{rotate_due},
    'no longer due');

is(store('halved', 'POST', 'v1/keys/import', { name => 'x', pepper => 'none',
    digest => sha256_hex($theirs) })->json->{pepper}, 'none', 'none as second');
$api->problem(store('halved', 'POST', 'v1/keys/import', { name => 'x',
    key => $theirs }), 409, 'conflict', undef, 'known without pepper');

# how many

my @few = map { store('few', 'POST', 'v1/keys', { name => "k$_" })->json->{id} }
    1 .. 3;
my $more = sub { store('few', 'POST', 'v1/keys', { name => 'more' }) };

$api->problem($more->(), 409, 'too_many_keys', undef, 'one too many');
$api->problem(store('few', 'POST', 'v1/keys/import', { name => 'x',
    key => $other }), 409, 'too_many_keys', undef, 'imported too');

$r = store('few', 'POST', "v1/keys/$few[0]/rotate");
is($r->status, 201, 'a rotation is excepted');
my $fourth = $r->json->{id};
$api->problem($more->(), 409, 'too_many_keys', undef, 'an ended one counts');

store('few', 'DELETE', "v1/keys/$few[0]");
$api->problem($more->(), 409, 'too_many_keys', undef, 'three are left');
store('few', 'DELETE', "v1/keys/$fourth");
is($more->()->status, 201, 'a revoked one does not');
$redis->cmd('DEL', "few:key:$few[1]");
is($more->()->status, 201, 'nor one deleted by hand');
$redis->cmd('HSET', "few:key:$few[2]", 'state', 'revoked');
is($more->()->status, 201, 'nor one revoked by hand');
$api->problem($more->(), 409, 'too_many_keys', undef, 'full again');

# how long

my $life = sub {
    my $r = store(shift, 'POST', 'v1/keys', { name => 'l', @_ });
    return $r->status if $r->status != 201;
    return defined $r->json->{expires_at} ? seconds($r->json->{expires_at})
        - seconds($r->json->{created_at}) : 'never';
};

is($life->('default'), 60, 'default_ttl');
is($life->('default', expires_in => 100000), 100000, 'another, without limit');
is($life->('default', expires_at => undef), 'never', 'none on demand');
is($life->('short'), 60, 'default_ttl below max_ttl');
is($life->('short', expires_in => 3600), 3600, 'up to max_ttl');
is($life->('bounded'), 3600, 'max_ttl where there is no default');

for my $case (['short', expires_in => 3601], ['short', expires_at => undef],
    ['bounded', expires_at => undef], ['short', expires_at => '2999-01-01T00:00:00Z'])
{
    my ($store, $field, $value) = @$case;
    $api->problem(store($store, 'POST', 'v1/keys', { name => 'x',
        $field => $value }), 400, 'invalid_field', $field, 'beyond max_ttl');
}

my $limited = store('short', 'POST', 'v1/keys', { name => 'x' })->json->{id};
for my $case ([expires_in => 4000], [expires_at => undef],
    [expires_at => '2999-01-01T00:00:00Z'])
{
    $api->problem(store('short', 'PATCH', "v1/keys/$limited", { @$case }), 400,
        'invalid_field', $case->[0], 'changed beyond max_ttl');
}
is(store('short', 'PATCH', "v1/keys/$limited", { expires_in => 3000 })->status,
    200, 'changed within');

$redis->cmd('HSET', "bounded:key:$limited", %{hash("short:key:$limited")},
    'created_at', time - 7200, 'expires_at', time + 7200);
ok(store('bounded', 'GET', "v1/keys/$limited")->json->{rotate_due},
    'older than rotate_after');
$r = store('bounded', 'POST', "v1/keys/$limited/rotate")->json;
is(seconds($r->{expires_at}) - seconds($r->{created_at}), 3600,
    'a fresh lifetime is capped by max_ttl');

$redis->cmd('HSET', "default:key:$limited", %{hash("short:key:$limited")});
$redis->cmd('HDEL', "default:key:$limited", 'expires_at');
$r = store('default', 'POST', "v1/keys/$limited/rotate")->json;
is(seconds($r->{expires_at}) - seconds($r->{created_at}), 60,
    'default_ttl for a key without an end');

# what no log may show

my $logs = $t->error_log . $t->access_log;
is(index($logs, $_), -1, 'no key in the logs')
    for $key, $theirs, $other, $under, $new->{key};

$t->done;
