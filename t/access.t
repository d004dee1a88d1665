# Guards: who gets in.  Each source and each verdict of the gate, what a
# refusal looks like, and that nothing a client sends makes a 5xx or tells one
# kind of bad key from another.  Seen red with the digest compare inverted, the
# expiry check dropped and the ambiguity check dropped, with the end of the
# digest not compared, with an empty header taken for a key, with a redirect that
# counts as judged or whose location's key is not looked at, with header names
# compared by their hash alone, with a "_" taken for any character, and with an
# IPv6 address read as one of IPv4.

use Gate;
use Digest::SHA qw(sha256_hex);
use IO::Socket::IP;
use IO::Socket::UNIX;

my $t = Gate->new;
my $redis = $t->redis;
my $backend = $t->backend;
my $pepper = 'pepper-of-this-test-0123456789abcdef';
my $ipv6 = IO::Socket::IP->new(LocalHost => '::1', Listen => 1)
    ? 'listen [::1]:%%PORT_1%%;' : '';

mkdir $t->dir . '/part';
$t->write('file', "x\n");
$t->write('part/name.html', '(<!--# echo var="api_key_name" -->)');
$t->write('page.html', '<!--# include virtual="/part/id" -->'
    . "<!--# include virtual=\"/part/name.html\" -->\n");
$t->write('pepper', "$pepper\nnone\n", 0600);
$t->conf(<<'EOC' =~ s/listen_v6;/$ipv6/r);
    log_format k '$api_key_status $api_key_error $api_key_id $api_key_name '
                 '$api_key_scopes $api_key_expires $api_key_meta_team '
                 '$api_key_cache';
    access_log %%TESTDIR%%/k.log k;
    large_client_header_buffers 8 128k;

    api_key_store shop { server %%REDIS%%; cache off; }
    api_key_store peppered {
        server %%REDIS%%; prefix p:; pepper_file pepper; cache off;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen unix:%%TESTDIR%%/gate.sock;
        listen_v6;
        underscores_in_headers on;

        location / { api_key shop; proxy_pass http://%%BACKEND%%; }
        location /all/ {
            api_key shop;
            api_key_from header:X-API-Key bearer query:key cookie:key;
            proxy_pass http://%%BACKEND%%;
        }
        location /scope/ {
            api_key shop; api_key_scope read write;
            proxy_pass http://%%BACKEND%%;
        }
        location /pepper/ { api_key peppered; proxy_pass http://%%BACKEND%%; }
        location /text/ {
            api_key shop;
            api_key_response text/plain "no: $api_key_error";
            proxy_pass http://%%BACKEND%%;
        }
        location /observe/ {
            api_key shop; api_key_observe on;
            api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
        location /outer/ { api_key shop; try_files /nothing /inner/; }
        location /first/ { api_key shop; error_page 401 = /second/; }
        location /third/ {
            api_key shop; try_files /nothing /second/$is_args$args;
        }
        location /second/ {
            api_key shop; api_key_from query:key;
            proxy_pass http://%%BACKEND%%;
        }
        location /inner/ {
            api_key off; api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
        location /named/ {
            api_key shop;
            api_key_from header:X-API-Key bearer query:key cookie:key
                         header:key header:x-fourteen-len;
            proxy_pass http://%%BACKEND%%;
        }
        location /moved/ {
            api_key shop;
            root %%TESTDIR%%/$api_key_id$api_key_name;
            error_page 404 = /pepper/moved;
        }
        location = /file { api_key shop; root %%TESTDIR%%; }
        location = /page.html { api_key shop; ssi on; root %%TESTDIR%%; }
        location = /part/id { return 200 "($api_key_id)"; }
        location = /part/name.html { root %%TESTDIR%%; api_key_from header:X; ssi on; }
        location /args/ {
            api_key shop;
            api_key_from query:key;
            set $args "a=1&$args";
            proxy_pass http://%%BACKEND%%;
        }
        location /unkeyed/ {
            api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
        location /limit/ {
            limit_except GET { api_key shop; }
            proxy_pass http://%%BACKEND%%;
        }
    }
EOC
$t->start;

my ($key, $id) = $t->key(name => 'erp', scopes => 'read', 'meta:team' => 'ops');
my ($other) = $t->key(name => 'other');
my ($old) = $t->key(name => 'old', expires_at => time - 10);
my ($off) = $t->key(name => 'off', state => 'disabled');
my ($gone) = $t->key(name => 'gone', state => 'revoked');
my ($away) = $t->key(name => 'away', allow_from => '10.0.0.0/8 ::1');
my ($near) = $t->key(name => 'near', allow_from => '127.0.0.0/8');
my ($both) = $t->key(name => 'both', scopes => 'read write');
my ($imported) = $t->key(name => 'hotcakes',
    key => '1-b91c45bc-1752-4fb9-aa48-f59b68244b57');
my ($unknown) = $t->key(name => 'unknown');
$redis->cmd('DEL', 'shop:key:' . substr(sha256_hex($unknown), 0, 20));

sub status { $t->get(@_)->status }
sub h { ('X-API-Key' => $_[0]) }

# sources

is(status('/', h($key)), 200, 'header');
is(status('/', 'x-api-KEY' => $key), 200, 'header names have no case');
is(status('/', h($imported)), 200, 'an imported key');
is(status('/', 'X_API_Key' => $key), 401, 'underscores are no source');
is(status("/?key=$key"), 401, 'a query is none by default');
is(status("/all/?key=$key"), 200, 'query');
is(status("/all/?a=1&KEY=$key"), 200, 'query names have no case');
is(status("/all/?k%65y=$key"), 200, 'and are decoded');
(my $encoded = $key) =~ s/_/%5f/;
is(status("/all/?key=$encoded"), 200, 'query values are decoded');
is(status('/all/', Authorization => "Bearer $key"), 200, 'bearer');
is(status('/all/', Authorization => "bearer  $key"), 200, 'bearer, no case');
is(status('/all/', h($key), Authorization => 'Beare'), 200,
    'too short for this scheme');
is(status('/all/', Authorization => "Basic $key"), 401, 'another scheme');
is(status('/all/', Cookie => "a=1; key=$key; b=2"), 200, 'cookie');

# one source twice, two that differ

for my $case (["/all/?key=$key&key=$key"], ["/all/?key=$key&key=$other"],
    ['/all/', h($key), h($key)], ["/all/?key=$key", h($other)],
    ['/all/', Cookie => "key=$key; key=$key"],
    ['/all/', h($key), Authorization => "Bearer $other"])
{
    my $r = $t->get(@$case);
    is($r->status, 400, "ambiguous: $$case[0]");
    is($r->json->{code}, 'ambiguous', 'and it says so');
}

is(status("/all/?key=$key", h($key), Authorization => "Bearer $key"), 200,
    'the same key in three sources is one key');
is(status("/all/?key=&key=$key"), 200, 'an empty value is no key');

# verdicts

my %words = ($old => 'expired', $off => 'disabled', $gone => 'revoked',
    $unknown => 'unknown', 'short' => 'malformed', 'key_' . 'a' x 36 =>
    'malformed', sha256_hex($key) => 'unknown', "${key}x" => 'unknown');
my %seen;

for my $bad (sort keys %words) {
    my $r = $t->get('/', h($bad));
    $seen{join "\n", map { "@$_" } grep { $_->[0] ne 'Date' }
        $r->headers, [body => $r->body]}++;
    is($r->status, 401, "$words{$bad} is 401");
    my $want = $words{$bad};
    $t->until(sub { $t->read('k.log') =~ /^$want invalid/m }, 5);
    like($t->read('k.log'), qr/^$want invalid/m, 'the log has the reason');
}

# an id is a part of the digest only

my ($forged, $forged_id) = $t->key(name => 'forged');
my $digest = sha256_hex($forged);
my $last = substr($digest, -1) eq '0' ? '1' : '0';
$redis->cmd('HSET', "shop:key:$forged_id", 'digest',
    substr($digest, 0, 63) . $last);
is(status('/', h($forged)), 401, 'the digest counts to its last digit');

is(scalar keys %seen, 1, 'no bad key looks different from another');
$t->get('/all/', Authorization => 'Bearer');
$t->until(sub { $t->read('k.log') =~ /malformed invalid.*\n\z/ }, 5);
like($t->read('k.log'), qr/malformed invalid.*\n\z/, 'Bearer and no more');

my $r = $t->get('/');
is($r->json->{code}, 'missing', 'no key is missing');
is($t->get('/', h(''))->json->{code}, 'missing', 'nor is an empty header one');
is(status('/all/', h(''), Cookie => "key=$key"), 200,
    'which does not stand against another');
is($r->header('www-authenticate'), 'ApiKey realm="shop"', 'the challenge');
is($t->get('/all/')->header('www-authenticate'), 'Bearer realm="shop"',
    'is Bearer where that is a source');
is($r->header('content-type'), 'application/problem+json', 'problem+json');
is($r->header('cache-control'), 'no-store', 'not to be stored');
is($r->body, '{"type":"about:blank","title":"Unauthorized","status":401,'
    . '"code":"missing"}', 'the body');

my $head = $t->head('/');
is($head->status, 401, 'HEAD');
is($head->body, '', 'has no body');
is($head->header('content-length'), length $r->body, 'but the length');

is(status('/', h($away)), 403, 'an address from elsewhere');
is($t->get('/', h($away))->json->{code}, 'forbidden_address', 'is named');
is(status('/', h($away), 'X-Forwarded-For' => '10.1.1.1'), 403,
    'X-Forwarded-For alone does not count');
is(status('/', h($near)), 200, 'an address from here');
is($t->get('/scope/', h($key))->json->{code}, 'forbidden_scope', 'scopes');
is(status('/scope/', h($both)), 200, 'all scopes are there');

$r = $t->get('/text/');
is($r->body, 'no: missing', 'a body of one\'s own');
is($r->header('content-type'), 'text/plain', 'with its type');

# expiry to the second, and by Redis

my ($soon, $soon_id) = $t->key(name => 'soon', expires_at => time + 2);
is(status('/', h($soon)), 200, 'not expired yet');
$t->until(sub { status('/', h($soon)) == 401 }, 5);
is(status('/', h($soon)), 401, 'expired');
my ($ttl, $ttl_id) = $t->key(name => 'ttl');
$redis->cmd('PEXPIRE', "shop:key:$ttl_id", 800);
is(status('/', h($ttl)), 200, 'a TTL to come');
$t->until(sub { status('/', h($ttl)) == 401 }, 5);
is(status('/', h($ttl)), 401, 'ends the key too');

# peppers

my ($first) = $t->key(store => 'p:', secret => $pepper);
my ($second) = $t->key(store => 'p:');
is(status('/pepper/', h($first)), 200, 'under the first pepper');
is(status('/pepper/', h($second)), 200, 'under the second');
is(status('/pepper/', h($key)), 401, 'a key of another store');

# what a variable was before is not what is true in the end

my ($moved) = $t->key(name => 'a-name-of-some-length');
my (undef, $there) = $t->key(store => 'p:', key => $moved, secret => $pepper,
    name => 'it');
is(status('/moved/', h($moved)), 200, 'a key of two stores');
$t->until(sub { $t->read('k.log') =~ /^ok ok $there it - - - miss$/m }, 5);
like($t->read('k.log'), qr/^ok ok $there it - - - miss$/m,
    'variables of the last one');

# variables

$t->get('/', h($key));
$t->until(sub { $t->read('k.log') =~ /^ok ok $id erp read - ops miss$/m }, 5);
like($t->read('k.log'), qr/^ok ok $id erp read - ops miss$/m, 'variables');

# observe

is(status('/observe/'), 200, 'observed, not refused');
is(status('/observe/', h($gone)), 200, 'a bad key too');
is(($backend->requests)[-1]->header('x-api-key'), $gone, 'goes as it came');
is(status('/observe/', h($key)), 200, 'a good key');
is(($backend->requests)[-1]->header('x-api-key'), undef, 'is removed');
is($t->delete('/observe/', h($key))->status, 403, 'a clear is refused');

# names that only look alike: of the same hash, of the same hash and another
# length, and with "_" for what is no "-"

for my $name ('X-C2i-Key', 'C7thorization', 'E1okie', 'ahrxvvcynoirdn',
    'dpotbokbxirpnc', 'ahrxrxquawmrgy', 'x-api_k_y', 'x_api-key')
{
    my $value = $name =~ /^(?:c7|dp)/i ? "Bearer $key"
        : $name =~ /^(?:e1|ahrxrx)/i ? "key=$key" : $key;

    is(status('/named/', $name => $value), 401, "$name is no source");
}

is(status('/named/', key => $key), 200, 'a header and a query of one name');
is(status('/named/', Authorization => 'Bearer'), 401, 'no token');
is(status('/named/', Authorization => "Bearer$key"), 401, 'no blank');
is(status('/named/', Cookie => "key=; key=$key"), 200, 'an empty cookie');
is(status('/args/?key=' . $key =~ s/_/%5f/r), 200, 'twice, escaped');
is(status('/args/?key='), 401, 'an empty one');
is($t->delete('/unkeyed/')->status, 403, 'a clear where no key is read');
is(status('/unkeyed/'), 200, 'and all else');

# many headers

is(status('/', (map { ("X-$_" => 1) } 1 .. 60), h($key)), 200,
    'a key behind sixty headers');

# other families of addresses

sub over {
    my ($socket, $key) = @_;
    my $c = $t->connect(socket => $socket // die "no socket\n");
    $c->request('GET', '/', close => 1, headers => [h($key)]);
    return $c->response->status;
}

sub local { IO::Socket::UNIX->new(Peer => $t->dir . '/gate.sock') }

is(over(&local, $key), 200, 'over a Unix socket');
is(over(&local, $near), 403, 'which is of no network');

SKIP: {
    skip('no IPv6 here', 3) unless $ipv6;

    my $v6 = sub {
        IO::Socket::IP->new(PeerHost => '::1', PeerPort => $t->port(1))
    };

    is(over($v6->(), $key), 200, 'over IPv6');
    is(over($v6->(), $away), 200, 'its address is allowed');
    is(over($v6->(), $near), 403, 'it is none of IPv4');
}

# what a filter refuses, and what a part of a page is told

is($t->get('/file', h($key), 'If-Match' => '"x"')->status, 412, 'by a filter');
is($t->get('/page.html', h($key))->body, "($id)(erp)\n", 'a subrequest');

# an internal redirect

is(status('/outer/', h($key)), 200, 'a redirect to a guard');
is($t->delete('/outer/', h($key))->status, 403, 'is judged by it');

# what another location finds is looked at there

is(status("/first/?key=$key"), 200, 'a key that is found behind a redirect');
is(status('/first/?key=no-key-of-anybodys'), 401, 'a bad one');
is(status("/third/?key=$key", h($key)), 200, 'the same key once more');
is(status('/third/?key=no-key-of-anybodys', h($key)), 400, 'another one');

# limit_except

is(status('/limit/'), 200, 'limit_except: GET is free');
is($t->post('/limit/', 'x')->status, 401, 'POST is not');
is($t->post('/limit/', 'x', h($key))->status, 200, 'but with a key');

# anything at all

my @bad;

for my $byte (0 .. 255) {
    for my $raw (
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-API-Key: "
        . 'abcdefghijklmnop' . chr($byte) . "x\r\n\r\n",
        sprintf("GET /all/?key=abcdefghijklmnop%%%02x%s HTTP/1.1\r\nHost: h"
        . "\r\nConnection: close\r\n\r\n", $byte, '%zz%'))
    {
        my $s = $t->raw($raw)->status;
        push @bad, "$byte: $s" unless $s == 400 || $s == 401;
    }
}

is("@bad", '', 'no byte makes more than a 400 or 401');
is(status('/', h('x' x 65536)), 401, '64 KiB');
is(status('/all/?key=' . 'x' x 65536), 401, '64 KiB in the query');
is(status('/all/?key=%' . '&key' x 200), 401, 'broken escapes');

$t->done;
