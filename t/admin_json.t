# Guards: what comes in is checked strictly, what is wrong is named and never
# echoed, and bodies are taken whole whatever nginx's buffers are.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t, '', 'client_body_buffer_size 1k;
    client_max_body_size 1k;');

my $rfc = '2999-01-02T03:04:05Z';

# bodies that are not JSON, or not an object

my $deep = '{"metadata":' . '[' x 7 . ']' x 7 . '}';
my $deeper = '{"metadata":' . '[' x 8 . ']' x 8 . '}';

my @invalid = (
    ['nothing', ''], ['white space', ' '], ['an array', '[]'],
    ['a string', '"name"'], ['null', 'null'], ['a number', '1'],
    ['half an object', '{"name":"x"'], ['two objects', '{"name":"x"}{}'],
    ['something behind', '{"name":"x"} x'], ['a comma too many', '{"name":"x",}'],
    ['single quotes', "{'name':'x'}"], ['a comment', '{/**/"name":"x"}'],
    ['a BOM', "\xef\xbb\xbf{\"name\":\"x\"}"],
    ['NUL in the text', "{\"name\":\"x\"}\0"],
    ['NUL in a string', "{\"name\":\"x\0y\"}"],
    ['an escaped NUL', '{"name":"x\u0000y"}'],
    ['a lone high surrogate', '{"name":"\ud800"}'],
    ['a lone low surrogate', '{"name":"\udc00"}'],
    ['a raw surrogate', "{\"name\":\"\xed\xa0\x80\"}"],
    ['bad UTF-8', "{\"name\":\"\xff\"}"], ['overlong', "{\"name\":\"\xc0\x80\"}"],
    ['a raw newline', "{\"name\":\"a\nb\"}"], ['NaN', '{"name":NaN}'],
    ['UTF-16', "\xff\xfe{\0}\0"], ['form', 'name=x'], ['too deep', $deeper],
    ['much too deep', '[' x 30000],
);

for my $case (@invalid) {
    my ($what, $body) = @$case;
    $api->problem($api->call('POST', 'v1/keys', $body), 400, 'invalid_json', undef,
        $what);
}

$api->problem($api->call('POST', 'v1/keys', $deep), 400, 'invalid_field',
    'metadata', '8 deep is read');

# fields

my $many = '["' . join('","', map { "s$_" } 1 .. 17) . '"]';
my $long = 'x' x 101;

my @fields = (
    ['{}', 'name'], ['{"name":null}', 'name'], ['{"name":1}', 'name'],
    ['{"name":""}', 'name'], ["{\"name\":\"$long\"}", 'name'],
    ['{"name":"a\u0007b"}', 'name'], ['{"name":"a\nb"}', 'name'],
    ['{"name":"a\u007fb"}', 'name'], ['{"name":["a"]}', 'name'],
    ['{"name":"a","nmae":"secret"}', 'nmae'], ['{"name":"a","id":"x"}', 'id'],
    ['{"name":"a","state":"active"}', 'state'],
    ['{"name":"a","created_at":"x"}', 'created_at'],
    ['{"name":"a","key":"secret-secret-secret"}', 'key'],
    ['{"name":"a","digest":"x"}', 'digest'],
    ['{"name":"a","Name":"b"}', 'Name'], ['{"name":"a","":"b"}', 'body'],
    ['{"name":"a","a\u0001b":1}', 'body'],
    ['{"name":"a","' . 'y' x 70 . '":1}', 'body'],
    ['{"name":"a","name":"b"}', 'name'],
    ['{"name":"a","na\u006de":"b"}', 'name'],
    ['{"name":"a","metadata":{"b":"1","b":"2"}}', 'metadata'],
    ['{"scopes":[],"name":"a","scopes":["x"]}', 'scopes'],
    ['{"name":"a","expires_in":"1"}', 'expires_in'],
    ['{"name":"a","expires_in":0}', 'expires_in'],
    ['{"name":"a","expires_in":-1}', 'expires_in'],
    ['{"name":"a","expires_in":1.0}', 'expires_in'],
    ['{"name":"a","expires_in":1e3}', 'expires_in'],
    ['{"name":"a","expires_in":true}', 'expires_in'],
    ['{"name":"a","expires_in":9223372036854775807}', 'expires_in'],
    ['{"name":"a","expires_in":92233720368547758070}', 'expires_in'],
    ['{"name":"a","expires_in":1e999}', 'expires_in'],
    ['{"name":"a","expires_in":300000000000}', 'expires_in'],
    ["{\"name\":\"a\",\"expires_in\":5,\"expires_at\":\"$rfc\"}", 'expires_at'],
    ["{\"name\":\"a\",\"expires_at\":null,\"expires_in\":5}", 'expires_in'],
    ['{"name":"a","expires_at":1999999999}', 'expires_at'],
    ['{"name":"a","expires_at":"2020-01-01T00:00:00Z"}', 'expires_at'],
    ['{"name":"a","scopes":"x"}', 'scopes'], ['{"name":"a","scopes":null}', 'scopes'],
    ['{"name":"a","scopes":["a b"]}', 'scopes'], ['{"name":"a","scopes":[""]}', 'scopes'],
    ['{"name":"a","scopes":[1]}', 'scopes'], ["{\"name\":\"a\",\"scopes\":$many}", 'scopes'],
    ['{"name":"a","scopes":["' . 's' x 65 . '"]}', 'scopes'],
    ['{"name":"a","scopes":["\u00e4"]}', 'scopes'],
    ['{"name":"a","allow_from":"10.0.0.0/8"}', 'allow_from'],
    ['{"name":"a","allow_from":["10.0.0.0/33"]}', 'allow_from'],
    ['{"name":"a","allow_from":["x"]}', 'allow_from'],
    ['{"name":"a","allow_from":["10.0.0.0/8 ::/0"]}', 'allow_from'],
    ['{"name":"a","rate":"100/60"}', 'rate'],
    ['{"name":"a","rate":100}', 'rate'], ['{"name":"a","rate":[]}', 'rate'],
    ['{"name":"a","rate":[100,60]}', 'rate'], ['{"name":"a","rate":{}}', 'rate'],
    ['{"name":"a","rate":false}', 'rate'], ['{"name":"a","rate":""}', 'rate'],
    (map { ["{\"name\":\"a\",\"rate\":{$_}}", 'rate'] }
        '"limit":100', '"window":60', '"limit":100,"windows":60',
        '"limit":100,"window":60,"x":1', '"limit":100,"window":null',
        '"limit":0,"window":60', '"limit":-1,"window":60',
        '"limit":1000000001,"window":60', '"limit":100,"window":0',
        '"limit":100,"window":-1', '"limit":100,"window":2678401',
        '"limit":"100","window":60', '"limit":100,"window":"60"',
        '"limit":100.0,"window":60', '"limit":1e2,"window":60',
        '"limit":true,"window":60', '"limit":100,"window":1.5',
        '"limit":92233720368547758070,"window":60',
        '"limit":100,"limit":100,"window":60'),
    ['{"name":"a","metadata":[]}', 'metadata'], ['{"name":"a","metadata":null}', 'metadata'],
    ['{"name":"a","metadata":{"a":1}}', 'metadata'],
    ['{"name":"a","metadata":{"A":"1"}}', 'metadata'],
    ['{"name":"a","metadata":{"":"1"}}', 'metadata'],
    ['{"name":"a","metadata":{"a":"x\ny"}}', 'metadata'],
    ['{"name":"a","metadata":{"a":{"b":"c"}}}', 'metadata'],
    ['{"name":"a","metadata":{"' . 'm' x 33 . '":"1"}}', 'metadata'],
    ['{"name":"a","metadata":{"a":"' . 'v' x 257 . '"}}', 'metadata'],
    ['{"name":"a","metadata":{' . join(',', map { qq("m$_":"x") } 1 .. 17)
        . '}}', 'metadata'],
);

for my $case (@fields) {
    my ($body, $field) = @$case;
    my $r = $api->call('POST', 'v1/keys', $body);
    $api->problem($r, 400, 'invalid_field', $field, substr($body, 0, 70));
    unlike($r->body, qr/secret/, 'no value is echoed') if $body =~ /secret/;
}

for my $time ('2999-01-02', '2999-01-02T03:04:05', '2999-01-02 03:04:05Z',
    '2999-02-29T03:04:05Z', '2999-13-01T03:04:05Z', '2999-00-01T03:04:05Z',
    '2999-01-32T03:04:05Z', '2999-01-00T03:04:05Z', '2999-01-02T24:00:00Z',
    '2999-01-02T03:60:00Z', '2999-01-02T03:04:61Z', '2999-01-02T03:04:05.Z',
    '2999-01-02T03:04:05+24:00', '2999-01-02T03:04:05+0100',
    '2999-01-02T03:04:05+01', '2999-01-02T03:04:05Zx', '02999-01-02T03:04:05Z',
    ' 2999-01-02T03:04:05Z', '2999-1-2T3:4:5Z', '9999-12-31T23:59:59-01:00',
    '1969-12-31T23:59:59Z', '')
{
    $api->problem($api->call('POST', 'v1/keys', { name => 'a',
        expires_at => $time }), 400, 'invalid_field', 'expires_at',
        "not a time to come: '$time'");
}

is(scalar @{$redis->cmd('KEYS', '*')}, 0, 'nothing has come into Redis');

# what is right

for my $case (['2999-01-02T03:04:05Z', '2999-01-02T03:04:05Z'],
    ['2999-01-02t03:04:05z', '2999-01-02T03:04:05Z'],
    ['2999-01-02T03:04:05.999Z', '2999-01-02T03:04:05Z'],
    ['2999-01-02T03:04:05+02:30', '2999-01-02T00:34:05Z'],
    ['2999-01-01T23:04:05-05:00', '2999-01-02T04:04:05Z'],
    ['2998-12-31T23:59:60Z', '2999-01-01T00:00:00Z'],
    ['2400-02-29T00:00:00Z', '2400-02-29T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'])
{
    is($api->create(expires_at => $case->[0])->{expires_at}, $case->[1],
        $case->[0]);
}

my %full = (
    name => "\x{e4}\x{1f511} <script>alert(1)</script> \"q\" % \$5",
    scopes => [map { "s:$_" } 1 .. 16],
    allow_from => ['10.0.0.0/8', '192.168.1.0/24', '2001:db8::/32'],
    metadata => { owner => 'x y', empty => '', note => "\x{20ac}" x 85 },
    rate => { limit => 1000000000, window => 2678400 }, expires_in => 60,
);
my $made = $api->create(%full);
my $got = $api->get($made->{id});

for my $field (qw(name scopes allow_from metadata rate)) {
    is_deeply($made->{$field}, $full{$field}, "$field as given");
}
delete $made->{key};
is_deeply($got, $made, 'and as read again');

is(length $api->create(name => "\x{20ac}" x 100)->{name}, 100,
    'a name of 100 characters');

# Redis sees arguments, not text

$redis->monitor;
$api->create(name => '*3 $5 %s %n FLUSHALL {}', scopes => ['DEL']);
my @evals = grep { /"EVAL"/ } $redis->monitored;
is(scalar @evals, 1, 'one command');
like($evals[0], qr/"\*3 \$5 %s %n FLUSHALL \{\}"/, 'the name is one argument');

# types and sizes

for my $type ('text/plain', 'application/x-www-form-urlencoded', 'none',
    'application/jsonx', 'application/json-patch+json', 'text/json', '',
    'application/jsox')
{
    $api->problem($api->call('POST', 'v1/keys', { name => 'a' }, type => $type),
        415, 'unsupported_media_type', undef, "type '$type'");
}

for my $type ('application/json; charset=utf-8', 'application/json ;x=y',
    'Application/JSON', 'application/json;x=y')
{
    is($api->call('POST', 'v1/keys', { name => 'a' }, type => $type)->status,
        201, "type $type");
}

sub padded { my $json = '{"name":"big"}'; $json . ' ' x ($_[0] - length $json) }

for my $h2 (0, 1) {
    for my $size (1000, 1024, 5000, 16384, 16385, 65535, 65536) {
        is($api->call('POST', 'v1/keys', padded($size), h2 => $h2)->status, 201,
            "a body of $size bytes" . ($h2 ? ', HTTP/2' : ''));
    }

    # over HTTP/2 curl 7.88 forgets an answer that comes before the body is sent
    $api->problem($api->call('POST', 'v1/keys', padded(65537)), 413, 'too_large',
        undef, 'one more is too large') unless $h2;
}

is($api->call('POST', 'v1/keys', 'x' x 2000000, token => undef)->status, 401,
    'the token comes first, whatever the size');

my $chunks = sub { join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
    $_[0] =~ /(.{1,3000})/gs) . "0\r\n\r\n" };

for my $case ([65536, 201], [65537, 413], [200000, 413]) {
    my $r = $t->request('POST', '/admin/v1/keys',
        headers => ['Transfer-Encoding', 'chunked', 'Content-Type',
            'application/json', 'Authorization', "Bearer $Gate::Admin::WRITE"],
        body => $chunks->(padded($case->[0])));
    is($r->status, $case->[1], "$case->[0] bytes in chunks");
}

is($api->call('GET', 'v1/health', padded(20000))->status, 200,
    'a body with GET is passed over');
is($api->call('GET', 'v1/health', padded(20000), type => 'text/x')->status, 200,
    'of any type');

# optional bodies

my $id = $api->create->{id};

is($api->call('PUT', 'v1/clear')->status, 200, 'PUT clear without a body');
is($api->call('PUT', 'v1/clear', '', type => 'application/x-www-form-urlencoded')
    ->status, 200, 'with an empty one, of any type');
is($api->call('POST', "v1/keys/$id/rotate")->status, 201,
    'rotate without a body');

# query parameters

for my $case (
    ['v1/keys?limit=0', 'limit'], ['v1/keys?limit=1001', 'limit'],
    ['v1/keys?limit=', 'limit'], ['v1/keys?limit', 'limit'],
    ['v1/keys?limit=1x', 'limit'], ['v1/keys?limit=-1', 'limit'],
    ['v1/keys?limit=1.0', 'limit'], ['v1/keys?limit=99999999999999999999', 'limit'],
    ['v1/keys?limit=1&limit=1', 'limit'], ['v1/keys?l%69mit=1&limit=2', 'limit'],
    ['v1/keys?cursor=', 'cursor'], ['v1/keys?cursor=x', 'cursor'],
    ["v1/keys?cursor=-$id", 'cursor'], ["v1/keys?cursor=1-${id}0", 'cursor'],
    ["v1/keys?cursor=-1-$id", 'cursor'], ['v1/keys?cursor=1-' . uc $id, 'cursor'],
    ["v1/keys?cursor=1234567890123456-$id", 'cursor'],
    ['v1/keys?state=', 'state'], ['v1/keys?state=Active', 'state'],
    ['v1/keys?state=active%00', 'query'], ['v1/keys?state=%zz', 'query'],
    ['v1/keys?name=%07', 'name'], ['v1/keys?name=%ff', 'name'],
    ['v1/keys?name=' . 'x' x 101, 'name'],
    ['v1/keys?Limit=1', 'Limit'], ['v1/keys?key=secret', 'key'],
    ['v1/keys?%ff=secret', 'query'], ['v1/keys?=secret', 'query'],
    ["v1/keys/$id?x=secret", 'x'], ['v1/health?x=1', 'x'], ['v1/clear?key=1', 'key'])
{
    my ($path, $field) = @$case;
    my $r = $api->call('GET', $path);

    # a malformed value is the fault of its parameter
    $field = 'state' if $field eq 'query' && $path =~ /state=/;

    $api->problem($r, 400, 'invalid_field', $field, $path);
    unlike($r->body, qr/secret/, 'no value is echoed') if $path =~ /secret/;
}

for my $path ('v1/keys?', 'v1/keys?&', 'v1/keys?&limit=1&', 'v1/keys?l%69mit=1',
    'v1/keys?name=', 'v1/keys?name=a+b%20c', 'v1/keys?limit=1000')
{
    is($api->call('GET', $path)->status, 200, $path);
}

for my $path ('v1/clear?key=', 'v1/clear?key=x', 'v1/clear?key=' . uc $id) {
    $api->problem($api->call('DELETE', $path), 400, 'invalid_field', 'key', $path);
}

$api->problem($api->call('DELETE', "v1/clear?key=$id&key=$id"), 400,
    'invalid_field', 'key', 'twice');
$api->problem($api->call('DELETE', "v1/clear?keys=$id"), 400, 'invalid_field',
    'keys', 'a mistyped name does not close all');

for my $case (['{"grace":-1}', 'grace'], ['{"grace":2592001}', 'grace'],
    ['{"grace":"1"}', 'grace'], ['{"grace":null}', 'grace'],
    ['{"name":"x"}', 'name'])
{
    $api->problem($api->call('POST', "v1/keys/$id/rotate", $case->[0]), 400,
        'invalid_field', $case->[1], "rotate $case->[0]");
}

for my $case (['{"ttl":0}', 'ttl'], ['{"ttl":86401}', 'ttl'],
    ['{"ttl":1.5}', 'ttl'], ['{"ttl":null}', 'ttl'], ['{"uses":0}', 'uses'],
    ['{"uses":1000000000000000}', 'uses'], ['{"uses":"1"}', 'uses'],
    ['{"uses":null}', 'uses'], ['{"key":null}', 'key'], ['{"key":""}', 'key'],
    ['{"key":"X"}', 'key'], ['{"armed":true}', 'armed'])
{
    $api->problem($api->call('PUT', 'v1/clear', $case->[0]), 400, 'invalid_field',
        $case->[1], "arm $case->[0]");
}

# a body may be a key: it is never written to a file

unlike($t->error_log, qr/buffered to a temporary file/, 'no body in a file');

$t->done;
