#!/usr/bin/perl

# Guards: what is logged changes no verdict: all that the gate has to say,
# where each line is written and where none is.  Seen red with a record that
# cannot be trusted taken for none where its line is not written.

use Gate;

my $t = Gate->new;
my $redis = $t->redis(undef, port => 1);
my $proxy = $t->proxy($redis);
my $backend = $t->backend;

$redis->cmd('ACL', 'SETUSER', 'gateway', 'on', '>secret', '~*', '&*', '+@all',
    '-client|tracking');
$t->write('pass', "secret\n", 0600);

my ($key, $id) = $t->key;
my ($bad) = $t->key(created_at => 'yesterday');
my $none = Gate::issued_key('key');

for my $log ('debug', 'emerg') {
    $t->conf(<<'EOC', log => $log);
    api_key_store shop {
        server %%PROXY%%; cache valid=1s invalid=0 stale=1h push=off;
    }
    api_key_store plain { server %%REDIS%%; prefix shop:; cache off; }
    api_key_store told {
        server %%REDIS%%; prefix shop:; username gateway; password_file pass;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        api_key shop;
        api_key_clear DELETE;
        add_header X-Cache $api_key_cache always;
        location / { proxy_pass http://%%BACKEND%%; }
        location /plain/ { api_key plain; proxy_pass http://%%BACKEND%%; }
        location /told/ { api_key told; proxy_pass http://%%BACKEND%%; }
        location /observe/ {
            api_key_observe on; proxy_pass http://%%BACKEND%%;
        }
    }
EOC
    $proxy->mode('pass');
    $t->start;
    $t->until(sub { status('GET', '/', $key) == 200 });

    $t->arm(60);
    my @got = (status('GET', '/', $none), status('GET', '/plain/', $bad),
        status('GET', '/told/', $key), status('GET', '/observe/', $none),
        status('DELETE', '/', $key));

    # a flag that the script cannot read
    $redis->cmd('LPUSH', "shop:armed:$id", 'x');
    push @got, status('DELETE', '/', $key);
    $redis->cmd('DEL', "shop:armed:$id");
    $t->disarm;
    push @got, status('DELETE', '/', $key);

    $proxy->mode('refuse');
    push @got, status('GET', '/', $none), $t->until(sub {
        my $r = $t->get('/', 'X-API-Key' => $key);
        ($r->header('x-cache') // '') eq 'stale' && $r->status
    });

    is("@got", '401 503 200 200 200 503 403 503 200', "$log: the verdicts");
    $t->stop;
}

my @lines = map { qr/$_/ } 'would be refused: unknown', 'cannot be trusted',
    'clear operation passed', 'could not be judged', 'nothing is cached',
    'passes on a stale answer', 'api key refused: not_armed';

is(join(' ', grep { (() = $t->error_log =~ /$_/g) < 1 } @lines), '',
    'debug: each of the lines is there');

$t->done;


sub status {
    my ($method, $target, $key) = @_;
    return $t->request($method, $target, headers => ['X-API-Key' => $key])
        ->status;
}
