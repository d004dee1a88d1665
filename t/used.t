# Guards: last_used_at.  It follows a use within 10 s, in the list, in one key
# and in the answer to a change; it is written once for many uses, by one worker
# for all, forward only, never for a refused request, not lost on a graceful
# stop, which it does not hold up, or while Redis is away for a moment, and
# nothing is invalidated by it.  Seen red with the verdict not looked at, with
# the script's comparison dropped, with the timer cancelable, with a write that
# waits for the next event, with a use that no other worker hears of, with one
# that is never noted again, and with seconds that the script takes for one.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;
$t->backend;
$t->example('hotcakes.conf');                   # makes the token file

$t->conf(<<'EOC', workers => 2);
api_key_store shop { server %%REDIS%%; }
server {
    listen 127.0.0.1:%%PORT_0%%;
    api_key shop;
    add_header X-Worker $pid;
    location / { proxy_pass http://%%BACKEND%%; }
    location /scope/ { api_key_scope never; proxy_pass http://%%BACKEND%%; }
    location /admin/ {
        api_key_admin shop;
        api_key_admin_tokens api-key.tokens;
    }
}
EOC
$t->start;

my ($key, $id) = $t->key(name => 'erp');
my ($idle, $idle_id) = $t->key(name => 'idle');
my @token = (Authorization => "Bearer $Gate::WRITE_TOKEN");

sub shown {
    my ($which) = @_;
    return $t->get("/admin/v1/keys/$which", @token)->json->{last_used_at};
}

sub written { $redis->cmd('HGET', 'shop:used', $_[0]) }

# a second in which no use has been noted yet

sub next_second {
    my $now = time;
    $t->until(sub { time > $now });
}


is(shown($id), undef, 'never used');

my $before = time;
is($t->get('/', 'X-API-Key' => $key)->status, 200, 'used');
ok($t->until(sub { defined shown($id) }, 10), 'shown within 10 s');
like(shown($id), qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'a time');
my $at = written($id);
ok($at >= $before && $at <= time, 'of the use');

my ($listed) = grep { $_->{id} eq $id }
    @{$t->get('/admin/v1/keys', @token)->json->{keys}};
is($listed->{last_used_at}, shown($id), 'in the list');
is($t->request('PATCH', "/admin/v1/keys/$id",
    headers => [@token, 'Content-Type' => 'application/json'],
    body => '{"name":"till"}')->json->{last_used_at}, shown($id),
    'in the answer to a change');


# refused requests are no use

$t->get('/scope/', 'X-API-Key' => $idle);
$redis->cmd('HSET', "shop:key:$idle_id", 'state', 'disabled');
$t->get('/', 'X-API-Key' => $idle);
$t->get('/', 'X-API-Key' => $key);              # which is written together
$t->until(sub { written($id) > $at }, 10);
is(written($idle_id), undef, 'a refused request is no use');


# many uses are one write, and nothing is invalidated

$t->until(sub { ($t->get('/', 'X-API-Key' => $key)->status // 0) == 200 });
$at = written($id);
my $metrics = $t->get('/admin/metrics', @token)->body;
my ($invalidated) = $metrics =~ /^nginx_api_key_invalidations_total\S* (\d+)/m;
$redis->cmd('CONFIG', 'RESETSTAT');
$t->get('/', 'X-API-Key' => $key) for 1 .. 200;
my $last = time;
ok($t->until(sub { written($id) >= $last }, 10), 'the last of many uses');
my ($evals) = $redis->cmd('INFO', 'commandstats')
    =~ /cmdstat_eval:calls=(\d+)/;
cmp_ok($evals, '<=', 8, 'few writes for 200 uses');
$metrics = $t->get('/admin/metrics', @token)->body;
like($metrics, qr/^nginx_api_key_invalidations_total\S* $invalidated$/m,
    'no cache is told of them');


# one worker notes it for all, in each second

my ($seen, $from, $to);
for (1 .. 20) {
    next_second();
    $redis->cmd('CONFIG', 'RESETSTAT');
    ($from, $seen) = (time, {});
    for (1 .. 40) {
        $seen->{$t->get('/', 'X-API-Key' => $key)->header('X-Worker')}++;
    }
    $to = time;
    last if keys %$seen == 2 && $from == $to;
    $t->reload;
}
is(keys %$seen, 2, 'both workers have been asked');
is($to, $from, 'in one second');
$t->reload;                     # who leaves writes what it has noted
is(written($id), $from, 'which is written');
like($redis->cmd('INFO', 'commandstats'), qr/^cmdstat_eval:calls=1,/m,
    'by one of them');


# forward only: another nginx has seen it later

next_second();
my $future = time + 3600;
$redis->cmd('HSET', 'shop:used', $id, $future);
$redis->cmd('CONFIG', 'RESETSTAT');
$t->get('/', 'X-API-Key' => $key);
ok($t->until(sub {
    $redis->cmd('INFO', 'commandstats') =~ /cmdstat_eval:/;
}, 10), 'written again');
is(written($id), $future, 'an older time does not replace a newer one');
$redis->cmd('HDEL', 'shop:used', $id);


# what is no time is none

$redis->cmd('HSET', 'shop:used', $idle_id, 'yesterday');
is(shown($idle_id), undef, 'what is no time is not shown');
$redis->cmd('HDEL', 'shop:used', $idle_id);


# a graceful stop writes first

$redis->cmd('HSET', "shop:key:$idle_id", 'state', 'active');
ok($t->until(sub { $t->get('/', 'X-API-Key' => $idle)->status == 200 }),
    'active again');
$t->until(sub { defined written($idle_id) }, 10);
$redis->cmd('HDEL', 'shop:used', $idle_id);
next_second();
is($t->get('/', 'X-API-Key' => $idle)->status, 200, 'used');
$t->reload;
ok(defined written($idle_id), 'not lost on a reload');


# the record goes, and what is known of its use with the next list

$redis->cmd('DEL', "shop:key:$idle_id");
$t->get('/admin/v1/keys', @token);
is(written($idle_id), undef, 'forgotten with its key');


# a moment without Redis

$redis->cmd('DEL', 'shop:used');
next_second();
is($t->get('/', 'X-API-Key' => $key)->status, 200, 'used');
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok($t->until(sub { defined written($id) }, 10), 'not lost with the link');


# who leaves writes at once: nothing else happens that would wake it, but for the
# end of its patience, be that too early or late

for my $timeout ('200ms', '5s') {
    $t->stop;
    $t->conf(<<"EOC");
    api_key_store shop { server %%REDIS%%; cache off; timeout $timeout; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / { api_key shop; empty_gif; }
    }
EOC
    $t->start;
    is($t->get('/', 'X-API-Key' => $key)->status, 200, "timeout $timeout: used");
    $redis->cmd('DEL', 'shop:used');
    my $told = time;
    $t->stop;
    cmp_ok(time - $told, '<', 2, 'a worker leaves without delay');
    ok(defined written($id), 'and has written');
}


# several keys, used last in several seconds, are written together

my @late = map { [$t->key(name => "late$_")] } 1 .. 6;
my %last;

$t->conf(<<'EOC');
api_key_store shop { server %%REDIS%%; }
server {
    listen 127.0.0.1:%%PORT_0%%;
    location / { api_key shop; empty_gif; }
}
EOC
$t->start;

for my $round (0 .. 2) {
    next_second();
    for my $late (@late[$round * 2 .. 5]) {
        my $from = time;
        $t->get('/', 'X-API-Key' => $late->[0]);
        $last{$late->[1]} = [$from, time];
    }
}
$t->stop;

for my $id (map { $_->[1] } @late) {
    my ($from, $to) = @{$last{$id}};
    my $at = written($id) // 0;
    ok($from <= $at && $at <= $to, "$at is the last second of a key");
}

$t->done;
