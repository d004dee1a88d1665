# Guards: the link to Redis.  Never blocking, bounded in time, 503 for whatever
# cannot be trusted and never 200 or 401, and back within 2 s.  Seen red with a
# short reply taken as "not found", with the retry of reads left out and with
# the replies to the greeting not looked at.

use Gate;
use IO::Socket::IP;
use Time::HiRes qw(time);

my $t = Gate->new;
my $redis = $t->redis('A', port => 1, args => ['--bind', '127.0.0.1 -::1']);
my ($port) = $redis->address =~ /:(\d+)$/;
my $v6 = IO::Socket::IP->new(PeerHost => '::1', PeerPort => $port);
my $six_address = $v6 ? "[::1]:$port" : "127.0.0.1:$port";
my $proxy = $t->proxy($redis);
my $address = $proxy->address;
my $six = $t->redis('SOCKET');

$t->conf(<<"EOC");
    log_format k '\$api_key_status';
    access_log %%TESTDIR%%/k.log k;
    api_key_store shop { server $address; cache off; }
    api_key_store late { server $address; prefix shop:; cache off; timeout 5s; }
    api_key_store unix { server %%REDIS_SOCKET%%; prefix shop:; cache off; }
    api_key_store far {
        server 127.0.0.1:$port; database 99; prefix shop:; cache off;
    }
    api_key_store six { server $six_address; prefix shop:; cache off; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location /far/ { api_key far; root %%TESTDIR%%; }
        location /late/ { api_key late; alias %%TESTDIR%%/; }
        location /six/ { api_key six; root %%TESTDIR%%; }
        location / { api_key shop; root %%TESTDIR%%; }
        location /unix/ { api_key unix; root %%TESTDIR%%; }
        location /other { root %%TESTDIR%%; }
    }
EOC
$t->write('other', 'other');
$t->write('x', 'x');
$t->start;

my ($key, $id) = $t->key(name => 'erp', redis => $redis);
my ($unix) = $t->key(name => 'unix', redis => $six);
my $unknown = 'a-key-that-nobody-knows';

sub get { $t->get('/x', 'X-API-Key' => $_[0] // $key) }
sub status { get(@_)->status }
sub late { $t->get('/late/x', 'X-API-Key' => $_[0] // $key)->status }

is(status(), 200, 'by TCP');
is($t->get('/unix/', 'X-API-Key' => $unix)->status, 404, 'by a unix socket');

is($t->get('/far/', 'X-API-Key' => $key)->status, 503,
    'a database that is refused is not database 0');

SKIP: {
    skip 'no IPv6 here', 1 unless $v6;
    is($t->get('/six/', 'X-API-Key' => $key)->status, 404, 'by IPv6');
}

is(status($unknown), 401, 'unknown');
is(late(), 200, 'by another store');
is($proxy->open, 2, 'one connection of the worker for each');

# what the record says cannot be trusted

my %good = @{$redis->cmd('HGETALL', "shop:key:$id")};

for my $case (['state' => 'Active'], ['state' => ''], ['digest' => 'x' x 64],
    ['digest' => '0' x 64], ['created_at' => 'x'], ['name' => ''],
    ['name' => "a\nb"], ['expires_at' => '-1'], ['expires_at' => 'soon'],
    ['allow_from' => 'everywhere'], ['rate' => '1'], ['scopes' => "a\x01"],
    ['replaces' => 'x'])
{
    my ($field, $value) = @$case;
    $redis->cmd('HSET', "shop:key:$id", $field, $value);
    my $r = get();
    is($r->status, 503, "$field malformed is 503");
    is($r->header('retry-after'), 1, 'with Retry-After');
    $redis->cmd('DEL', "shop:key:$id");
    $redis->cmd('HSET', "shop:key:$id", %good);
}

for my $field (qw(digest name state created_at)) {
    $redis->cmd('HDEL', "shop:key:$id", $field);
    is(status(), 503, "without $field");
    $redis->cmd('HSET', "shop:key:$id", %good);
}

$redis->cmd('DEL', "shop:key:$id");
$redis->cmd('SET', "shop:key:$id", 'x');
is(status(), 503, 'a wrong type');
$t->wait_log(qr/key $id cannot be trusted: Redis refused: WRONGTYPE/);
$redis->cmd('DEL', "shop:key:$id");
is(status(), 401, 'no such key');
$redis->cmd('HSET', "shop:key:$id", %good, 'unknown', 'field');
is(status(), 200, 'unknown fields are ignored');

# a connection that breaks: reads are sent once more

# (a link that has just been made is not made anew at once)

my $old = time + 0.3;
$t->until(sub { status(); time > $old }, 5);

my $n = $proxy->count;
$proxy->drop;
is(status(), 200, 'a dropped connection is not noticed') for 1 .. 3;
ok($t->until(sub { $proxy->count >= $n + 2 }), 'there is a new one for each');
is($proxy->count, $n + 2, 'and no more');

$proxy->mode('split');
is(late(), 200, 'byte by byte');
is(late($unknown), 401, 'and unknown');

$proxy->mode('delay', 0.3);
is(late(), 200, 'late, but in time');

my $start = time;
$proxy->mode('deaf');
is(status(), 503, 'no answer');
cmp_ok(time - $start, '<', 1.2 * $Gate::PATIENCE, 'by deadline');
is($t->get('/other')->status, 200, 'nothing else is held up');

for my $mode ('stall', 'cut', 'refuse') {
    $proxy->mode($mode);
    $start = time;
    is(status(), 503, $mode) for 1 .. 2;
    is(status($unknown), 503, "$mode, and no 401");
    cmp_ok(time - $start, '<', 4, 'by deadline');
    $proxy->mode('pass');
    $start = time;
    $t->until(sub { status() == 200 }, 5);
    cmp_ok(time - $start, '<', 2, "$mode: back within 2 s");
}

$proxy->mode('cut_after', 40);
is(status(), 503, 'a reply cut short');
$proxy->mode('pass');
$t->until(sub { status() == 200 }, 5);

$redis->pause;
is(status(), 503, 'Redis stopped');
$redis->resume;
$start = time;
$t->until(sub { status() == 200 }, 5);
cmp_ok(time - $start, '<', 2.2, 'and back');

$redis->stop;
is(status(), 503, 'Redis down');
$redis->start;
$redis->cmd('HSET', "shop:key:$id", %good);
$start = time;
$t->until(sub { status() == 200 }, 5);
cmp_ok(time - $start, '<', 2.2, 'Redis is back');
unlike($t->error_log, qr/\[crit\]/, 'nothing critical');

# answers that a real Redis cannot be made to give

for my $case (
    ['a TTL that is refused', record('x'), "-NOPERM no permission\r\n"],
    ['a TTL that is none', record('x'), "+OK\r\n"],
    ['LOADING', "-LOADING Redis is loading\r\n"],
    ['NOAUTH', "-NOAUTH Authentication required.\r\n"],
    ['NOPERM', "-NOPERM no permission\r\n"],
    ['READONLY', "-READONLY replica\r\n"],
    ['MOVED', "-MOVED 1 127.0.0.1:1\r\n"],
    ['control characters', "-ERR \x01\x02\x1b[31m\r\n"],
    ['a string', "+OK\r\n"], ['a number', ":1\r\n"], ['nil', "\$-1\r\n"],
    ['a null array', "*-1\r\n"], ['an odd array', "*1\r\n\$1\r\nx\r\n"],
    ['nested', "*2\r\n*0\r\n*0\r\n"], ['numbers', "*2\r\n:1\r\n:2\r\n"],
    ['garbage', "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ['RESP3', "%1\r\n+a\r\n,1.5\r\n"], ['a double', ",1.5\r\n"],
    ['an oversized bulk', "\$2000000\r\n" . 'x' x 1200000],
    ['many elements', "*100000\r\n" . "+x\r\n" x 100000],
    ['nothing, then the end', undef])
{
    my ($what, $bytes, $ttl) = @$case;
    my $t = Gate->new;
    my $server = $t->fake_redis(sub {
        my ($argv, $state) = @_;
        return Gate::FakeRedis::default($argv)
            if $argv->[0] !~ /^(HGETALL|PTTL)$/i;
        return uc $argv->[0] eq 'PTTL' ? $ttl // ":-1\r\n" : $bytes;
    });
    $t->conf(<<'EOC');
    api_key_store shop { server %%REDIS%%; cache off; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        api_key shop;
        location / { root %%TESTDIR%%; }
    }
EOC
    $t->start;
    my $r = $t->get('/', 'X-API-Key' => $unknown);
    is($r->status, 503, "$what is 503");
    is($r->header('retry-after'), 1, 'with Retry-After');
    unlike($t->error_log, qr/[\x00-\x08\x0b-\x1f]/, 'the log is clean');
    $t->stop;
}

# a record that ends between the two commands

my $ended = Gate->new;
$ended->fake_redis(sub {
    my ($argv, $state) = @_;
    return Gate::FakeRedis::default($argv)
        if $argv->[0] !~ /^(HGETALL|PTTL)$/i;
    return uc $argv->[0] eq 'PTTL' ? ":-2\r\n" : record('ended');
});
$ended->conf(<<'EOC');
    api_key_store shop { server %%REDIS%%; cache off; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        api_key shop;
        location / { root %%TESTDIR%%; }
    }
EOC
$ended->start;
is($ended->get('/', 'X-API-Key' => $unknown)->status, 401,
    'a record that has just ended is none');
$ended->stop;

# a connection that breaks with a read on its way: it is sent once more

my $once = Gate->new;
my ($asked, $bomb) = (0, substr(Digest::SHA::sha256_hex('a-key-that-cuts-once'),
    0, 20));
my $never = substr(Digest::SHA::sha256_hex('a-key-that-always-cuts'), 0, 20);
$once->fake_redis(sub {
    my ($argv, $state) = @_;
    return Gate::FakeRedis::default($argv)
        if $argv->[0] !~ /^(HGETALL|PTTL)$/i;
    return if $argv->[1] =~ /$never/ || $argv->[1] =~ /$bomb/ && !$asked++;
    return uc $argv->[0] eq 'PTTL' ? ":-2\r\n" : "*0\r\n";
});
$once->conf(<<'EOC');
    api_key_store shop { server %%REDIS%%; cache off; timeout 2s; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        api_key shop;
        location / { root %%TESTDIR%%; }
    }
EOC
$once->start;

$old = time + 0.3;
$once->until(sub { $once->get('/', 'X-API-Key' => $unknown); time > $old }, 5);
is($once->get('/', 'X-API-Key' => 'a-key-that-cuts-once')->status, 401,
    'a read is sent once more');
$old = time + 0.3;
$once->until(sub { $once->get('/', 'X-API-Key' => $unknown); time > $old }, 5);
is($once->get('/', 'X-API-Key' => 'a-key-that-always-cuts')->status, 503,
    'and not for ever');
$once->stop;

$t->done;


# A good record of that name, as a reply.

sub record {
    my ($name) = @_;

    my $digest = Digest::SHA::sha256_hex($unknown);
    my @fields = (digest => $digest, name => $name, state => 'active',
        created_at => 1);

    return '*' . @fields . "\r\n" . join '',
        map { '$' . length . "\r\n$_\r\n" } @fields;
}
