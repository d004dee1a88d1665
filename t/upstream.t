# Guards: what the backend gets.  The client's key never under strip and
# replace, the backend's own key only in a request to the backend, and all else
# byte for byte.  Seen red with the removal of "_" spellings dropped, with the
# own key not taken out again, and with cached variables kept.

use Gate;

my $t = Gate->new;
my $redis = $t->redis;
my $backend = $t->backend({ '/x-accel/' => { status => 200,
    headers => ['X-Accel-Redirect' => '/internal/x'] } });
my $dead = $t->free_port;

$t->write('own.key', "own+key/1\n", 0600);
mkdir $t->dir . '/html';
mkdir $t->dir . '/html/dir';
$t->write('html/file', 'a file');
$t->conf(<<"EOC");
    map \$request_uri \$early { ~secret "x"; default "y"; }
    api_key_store shop { server %%REDIS%%; cache off; }

    server {
        listen 127.0.0.1:%%PORT_0%% http2;
        listen 127.0.0.1:%%PORT_1%%;
        underscores_in_headers on;
        root %%TESTDIR%%/html;
        api_key shop;
        api_key_from query:key header:X-API-Key bearer cookie:key;

        location / { proxy_pass http://%%BACKEND%%; }
        location /uri/ { proxy_pass http://%%BACKEND%%/new/; }
        location /var/ { proxy_pass http://%%BACKEND%%\$request_uri; }
        location /map/ {
            if (\$early = "x") { return 400; }
            proxy_pass http://%%BACKEND%%\$request_uri;
        }
        location /args/ {
            proxy_pass http://%%BACKEND%%/a?\$args;
            proxy_set_header X-Request \$request;
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header X-Key \$http_x_api_key;
        }
        location /pass/ {
            api_key_upstream pass; proxy_pass http://%%BACKEND%%;
        }
        location /own/ {
            api_key_upstream replace=own.key; proxy_pass http://%%BACKEND%%;
        }
        location /ownargs/ {
            set \$args "key=\$http_x_set&b=1";
            api_key_upstream replace=own.key;
            proxy_pass http://%%BACKEND%%/args/?\$args;
            proxy_set_header X-Uri \$request_uri;
        }
        location /owndir/ {
            api_key_upstream replace=own.key;
            alias %%TESTDIR%%/html/;
        }
        location /ownvar/ {
            api_key_upstream replace=own.key;
            proxy_pass http://%%BACKEND%%\$request_uri;
        }
        location /asquery/ {
            api_key_upstream replace=own.key as=query:token;
            proxy_pass http://%%BACKEND%%;
        }
        location /asheader/ {
            api_key_upstream replace=own.key as=header:X-Store-Key;
            proxy_pass http://%%BACKEND%%;
        }
        location /dead/ {
            api_key_upstream replace=own.key;
            error_page 502 =302 /sorry?u=\$request_uri;
            proxy_pass http://127.0.0.1:$dead;
        }
        location /deadunix/ {
            api_key_upstream replace=own.key;
            error_page 502 http://h/sorry?u=\$request_uri;
            proxy_pass http://unix:%%TESTDIR%%/nobody;
        }
        location /deadnamed/ {
            api_key_upstream replace=own.key;
            error_page 502 \@named;
            proxy_pass http://unix:%%TESTDIR%%/nobody;
        }
        location \@named { return 200 "\$args \$request_uri"; }
        location /sorry { api_key off; return 200 "\$args"; }
        location /echo/ {
            api_key_upstream replace=own.key;
            add_header X-Uri \$request_uri;
            proxy_pass http://%%BACKEND%%;
        }
        location /off/ { api_key off; proxy_pass http://%%BACKEND%%; }
        location /any/ {
            satisfy any; allow all;
            api_key_upstream replace=own.key;
            proxy_pass http://%%BACKEND%%;
        }
        location /mirrored/ {
            mirror /mirror;
            api_key_upstream replace=own.key;
            proxy_pass http://%%BACKEND%%;
        }
        location = /mirror {
            internal;
            proxy_pass http://%%BACKEND%%/mirror\$is_args\$args;
        }
        location /x-accel/ { proxy_pass http://%%BACKEND%%; }
        location /internal/ { internal; proxy_pass http://%%BACKEND%%; }
    }
EOC
$t->start;

my ($key) = $t->key(name => 'erp');
my $own = 'own%2Bkey%2F1';

sub got {
    my ($target, @headers) = @_;
    $backend->forget;
    my $r = $t->get($target, @headers);
    my $b = ($backend->requests)[-1];
    return $b ? $b->target : 'status ' . $r->status;
}

sub head {
    my ($target, @headers) = @_;
    $backend->forget;
    $t->get($target, @headers);
    return ($backend->requests)[-1];
}

# strip: pieces go with their separators, all else stays

$t->default_port($t->port(1));

my @cases = (
    ["?key=$key", ''],
    ["?key=$key&", ''],
    ["?&key=$key", ''],
    ["?a=1&key=$key", '?a=1'],
    ["?key=$key&a=1", '?a=1'],
    ["?a=1&key=$key&b=2", '?a=1&b=2'],
    ["?a=1&&key=$key&&b=%2f%zz", '?a=1&&&b=%2f%zz'],
    ["?KEY=$key&k=%20+", '?k=%20+'],
    ["?%6bey=$key&keyx=1&xkey=2", '?keyx=1&xkey=2'],
    ["?key&key=$key&key=", ''],
    ["?a?b=c&key=$key", '?a?b=c'],
);

for (@cases) {
    my ($query, $want) = @$_;
    is(got("/p%61th//x/$query"), "/p%61th//x/$want", "strip $query");
    is(got("/uri/x$query"), "/new/x$want", 'with a URI');
    is(got("/var/%78$query"), "/var/%78$want", 'with $request_uri');
    is(got("/map/%78$query"), "/map/%78$want", 'read by a map before');
    (my $args = $want) =~ s/^\?//;
    is(got("/args/$query"), "/a?$args", 'with $args');
}

is(got("/x?"), 'status 401', 'no key');
is(got("/x?", 'X-API-Key' => $key), '/x?', 'an empty query stays');
is(got("/x?a=1&", 'X-API-Key' => $key), '/x?a=1&', 'a lone & too');
is(got("/x?key=$key#b"), '/x#b', 'nothing is left before a "#"');
is(got("/x?key=$key#?key=b"), '/x?#?key=b', 'no other query begins then');

my $b = head("/args/?key=$key", 'X-API-Key' => $key);
unlike($b->raw, qr/\Q$key/, 'no copy in any header');
like($b->header('x-request'), qr{^GET /args/\?key=\*\*\* HTTP}, '$request');

$b = head('/x', 'X-API-Key' => $key, 'X_API_Key' => $key,
    'x-api_KEY' => 'zzz', 'X-Other' => "a  b", 'X-API-Keys' => 'stays');
is_deeply([grep { $_->[0] =~ /^x/i } $b->headers],
    [['X-Other' => 'a  b'], ['X-API-Keys' => 'stays']],
    'headers go in all spellings, others stay');

is(head('/x', Authorization => "Bearer $key")->header('authorization'), undef,
    'bearer');
is(head('/x', Authorization => 'Basic eDp5', 'X-API-Key' => $key)
    ->header('authorization'), 'Basic eDp5', 'another scheme stays');
is(head('/x', Cookie => "key=$key")->header('cookie'), undef, 'a lone cookie');
is(head('/x', Cookie => "key=$key; a=1")->header('cookie'), 'a=1', 'first');
is(head('/x', Cookie => "a=1; key=$key;b=2")->header('cookie'), 'a=1;b=2',
    'in the middle');
is(head('/x', Cookie => "a=1; KEY=$key")->header('cookie'), 'a=1', 'last');

# many headers: more than a part of nginx's list holds, at each place

for my $place (0, 1, 18, 19, 20, 21, 39, 40) {
    my @headers = map { ("X-N$_" => $_) } 0 .. 44;
    splice @headers, 2 * $place, 0, 'X-API-Key' => $key;
    $b = head('/x', @headers);
    is(join(' ', map { $_->[1] } grep { $_->[0] =~ /^X-N/ } $b->headers),
        join(' ', 0 .. 44), "header at place $place");
    unlike($b->raw, qr/\Q$key/, 'and it is gone');
}

# pass

is(got("/pass/?a=1&key=$key"), "/pass/?a=1&key=$key", 'pass: query');
is(head('/pass/', 'X-API-Key' => $key)->header('x-api-key'), $key,
    'pass: header');

# replace, in arguments that a rewrite has made where the client sent none

$t->get('/ownargs/', 'X-Set' => $key);
is(($backend->requests)[-1]->target, "/args/?key=$own&b=1",
    'replaced in arguments that nginx made');
is(($backend->requests)[-1]->header('X-Uri'), "/ownargs/?key=$own",
    'and appended to the target');


# replace

is(got("/own/?a=1&key=$key&b"), "/own/?a=1&key=$own&b", 'in its place');
is(got("/own/?KEY=$key&key="), "/own/?key=$own", 'for the first of them');
is(got("/ownvar/?a=1&key=$key&b"), "/ownvar/?a=1&key=$own&b", '$request_uri');
$b = head('/own/x?a', 'X-API-Key' => $key);
is($b->target, '/own/x?a', 'the query is left');
is($b->header('x-api-key'), 'own+key/1', 'where a header was');
is(head('/own/', Authorization => "Bearer $key")->header('authorization'),
    'Bearer own+key/1', 'as bearer');
is(got("/asquery/?a=1&key=$key&token=mine"), "/asquery/?a=1&token=$own",
    'as=query, what the client sent goes');
is(got('/asquery/', 'X-API-Key' => $key), "/asquery/?token=$own", 'appended');
is(got('/asquery/?x', 'X-API-Key' => $key), "/asquery/?x&token=$own",
    'behind what is there');
$b = head("/asheader/?key=$key", 'X-Store-Key' => 'mine',
    'X_Store_Key' => 'mine');
is($b->target, '/asheader/', 'as=header: the query is clean');
is_deeply([map { $_->[1] } grep { $_->[0] =~ /store/i } $b->headers],
    ['own+key/1'], 'as=header, what the client sent goes');

is($t->post("/own/?key=$key", 'x' x 100000)->status, 200, 'with a body');
is(($backend->requests)[-1]->target, "/own/?key=$own", 'it is there too');
is(length(($backend->requests)[-1]->body), 100000, 'and the body is whole');

my $c = $t->connect;
$backend->forget;
$c->send("POST /own/?key=$key HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    . "Content-Length: 6\r\n\r\nab");
$c->send('cdef');
is($c->response->status, 200, 'a body that comes late');
is(($backend->requests)[-1]->target, "/own/?key=$own", 'finds the own key');
is(($backend->requests)[-1]->body, 'abcdef', 'and is whole');

# nginx's own answers never have it

my $r = $t->get("/owndir/dir?key=$key");
is($r->status, 301, 'a directory');
unlike($r->raw, qr/own(\+|%2B)key/i, 'its Location has no own key');
$r = $t->get("/dead/?key=$key");
unlike($r->raw, qr/own(\+|%2B)key/i, 'nor has an error_page');
for my $dead ("/deadunix/?key=$key", "/deadnamed/?key=$key",
    "/echo/?key=$key")
{
    unlike($t->get($dead)->raw, qr/own(\+|%2B)key/i, "nor $dead");
}

# off, satisfy any

is(got("/off/?a=1&key=$key"), '/off/?a=1', 'off: removed');
is(got("/any/?a=1&key=nonsense"), '/any/?a=1', 'any: a bad key goes too');
is(got("/any/?a=1"), '/any/?a=1', 'any: nothing is put in');

# mirror and X-Accel-Redirect

$backend->forget;
$t->get("/mirrored/?key=$key");
$t->until(sub { 2 == scalar $backend->requests }, 5);
is_deeply([sort map { $_->target } $backend->requests],
    ['/mirror', "/mirrored/?key=$own"], 'a mirror gets no key');
$backend->forget;
is($t->get("/x-accel/?key=$key")->status, 200, 'X-Accel-Redirect');
is_deeply([map { $_->target } $backend->requests],
    ['/x-accel/', '/internal/x'], 'without a key');

# HTTP/2

$t->default_port($t->port(0));
$backend->forget;
is($t->h2('GET', "/own/?a=1&key=$key&b")->status, 200, 'HTTP/2');
is(($backend->requests)[-1]->target, "/own/?a=1&key=$own&b", 'replaced');
$t->h2('GET', '/x', headers => ['X-API-Key' => $key, Cookie => 'a=1; b=2']);
$b = ($backend->requests)[-1];
unlike($b->raw, qr/\Q$key/, 'removed');
is($b->header('cookie'), 'a=1; b=2', 'cookies stay');

$t->done;
