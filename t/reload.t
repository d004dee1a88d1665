# Guards: reloads, QUIT and clients that go away while requests are parked:
# nothing lost, no alert, no descriptor left.  Seen red with a cancelable
# deadline timer and with a wait that does not let go of its request.

use Gate;

my $t = Gate->new;
my $redis = $t->redis('A', port => 1);
my $proxy = $t->proxy($redis);
my $address = $proxy->address;
my $backend = $t->backend;

$t->conf(<<"EOC", workers => 2);
    api_key_store shop { server $address; cache off; timeout 2s; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        api_key shop;
        location / { proxy_pass http://%%BACKEND%%; }
    }
EOC
$t->start;

my ($key, $id) = $t->key(name => 'erp', redis => $redis);
my $request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    . "X-API-Key: $key\r\n\r\n";

# clients that go away, with a FIN and with a RST

$proxy->mode('delay', 0.4);
my @gone = map { $t->connect } 1 .. 50;
$_->send($request) for @gone;
my $n = 0;
$n++ % 2 ? $_->reset : $_->close for @gone;
$t->wait_log(qr/client prematurely closed|reset by peer|client closed/);
is($t->get('/', 'X-API-Key' => $key)->status, 200, 'the workers live on');
$t->h2('GET', '/', headers => ['X-API-Key' => $key], port => $t->port(1));

# QUIT and reload with parked requests

my @parked = map { $t->connect } 1 .. 20;
$_->send($request) for @parked;
$t->reload;
is(join(' ', map { $_->response->status } @parked), join(' ', (200) x 20),
    'parked requests outlive a reload');

# 20 reloads under load

$proxy->mode('pass');
my (@bad, $done);

for my $round (1 .. 20) {
    my @c = map { $t->connect } 1 .. 10;
    $_->send($request) for @c;
    $t->reload(wait => 'new');
    for my $c (@c) {
        my $r = $c->response;
        $done++;
        push @bad, $r->status unless $r->status == 200;
    }
    my $s = $t->get('/', 'X-API-Key' => $key)->status;
    push @bad, $s unless $s == 200;
}

is("@bad", '', '20 reloads under load lose nothing');
is($done, 200, 'of 200 requests');

# an answer that never comes does not keep a worker

$proxy->mode('deaf');
my $c = $t->connect(timeout => 10);
$c->send($request);
$t->reload;
is($c->response->status, 503, 'refused by deadline, and the worker is gone');
$proxy->mode('pass');
$t->until(sub { $t->get('/', 'X-API-Key' => $key)->status == 200 }, 5);

$t->done;
