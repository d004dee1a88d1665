# Guards: a Redis named by its host is looked up by nginx's resolver, without
# blocking, and by its last known address where that does not answer.  Seen red
# with the time to resolve not kept below the time to connect.

use Gate;
use IO::Socket::INET;
use Time::HiRes qw(time);

my $t = Gate->new;
my $redis = $t->redis('A', port => 1);
my ($port) = $redis->address =~ /:(\d+)$/;
my $dns = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp')
    or die;
my $dns_port = $dns->sockport;

# a name server that knows one address, and is silent while its file is there

my $silent = $t->dir . '/silent';
my $pid = fork // die;

if (!$pid) {
    while (defined $dns->recv(my $query, 512)) {
        next if -e $silent;
        my $name = substr $query, 12;
        $name =~ s/^((?:[^\0][^\0]*)*\0)(..)..//s;
        my ($q, $type) = ($1, unpack 'n', $2);
        my $found = $type == 1;
        $dns->send(substr($query, 0, 2) . pack('n5', 0x8180, 1, $found ? 1 : 0,
            0, 0) . $q . pack('nn', $type, 1) . ($found ? "\xc0\x0c"
            . pack('nnNn', 1, 1, 1, 4) . "\x7f\0\0\1" : ''));
    }
    POSIX::_exit(0);
}

$t->conf(<<"EOC");
    resolver 127.0.0.1:$dns_port valid=1s;
    resolver_timeout 5s;
    api_key_store shop { server localhost:$port; cache off; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / { api_key shop; root %%TESTDIR%%; }
        location /free { return 204; }
    }
EOC
$t->start;

my ($key) = $t->key(name => 'erp', redis => $redis);
my @with = ('/error.log', 'X-API-Key' => $key);

$t->until(sub { $t->get(@with)->status == 200 }, 5);
is($t->get(@with)->status, 200, 'looked up by the resolver');
unlike($t->error_log, qr/could not be resolved/, 'which has answered');

$t->write('silent', '');
my $start = time;
is($t->get('/free')->status, 204, 'a silent name server holds up nothing');
cmp_ok(time - $start, '<', 0.3, 'not for a moment');

# what it has said once holds for a second more

$t->until(sub {
    $redis->try('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    $t->get(@with);
    $t->error_log =~ /localhost could not be resolved/;
}, 10);
like($t->error_log, qr/localhost could not be resolved/, 'the log says so');
$t->until(sub { $t->get(@with)->status == 200 }, 5);
is($t->get(@with)->status, 200, 'the last known address is used');
kill 'KILL', $pid;
waitpid $pid, 0;

$t->done;
