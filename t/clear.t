# Guards: a clear operation needs a good key and an armed flag, both asked of
# Redis at that moment.  Seen red with `unless` matched on $uri alone, the TTL
# of the flag ignored, the use not taken, `match` wanted of both paths, and with
# a path that a rewrite has changed matched only as it was sent.

use Gate;

my $t = Gate->new;
my $redis = $t->redis;
my $backend = $t->backend;

$t->conf(<<'EOC');
    api_key_store shop { server %%REDIS%%; cache off; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        underscores_in_headers on;
        api_key shop;
        api_key_clear DELETE unless=^/items/[0-9]+$;
        location / { proxy_pass http://%%BACKEND%%; }
        location /match/ {
            api_key_clear off;
            api_key_clear POST match=/all$;
            proxy_pass http://%%BACKEND%%;
        }
        location /moved/ {
            api_key_clear off;
            api_key_clear POST match=^/moved/all$;
            rewrite ^/moved/(all|one)$ /elsewhere/$1 break;
            proxy_pass http://%%BACKEND%%;
        }
        location /tried/ {
            api_key_clear off;
            try_files /nothing /found/;
        }
        location /found/ {
            api_key_clear off;
            api_key_clear POST match=^/tried/all$;
            proxy_pass http://%%BACKEND%%;
        }
        location /more/ {
            api_key_clear PURGEALL;
            proxy_pass http://%%BACKEND%%;
        }
        location /open/ { api_key off; proxy_pass http://%%BACKEND%%; }
        location /set/ {
            set $args $http_x_args;
            proxy_pass http://%%BACKEND%%;
        }
        location /raw/ {
            api_key_clear off;
            api_key_clear POST UNLOCK unless=^/raw/[%0-9a-f]+$;
            proxy_pass http://%%BACKEND%%;
        }
        location /none/ { api_key_clear off; proxy_pass http://%%BACKEND%%; }
        location /any/ {
            satisfy any; allow all;
            proxy_pass http://%%BACKEND%%;
        }
    }
EOC
$t->start;

my ($key, $id) = $t->key(name => 'erp');
my ($other, $other_id) = $t->key(name => 'other');

sub call {
    my ($method, $target, @headers) = @_;
    return code($t->request($method, $target,
        headers => ['X-API-Key' => $key, @headers]));
}

sub code {
    my ($r) = @_;
    return $r->status == 403 ? $r->json->{code} : $r->status;
}

# the key may change between the gate's question and the script's

my $script = $t->read("$Gate::ROOT/src/store/lua/clear.lua");
my ($late, $late_id) = $t->key(name => 'late', state => 'disabled');
my $digest = $redis->cmd('HGET', "shop:key:$late_id", 'digest');
$t->arm(60);

sub script {
    return $redis->cmd('EVAL', $script, 5, "shop:key:$late_id",
        "shop:armed:$late_id", 'shop:armed', 'shop:audit', 'shop:armed-keys',
        $late_id, $_[0], '127.0.0.1', 'r', 'look');
}

is(script($digest), 'disabled', 'the script itself looks at the state');
$redis->cmd('HSET', "shop:key:$late_id", 'state', 'active');
is(script($digest), 'ok', 'a good key');
is(script($digest =~ tr/0-9a-f/1-9a-f0/r), 'unknown', 'at the digest');
$redis->cmd('HSET', "shop:key:$late_id", 'expires_at', time - 10);
is(script($digest), 'expired', 'and at the end');
$t->disarm;

is(call('DELETE', '/items/5'), 200, 'a single delete');
is(call('GET', '/items/'), 200, 'another method');

for my $target ('/items/', '/items', '/items/5/..', '/items/%2e', '//items//',
    '/items/5%2f..', '/items/5;', '/items/5%20', '/ITEMS/', '/items/5#x',
    '/items/%35', '//items/5', '/x/../items/5')
{
    is(call('DELETE', $target), 'not_armed', "clear: $target");
}

for my $header ('X-HTTP-Method-Override', 'X-HTTP-Method',
    'X-Method-Override', 'X_HTTP_Method_Override')
{
    is(call('POST', '/items/', $header => 'delete'), 'not_armed', $header);
    is(call('POST', '/items/', $header => 'GET', $header => 'DELETE'),
        'not_armed', "$header, the second one");
    is(call('POST', '/items/', $header => "\xa0\"DELETE\";q=1"), 'not_armed',
        "$header, among other bytes");
    is(call('POST', '/items/', $header => 'UNDELETE'), 200, "$header, part");
}

is(call('POST', '/items/?_method=DELETE'), 'not_armed', '_method');
is(call('POST', '/items/?a&_METHOD=%44elete'), 'not_armed', 'encoded');
is(call('POST', '/items/?_method=DELETE#x'), 'not_armed', 'before "#"');
is(call('POST', '/items/?a#&_method=DELETE'), 'not_armed', 'behind "#"');
is(call('POST', '/items/#?_method=DELETE'), 'not_armed', 'a "?" behind it');
is(call('POST', '/items/#a?b#&_method=DELETE'), 'not_armed', 'and a "#"');
is(call('POST', '/items/?_method=PUT'), 200, 'another _method');

# a body may name what the path does not

sub with_body {
    my ($call, $method, $body, @headers) = @_;
    return code($t->$call($method, '/items/5', body => $body,
        headers => ['X-API-Key' => $key, @headers],
        port => $t->port($call eq 'h2' ? 1 : 0)));
}

my @chunked = ('Transfer-Encoding' => 'chunked');

is(with_body('request', 'DELETE', ''), 200, 'an empty body');
is(with_body('request', 'DELETE', 'id='), 'not_armed', 'a DELETE with a body');
is(with_body('request', 'DELETE', "3\r\nid=\r\n0\r\n\r\n", @chunked),
    'not_armed', 'in chunks');
is(with_body('h2', 'DELETE', undef), 200, 'HTTP/2, without one');
is(with_body('h2', 'DELETE', 'id='), 'not_armed', 'HTTP/2');
is(with_body('h2', 'DELETE', 'id=', @chunked), 'not_armed',
    'HTTP/2, of unknown length');
is(with_body('request', 'POST', 'id=', 'X-HTTP-Method' => 'DELETE'),
    'not_armed', 'a POST that means DELETE');
is(with_body('request', 'POST', 'id='), 200, 'a POST with a body');

is(call('POST', '/match/all'), 'not_armed', 'match');
is(call('POST', '/match/al%6c'), 'not_armed', 'match of the decoded path');
is(call('POST', '/match/one#/all'), 'not_armed', 'match of the raw path');
is(call('POST', '/match/one'), 200, 'no match');

# whatever a rewrite or a redirect makes of it

for my $path ('all', 'al%6c', '/all', './all', 'x/../all', 'one%2f..%2fall') {
    is(call('POST', "/moved/$path"), 'not_armed', "rewritten, $path");
    is(call('POST', "/tried/$path"), 'not_armed', "redirected, $path");
}

is(call('POST', '/moved/one'), 200, 'another one, rewritten');
is(call('POST', '/tried/one'), 200, 'another one, redirected');
is(call('DELETE', '/match/all'), 200, 'off drops what is inherited');
is(call('PURGEALL', '/more/'), 'not_armed', 'a rule of its own');
is(call('DELETE', '/more/'), 'not_armed', 'adds to the outer one');
is(call('DELETE', '/none/'), 200, 'off');
is(call('DELETE', '/open/'), 'not_armed', 'api_key off: always refused');
is($t->get('/any/')->status, 200, 'satisfy any lets in');
is($t->delete('/any/')->status, 401, 'but a clear needs a key');
is(call('DELETE', '/any/'), 'not_armed', 'and the flag');
is($t->delete('/items/')->status, 401, 'no key first');

# flags

my $n = $backend->requests;
$redis->cmd('SET', 'shop:armed', 'x');
is(call('DELETE', '/items/'), 'not_armed', 'a flag without a TTL');
$redis->cmd('SET', 'shop:armed', 'x', 'EX', 86401);
is(call('DELETE', '/items/'), 'not_armed', 'a flag for more than a day');
is(scalar $backend->requests, $n, 'no refused one has reached the backend');

for my $value ('uses:', 'uses:0', 'uses:x', 'uses:-1', 'uses:1x') {
    $t->arm(60, value => $value);
    is(call('DELETE', '/items/'), 'not_armed', "flag $value");
}

$t->arm(60, value => '1');
is(call('DELETE', '/items/'), 200, 'armed');
is(call('DELETE', '/any/'), 200, 'and under satisfy any');
$t->arm(60, value => 'uses:2');
is(call('DELETE', '/items/'), 200, 'one use');
is(call('DELETE', '/items/'), 200, 'two uses');
is(call('DELETE', '/items/'), 'not_armed', 'no third');
is(call('DELETE', '/items/5'), 200, 'a single delete takes none');

$t->arm(60, key => $other_id);
is(call('DELETE', '/items/'), 'not_armed', 'the flag of another key');
$t->arm(60, key => $id, value => 'uses:1');
$t->arm(60, value => 'uses:1');
is(call('DELETE', '/items/'), 200, 'a key\'s own flag');
is($redis->cmd('GET', 'shop:armed'), 'uses:1', 'comes before the store\'s');
is(call('DELETE', '/items/'), 200, 'then that');
is(call('DELETE', '/items/'), 'not_armed', 'then none');

$redis->cmd('SET', 'shop:armed', 'x', 'PX', 300);
is(call('DELETE', '/items/'), 200, 'a short flag');
$t->until(sub { !$redis->cmd('EXISTS', 'shop:armed') }, 5);
is(call('DELETE', '/items/'), 'not_armed', 'has run out');

# one use, 50 at a time

$t->arm(60, value => 'uses:1');
$n = $backend->requests;
my @all = $t->parallel(map { ['DELETE', '/items/',
    headers => ['X-API-Key' => $key]] } 1 .. 50);
is(scalar(grep { $_->status == 200 } @all), 1, 'exactly one of 50 passes');
is(scalar(grep { $_->status == 403 } @all), 49, 'all others are refused');
is(scalar $backend->requests, $n + 1, 'one has reached the backend');

# the trail

# by a rewritten query, by one of the two forms of a path, and with a body that
# only says more than the path where the method is DELETE

is(call('GET', '/set/', 'X-Args' => '_method=delete'), 'not_armed',
    'a method that a rewrite has put in');
is(call('GET', '/set/', 'X-Args' => '_method=get'), 200, 'another one');
is(call('POST', '/raw/1'), 200, 'harmless as sent and as read');
is(call('POST', '/raw/1%2f'), 'not_armed', 'harmless only as sent');

for my $method ('POST', 'UNLOCK') {
    is(code($t->request($method, '/raw/1', body => 'id=',
        headers => ['X-API-Key' => $key])), 200, "$method with a body");
}

$redis->cmd('DEL', 'shop:audit');
$t->arm(60);
call('DELETE', '/items/');
my $entry = $redis->cmd('XRANGE', 'shop:audit', '-', '+')->[0][1];
my %entry = @$entry;
is($entry{action}, 'clear', 'audit: action');
is($entry{key}, $id, 'audit: key');
is($entry{from}, '127.0.0.1', 'audit: from');
like($entry{request_id}, qr/^[0-9a-f]{32}$/, 'audit: request id');
$t->wait_log(qr/clear operation passed, key $id/);
like($t->error_log, qr/clear operation passed, key $id, request $entry{request_id}/,
    'and the log has both');

$redis->cmd('SET', 'shop:audit', 'not a stream');
$t->arm(60, value => 'uses:1');
is(call('DELETE', '/items/'), 503, 'no audit entry, no clear');
is($redis->cmd('GET', 'shop:armed'), 'uses:1', 'and no use taken');
$redis->cmd('DEL', 'shop:audit');

$redis->cmd('LPUSH', "shop:armed:$id", 'x');
is(call('DELETE', '/items/'), 503, 'a flag of a wrong type');
$redis->cmd('DEL', "shop:armed:$id");

$redis->cmd('HSET', "shop:key:$id", 'state', 'disabled');
is(call('DELETE', '/items/'), 401, 'a disabled key clears nothing');
$redis->stop;
is(call('DELETE', '/items/'), 503, 'no Redis, no clear');

$t->done;
