# Guards: no key, backend key, token or masked value in a log, an error text, a
# Redis command or a page.  Seen red with the log handler and the access log's
# masking taken out in turn.

use Gate;
use Digest::SHA qw(sha256_hex);

my $t = Gate->new;
my $redis = $t->redis;
my $backend = $t->backend(sub {
    my $request = shift;
    return { status => 200, headers => ['X-Echo' => $request->target] };
});
my $echo = $backend->address;
my $dead = $t->free_port;
my $slow = $t->backend({ '*' => { hang => 1 } })->address;
my $token = 'T0ken' x 9;

$t->write('own.key', "0wnbackendkey\n", 0600);
$t->write('tokens', "admin:write:" . sha256_hex($token) . "\n", 0600);
$t->conf(<<"EOC", log => 'notice');
    log_format k '\$request \$request_uri \$args \$query_string \$arg_key '
        '\$arg_pwd \$http_x_api_key \$http_authorization \$http_cookie '
        '\$cookie_key \$http_referer \$upstream_http_x_echo '
        '\$sent_http_location \$http_x_store';
    access_log %%TESTDIR%%/k.log k;
    access_log %%TESTDIR%%/c.log combined;
    limit_req_zone \$server_port zone=z:1m rate=1r/m;
    map \$request_uri \$early { ~x y; }

    api_key_store shop { server %%REDIS%%; cache off; }

    server {
        listen 127.0.0.1:%%PORT_0%% http2;
        listen 127.0.0.1:%%PORT_1%%;
        api_key shop;
        api_key_from query:key header:X-API-Key bearer cookie:key;
        api_key_upstream replace=own.key;
        api_key_mask query:pwd header:X-Store;
        root %%TESTDIR%%;

        location / { proxy_pass http://$echo; }
        location /auto/ { proxy_pass http://$echo; }
        location /return { return 302 /elsewhere; }
        location /early { if (\$early = y) { return 204; } }
        location /rewritten { set \$args "a b#c&\$args"; return 204; }
        location /rewritten-dead {
            set \$args "a#c d&\$args"; proxy_pass http://127.0.0.1:$dead;
        }
        location /413 { client_max_body_size 1; proxy_pass http://$echo; }
        location /limit { limit_req zone=z; proxy_pass http://$echo; }
        location /deny { deny all; }
        location /dead { proxy_pass http://127.0.0.1:$dead; }
        location /slow {
            proxy_read_timeout 100ms; proxy_pass http://$slow;
        }
        location /pass { api_key_upstream pass; proxy_pass http://$echo; }
        location /observe { api_key_observe on; proxy_pass http://$echo; }
        location /off { api_key off; proxy_pass http://$echo; }
        location /file { alias %%TESTDIR%%/nothing; }
    }
    server {
        listen 127.0.0.1:%%PORT_3%%;
        api_key_admin_tokens tokens;
        location /admin/ { api_key_admin shop; }
    }
EOC
$t->start;

my ($key) = $t->key(name => 'erp');
my $bad = 'Wr0ng-key-of-a-client';
$redis->monitor;

my @targets = ('/x', '/auto', '/return', '/early', '/rewritten',
    '/rewritten-dead', '/413', '/limit', '/limit', '/deny', '/dead', '/slow', '/pass', '/observe', '/off',
    '/file', '//..%2f', '/%zz');

for my $port ($t->port(0), $t->port(1)) {
    for my $target (@targets) {
        for my $k ($key, $bad) {
            my $query = "a=1&key=$k&pwd=S3cretpwd";
            for my $call (["$target?$query"],
                ["$target?pwd=S3cretpwd", 'X-API-Key' => $k],
                ["$target?pwd=S3cretpwd", Authorization => "Bearer $k"],
                ["$target?pwd=S3cretpwd", Cookie => "b=1; key=$k"],
                ["$target?", 'X-Store' => 'S3cretpwd',
                    Referer => "http://h/?$query"])
            {
                my ($url, @headers) = @$call;
                my $method = $target eq '/413' ? 'POST' : 'GET';
                if ($port == $t->port(0)) {
                    $t->h2($method, $url, headers => \@headers,
                        body => $method eq 'POST' ? 'body' : undef);
                } else {
                    $t->request($method, $url, headers => \@headers,
                        port => $port,
                        body => $method eq 'POST' ? 'body' : undef);
                }
            }
        }
    }
}

# what nginx refuses before any module runs

$t->default_port($t->port(1));

for my $raw ("GET /x?key=$key HTTP/1.1\r\n\r\n",
    "GET /x?key=$key HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET /x?key=$key HTTP/9.1\r\nHost: h\r\n\r\n",
    "GET /x?key=$key \r\n\r\n", "G T /x?key=$key HTTP/1.1\r\n\r\n",
    "POST /x?key=$key HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    "GET /x?key=$key HTTP/1.1\r\nHost: h\r\nX-API-Key: $key\r\n"
        . "Content-Length: 1\r\nContent-Length: 2\r\n\r\n")
{
    $t->raw($raw);
}

my $admin = $t->post('/admin/v1/keys', '{"name":"made"}', port => $t->port(3));
$admin = $t->request('POST', '/admin/v1/keys', port => $t->port(3),
    headers => [Authorization => "Bearer $token",
        'Content-Type' => 'application/json'], body => '{"name":"made"}');
is($admin->status, 201, 'a key is made');
my $made = $admin->json->{key};
$t->get('/x', 'X-API-Key' => $made);

my @commands = $redis->monitored;
my $commands = join "\n", map { ref $_ ? "@$_" : $_ } @commands;
$t->stop;

my %where = ('error.log' => $t->error_log, 'k.log' => $t->read('k.log'),
    'c.log' => $t->read('c.log'), 'Redis' => $commands);

cmp_ok(length $where{$_}, '>', 100, "$_ has something") for sort keys %where;

for my $secret ($key, $bad, 'S3cretpwd', '0wnbackendkey', $token, $made) {
    unlike($where{$_}, qr/\Q$secret/, "$_ has not $secret")
        for sort keys %where;
}

like($where{'k.log'}, qr/key=\*\*\*/, 'a mask shows that there was a key');

$t->done;
