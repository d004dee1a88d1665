# Guards: openapi.json describes the admin API that is there: the same routes,
# methods, parameters and bodies as in the table of routes and on the live
# server; every answer that it names can be had and is as described, and no
# other; and it is valid OpenAPI 3.1.
#
# Seen red with: a route, a method, a parameter, a body or an answer taken from
# or added to either side; a member renamed, added or of another type; a
# problem's code that only one side knows; a reference that leads nowhere.

use Gate;
use Gate::Admin;

use JSON::PP ();

# documented already, and 404 until they are built
my @later = ();

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t, 'issue max_keys=6; timeout 300ms;');
my $file = "$Gate::ROOT/src/admin/openapi.json";

# as it is served

my $r = $api->call('GET', 'openapi.json', undef, token => 'read');
is($r->status, 200, 'openapi.json') or BAIL_OUT($r->raw);
is($r->header('content-type'), 'application/json', 'its type');
is($r->header('x-content-type-options'), 'nosniff', 'nosniff');
ok($r->body eq $t->read($file), 'is the source file');
is($api->call('GET', 'openapi.json', undef, token => undef)->status, 401,
    'needs a token');
$api->problem($api->call('GET', 'openapi.json?x=1'), 400, 'invalid_field', 'x',
    'takes no parameter');
is($api->call('HEAD', 'openapi.json')->header('content-length'),
    length $r->body, 'HEAD');

my $document = $r->json;
my ($version) = $t->read("$Gate::ROOT/CHANGES") =~ /module (\d+\.\d+\.\d+)/;
is($document->{info}{version}, $version, 'of this version');

ok(!present($_), "$_ is not there yet, else take it off \@later") for @later;

sub present { $api->call('GET', substr($_[0], 1))->status != 404 }

my %documented = %{$document->{paths}};
delete @documented{grep { !present($_) } @later};

# the routes that it tells of, as "GET /v1/keys limit cursor | no body"

my %operations;

for my $path (keys %documented) {
    my $item = $documented{$path};

    for my $method (grep { /^(?:get|put|post|delete|patch|head|options|trace)$/ }
        keys %$item)
    {
        my $operation = $item->{$method};
        my $body = $operation->{requestBody};
        my @query = map { $_->{name} } grep { $_->{in} eq 'query' }
            map { resolve($_) } @{$operation->{parameters} // []};

        $operations{uc($method) . " $path"} = join ' ', sort(@query), '|',
            !$body ? 'NONE' : $body->{required} ? 'REQUIRED' : 'OPTIONAL';
    }
}

sub resolve {
    my ($node) = @_;
    return $node unless $node->{'$ref'};
    my $at = $document;
    $at = $at->{$_} for split m{/}, substr($node->{'$ref'}, 2);
    return $at;
}

# the table of routes

my %table;

my $source = $t->read("$Gate::ROOT/src/admin/ngx_http_api_key_route.c");

while ($source
    =~ /\{\s*NGX_HTTP_([A-Z]+),\s*"([^"]*)",\s*(NULL|"[^"]*"),
        \s*NGX_HTTP_API_KEY_BODY_([A-Z]+),/gx)
{
    my ($method, $path, $query, $body) = ($1, $2, $3, $4);
    $path =~ s/\*/{id}/;
    $query =~ s/NULL|"//g;
    $table{"$method /$path"} = join ' ', sort(split ' ', $query), '|', $body;
}

cmp_ok(scalar keys %table, '>=', 14, 'the table of routes is read');
is_deeply(\%operations, \%table, 'the description and the table of routes');

# the live server

my $id = $api->create(name => 'here')->{id};

for my $path (sort keys %documented) {
    my @want = map { /^(\w+) \Q$path\E$/ ? $1 : () } sort keys %operations;
    my (@takes, %allow);

    for my $method (qw(DELETE GET PATCH POST PUT)) {
        # nothing that would change something
        my $r = $api->call($method, url($path) . '?nothing=1', '{');
        push @takes, $method if $r->status != 404 && $r->status != 405;
        $allow{join ' ', sort split /, /, $r->header('allow')} = 1
            if $r->status == 405;
    }

    is("@takes", "@want", "$path takes what it says");
    is_deeply([keys %allow], [join ' ', sort map { $_ eq 'GET'
        ? qw(GET HEAD) : $_ } @want], 'and Allow is the same');
}

sub url {
    my ($path) = @_;
    return substr($path, 1) =~ s/\{id\}/$id/r;
}

# the codes of problems

my %codes = map { $_ => 1 } map { $t->read($_) =~
    /_(?:problem|refuse)\(\s*\w+,\s*\d{3},\s*(?:[^;"]*\?\s*)?"([a-z_]+)"/g,
    $t->read($_) =~ /"(outcome_unknown)"/g } glob "$Gate::ROOT/src/admin/*.c";
my @described = @{$document->{components}{schemas}{Problem}{properties}{code}
    {enum}};
is_deeply([sort grep { $_ ne 'not_replicated' } @described],
    [sort keys %codes], 'the codes in the source');

# real answers: what all operations have in common

my @exchanges;

sub ask {
    my ($method, $path, $body, %opt) = @_;

    my $look = delete $opt{look} // (ref $body ? 'good' : '');
    my $r = $api->call($method, $path, $body, %opt);

    push @exchanges, { method => $method, status => $r->status,
        path => '/' . $path =~ s/\?.*//r, body => $r->body,
        sent => $look ? $Gate::Admin::JSON->encode($body) : undef,
        wrong => $look eq 'wrong' ? JSON::PP::true : JSON::PP::false,
        headers => { map { lc $_->[0] => $_->[1] } $r->headers } };

    return $r;
}

sub answers {
    my ($status, @request) = @_;
    my $r = ask(@request);
    is($r->status, $status, "$request[0] $request[1]: $status") or diag $r->raw;
    return $r;
}

for my $name (sort keys %operations) {
    my ($method, $path) = split / /, $name;
    my $url = url($path);
    my @body = $operations{$name} =~ /NONE/ ? undef : '{}';

    next if !@{$document->{paths}{$path}{lc $method}{security} // [1]};

    answers(401, $method, $url, @body, token => undef);
    answers(400, $method, "$url?nothing=1", @body);
    answers(413, $method, $url, ' ' x 65537);
    answers(403, $method, $url, @body, token => 'read') if $method ne 'GET';
    answers(415, $method, $url, '{}', type => 'text/plain') if $body[0];
    answers(400, $method, $url, '{') if $body[0];
}

# good ones

answers(200, 'GET', '', undef, token => undef);
answers(200, 'GET', $_) for 'openapi.json', 'v1/health', 'v1/clear',
    'v1/audit', 'v1/keys', "v1/keys/$id", 'metrics', 'page.css', 'page.js',
    map { substr $_, 1 } grep { $documented{$_} } @later;

my %full = (name => "J\x{f6}rg", scopes => ['a', 'b:c'],
    allow_from => ['127.0.0.0/8', '2001:db8::/32', '192.0.2.1'], rate => undef,
    metadata => { owner => 'x', empty => '' });

$r = answers(201, 'POST', 'v1/keys', { %full, expires_in => 900 });
my $second = $r->json->{id};
answers(201, 'POST', 'v1/keys/import', { %full, key => 'k' x 16,
    expires_at => '2100-01-01T00:00:00+01:00' });
answers(201, 'POST', 'v1/keys/import', { name => 'd', digest => 'd' x 64,
    pepper => 'none', expires_at => undef });
answers(409, 'POST', 'v1/keys/import', { name => 'd', digest => 'd' x 64 });
answers(200, 'PATCH', "v1/keys/$id", { %full, expires_in => 60 });
answers(200, 'PATCH', "v1/keys/$id", { expires_at => undef });
answers(200, 'PUT', 'v1/clear', undef);
answers(200, 'PUT', 'v1/clear', { ttl => 60, uses => 1, key => $id });
answers(200, 'GET', 'v1/clear');
answers(204, 'DELETE', "v1/clear?key=$id");
answers(204, 'DELETE', 'v1/clear');

answers(201, 'POST', "v1/keys/$id/rotate", { grace => 60 });
my $third = answers(201, 'POST', "v1/keys/$second/rotate", undef)->json->{id};
answers(409, 'POST', "v1/keys/$id/rotate", {});
answers(409, 'POST', 'v1/keys', { name => 'one too many' });
answers(409, 'POST', 'v1/keys/import', { name => 'x', key => 'm' x 16 });
answers(204, 'DELETE', "v1/keys/$id");
answers(204, 'DELETE', "v1/keys/$id");
answers(409, 'PATCH', "v1/keys/$id", { name => 'x' });
answers(409, 'PUT', 'v1/clear', { key => $id });

answers(200, 'GET', "v1/keys?limit=1&state=$_&name=") for
    qw(active disabled revoked expired);
answers(200, 'GET', 'v1/keys?limit=1&cursor='
    . $api->call('GET', 'v1/keys?limit=1')->json->{next});
answers(200, 'GET', 'v1/audit?limit=1&cursor='
    . $api->call('GET', 'v1/audit?limit=1')->json->{next});

my $none = 'f' x 20;
answers(404, $_, "v1/keys/$none") for 'GET', 'DELETE';
answers(404, 'PATCH', "v1/keys/$none", {});
answers(404, 'POST', "v1/keys/$none/rotate", undef);
answers(404, 'PUT', 'v1/clear', { key => $none });
answers(404, 'DELETE', "v1/clear?key=$none");

# bodies that the server refuses and the description must not call good

my %wrong = (
    'POST v1/keys' => [{}, { name => '' }, { name => 1 }, { name => 'x' x 101 },
        { name => "a\nb" }, { name => 'x', other => 1 },
        { name => 'x', key => 'k' x 16 }, { name => 'x', state => 'active' },
        { name => 'x', expires_in => 0 }, { name => 'x', expires_in => '9' },
        { name => 'x', expires_at => 'soon' },
        { name => 'x', expires_in => 1, expires_at => undef },
        { name => 'x', scopes => 'a' }, { name => 'x', scopes => ['a b'] },
        { name => 'x', scopes => [('a') x 17] }, { name => 'x', scopes => undef },
        { name => 'x', allow_from => [1] }, { name => 'x', rate => 1 },
        { name => 'x', rate => { limit => 1 } },
        { name => 'x', metadata => { A => '' } },
        { name => 'x', metadata => { a => 1 } },
        { name => 'x', metadata => { a => 'x' x 257 } },
        { name => 'x', metadata => { map { $_ => '' } 1 .. 17 } }],
    'POST v1/keys/import' => [{ name => 'x' }, { key => 'k' x 16 },
        { name => 'x', key => 'short' }, { name => 'x', key => 'k' x 257 },
        { name => 'x', key => 'k' x 16, digest => 'a' x 64 },
        { name => 'x', digest => 'A' x 64 }, { name => 'x', digest => 'a' },
        { name => 'x', key => 'k' x 16, pepper => 'none' },
        { name => 'x', digest => 'b' x 64, pepper => 'x' }],
    "PATCH v1/keys/$second" => [{ state => 'revoked' }, { state => undef },
        { id => $none }, { key => 'k' x 16 }],
    "POST v1/keys/$second/rotate" => [{ grace => -1 }, { grace => 2592001 },
        { grace => '1' }, { name => 'x' }],
    'PUT v1/clear' => [{ ttl => 0 }, { ttl => 86401 }, { ttl => undef },
        { uses => 0 }, { uses => 1e15 }, { key => '' }, { key => 'F' x 20 },
        { name => 'x' }],
);

for my $request (sort keys %wrong) {
    answers(400, split(/ /, $request), $_, look => 'wrong')
        for @{$wrong{$request}};
}

# what fails: an error, no answer, nobody there

my @reads = (['GET', 'v1/keys'], ['GET', "v1/keys/$id"], ['GET', 'v1/clear'],
    ['GET', 'v1/audit']);
my @writes = (['POST', 'v1/keys', { name => 'x' }],
    ['POST', 'v1/keys/import', { name => 'x', key => 'n' x 16 }],
    ['PATCH', "v1/keys/$second", { name => 'x' }],
    ['DELETE', "v1/keys/$second"], ['POST', "v1/keys/$third/rotate"],
    ['PUT', 'v1/clear'], ['DELETE', 'v1/clear']);

sub code {
    my ($want, @requests) = @_;
    for my $request (@requests) {
        my $code = answers(503, @$request)->json->{code};
        like($code, $want, 'its code');
    }
}

$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
code(qr/^store_refused$/, @writes);
$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

for my $request (@writes) {
    $t->until(sub { $api->call('GET', 'v1/health')->status == 200 });
    $redis->pause;
    code(qr/^outcome_unknown$/, $request);
    $redis->resume;
}

$redis->stop;
$t->until(sub { $api->call('GET', 'v1/keys')->status == 503 });
code(qr/^unavailable$/, @reads);
code(qr/^(?:unavailable|outcome_unknown)$/, @writes);
answers(503, 'GET', 'v1/health');
answers(200, 'GET', $_) for 'openapi.json',
    map { substr $_, 1 } grep { $documented{$_} } @later;

# all of it against the description

$t->write('exchanges.json', $Gate::Admin::JSON->encode(\@exchanges));
my $said = `node '$Gate::ROOT/t/openapi/check.mjs' '$file' '@{[$t->dir]}/exchanges.json' 2>&1`;
my $found = eval { JSON::PP->new->utf8->decode($said) }
    or BAIL_OUT("t/openapi/check.mjs: $said");

is_deeply($found->{document}, [], 'valid OpenAPI 3.1');
is_deeply($found->{answers}, [], 'all answers are as described');

# 500 is for want of memory, which no test can bring about
my $later = join '|', map { quotemeta } grep { !$documented{$_} } @later;
is_deeply([grep { !/ 500$/ && !($later && m{^GET (?:$later) }) }
    @{$found->{unseen}}], [], 'and all that are described were seen');

$t->done;
