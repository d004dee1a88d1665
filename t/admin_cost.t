# Guards: what a request of the admin API costs Redis does not grow with the
# number of keys: list pages with and without filters, from anywhere in the
# list, creation under max_keys, and all the rest; and no command reads a
# whole set.  TEST_BIG=1 looks at 1,000,000 keys as well, which takes a minute
# and 1 GB.
#
# Seen red with: list.lua reading all ids, or going through keys of one moment
# one by one, and through 1,000 of them at the most; ZCARD of create.lua made a
# ZRANGE, or its look at the oldest ones without an end; a filtered page that
# goes on until it is full; XREVRANGE without a bound.

use Gate;
use Gate::Admin;
use List::Util qw(sum0);
use Time::HiRes qw(time);

my $t = Gate->new;
my $redis = $t->redis;

my $api = Gate::Admin->new($t, 'issue max_keys=3000000; timeout 2s;', '',
    <<'EOC');
        location /full/ { api_key_admin full; }
    }
    api_key_store full {
        server %%REDIS%%; prefix shop:; issue max_keys=50; timeout 2s;
    }
    server {
        listen 127.0.0.1:%%PORT_3%%;
EOC

# n keys, seven of each millisecond, every tenth revoked

sub fill {
    my ($n) = @_;

    $redis->cmd('FLUSHALL');

    for (my $first = 1; $first <= $n; $first += 10000) {
        $redis->cmd('EVAL', <<'EOC', 0, $first, $n);
            for i = ARGV[1], math.min(ARGV[1] + 9999, ARGV[2]) do
                local id = string.format('%05x%015x', i * 7919 % 65536, i)
                local ms = 1700000000000 + math.floor(i / 7)
                local revoked = i % 10 == 0

                redis.call('HSET', 'shop:key:' .. id,
                    'digest', id .. string.rep('0', 44), 'name', 'Key ' .. i,
                    'state', revoked and 'revoked' or 'active',
                    'created_at', '1700000000')
                redis.call('ZADD', 'shop:keys', string.format('%.0f', ms), id)
                if not revoked then
                    redis.call('ZADD', 'shop:live', string.format('%.0f', ms), id)
                end
            end
EOC
    }

    is($redis->cmd('ZCARD', 'shop:keys'), $n, "$n keys");

    $redis->cmd('EVAL', <<'EOC', 0, $n);
        for i = 1, math.min(ARGV[1], 10000) do
            redis.call('XADD', 'shop:audit', '*', 'who', 'x', 'action', 'create',
                'key', '', 'from', '127.0.0.1', 'request_id', tostring(i))
        end
EOC
}

# how many commands, those that scripts call included, and without what links
# say to stay alive

sub commands {
    my %calls = $redis->cmd('INFO', 'commandstats')
        =~ /^cmdstat_(\S+?):calls=(\d+)/mg;

    delete @calls{grep { /^(?:info|config|monitor|echo|ping|client
        |subscribe|select)\b/x } keys %calls};
    return sum0(values %calls);
}

my ($slowest, @unbounded);

sub cost {
    my ($status, @request) = @_;

    $redis->cmd('CONFIG', 'RESETSTAT');
    $redis->monitor;
    my $start = time;
    my $r = $api->call(@request);
    my $took = time - $start;

    is($r->status, $status, "@request[0, 1]") or diag $r->raw;
    $slowest = [$took, "@request[0, 1]"] if !$slowest || $took > $slowest->[0];
    push @unbounded, grep { unbounded($_) } $redis->monitored;
    $redis->monitor_end;

    return commands();
}

# Whether a line of MONITOR is a command that can read a whole set.

sub unbounded {
    my ($line) = @_;
    my ($name, @argv) = $line =~ /"((?:[^"\\]|\\.)*)"/g;

    return 0 if !defined $name;

    for (lc $name) {
        return 1 if /^(?:keys|scan|sscan|zscan|hscan|smembers|sort|sort_ro|dbsize
            |hkeys|zunion|zinter|zdiff|flush.*)$/x;

        # bounded by arm.lua
        return 0 if $argv[0] && $argv[0] eq 'shop:armed-keys';

        return $argv[2] < 0 || $argv[2] - $argv[1] > 1000
            if /^z(?:rev)?range$/;
        return "@argv" !~ /\bLIMIT \d+ \d{1,4}\b/i
            if /^z(?:rev)?rangeby(?:score|lex)$/;
        return "@argv" !~ /\bCOUNT \d{1,4}\b/i if /^x(?:rev)?range$/;
    }

    return 0;
}

# the cost of each request with n keys

sub costs {
    my ($n) = @_;
    my (%cost, $id);

    fill($n);
    $api->call('GET', 'v1/keys?limit=1');                  # connected
    $slowest = undef;

    # ids in the middle of the list and at its end
    my ($newest, $middle, $oldest) = map {
        my ($id, $ms) = @{$redis->cmd('ZREVRANGE', 'shop:keys', $_, $_,
            'WITHSCORES')};
        { id => $id, cursor => "$ms-$id" };
    } 3, int($n / 2), $n - 30;

    $cost{page} = cost(200, 'GET', 'v1/keys?limit=20');
    $cost{'page in the middle'} = cost(200, 'GET',
        "v1/keys?limit=20&cursor=$middle->{cursor}");
    $cost{'page at the end'} = cost(200, 'GET',
        "v1/keys?limit=20&cursor=$oldest->{cursor}");
    $cost{'page by name'} = cost(200, 'GET', 'v1/keys?limit=20&name=nobody');
    $cost{'page by state'} = cost(200, 'GET',
        "v1/keys?limit=20&state=expired&cursor=$middle->{cursor}");
    $cost{'page by both'} = cost(200, 'GET',
        'v1/keys?limit=20&state=revoked&name=Key+99999');

    $cost{create} = cost(201, 'POST', 'v1/keys', { name => 'new' });
    $cost{import} = cost(201, 'POST', 'v1/keys/import',
        { name => 'old', key => 'k' x 20 });
    $cost{show} = cost(200, 'GET', "v1/keys/$middle->{id}");
    $cost{change} = cost(200, 'PATCH', "v1/keys/$newest->{id}",
        { name => 'other', expires_in => 60 });
    $cost{rotate} = cost(201, 'POST', "v1/keys/$newest->{id}/rotate");
    $cost{revoke} = cost(204, 'DELETE', "v1/keys/$newest->{id}");
    $cost{arm} = cost(200, 'PUT', 'v1/clear', {});
    $cost{flags} = cost(200, 'GET', 'v1/clear');
    $cost{disarm} = cost(204, 'DELETE', 'v1/clear');
    $cost{audit} = cost(200, 'GET', 'v1/audit?limit=20');
    $cost{'audit of 1,000'} = cost(200, 'GET', 'v1/audit?limit=1000')
        if $n >= 1000;
    $cost{health} = cost(200, 'GET', 'v1/health');

    # until it is there
    $cost{metrics} = cost(200, 'GET', 'metrics')
        if $api->call('GET', 'metrics')->status != 404;

    # records that are gone are taken off the list by the page that meets them
    $redis->cmd('DEL', "shop:key:$_") for @{$redis->cmd('ZREVRANGE',
        'shop:keys', 5, 14)};
    $cost{'page with gaps'} = cost(200, 'GET', 'v1/keys?limit=20');

    if ($n >= 1000) {
        $cost{'page of 1,000'} = cost(200, 'GET', 'v1/keys?limit=1000');
        $cost{'1,000 by name'} = cost(200, 'GET', 'v1/keys?limit=1000&name=no');
    }

    $cost{'too many'} = cost(409, 'POST', '../full/v1/keys', { name => 'x' });

    # a cursor of which the key is gone: its place is looked for
    $redis->cmd('ZREM', 'shop:keys', $middle->{id});
    $cost{'page from a gap'} = cost(200, 'GET',
        "v1/keys?limit=20&cursor=$middle->{cursor}");

    diag(sprintf '%d keys, the slowest: %s, %.0f ms', $n, $slowest->[1],
        $slowest->[0] * 1000) if $ENV{TEST_BIG};
    cmp_ok($slowest->[0], '<', 1, 'none takes long');

    return \%cost;
}

my %few = %{costs(100)};
my @many = (20000, $ENV{TEST_BIG} ? 1000000 : ());
my %many = map { $_ => costs($_) } @many;

cmp_ok($few{page}, '<=', 3 * 20 + 10, 'a page costs its records');
cmp_ok($few{'page by name'}, '<=', $few{page}, 'a filter no more');
cmp_ok($few{create}, '<=', 12, 'a creation next to nothing');

for my $n (@many) {
    my %cost = %{$many{$n}};

    # at the limit, the oldest ones are looked at, 1,000 at the most
    cmp_ok(delete $cost{'too many'}, '<=', 3 * 1000 + 20, "too many of $n");
    cmp_ok(delete $cost{'page of 1,000'}, '<=', 3.1 * 1000 + 50,
        "page of 1,000 of $n");
    cmp_ok(delete $cost{'1,000 by name'}, '<=', 3.1 * 1000 + 50,
        "filtered page of 1,000 of $n");
    cmp_ok(delete $cost{'audit of 1,000'}, '<=', 20, 'audit of 1,000');

    is_deeply(\%cost, { map { $_ => $few{$_} } keys %cost },
        "$n keys cost what 100 cost");
}

is_deeply([splice @unbounded], [], 'no command reads a whole set');

# many keys of one moment, as a script leaves them that brings them in: a
# cursor whose key has gone keeps its place

$redis->cmd('FLUSHALL');
$redis->cmd('EVAL', <<'EOC', 0);
    for i = 1, 4000 do
        local id = string.format('%020x', i)
        redis.call('HSET', 'shop:key:' .. id, 'digest', id .. string.rep('0', 44),
            'name', 'Key ' .. i, 'state', 'active', 'created_at', '1700000000')
        redis.call('ZADD', 'shop:keys', i == 4000 and 1700000000001
                   or i == 1 and 1699999999999 or 1700000000000, id)
    end
EOC

for my $n (3999, 3998, 2000, 1000, 2, 1) {
    my $id = sprintf '%020x', $n;
    my $score = $redis->cmd('ZSCORE', 'shop:keys', $id);
    $redis->cmd('ZREM', 'shop:keys', $id);
    my $count = cost(200, 'GET', "v1/keys?limit=1&cursor=$score-$id");
    my $page = $api->call('GET', "v1/keys?limit=1&cursor=$score-$id")->json;

    is_deeply([map { $_->{id} } @{$page->{keys}}],
        [$n > 1 ? sprintf('%020x', $n - 1) : ()], "behind a gap at $n");
    cmp_ok($count, '<=', 30, 'and found soon');
    $redis->cmd('ZADD', 'shop:keys', $score, $id);
}

is_deeply(\@unbounded, [], 'nor when a place is looked for');

$t->done;
