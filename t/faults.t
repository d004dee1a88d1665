# Guards: whatever happens between nginx and Redis, under load: no 200 for a key
# that is not good, no 401 for one that is, all right again within 2 s, and
# workers, descriptors and memory as before.  Seen red with a record that is not
# compared with the key, a reply nobody waits for passed over, a link that goes
# on after a time-out, what a garbled link has said still remembered, requests
# that are told nothing of a lost link, or are not freed, a second link that is
# not subscribed again, or is trusted when it is lost.

use Gate;
use Gate::Cache;
use Gate::Load;
use Time::HiRes qw(sleep);

my $t = Gate->new;
my $redis = $t->redis(undef, port => 1);
my $proxy = $t->proxy($redis);
my $aside = $t->proxy($redis, 'ASIDE');
my $c = Gate::Cache->new($t, {
    cached => 'server %%PROXY%%; cache valid=400ms;',
    live => 'server %%PROXY%%; cache off;',
    aside => 'server %%PROXY_ASIDE%%; cache valid=400ms; timeout 2s;',
}, workers => 2);

# "cached" has two links of each worker, "live" one
my $LINKS = 6;

my %keys = Gate::Load::mix($t);
my $load = Gate::Load->new($t, $c, stores => ['cached', 'live'],
    keys => \%keys);

my %in_time = (good => [200], victim => [200, 401],
    map { $_ => [401] } grep { $_ ne 'good' } keys %keys);

# what only Redis could take back may be trusted for "valid", and an answer
# may take its time
my $SILENT = 0.8;


sub mode {
    my ($what, $mode, %opt) = @_;

    $load->fault($what, sub { $proxy->mode(@$mode) },
        sub { $proxy->mode('pass') }, bound => 0.1, %opt);
    ok($t->until(sub { $proxy->open == $LINKS }, 5), 'no link too many');
}


$load->right;
$c->warm($keys{good}[0], store => 'aside');
$load->same;

# slow, but in time

mode('late', ['delay', 0.05], may => \%in_time, bound => 0.25);
mode('byte by byte', ['split'], may => { victim => [200, 401, 503] },
    bound => 0.4);
mode('no news of changes', ['stall', 0, 'push'], may => \%in_time,
    bound => $SILENT);

# silent

my %silent = (felt => qr/^live \w+ 503/, bound => $SILENT);
mode('too late', ['delay', 0.4], %silent);
mode('connected, and nothing goes through', ['stall'], %silent);
mode('only commands go through', ['deaf'], %silent);
mode('only news of changes', ['stall', 0, 'data'], %silent);

# gone

my %gone = (felt => qr/^live \w+ 503/);
mode('closed', ['cut'], %gone);
mode('reset', ['reset'], %gone);
mode('refused', ['refuse'], %gone);
mode('closed in the middle of a reply', ['cut_after', 150], %gone);
mode('reset in the middle of a reply', ['reset_after', 150], %gone);

$load->fault('closed over and over', sub { $proxy->drop }, sub {},
    also => sub { $proxy->drop, sleep 0.04 for 1 .. 10 }, bound => 0.5);

# Replies match by order.  One that nobody waits for, or the record of another
# key, shows that the order is lost.

my $count = $proxy->count;
$proxy->inject("*0\r\n:-2\r\n", 'data');
ok($t->until(sub { $proxy->count >= $count + 4 }, 1),
    'a reply that nobody waits for closes the link');

my ($key, $id) = $t->key;
my (undef, $other) = $t->key;
$load->right;
$redis->cmd('RENAME', "shop:key:$other", "shop:key:$id");
$count = $proxy->count;
is($c->ask($key, store => 'live'), '503 miss', "another key's record");
ok($t->until(sub { $proxy->count == $count + 1 }, 1), 'closes the link');
$load->right;
is($c->ask($key, store => 'live'), '503 miss', 'Redis says so again')
    for 1 .. 3;
$load->right;
is($proxy->count, $count + 1, 'then the record is wrong, not the link');
$redis->cmd('DEL', "shop:key:$id");

# One that is taken for the answer to another question is not remembered.  The
# load would give up in between, so it uses another link; and a worker that waits
# for nothing would lose its own by it, which makes the other one ask again.  What
# waits may also be the answer to a PING: then it is tried with another key.

ok($t->until(sub {
    ($key, $id) = $t->key;
    $aside->mode('delay', 0.5, 'data');
    $c->send($c->{to}[0], $key, store => 'aside');
    $t->until(sub { $aside->held }) or return;
    $aside->inject("*0\r\n:-2\r\n", 'data', 'held');
    my $status = $c->{to}[0]->response->status;
    $aside->mode('pass');
    return $status == 401;
}), 'a reply to another question');
ok($t->until(sub { !grep { !/^200/ } $c->all($key, store => 'aside') }, 2),
    'is not remembered');
$load->right;

my %no_order = (good => [200, 401, 503]);
mode('some replies twice', ['duplicate', 0.1], may => \%no_order,
    bound => 0.5);

# One wrong byte may hide a key's end from whoever reads the record, but it
# makes no key out of what is none, and none that works out of a revoked one.

$load->change(expired => []);
mode('wrong bytes', ['corrupt', 0.002], may => \%no_order, bound => $SILENT);
$load->change(expired => $keys{expired});

# A storm of all that, once to fill what is kept, and then for good.

my @modes = (['delay', 0.05], ['delay', 0.4], ['stall'], ['deaf'], ['split'],
    ['cut'], ['reset'], ['refuse'], ['cut_after', 300], ['reset_after', 30],
    ['duplicate', 0.2], ['corrupt', 0.01], ['stall', 0, 'push'],
    ['stall', 0, 'data']);

sub storm {
    my ($rounds) = @_;

    for (1 .. $rounds) {
        $proxy->mode(@$_), sleep 0.02 + rand 0.03 for @modes;
        $proxy->mode('pass');
        sleep 0.15;
    }
}


my %memory;
$load->change(expired => []);
$load->fault('a storm', sub { storm(4) }, sub { $proxy->mode('pass') },
    may => \%no_order, seconds => 0);
$memory{$_} = $load->memory($_) for $c->pids;
$load->fault('another one', sub { storm(16) }, sub { $proxy->mode('pass') },
    may => \%no_order, seconds => 0);
cmp_ok($load->memory($_) - $memory{$_}, '<', 64, 'memory is flat')
    for $c->pids;

# nothing is left behind: the cache is in use again

($key) = $t->key;
ok(eval { $c->warm($key, store => 'cached', seconds => 15) },
    'keys are remembered as before') or diag $@;
is(join(', ', $t->workers), join(', ', $c->pids), 'by the same workers');

$load->stop;
$t->done;
