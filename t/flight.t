# Guards: a question that is on its way is not asked again, whoever waits for it
# gets the answer, exactly once, and those who ask for unknown keys do not keep
# the others waiting.  Seen red with flights that nobody gets on, with a client
# that takes its flight along when it goes, with passengers that are told nothing
# of a failure, with a queue that has no place kept, and with a flight that gives
# up when its key has changed three times.

use Gate;
use Gate::Cache;

my $t = Gate->new;
my $redis = $t->redis(undef, port => 1);
my $proxy = $t->proxy($redis);
my $address = $proxy->address;
my $server = "server $address; timeout 3s;";
my $c = Gate::Cache->new($t, {
    shop => $server,
    none => "$server cache off;",
    loose => "$server cache push=off;",
    brief => "$server cache push=off valid=1s;",
    new => "$server cache invalid=0;",
}, workers => 2);
my $n = 0;

sub fresh { 'a-key-that-nobody-knows-' . $n++ }


# So many requests for one key at the same time: their words and how often, and
# how many of each worker.

sub crowd {
    my ($key, $n, %opt) = @_;

    my @connections = map { $t->connect } 1 .. $n;
    my %pids;

    for (@connections) {
        $_->request('GET', '/pid');
        $pids{$_->response->body}++;
    }

    my $before = $c->lookups;
    $c->send($_, $key, %opt) for @connections;
    $opt{meanwhile}->(@connections) if $opt{meanwhile};

    my %words;
    $words{Gate::Cache::words($_->response)}++ for @connections;

    return (join(', ', map { "$_: $words{$_}" } sort keys %words),
        $c->lookups - $before, scalar keys %pids);
}


$c->warm(($t->key)[0], store => $_) for 'shop', 'loose', 'brief';

for my $store ('shop', 'loose') {
    for my $case (['known' => 200, ($t->key)[0]], ['unknown' => 401, fresh()]) {
        my ($what, $status, $key) = @$case;

        $proxy->mode('delay', 0.3, 'data');
        my ($words, $lookups, $workers) = crowd($key, 200, store => $store);
        is($words, "$status miss: 200", "$store: 200 ask for one $what key");
        is($workers, 2, 'at two workers');
        is($lookups, 2, 'each asks once');

        $proxy->mode('pass');
        is(join(', ', $c->all($key, store => $store)),
            "$status hit, $status hit", 'then it is known');
    }
}

for my $case (['known' => 200, ($t->key)[0]], ['unknown' => 401, fresh()]) {
    my ($what, $status, $key) = @$case;
    my ($words, $lookups) = crowd($key, 100, store => 'none');
    is($words, "$status miss: 100", "cache off: 100 ask for one $what key");
    is($lookups, 100, 'each time Redis is asked');
}

{
    my ($key) = $t->key;
    $proxy->mode('delay', 0.2, 'data');
    my ($words, $lookups) = crowd($key, 40, method => 'DELETE');
    is($words, '403 live: 40', 'clear operations of one key');
    is($lookups, 40, 'each asks for itself');
    $proxy->mode('pass');
}

# who goes away takes nobody along

for my $how ('close', 'reset') {
    my ($key) = $t->key;
    my $first = $t->connect;
    $first->request('GET', '/pid');
    my $pid = $first->response->body;

    $proxy->mode('delay', 0.3, 'data');
    my $before = $c->lookups;
    $c->send($first, $key);
    $t->until(sub { $c->lookups > $before });

    my ($worker) = grep { ($c->pids)[$_] == $pid } 0, 1;
    my @others = map { $t->connect } 1 .. 30;
    $c->send($_, $key) for $c->{to}[$worker], @others;
    select undef, undef, undef, 0.05;
    $first->$how;
    $others[$_]->$how for 0 .. 9;

    my %status;
    $status{$_->response->status}++ for $c->{to}[$worker], @others[10 .. 29];
    is_deeply(\%status, { 200 => 21 }, "$how: the others get their answer");
    $proxy->mode('pass');
    is(join(', ', $c->all($key)), '200 hit, 200 hit', 'it is known');
    cmp_ok($c->lookups - $before, '<=', 2, 'asked once by a worker');
}

# all have gone: the answer is of use all the same

{
    my ($key) = $t->key;
    $proxy->mode('delay', 0.3, 'data');
    my $before = $c->lookups;
    my @all = map { $t->connect } 1 .. 5;
    $c->send($_, $key) for @all;
    $t->until(sub { $c->lookups > $before });
    select undef, undef, undef, 0.05;
    $_->reset for @all;
    $proxy->mode('pass');
    my $asked = $c->lookups;
    ok($t->until(sub { $c->ask($key) eq '200 hit' }, 2), 'for the next one');
}

# a flight that fails fails for all, once

{
    my ($key) = $t->key;
    $proxy->mode('deaf', 0, 'data');
    my ($words) = crowd($key, 200, meanwhile => sub {
        $t->until(sub { $c->lookups });
        $proxy->mode('cut');
    });
    is($words, '503 miss: 200', 'Redis goes: all are refused');
    $proxy->mode('pass');
    ok($t->until(sub { !grep { $_ ne '200 hit' } $c->all($key) }, 5),
        'and accepted when it is back');
    $c->warm($key, store => $_) for 'loose', 'brief';
}

# changes while a crowd waits: all get what holds then

{
    my ($key, $id) = $t->key;
    $proxy->mode('delay', 0.2, 'data');
    my ($words, $lookups) = crowd($key, 100, meanwhile => sub {
        my $before = $c->lookups;
        select undef, undef, undef, 0.05;
        $redis->cmd('HSET', "shop:key:$id", 'state', 'disabled');
    });
    is($words, '401 miss: 100', 'disabled meanwhile');
    is($lookups, 4, 'each worker asked once more');

    # more changes than there are tries: it looks so when each of many workers
    # hears of one change
    $redis->cmd('HSET', "shop:key:$id", 'state', 'active');
    ($words) = crowd($key, 50, meanwhile => sub {
        for my $change (1 .. 60) {
            $redis->cmd('HSET', "shop:key:$id", 'name', "n$change");
            $c->send($_, $key) for $change == 50 ? @{$c->{to}} : ();
            select undef, undef, undef, 0.02;
        }
    });
    is($words, '200 miss: 50', 'a key that never rests');
    is(join(', ', map { $_->response->status } @{$c->{to}}), '200, 200',
        'for those who came late too');
    $proxy->mode('pass');
    $c->warm($key);
}

# a key that is made while it is asked for, where unknown ones are not kept

{
    my $key = Gate::issued_key('key');
    $c->warm(($t->key)[0], store => 'new');
    $proxy->mode('delay', 0.2, 'data');
    my ($words, $lookups) = crowd($key, 20, store => 'new', meanwhile => sub {
        select undef, undef, undef, 0.05;
        $t->key(key => $key);
    });
    is($words, '200 miss: 20', 'made meanwhile');
    is($lookups, 4, 'each worker asked once more');
    $proxy->mode('pass');
}

# A flood of unknown keys takes half of the queue, known ones find a place.

{
    my ($known, $id) = $t->key;
    my ($new) = $t->key;
    my $pid = ($c->pids)[0];
    $c->warm($known, store => 'brief');
    $t->until(sub {
        my @words = map { $c->ask($known, store => 'brief', worker => 0) } 1;
        $words[0] eq '200 miss'
    }, 3);
    my $asked = $c->now;

    my @flood = flood_connections($pid, 2200);
    $t->until(sub { $c->now - $asked > 1.05 });
    $proxy->mode('stall');
    $c->send($_, fresh(), store => 'brief') for @flood;

    # those who found no place are told so at once
    my $refused = 0;
    my $select = IO::Select->new(map { $_->socket } @flood);
    $t->until(sub { ($refused = () = $select->can_read(0)) >= 152 }, 2);
    is($refused, 152, '2,048 of 2,200 wait, the others are refused at once');

    my $begin = $c->now;
    is($c->ask($new, store => 'brief'), '503 miss',
        'no place for a key never seen');
    cmp_ok($c->now - $begin, '<', 0.5, 'which is said at once');

    $c->send($c->{to}[0], $known, store => 'brief');
    ok(!IO::Select->new($c->{to}[0]->socket)->can_read(0.1),
        'a known key waits in its half');
    $proxy->mode('pass');
    is($c->{to}[0]->response->status, 200, 'and is answered');

    my %status;
    $status{$_->response->status}++ for @flood;
    is_deeply(\%status, { 401 => 2048, 503 => 152 }, 'as are the others');
}


# Connections that one worker has accepted.

sub flood_connections {
    my ($pid, $n) = @_;
    my @found;

    while (@found < $n) {
        my @new = map { $t->connect } 1 .. 100;
        $_->request('GET', '/pid') for @new;
        push @found, grep { $_->response->body == $pid } @new;
    }

    return @found[0 .. $n - 1];
}


$t->done;
