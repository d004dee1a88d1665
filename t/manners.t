# Guards: the module behaves as a part of nginx.  satisfy, error_page, internal
# redirects, auth_request, limit_except, keepalive, pipelining, HTTP/2.  Seen
# red with the precontent handler taken out and with the state not found again
# after an internal redirect.

use Gate;

my $t = Gate->new;
my $redis = $t->redis('A', port => 1);
my $proxy = $t->proxy($redis);
my $address = $proxy->address;
my $backend = $t->backend({ '/accel' => { status => 200,
    headers => ['X-Accel-Redirect' => '/in/x'] },
    '/auth' => { status => 204 } });

mkdir $t->dir . '/html';
mkdir $t->dir . '/html/dir';
$t->write('html/dir/index.html', 'index');
$t->write('html/tried', 'tried');
$t->write('html/login', 'please log in');

my $table = '';

for my $satisfy ('all', 'any') {
    for my $rule ('allow', 'deny') {
        for my $place ('fast', 'slow') {
            $table .= <<"EOC";
        location /$satisfy/$rule/$place/ {
            satisfy $satisfy; $rule all;
            api_key $place;
            api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
EOC
        }
    }
}

$t->conf(<<"EOC");
    log_format k '\$uri \$status \$api_key_status';
    access_log %%TESTDIR%%/k.log k;
    api_key_store fast { server %%REDIS_A%%; prefix shop:; cache off; }
    api_key_store slow { server $address; prefix shop:; cache off; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%TESTDIR%%/html;
        $table
        location /page/ {
            api_key fast; error_page 401 /login;
            proxy_pass http://%%BACKEND%%;
        }
        location = /login { }
        location /named/ {
            api_key fast; error_page 401 403 = \@login;
            proxy_pass http://%%BACKEND%%;
        }
        location \@login { return 418 "\$api_key_error"; }
        location /named2/ {
            api_key fast; error_page 401 \@backend;
            proxy_pass http://%%BACKEND%%;
        }
        location \@backend {
            proxy_pass http://%%BACKEND%%; }
        location /nest/ {
            api_key fast;
            proxy_pass http://%%BACKEND%%;
            location /nest/open/ { api_key off; proxy_pass http://%%BACKEND%%; }
        }
        location /dir/ { api_key fast; }
        location /try/ { api_key fast; try_files /tried =404; }
        location /try2/ { api_key fast; try_files /none /in2/x; }
        location /in2/ { api_key fast; proxy_pass http://%%BACKEND%%; }
        location /accel { api_key fast; proxy_pass http://%%BACKEND%%; }
        location /in/ {
            internal; api_key fast;
            api_key_clear GET;
            proxy_pass http://%%BACKEND%%;
        }
        location /in3/ { api_key fast; api_key_scope no; }
        location /fail/ {
            api_key fast;
            api_key_clear DELETE;
            error_page 502 = \@second;
            proxy_pass http://unix:%%TESTDIR%%/nobody;
        }
        location \@second {
            api_key fast;
            api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
        location /authreq/ {
            auth_request /auth; api_key fast;
            proxy_pass http://%%BACKEND%%;
        }
        location = /auth { internal; proxy_pass http://%%BACKEND%%; }
        location /basic/ {
            satisfy any; auth_basic x; auth_basic_user_file users;
            api_key fast;
            proxy_pass http://%%BACKEND%%;
        }
    }
EOC
$t->write('users', "u:{PLAIN}p\n", 0644);
$t->start;

my ($key, $id) = $t->key(name => 'erp', redis => $redis);
my $bad = 'a-key-that-nobody-knows';

sub k { ('X-API-Key' => $_[0] // $key) }

# all or any, allow or deny, without and with a wait for Redis

$proxy->mode('delay', 0.02);

for my $place ('fast', 'slow') {
    my %want = ('all/allow' => [200, 401, 401], 'all/deny' => [403, 403, 403],
        'any/allow' => [200, 200, 200], 'any/deny' => [200, 401, 401]);

    for my $case (sort keys %want) {
        my ($good, $wrong, $none) = @{$want{$case}};
        $backend->forget;
        is($t->get("/$case/$place/", k())->status, $good, "$case $place");
        my $r = $t->get("/$case/$place/", k($bad));
        is($r->status, $wrong, 'with a wrong key');
        is(scalar(my @h = $r->header('www-authenticate')),
            $wrong == 401 ? 1 : 0, 'one challenge at the most');
        is($t->get("/$case/$place/")->status, $none, 'without a key');
        is(scalar(grep { defined $_->header('x-api-key') }
            $backend->requests), 0, 'no key behind the gate');

        my $clear = $case eq 'all/deny' ? 403 : 401;
        $backend->forget;
        is($t->delete("/$case/$place/", k($bad))->status, $clear,
            'the guard holds');
        is($t->delete("/$case/$place/", k())->status, 403, 'not armed');
        is(scalar $backend->requests, 0, 'nothing came through');
    }
}

# 400, 429 and 503 are final under satisfy any

is($t->get('/any/deny/fast/', k(), k('another-key-of-the-client'))->status,
    400, 'ambiguous is final');
$redis->pause;
is($t->get('/any/deny/fast/', k())->status, 503, 'unavailable is final');
is($t->get('/any/allow/fast/')->status, 200, 'allowed before it is asked');
$redis->resume;
$t->until(sub { $t->get('/nest/', k())->status == 200 }, 5);

# basic beside it

my $r = $t->get('/basic/');
is($r->status, 401, 'auth_basic beside it');
is_deeply([$r->header('www-authenticate')], ['ApiKey realm="fast"'],
    'one challenge');
is($t->get('/basic/', Authorization => 'Basic dTpw')->status, 200, 'basic');
is($t->get('/basic/', k())->status, 200, 'or a key');

# error pages

$r = $t->get('/page/');
is($r->status, 401, 'error_page 401');
is($r->body, 'please log in', 'goes before the body');
is($r->header('www-authenticate'), 'ApiKey realm="fast"', 'the challenge too');
is($t->get('/named/')->status, 418, 'a named location');
is($t->get('/named/', k($bad))->body, 'invalid', 'sees the verdict');
$backend->forget;
$t->get('/named2/', k($bad));
is(($backend->requests)[-1]->header('x-api-key'), undef,
    'a bad key goes before an error_page');

is($t->get('/nest/')->status, 401, 'nested: outer');
is($t->get('/nest/open/', k())->status, 200, 'nested: off');
is(($backend->requests)[-1]->header('x-api-key'), undef, 'off removes');

# internal redirects: Redis is asked once

sub lookups {
    my ($method, @call) = @_;
    $redis->monitor;
    my $r = $t->$method(@call);
    my @c = map { ref $_ ? "@$_" : $_ } $redis->monitored;
    return ($r->status, scalar(grep { /HGETALL/i } @c), scalar(grep { /EVAL/i }
        @c));
}

is_deeply([lookups('get', '/dir/', k())], [200, 1, 0], 'index');
is_deeply([lookups('get', '/try/', k())], [200, 1, 0], 'try_files');
is_deeply([lookups('get', '/try2/', k())], [200, 1, 0], 'try_files, a URI');
is_deeply([lookups('get', '/fail/', k())], [200, 1, 0], 'error_page 502');
$t->arm(60, value => 'uses:5', redis => $redis);
is_deeply([(lookups('delete', '/fail/', k()))[0]], [200], 'a clear');
is($redis->cmd('GET', 'shop:armed'), 'uses:4', 'takes one use');
is($t->get('/accel', k())->status, 200, 'X-Accel-Redirect');
is($redis->cmd('GET', 'shop:armed'), 'uses:3', 'where it is a clear');
$redis->cmd('DEL', 'shop:armed');
is($t->get('/accel', k())->status, 403, 'guarded there');

# auth_request

is($t->get('/authreq/', k())->status, 200, 'auth_request beside it');
is($t->get('/authreq/')->status, 401, 'both have to agree');

# keepalive and pipelining, parked in between

my $c = $t->connect;

for my $n (1 .. 5) {
    $c->send("GET /nest/?n=$n HTTP/1.1\r\nHost: h\r\nX-API-Key: $key\r\n\r\n");
    is($c->response->status, 200, 'keepalive');
}

$c->send(join '', map { "GET /all/allow/slow/?n=$_ HTTP/1.1\r\nHost: h\r\n"
    . 'X-API-Key: ' . ($_ % 2 ? $key : $bad) . "\r\n\r\n" } 1 .. 6);
is(join(' ', map { $c->response->status } 1 .. 6), '200 401 200 401 200 401',
    'pipelined');
$c->close;

is($t->post('/all/allow/slow/', 'b' x 200000, k())->status, 200,
    'a large body waits');
is(length(($backend->requests)[-1]->body), 200000, 'whole');

# HTTP/2

$t->default_port($t->port(1));
is($t->h2('GET', '/all/allow/slow/', headers => [k()])->status, 200, 'HTTP/2');
is($t->h2('GET', '/all/allow/slow/', headers => [k($bad)])->status, 401,
    'refused');
is($t->h2('POST', '/all/allow/slow/', headers => [k()], body => 'b' x 200000)
    ->status, 200, 'with a body');

$t->done;
