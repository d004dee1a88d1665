# Guards: the Redis user of README.md may do all that the module does, and the
# module says so when it may not.

use Gate;

my $readme = Gate->read("$Gate::ROOT/README.md");
my ($acl) = $readme =~ /^    ACL (SETUSER gateway .*?)\n\n/ms;
ok($acl, 'README.md has the ACL') or BAIL_OUT('no ACL in README.md');

my @acl = split ' ', $acl =~ s/PASSWORD/secret/r;

# what the scripts call, also where no test comes by
for my $file (glob "$Gate::ROOT/src/store/lua/*.lua") {
    my %called = map { lc $_ => 1 }
        Gate->read($file) =~ /redis\.p?call\(\s*'(\w+)'/g;
    my @missing = grep { my $c = $_; !grep { $_ eq "+$c" } @acl }
        sort keys %called;
    is("@missing", '', 'the ACL holds what ' . ($file =~ s{.*/}{}r) . ' calls');
}

my $t = Gate->new;
my $redis = $t->redis;
my $backend = $t->backend;
$redis->cmd('ACL', @acl);
$t->write('redis.pass', "secret\n", 0600);
$t->example('hotcakes.conf');                   # makes the token file

$t->conf(<<'EOC');
api_key_store shop {
    server        %%REDIS%%;
    username      gateway;
    password_file redis.pass;
    issue         max_keys=5;
}
server {
    listen 127.0.0.1:%%PORT_0%%;
    api_key shop;
    api_key_clear DELETE;
    location / { proxy_pass http://%%BACKEND%%; }
}
server {
    listen 127.0.0.1:%%PORT_1%%;
    location /admin/ {
        api_key_admin shop;
        api_key_admin_tokens api-key.tokens;
    }
}
EOC
$t->start;


sub admin {
    my ($method, $path, $body) = @_;

    return $t->request($method, "/admin/v1/$path", port => $t->port(1),
        headers => [Authorization => "Bearer $Gate::WRITE_TOKEN",
            defined $body ? ('Content-Type' => 'application/json') : ()],
        body => $body);
}


my $r = admin('POST', 'keys', '{"name":"one"}');
is($r->status, 201, 'create') or diag $r->raw;
my ($key, $id) = @{$r->json}{qw(key id)};

is(admin('POST', 'keys/import', '{"name":"two","key":"0123456789abcdef-old"}')
    ->status, 201, 'import');
is($t->get('/', 'X-API-Key' => $key)->status, 200, 'a good key');
is(admin('GET', 'keys')->status, 200, 'list');
is(admin('GET', "keys/$id")->status, 200, 'show');
is(admin('PATCH', "keys/$id", '{"name":"1","expires_in":900,'
    . '"scopes":["a"],"metadata":{"x":"y"}}')->status, 200, 'change');
is(admin('PATCH', "keys/$id", '{"expires_at":null,"scopes":[]}')->status, 200,
    'change back');

for my $flag ('{"ttl":60,"uses":2}', '{"ttl":60}',
    qq({"ttl":60,"uses":2,"key":"$id"}))
{
    is(admin('PUT', 'clear', $flag)->status, 200, "arm $flag");
    is($t->delete('/', 'X-API-Key' => $key)->status, 200, 'clear');
}

is(admin('GET', 'clear')->status, 200, 'flags');
is(admin('DELETE', "clear?key=$id")->status, 204, 'disarm one');
is(admin('DELETE', 'clear')->status, 204, 'disarm all');

$r = admin('POST', "keys/$id/rotate", '{"grace":60}');
is($r->status, 201, 'rotate');
is(admin('DELETE', "keys/$id")->status, 204, 'revoke');
is(admin('POST', "keys", qq({"name":"n$_"}))->status, 201, "create $_")
    for 1 .. 3;
is(admin('POST', 'keys', '{"name":"n4"}')->status, 409, 'too many keys');
is(admin('GET', 'audit')->status, 200, 'audit');
is(admin('GET', 'health')->status, 200, 'health');

unlike($t->error_log, qr/NOPERM|NOAUTH/, 'Redis has refused nothing');


# less than that

$redis->cmd('ACL', 'SETUSER', 'gateway', '-hgetall');
is($t->get('/', 'X-API-Key' => $r->json->{key})->status, 503,
    'without a permission: unavailable');
ok($t->wait_log(qr/NOPERM/), 'the log says why');

$t->done;
