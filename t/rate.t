# Guards: a key's rate.  Exactly as many requests as its limit pass in a window,
# over all workers; who is refused takes nothing, who is redirected takes one;
# a clear takes quota and use together or neither.  Seen red with a count of its
# own for each worker; with the quota taken before the scopes are judged; not
# remembered over a redirect, or of another store; taken for an error page; not
# given back by a later location, a refused clear, or one whose client is gone,
# or given back where a backend has seen the request; the script taking a use
# for a limited key, or not asked; Retry-After rounded down, or always 1; a zone
# that a reload empties, or that is named after the store alone.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
my $proxy = $t->proxy($redis);
my $backend = $t->backend({
    '/accel/in' => { headers => ['X-Accel-Redirect' => '/in/x'] },
    '/accel/scope' => { headers => ['X-Accel-Redirect' => '/scope/x'] },
    '/two/x' => { delay => 0.5, headers => ['X-Accel-Redirect' => '/twice/x'] },
    '/front/x' => { headers => ['X-Accel-Redirect' => '/wipe/x'] } });

mkdir $t->dir . '/html';
mkdir $t->dir . '/html/dir';
$t->write('html/dir/index.html', 'index');
$t->write('html/denied', 'denied');
$t->write('users', "u:{PLAIN}p\n", 0644);
my @peppers = ('a-new-pepper-0123456789-0123456789',
    'an-old-pepper-0123456789-0123456789');
$t->write('peppers', join("\n", @peppers), 0600);

my $api = Gate::Admin->new($t, '', '', <<'EOC', workers => 2);
    }
    api_key_store other { server %%REDIS%%; prefix shop:; }
    api_key_store plain { server %%REDIS%%; prefix shop:; cache off; }
    api_key_store moved { server %%REDIS%%; prefix shop:; cache off; }
    api_key_store two   { server %%REDIS%%; prefix shop:; cache off;
                          pepper_file peppers; }
    api_key_store slow  { server %%PROXY%%; prefix shop:; cache off;
                          timeout 5s; }

    log_format k '$uri $status $api_key_status';
    access_log %%TESTDIR%%/k.log k;

    server {
        listen 127.0.0.1:%%PORT_3%% reuseport;
        listen 127.0.0.1:%%PORT_4%% http2;
        root %%TESTDIR%%/html;
        add_header X-Worker $pid always;

        api_key shop;
        api_key_clear DELETE;

        location / { empty_gif; }
        location /in/ { empty_gif; }
        location = /denied { }
        location /open/ { api_key off; empty_gif; }
        location /scope/ { api_key_scope admin; empty_gif; }
        location /backend/ { proxy_pass http://%%BACKEND%%; }
        location /plain/ { api_key plain; empty_gif; }
        location /moved/ { api_key moved; empty_gif; }
        location /slow/ { api_key slow; empty_gif; }
        location /other/ { api_key other; empty_gif; }
        location /observe/ {
            api_key_observe on;
            proxy_pass http://%%BACKEND%%;
        }

        location /any/allow/ { satisfy any; allow all; empty_gif; }
        location /any/deny/ { satisfy any; deny all; empty_gif; }
        location /any/basic/ {
            satisfy any; auth_basic x; auth_basic_user_file users; empty_gif;
        }
        location /any/clear/ {
            satisfy any; allow all;
            proxy_pass http://%%BACKEND%%;
        }

        location /dir/ { }
        location /try/ { try_files /none /in/x; }
        location /accel/ { proxy_pass http://%%BACKEND%%; }
        location /fail/ {
            error_page 502 = @second;
            proxy_pass http://unix:%%TESTDIR%%/nobody;
        }
        location @second { proxy_pass http://%%BACKEND%%; }
        location /there/ { try_files /none /and/x; }
        location /and/ { api_key other; try_files /none /in/x; }
        location /front/ { api_key off; proxy_pass http://%%BACKEND%%; }
        location /wipe/ { api_key_clear GET; empty_gif; }
        location /late/ { try_files /none /scope/x; }
        location /again/ { try_files /none /instead/x; }
        location /two/ { api_key two; proxy_pass http://%%BACKEND%%; }
        location /twice/ { api_key two; api_key_clear GET; empty_gif; }

        location /page/ {
            api_key_scope admin; error_page 403 /denied; empty_gif;
        }
        location /instead/ {
            api_key_scope admin; error_page 403 = /in/x; empty_gif;
        }
        location /apart/ { error_page 429 /open/x; empty_gif; }
        location /same/ { error_page 429 = /in/x; empty_gif; }
EOC
$t->default_port($t->port(3));

sub h { ('X-API-Key' => $_[0]) }
sub status { my ($target, $key) = @_; $t->get($target, h($key))->status }

# a new key with three requests in ten minutes, or what else is said

sub fresh { $t->key(rate => '3/600', @_) }

# how many requests a key has left at a place; takes them

sub left {
    my ($key, $target) = @_;
    my $n = 0;
    $n++ while $n < 50 && status($target // '/', $key) == 200;
    return $n;
}

sub workers {
    my ($n) = @_;
    my $conf = $t->read('nginx.conf');
    $conf =~ s/worker_processes \d+/worker_processes $n/;
    $t->write('nginx.conf', $conf);
    $t->reload;
}


# exact over all workers

for my $n (2, 4) {
    workers($n) if $n != 2;

    my ($key) = fresh(rate => '100/600');
    my @r = $t->parallel(map { ['GET', '/', headers => [h($key)]] } 1 .. 400);
    my @limited = grep { $_->status == 429 } @r;
    my %workers = map { $_->header('x-worker') => 1 } @r;

    is(scalar(grep { $_->status == 200 } @r), 100, "$n workers: 100 pass");
    is(scalar @limited, 300, 'all others of 400 do not');
    is(scalar keys %workers, $n, 'each worker had some');
    is(scalar(grep { $_->header('retry-after') !~ /^(?:59\d|600)$/ } @limited),
        0, 'and they hear when to come again');
}

workers(1);

# what a refusal looks like

my ($key, $id) = fresh();
is(left($key), 3, 'one after the other');

my $r = $t->get('/', h($key));
is($r->status, 429, 'refused');
is($r->body, '{"type":"about:blank","title":"Too Many Requests","status":429,'
    . '"code":"limited"}', 'the body');
is($r->header('content-type'), 'application/problem+json', 'its type');
is($r->header('cache-control'), 'no-store', 'not to be stored');
like($r->header('retry-after'), qr/^(?:59\d|600)$/, 'Retry-After in seconds');
$t->until(sub { $t->read('k.log') =~ /429/ });
like($t->read('k.log'), qr{^/ 429 limited$}m, 'the access log says so');
$t->wait_log(qr/api key refused: limited, key $id/);
like($t->error_log, qr/api key refused: limited, key $id/, 'and the other');

my $head = $t->head('/', h($key));
is($head->status, 429, 'HEAD');
is($head->body, '', 'has no body');
is($head->header('content-length'), length $r->body, 'but the length');
like($head->header('retry-after'), qr/^\d+$/, 'and Retry-After');

($key) = fresh();
is($t->h2('GET', '/', headers => [h($key)], port => $t->port(4))->status, 200,
    'HTTP/2');
is($t->head('/', h($key))->status, 200, 'HEAD');
is(left($key), 1, 'are counted');
$r = $t->h2('GET', '/', headers => [h($key)], port => $t->port(4));
is($r->status, 429, 'refused by HTTP/2');
like($r->header('retry-after'), qr/^\d+$/, 'with Retry-After');

my ($other) = fresh();
my ($free) = $t->key;
is(status('/', $other), 200, 'another key has its own');
is(left($free), 50, 'a key without a rate has no end');

# windows

($key) = fresh(rate => '2/2');
is(left($key), 2, 'a window of two seconds');
is($t->get('/', h($key))->header('retry-after') > 2, '', 'is not longer');
$t->until(sub { status('/', $key) == 200 }, 10);
is(left($key), 1, 'then there is another one');

($key) = fresh(rate => '1/1');
ok($t->until(sub { ($r = $t->get('/', h($key)))->status == 429 }), 'one second');
is($r->header('retry-after'), 1, 'is the least to wait for');

# refused requests take none

($key) = fresh();
is(status('/scope/', $key), 403, 'no scope') for 1 .. 5;
is($t->get('/', h($key), h($key))->status, 400, 'ambiguous') for 1 .. 5;
is(left($key), 3, 'takes none');

for my $case (['allow_from', '10.0.0.0/8', 403], ['state', 'disabled', 401],
    ['expires_at', time - 10, 401])
{
    my ($field, $value, $status) = @$case;
    my ($bad, $bad_id) = fresh($field => $value);
    is(status('/plain/', $bad), $status, $field) for 1 .. 5;
    $field eq 'state'
        ? $redis->cmd('HSET', "shop:key:$bad_id", 'state', 'active')
        : $redis->cmd('HDEL', "shop:key:$bad_id", $field);
    is(left($bad, '/plain/'), 3, 'takes none');
}

# a redirect within nginx takes one in all

for my $target ('/dir/', '/try/', '/accel/in', '/fail/') {
    ($key) = fresh();
    is(status($target, $key), 200, $target);
    is(left($key), 2, 'takes one');
    is(status($target, $key), 429, 'if there is one');
}

($key) = fresh();
is(status('/there/', $key), 200, 'there, elsewhere and back');
is(left($key), 2, 'takes one');
is(left($key, '/other/'), 2, 'of each store');

($key) = fresh();
is(status('/late/', $key), 403, 'refused by a later location') for 1 .. 5;
is(left($key), 3, 'takes none');

($key) = fresh();
is(status('/accel/scope', $key), 403, 'after a backend has seen it');
is(left($key), 2, 'it keeps what it took');

($key) = fresh();
is(status('/again/', $key), 200, 'refused there, and let in by a third');
is(left($key), 2, 'takes one');

# the same key under another pepper, while the request is on its way

$key = Gate::issued_key('key');
fresh(key => $key, secret => $peppers[1]);
my $c = $t->connect;
$c->request('GET', '/two/x', headers => [h($key)]);
ok($t->until(sub { grep { $_->target eq '/two/x' } $backend->requests }),
    'known by the old one, the backend is asked');
fresh(key => $key, secret => $peppers[0]);
$t->arm(60);
is($c->response->status, 200, 'then by the new one: a clear');
is(left($key, '/two/new'), 2, 'takes one of that too');
$t->disarm;

# error pages

($key) = fresh();
$r = $t->get('/page/', h($key));
is($r->status . $r->body, '403denied', 'the page of a refusal') for 1 .. 5;
is(left($key), 3, 'takes none');

($key) = fresh();
is(status('/instead/', $key), 200, 'another place instead');
is(left($key), 2, 'takes one');

is(left($key), 0, 'none is left');
$r = $t->get('/apart/', h($key));
is($r->status, 429, 'a page for the limited');
is($r->header('content-type'), 'image/gif', 'is shown');
like($r->header('retry-after'), qr/^\d+$/, 'with Retry-After');
$r = $t->get('/same/', h($key));
is($r->status, 429, 'no way round by an error_page');
is($r->json->{code}, 'limited', 'it says why');
is(scalar(my @retry = $r->header('retry-after')), 1, 'one Retry-After');

# satisfy any

($key) = fresh();
is(status('/any/allow/', $key), 200, 'let in by address');
is($t->get('/any/basic/', h($key), Authorization => 'Basic dTpw')->status, 200,
    'let in by password');
is(left($key), 3, 'takes none');

($key) = fresh();
is(status('/any/deny/', $key), 200, 'let in by key');
is(status('/any/basic/', $key), 200, 'and by key');
is(left($key), 1, 'takes one each');
for my $target ('/any/deny/', '/any/basic/') {
    $r = $t->get($target, h($key));
    is($r->status, 429, 'limited is final');
    like($r->header('retry-after'), qr/^\d+$/, 'with Retry-After');
}
is(status('/any/allow/', $key), 200, 'but who need not be asked gets in');

# observe

($key) = fresh();
is(status('/observe/', $key), 200, 'observed');
is(($backend->requests)[-1]->header('x-api-key'), undef, 'and good');
is(left($key), 2, 'takes one');
is(status('/observe/', $key), 200, 'observed and limited: passes');
is(($backend->requests)[-1]->header('x-api-key'), $key, 'as it came');
$t->wait_log(qr/would be refused: limited/);
like($t->error_log, qr/would be refused: limited/, 'and is logged');

# clears

sub clear {
    my ($target, $key) = @_;
    my $r = $t->delete($target, h($key));
    return $r->status == 403 ? $r->json->{code} : $r->status;
}

($key, $id) = fresh();
is(clear('/backend/', $key), 'not_armed', 'a clear without flag') for 1 .. 5;
is(left($key), 3, 'takes none');
is(clear('/backend/', $key), 'not_armed', 'limited and not armed: not armed');

$t->arm(60, value => 'uses:3');
$redis->cmd('DEL', 'shop:audit');
$backend->forget;
$r = $t->delete('/backend/', h($key));
is($r->status, 429, 'limited and armed: limited');
like($r->header('retry-after'), qr/^(?:59\d|600)$/, 'with Retry-After');
is(clear('/observe/', $key), 429, 'where it is observed too');
is(clear('/any/clear/', $key), 429, 'and where another rule lets in');
is($redis->cmd('GET', 'shop:armed'), 'uses:3', 'no use is taken');
is($redis->cmd('EXISTS', 'shop:audit'), 0, 'no entry written');
is(scalar $backend->requests, 0, 'no backend has seen it');

$t->arm(60, key => $id, value => 'uses:1');
is(clear('/backend/', $key), 429, "the same with the key's own flag");
is($redis->cmd('GET', "shop:armed:$id"), 'uses:1', 'which stays');

($key, $id) = fresh();
is(clear('/backend/', $key), 200, 'armed');
is(clear('/any/clear/', $key), 200, 'where another rule lets in');
is($redis->cmd('GET', 'shop:armed'), 'uses:1', 'takes a use each');
is($redis->cmd('XLEN', 'shop:audit'), 2, 'with an entry');
is(left($key), 1, 'and one of the rate');

$redis->cmd('SET', 'shop:audit', 'no stream');
($key) = fresh();
is(clear('/backend/', $key), 503, 'Redis refuses') for 1 .. 5;
is(left($key), 3, 'takes none');
$redis->cmd('DEL', 'shop:audit');

($key) = fresh();
is(clear('/fail/', $key), 200, 'a clear and its redirect');
is(left($key), 2, 'take one');
is($redis->cmd('EXISTS', 'shop:armed'), 0, 'and one use');
$redis->cmd('DEL', 'shop:audit');

# many clears at a time: the lower of uses and rate

for my $case (['5/600', 20], ['20/600', 5]) {
    my ($rate, $uses) = @$case;
    ($key) = fresh(rate => $rate);
    $redis->cmd('DEL', 'shop:audit');
    $t->arm(60, value => "uses:$uses");
    my @r = $t->parallel(map { ['DELETE', '/backend/', headers => [h($key)]] }
        1 .. 30);
    is(scalar(grep { $_->status == 200 } @r), 5, "$rate, $uses uses: 5 pass");
    is(scalar(grep { $_->status =~ /^(?:403|429)$/ } @r), 25, 'others do not');
    is($redis->cmd('XLEN', 'shop:audit'), 5, '5 entries');
    is($redis->cmd('GET', 'shop:armed') // '', $uses == 5 ? '' : 'uses:15',
        '5 uses');
    is(left($key), $uses == 5 ? 15 : 0, '5 of the rate');
}

# a clear behind a backend that asks for no key

$t->disarm;
($key) = fresh();
is(status('/front/x', $key), 403, 'not armed behind a backend') for 1 .. 5;
is(left($key), 3, 'takes none');
$t->arm(60);
is(status('/front/x', $key), 429, 'limited behind it');

# a client that goes away while the script runs

$t->disarm;
($key) = fresh();
is(status('/slow/', $key), 200, 'by way of a slow Redis');

for my $case ([0, $key], [1, $key], [0, $free]) {
    my ($armed, $key) = @$case;
    $armed ? $t->arm(60) : $t->disarm;
    my $entries = $redis->cmd('XLEN', 'shop:audit');
    $redis->monitor;
    $proxy->mode('delay', 0.5);
    my $c = $t->connect;
    $c->request('DELETE', '/slow/', headers => [h($key)]);
    ok($t->until(sub { grep { /"EVAL".*shop:audit/ } $redis->monitored }),
        'the script runs');
    my $log = length $t->error_log;
    $c->close;
    ok($t->until(sub { substr($t->error_log, $log)
        =~ /client prematurely closed|client closed/ }), 'the client goes');
    status('/slow/', $free);            # its answer comes behind the script's
    $proxy->mode('pass');
    is($redis->cmd('XLEN', 'shop:audit'), $entries + $armed,
        'what became of it');
}

is(left($key, '/slow/'), 1, 'refused, it has given one back; passed, not');
$t->disarm;

# no cache, a reload, another place for the keys

($key) = fresh();
is(left($key, '/plain/'), 3, 'without a cache');
is(status('/plain/', $key), 429, 'refused');

($key, $id) = fresh();
is(status('/', $key), 200, 'one');
is(status('/moved/', $key), 200, 'and one');
$t->key(key => $key, rate => '3/600', store => 'moved:');
(my $conf = $t->read('nginx.conf')) =~ s/(store moved \{.*prefix )shop:/$1moved:/;
$t->write('nginx.conf', $conf);
$t->reload;
is(left($key), 2, 'a reload keeps the count');
is(left($key, '/moved/'), 3, 'but not for other keys');

# changes

sub admin { local $t->{default_port} = $t->port(0); $_[0]->() }

my $made = admin(sub { $api->create(rate => { limit => 5, window => 600 }) });
sub patch {
    my ($rate) = @_;
    return admin(sub { $api->call('PATCH', "v1/keys/$made->{id}",
        { rate => $rate })->status });
}

$key = $made->{key};
is(status('/', $key), 200, 'one') for 1 .. 2;
is(patch({ limit => 2, window => 600 }), 200, 'a lower limit');
is(status('/', $key), 429, 'holds at once');
is(patch({ limit => 3, window => 600 }), 200, 'a higher one');
is(left($key), 1, 'too, with what is used already');
is(patch(undef), 200, 'none');
is(left($key), 50, 'is none');
is(patch({ limit => 4, window => 600 }), 200, 'one again');
is(left($key), 1, 'in the same window');
is(patch({ limit => 4, window => 1 }), 200, 'a shorter one');
$t->until(sub { status('/', $key) == 200 }, 10);
is(status('/', $key), 200, 'is over sooner');

$t->done;
