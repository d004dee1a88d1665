# Guards: nobody gets anything from the admin API without a token, a read
# token changes nothing, API keys and tokens are not each other; each route has
# the methods that it has; and the page's files come with their headers.  Seen
# red with the page's policy, its ETag and its table entry taken out.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $api = Gate::Admin->new($t, '', '', <<'EOC');
        location /limited/ {
            api_key_admin shop;
            limit_except GET { allow 127.0.0.1; deny all; }
        }
        location /asked/ { auth_request /admin/v1/keys; empty_gif; }
        location /short/ { api_key_admin shop; rewrite ^ /x break; }
        location /other/ { api_key_admin shop; rewrite ^ /x/v1/keys break; }
        location /closed/ {
            api_key_admin shop;
            limit_except GET { deny all; }
        }
EOC

my $made = $api->create(name => 'here');
my $id = $made->{id};
my ($disabled) = $t->key(state => 'disabled');

my %routes = (
    'v1/keys' => 'GET HEAD POST',
    'v1/keys/import' => 'POST',
    "v1/keys/$id" => 'GET HEAD PATCH DELETE',
    "v1/keys/$id/rotate" => 'POST',
    'v1/clear' => 'GET HEAD PUT DELETE',
    'v1/audit' => 'GET HEAD',
    'v1/health' => 'GET HEAD',
    'openapi.json' => 'GET HEAD',
);

my @unknown = ('v1', 'v1/', 'v1/keys/', 'v1/keysx', 'v2/keys', 'V1/keys',
    'v1/nothing', "v1/keys/$id/", "v1/keys/$id/rotatex", "v1/keys/$id/x",
    'v1/keys/' . uc $id, 'v1/keys/' . substr($id, 1), "v1/keys/${id}0",
    'v1/keys/' . 'g' x 20, 'page.html', 'page.jsx', 'x');

my @methods = qw(GET HEAD POST PUT PATCH DELETE OPTIONS MKCOL FOO);

my @nobody = (
    [],
    [Authorization => ''],
    [Authorization => 'Bearer'],
    [Authorization => 'Bearer '],
    [Authorization => 'Bearer wrong'],
    [Authorization => "Bearer $Gate::Admin::WRITE."],
    [Authorization => 'Bearer ' . substr($Gate::Admin::WRITE, 1)],
    [Authorization => "Basic $Gate::Admin::WRITE"],
    [Authorization => $Gate::Admin::WRITE],
    [Authorization => "Bearer $made->{key}"],
    ['X-API-Key' => $made->{key}],
    ['X-API-Key' => $Gate::Admin::WRITE],
    [Authorization => 'Bearer ' . Digest::SHA::sha256_hex($Gate::Admin::WRITE)],
    [Authorization => 'Bearer writer'],
);

my $before = state();
my (%bodies, @bad);

for my $path (sort(keys %routes), @unknown) {
    for my $method (@methods) {
        for my $who ($method eq 'GET' ? @nobody : @nobody[0, 4, 9]) {
            my $r = $t->request($method, "/admin/$path", headers => [@$who,
                'Content-Type' => 'application/json'], body => '{');

            push @bad, "$method $path (@$who): " . $r->raw
                if $r->status != 401
                || ($r->header('www-authenticate') // '')
                   ne 'Bearer realm="shop"'
                || ($r->header('cache-control') // '') ne 'no-store';
            $bodies{$r->body} = 1 if $method ne 'HEAD';
        }
    }
}

is_deeply(\@bad, [], 'without a token all is 401');
is_deeply([keys %bodies], ['{"type":"about:blank","title":"Unauthorized",'
    . '"status":401,"code":"unauthorized"}'], 'and all look the same');

# the read token

@bad = ();

for my $path (sort(keys %routes), @unknown) {
    for my $method (@methods) {
        my $r = $api->call($method, $path, '{', token => 'read');
        my $known = $routes{$path};

        my $want = $method !~ /^(GET|HEAD)$/ ? 403 : !$known ? 404
            : $known !~ /GET/ ? 405 : 200;
        push @bad, "$method $path: " . $r->raw if $r->status != $want
            || $want == 403 && $r->json->{code} ne 'forbidden';
    }
}

is_deeply(\@bad, [], 'a read token may GET and no more');
is_deeply(state(), $before, 'nothing has changed in Redis');

# the write token: what there is

@bad = ();

for my $path (sort(keys %routes), @unknown) {
    for my $method (@methods) {
        my $known = $routes{$path};
        next if $known && $known =~ /\b$method\b/;

        my $r = $api->call($method, $path, '{');
        my $want = $known ? 405 : 404;
        my $allow = join ', ', split / /, $known // '';

        push @bad, "$method $path: " . $r->raw if $r->status != $want
            || ($r->header('allow') // '') ne $allow
            || $method ne 'HEAD' && $r->json->{code}
               ne ($known ? 'method_not_allowed' : 'not_found');
    }
}

is_deeply(\@bad, [], 'unknown routes are 404, wrong methods 405 with Allow');
is_deeply(state(), $before, 'nothing has changed in Redis');

# how the token may be written

is($t->get('/admin/v1/health', Authorization => "bearer  $Gate::Admin::READ")
    ->status, 200, 'the scheme is compared without case');

my $twice = $t->get('/admin/v1/health',
    Authorization => "Bearer $Gate::Admin::READ",
    Authorization => "Bearer $Gate::Admin::WRITE");
is($twice->status, 400, 'two tokens are refused');

# the page

my %page = ('' => qr{^text/html\b}, 'page.css' => qr{^text/css\b},
    'page.js' => qr{^text/javascript\b});

my %policy = map { $_ => 1 } ("default-src 'none'", "script-src 'self'",
    "style-src 'self'", "connect-src 'self'", 'img-src data:',
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types 'none'");

for my $file (sort keys %page) {
    my $name = $file || 'the page';

    for my $token (undef, 'wrong', 'read', 'write') {
        my $r = $api->call('GET', $file, undef, token => $token);
        is($r->status, 200, "$name is for everyone");
        like($r->header('content-type'), $page{$file}, 'its type');
        is_deeply({ map { $_ => 1 } split /; */,
            $r->header('content-security-policy') }, \%policy, 'its policy');
        is($r->header('x-content-type-options'), 'nosniff', 'nosniff');
        is($r->header('referrer-policy'), 'no-referrer', 'no referrer');
        is($r->header('cache-control'), 'no-cache', 'asked for each time');
        unlike($r->body, qr/$id/, 'without data');
    }

    my $whole = $api->call('GET', $file, undef, token => undef);
    my $head = $api->call('HEAD', $file, undef, token => undef);
    is($head->status, 200, "HEAD of $name");
    is($head->header('content-length'), length $whole->body, 'has its length');
    is($head->header('etag'), $whole->header('etag'), 'and its ETag');

    my $known = $api->call('GET', $file, undef, token => undef,
        headers => ['If-None-Match' => $whole->header('etag')]);
    is($known->status, 304, 'what a browser has is not sent again');
    is($known->body, '', 'not at all');
    is($api->call('GET', $file, undef, token => undef,
        headers => ['If-None-Match' => '"other"'])->status, 200,
        'what it has of another version is');

    is($api->call('GET', $file, undef, token => undef, h2 => 1)->body,
        $whole->body, 'over HTTP/2 it is the same');
    is($api->call('POST', $file, '{}', token => undef)->status, 401,
        'POST needs a token');
    is($api->call('POST', $file, '{}', token => 'read')->status, 403,
        'a write token');
    is($api->call('POST', $file, '{}')->header('allow'), 'GET, HEAD',
        'and is 405');
}

# limit_except

is($api->call('POST', '../limited/v1/keys', {})->status, 400,
    'who passes limit_except comes to the API');
is($api->call('POST', '../limited/v1/keys', {}, token => undef)->status, 401,
    'and needs a token');
is($api->call('POST', '../closed/v1/keys', {})->status, 403, 'who does not');
is($api->call('GET', '../closed/v1/keys')->status, 200, 'may GET');

# headers of an answer

my $r = $api->call('GET', 'v1/keys', undef, token => 'read');
is($r->header('content-type'), 'application/json', 'JSON');
is($r->header('cache-control'), 'no-store', 'not stored');
is($r->header('x-content-type-options'), 'nosniff', 'nosniff');

# tokens are no API keys

is($t->get('/guarded/', 'X-API-Key' => $made->{key})->status, 200,
    'an API key is one');
is($t->get('/guarded/', 'X-API-Key' => $Gate::Admin::WRITE)->status, 401,
    'a token is no API key');

# what the logs show

# below notice, nginx itself says what it got twice

my $log = $t->error_log . $t->access_log;
$log =~ s/^.*\[info\].*$//mg;

for my $secret ($Gate::Admin::WRITE, $Gate::Admin::READ, $made->{key}) {
    is(index($log, $secret), -1, 'no secret in the logs');
}

# nothing but blanks, which HTTP/2 does not take away

$api->problem($api->call('GET', 'v1/keys', undef, token => undef, h2 => 1,
    headers => [Authorization => 'Bearer   ']), 401, 'unauthorized', undef,
    'no token behind blanks');

# from inside nginx, and by another path than the location's

my @write = (Authorization => "Bearer $Gate::Admin::WRITE");

is($t->get('/asked/', @write)->status, 403, 'a subrequest is refused');
$api->problem($t->get("/$_/v1/keys", @write), 404, 'not_found', undef,
    "a rewritten path, $_") for 'short', 'other';

# a body that is none, behind a request that is refused

for my $case ([], \@write) {
    my $head = join '', map { "$case->[2 * $_]: $case->[2 * $_ + 1]\r\n" }
        0 .. @$case / 2 - 1;
    my $path = @$case ? 'v1/nothing' : 'v1/keys';
    my $r = $t->raw("POST /admin/$path HTTP/1.1\r\nHost: h\r\n$head"
        . "Transfer-Encoding: chunked\r\n\r\nno chunk\r\n");

    is($r->status, 400, "no body, $path");
}

$t->done;


# all that Redis holds, with the order made the same

sub state {
    my %state;

    for my $key (@{$redis->cmd('KEYS', '*')}) {
        $state{$key} = $redis->cmd('DUMP', $key);
    }

    return \%state;
}
