# Guards: the metrics.  A known mix of requests and calls of the admin API is
# found again in the numbers, over two workers and a reload, each request once;
# names and labels are those of the contract and hold nothing that a client
# chose; Redis is asked a fixed number of commands; they are there while Redis
# is down; promtool finds nothing; the dashboard uses only names that exist.
# Seen red with a verdict counted per judgement, with rows by worker not summed,
# with the counters' zone made anew on reload, and with a HELP line left out.

use Gate;
use JSON::PP;

my $t = Gate->new;
my $redis = $t->redis;
$t->backend;
$t->example('hotcakes.conf');                   # makes the token file

$t->conf(<<'EOC', workers => 2);
api_key_store shop {
    server %%REDIS%%;
    issue  prefix=hc rotate_after=90d;
    cache  size=64k stale=60s;
}
server {
    listen 127.0.0.1:%%PORT_0%%;
    api_key shop;
    api_key_from header:X-API-Key query:key;
    api_key_clear DELETE;
    add_header X-Cache $api_key_cache always;
    location / { proxy_pass http://%%BACKEND%%; }
    location /scope/ { api_key_scope never; proxy_pass http://%%BACKEND%%; }
    location /watch/ { api_key_observe on; proxy_pass http://%%BACKEND%%; }
    location /again/ {
        error_page 401 = /login;
        proxy_pass http://%%BACKEND%%;
    }
    location = /login { proxy_pass http://%%BACKEND%%; }
    location = /free { api_key off; proxy_pass http://%%BACKEND%%; }
    location /admin/ {
        api_key_admin shop;
        api_key_admin_tokens api-key.tokens;
    }
}
EOC
$t->start;

my @token = (Authorization => "Bearer $Gate::WRITE_TOKEN");

sub call {
    my ($method, $path, $body) = @_;
    return $t->request($method, "/admin/v1/$path",
        headers => [@token, defined $body
            ? ('Content-Type' => 'application/json') : ()], body => $body);
}

sub scrape { $t->get('/admin/metrics', @token)->body }


# name{labels} => number

sub numbers {
    return { map { /^(\S+\{.*\}) (\S+)$/ ? ($1 => $2) : () }
        split /\n/, $_[0] // settled() };
}

# A request is counted when it is logged, after its answer: what two scrapes in
# a row say of requests is so.

sub settled {
    my ($text, $last, $counts) = ('', '', '');

    $t->until(sub {
        $last = $counts;
        $text = scrape();
        $counts = join "\n", $text =~ /^(\S*requests_total.*)/mg;
        return $counts eq $last;
    });

    return $text;
}

sub n {
    my ($numbers, $name, %label) = @_;
    my $labels = join ',', map { qq($_="$label{$_}") } sort keys %label;
    return $numbers->{"nginx_api_key_$name\{store=\"shop\""
        . ($labels ? ",$labels" : '') . '}'};
}


ok($t->until(sub { call('GET', 'health')->json->{push}{up} }),
    'the push link is up');

my $r = $t->get('/admin/metrics', @token);
is($r->status, 200, 'metrics');
like($r->header('content-type'), qr{^text/plain; version=0\.0\.4}, 'its type');
is($t->get('/admin/metrics')->status, 401, 'not without a token');

my $first = numbers($r->body);
is(n($first, 'requests_total', verdict => $_), 0, "$_ is there from the start")
    for qw(ok ambiguous missing malformed unknown revoked disabled expired
    forbidden_address forbidden_scope not_armed limited unavailable);


# a known mix

my ($good, $id) = $t->key(name => 'good');
my ($away) = $t->key(name => 'away', allow_from => '192.0.2.0/24');
my ($old) = $t->key(name => 'old', expires_at => time - 10);
my ($off) = $t->key(name => 'off', state => 'disabled');
my ($gone) = $t->key(name => 'gone', state => 'revoked');
my $unknown = 'this-key-is-nobodys-key';

my @mix = (
    [ok => 7, '/', $good],
    [ambiguous => 2, "/?key=other-than-that-0123", $good],
    [missing => 3, '/', undef],
    [malformed => 4, '/', 'short'],
    [unknown => 5, '/', $unknown],
    [revoked => 2, '/', $gone],
    [disabled => 3, '/', $off],
    [expired => 2, '/', $old],
    [forbidden_address => 2, '/', $away],
    [forbidden_scope => 3, '/scope/', $good],
);

for my $part (@mix) {
    my ($verdict, $times, $path, $key) = @$part;
    $t->get($path, defined $key ? ('X-API-Key' => $key) : ()) for 1 .. $times;
}

$t->delete('/', 'X-API-Key' => $good) for 1 .. 2;       # not armed
$t->get('/watch/', 'X-API-Key' => $unknown) for 1 .. 4;
$t->get('/watch/', 'X-API-Key' => $good) for 1 .. 2;    # ok is ok
$t->get('/again/', 'X-API-Key' => $unknown) for 1 .. 3; # judged twice
$t->get('/free', 'X-API-Key' => $good);                 # not judged

my %want = map { $_->[0] => $_->[1] } @mix;
$want{not_armed} = 2;
$want{ok} += 2;
$want{unknown} += 3;

my $now = numbers();
is(n($now, 'requests_total', verdict => $_), $want{$_} // 0, "requests: $_")
    for sort(keys %want), 'limited', 'unavailable';
is(n($now, 'observed_total', verdict => 'unknown'), 4, 'observed: unknown');
is(n($now, 'observed_total', verdict => 'ok'), 0, 'ok is never observed');

# each key costs a miss, and unknown keys are in the cache as well
my %result = map { $_ => n($now, 'cache_total', result => $_) }
    qw(hit miss stale negative);
is($result{stale}, 0, 'nothing stale');
cmp_ok($result{miss}, '>=', 6, 'misses');
cmp_ok($result{hit}, '>=', 10, 'hits');
cmp_ok($result{negative}, '>=', 8, 'negative');
is($result{hit} + $result{miss} + $result{negative},
    7 + 5 + 2 + 3 + 2 + 2 + 3 + 4 + 2 + 3, 'each look is counted once');
is(n($now, 'cache_entries'), 6, 'entries');
is(n($now, 'cache_evictions_total'), 0, 'no eviction');
cmp_ok(n($now, 'redis_seconds_count'), '>', 0, 'answers of Redis');
is(n($now, 'redis_seconds_bucket', le => '+Inf'),
    n($now, 'redis_seconds_count'), 'the last bucket holds all');
is(n($now, 'armed'), 0, 'not armed');


# the admin API

my $created = call('POST', 'keys', '{"name":"one"}')->json;
call('POST', 'keys', '{"name":"bad","nonsense":1}');            # 400
call('POST', 'keys/import', '{"name":"two","key":"0123456789abcdef-old"}');
call('PATCH', "keys/$created->{id}", '{"name":"uno"}') for 1 .. 2;
my $next = call('POST', "keys/$created->{id}/rotate")->json;
call('DELETE', "keys/$next->{id}");
call('DELETE', 'keys/' . '0' x 20);                             # 404
call('PUT', 'clear', '{"ttl":60}');

$now = numbers();
is(n($now, 'armed'), 1, 'armed');
$t->delete('/', 'X-API-Key' => $good);
call('DELETE', 'clear');
$now = numbers();

my %done = (create => 1, import => 1, change => 2, rotate => 1, revoke => 1,
    arm => 1, disarm => 1);
is(n($now, 'admin_total', action => $_), $done{$_}, "admin: $_")
    for sort keys %done;
is(n($now, 'requests_total', verdict => 'ok'), $want{ok} + 1, 'the clear');
cmp_ok(n($now, 'invalidations_total'), '>', 0, 'invalidations');

$redis->cmd('ZADD', 'shop:live', 1000 * (time - 91 * 86400), '0' x 20);
is(n(numbers(), 'rotate_due'), 1, 'due for rotation');
$redis->cmd('ZREM', 'shop:live', '0' x 20);


# evictions: more keys than the zone holds

my @many = map { ($t->key(name => "n$_"))[0] } 1 .. 600;
$t->get('/', 'X-API-Key' => $_) for @many;
$now = numbers();
cmp_ok(n($now, 'cache_evictions_total'), '>', 0, 'evictions');
cmp_ok(n($now, 'cache_entries'), '<=', 65536 / 144, 'entries are bounded');


# a fixed number of commands

$redis->cmd('CONFIG', 'RESETSTAT');
scrape();
my %calls = $redis->cmd('INFO', 'commandstats')
    =~ /^cmdstat_(\S+?):calls=(\d+)/mg;
delete @calls{qw(ping config|resetstat eval hget hset info)};
is_deeply(\%calls, { get => 1, pttl => 1, zcount => 1 }, 'three commands');


# kept over a reload, and an outage

my $before = numbers();
$t->reload;
$now = numbers();
is(n($now, 'requests_total', verdict => $_),
    n($before, 'requests_total', verdict => $_), "kept over a reload: $_")
    for qw(ok unknown missing);
ok($t->until(sub {
    ! grep { $t->get('/', 'X-API-Key' => $good)->header('x-cache') ne 'hit' }
        1 .. 20;
}), 'both workers know the key');

my $ok = n(numbers(), 'requests_total', verdict => 'ok');
$redis->stop;
ok($t->until(sub { n(numbers(), 'redis_up', server => $t->expand('%%REDIS%%'))
    eq '0' }), 'down');
$t->get('/', 'X-API-Key' => $good) for 1 .. 5;
$t->get('/', 'X-API-Key' => 'never-heard-of-this-one');
$now = numbers();
cmp_ok(n($now, 'cache_total', result => 'stale'), '>', 0, 'stale answers');
is(n($now, 'requests_total', verdict => 'ok'), $ok + 5, 'which pass');
is(n($now, 'requests_total', verdict => 'unavailable'), 1, 'unavailable');
my $errors = 0;
$errors += n($now, 'redis_errors_total', kind => $_)
    for qw(connect timeout closed protocol refused);
cmp_ok($errors, '>', 0, 'errors');
is(n($now, 'armed'), undef, 'what only Redis knows is not told');

$redis->start;
ok($t->until(sub { n(numbers(), 'redis_up', server => $t->expand('%%REDIS%%'))
    eq '1' }), 'up again');
my $text;
ok($t->until(sub { defined n(numbers($text = scrape()), 'armed') }),
    'what only Redis knows is told again, by whichever worker is asked');


# nothing that a client chose

unlike($text, qr/nobodys|never-heard|\Q$good\E|\Q$id\E|good|erp/,
    'no label holds anything of a client or of a key');
like($_, qr/^(?:\#\ (?:HELP|TYPE)\ nginx_api_key_\w+\ \S.*
    |nginx_api_key_\w+\{store="shop"[^}]*\}\ [\d.]+)$/x, "a line: $_")
    for split /\n/, $text;

my %help = map { $_ => 1 } $text =~ /^# HELP (\S+) /mg;
my %type = $text =~ /^# TYPE (\S+) (\S+)$/mg;
is_deeply([sort keys %help], [sort keys %type], 'each has help and type');
is_deeply([map { s/nginx_api_key_//r } sort keys %type], [qw(
    admin_total armed cache_entries cache_evictions_total cache_total
    invalidations_total observed_total redis_errors_total redis_seconds
    redis_up requests_total rotate_due)], 'the names of the contract');

is_deeply([names("$Gate::ROOT/README.md")], [sort keys %type],
    'README.md has the same');


# what others think of it

my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
SKIP: {
    Test::More::skip('there is no promtool', 1) unless $promtool;
    open my $pipe, '|-', "$promtool check metrics > " . $t->dir
        . '/promtool.log 2>&1' or die;
    print $pipe $text;
    close $pipe;
    is($? . $t->read('promtool.log'), '0', 'promtool check metrics');
}

my $file = "$Gate::ROOT/conf-examples/grafana.json";
my $dashboard = decode_json($t->read($file));
ok(@{$dashboard->{panels}} > 5, 'a dashboard');
my %series = map { $_ => 1 } $text =~ /^(nginx_api_key_\w+)\{/mg;
ok($series{$_}, "$_ of the dashboard is there")
    for $t->read($file) =~ /\b(nginx_api_key_\w+)/g;
my $used = $t->read($file);
like($used, qr/\b$_(?:_bucket)?\b/, "$_ is on the dashboard")
    for sort keys %type;

$t->done;


sub names {
    my %name = map { $_ => 1 } $t->read($_[0]) =~ /`(nginx_api_key_\w+)\{/g;
    return sort keys %name;
}
