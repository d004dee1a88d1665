#!/usr/bin/perl

# Guards: a request that waits for Redis, at the gate and at the admin API,
# whatever becomes of its connection meanwhile: one that cannot be watched, that
# becomes writable, that is told of in one breath with the answer, and that ends
# right behind it.  Seen red with a call that waits unwatched, and with
# one that is answered when its client becomes writable.

use Gate;
use Gate::Shortage;
use Socket qw(PF_INET SOCK_STREAM SOL_SOCKET SO_RCVBUF inet_aton
    pack_sockaddr_in);

my $t = Gate->new;
my $redis = $t->redis;
my $backend = $t->backend;
my $short = Gate::Shortage->new($t);

$t->example('hotcakes.conf');           # makes the tokens
mkdir $t->dir . '/html';
$t->write('html/large', 'x' x 200000);

my ($key, $id) = $t->key;

# with a mutex a worker first collects what has happened, then acts on it

for my $way (['off', 'debug'], ['on', 'debug'], ['off', 'emerg'],
    ['on', 'emerg'])
{
    my ($mutex, $log) = @$way;
    my %conf = (workers => 2, log => $log, events => "accept_mutex $mutex;");

    $t->conf(<<'EOC', %conf);
    api_key_store shop {
        server %%REDIS%%; timeout 5s; cache off;
    }
    add_header X-Worker $pid always;
    api_key_admin_tokens api-key.tokens;

    server {
        listen 127.0.0.1:%%PORT_0%% sndbuf=4k;
        listen 127.0.0.1:%%PORT_1%% deferred;
        root %%TESTDIR%%/html;
        location / { api_key shop; empty_gif; }
        location = /large { }
        location /admin/ { api_key_admin shop; }
    }
EOC
    $t->stop;
    $short->run(sub { $t->start });
    $t->until(sub { $t->get('/', h())->status == 200 });

    # one that still begins watches things, too
    $t->until(sub { $t->workers == 2 }) or die "no two workers\n";

    for my $case (['the gate', '/', 200],
        ['the admin API', "/admin/v1/keys/$id", 500])
    {
        unwatched(@$case) if $mutex eq 'off';
        whatever("$case->[0], accept_mutex $mutex, $log", $case->[1]);
    }
}

$t->allow_log(qr/\[alert\].*epoll_ctl\(/);
like($t->error_log, qr/\[error\].*a parked request cannot be watched/,
    'the log says so');

$t->done;


# What the kernel will not watch: the gate has nobody to lose, the other API
# would not know when its client goes.

sub unwatched {
    my ($name, $target, $want) = @_;

    # the first thing to be watched, as this server waits for the first bytes
    $short->arm(watch => 0, pid => 0);
    my $c = $t->connect(port => $t->port(1));
    $c->request('GET', $target, close => 1, headers => [h()]);
    is($c->response->status, $want, "$name: unwatched");
    is($short->disarm, 1, 'it is');
}


sub h {
    return ('X-API-Key' => $key, Authorization => "Bearer $Gate::READ_TOKEN");
}


# A connection whose worker has had to wait for it, and so is told of when it
# becomes writable; and that worker.

sub slow_one {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 2048);
    connect($socket, pack_sockaddr_in($t->port(0), inet_aton('127.0.0.1')))
        or die "connect: $!\n";

    my $c = $t->connect(socket => $socket);
    $c->request('GET', '/large');
    my $r = $c->response;
    $r->status == 200 && length $r->body == 200000 or die "no large file\n";

    return ($c, $r->header('x-worker'));
}


# The same, and only this worker takes events from now on.  With a mutex the one
# that has taken a connection is likely to take the next ones too; when another
# one has got it meanwhile, that one keeps it, and a new connection is its own.

sub slow_one_alone {
    my ($c, $worker);

    $t->until(sub {
        ($c, $worker) = slow_one();
        my @others = grep { $_ != $worker } $t->workers;

        kill 'STOP', @others;
        my $r = $t->request('GET', '/none', timeout => 0.7);
        return 1 if ($r->header('x-worker') // '') eq $worker;
        kill 'CONT', @others;
        return 0;
    }) or die "no worker alone\n";

    return ($c, $worker);
}


# Sends a request that Redis does not answer yet; the worker has parked it.

sub parked {
    my ($c, $target) = @_;

    $redis->pause;
    $c->request('GET', $target, headers => [h()]);
    seen();
}


# The worker has seen all that was sent before.

sub seen { is($t->get('/none')->status, 401, 'it goes on') }


# Redis has answered, and the worker will see that and what the code does in
# one go.

sub at_once {
    my ($worker, $code) = @_;

    kill 'STOP', $worker;
    $redis->resume;
    $redis->cmd('PING') for 1, 2;
    $code->();
    kill 'CONT', $worker;
}


sub whatever {
    my ($name, $target) = @_;

    my ($c, $worker) = slow_one_alone();

    # there is more to read already
    $redis->pause;
    $c->send(join '', map { "GET $target HTTP/1.1\r\nHost: h\r\nX-API-Key: $key"
        . "\r\nAuthorization: Bearer $Gate::READ_TOKEN\r\nX: $_\r\n\r\n" }
        1, 'x' x 3000);
    seen();
    $redis->resume;
    is($c->response->status, 200, "$name: more to read") for 1, 2;

    # it becomes writable, and is told of it with what comes next
    parked($c, $target);
    $c->request('GET', '/large');
    seen();
    $redis->resume;
    is($c->response->status, 200, "$name: writable, then answered");
    is($c->response->status, 200, 'and the next');

    # both in one go
    parked($c, $target);
    at_once($worker, sub { $c->request('GET', '/large') });
    is($c->response->status, 200, "$name: answered and writable");
    is($c->response->status, 200, 'and the next');

    # the client goes right behind the answer
    parked($c, $target);
    at_once($worker, sub { $c->reset });
    seen();

    # or before it
    my $other = $t->connect;
    parked($other, $target);
    $other->reset;
    seen();
    $redis->resume;
    is($t->get('/', h())->status, 200, "$name: the worker lives");

    kill 'CONT', $t->workers;
}
