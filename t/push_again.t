#!/usr/bin/perl

# Guards: a push link that Redis refuses is tried again after ten seconds, also
# when there was no memory for a try, and only the first refusal is a warning.
# A message of what is no key of the store drops nothing.  Seen red with each
# refusal a warning, with no try after one without memory, and with the prefix
# of a message's key not compared.

use Gate;
use Gate::Shortage;

my %gate = map { $_->[0] => make($_->[1]) } ['refused', '-client|id'],
    ['short', '-client|tracking'], ['ends', '-client|tracking'],
    ['told', '+@all'];

my $unknown = Gate::issued_key('key');
my $words = qr/\[(\w+)\][^\n]*nothing is cached[^\n]*NOPERM/;

for my $name ('refused', 'short', 'ends') {
    my $t = $gate{$name}{t};
    ok($t->wait_log($words), "$name: the log says so");
    is(join(' ', $t->error_log =~ /$words/g), 'warn', 'once, with a warning');
    is(ask($name, $unknown), '401 miss', 'nothing is cached') for 1, 2;
}

# the next thing that these workers need memory for is a new link, as they have
# no use of a key to write down

$gate{$_}{short}->arm(memory => 0) for 'short', 'ends';


# meanwhile: messages that drop nothing, and one that does

my ($t, $key, $id) = @{$gate{told}}{qw(t key id)};
my $proxy = $t->proxy;

ok($t->until(sub { ask('told') eq '200 hit' }), 'cached');

for my $other ("shop:kex:$id", "shop:key:${id}0", 'shop:key:') {
    message($other);
    is(ask('told'), '200 hit', "a message of $other drops nothing");
}

message("shop:key:$id");
is(ask('told'), '200 miss', 'one of its own does');


# ten seconds later

$t = $gate{refused}{t};
ok($t->until(sub { $t->error_log =~ /$words.*$words/s }, 15), 'tried again');
is(join(' ', $t->error_log =~ /$words/g), 'warn info', 'with no new warning');

for my $name ('short', 'ends') {
    ok($gate{$name}{t}->until(sub { $gate{$name}{short}->failed }, 15),
        "$name: no memory for a try");
    is(ask($name, $unknown), '401 miss', 'the gate does not need it');
}

$gate{ends}{t}->reload;
like(ask('ends'), qr/^200 miss/, 'such a worker can end');

$t = $gate{short}{t};
$gate{short}{proxy}->mode('refuse');
is(ask('short'), '503 miss', 'nothing is trusted without Redis');
$gate{short}{proxy}->mode('pass');
$t->redis->cmd('ACL', 'SETUSER', 'gateway', '+@all');
ok($t->until(sub { ask('short') eq '200 hit' }, 15), 'the try after it comes');

for my $name (sort keys %gate) {
    $gate{$name}{t}->stop;
    is($gate{$name}{t}->complaints, '', "$name: no complaints");
}

done_testing();


# A gate of one worker, with what it may say to Redis.

sub make {
    my ($may) = @_;

    my $t = Gate->new;
    my $redis = $t->redis(undef, port => 1);
    my $short = Gate::Shortage->new($t);
    my $proxy = $t->proxy($redis);

    $redis->cmd('ACL', 'SETUSER', 'gateway', 'on', '>secret', '~*', '&*',
        '+@all', $may);
    $t->write('pass', "secret\n", 0600);
    $t->allow_log(qr/\[emerg\].*malloc\(\d/);
    $t->conf(<<'EOC');
    api_key_store shop {
        server %%PROXY%%; username gateway; password_file pass; timeout 2s;
        cache stale=1h;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        api_key shop;
        location / { add_header X-Cache $api_key_cache always; empty_gif; }
    }
EOC
    $short->run(sub { $t->start });

    my ($key, $id) = $t->key;

    return { t => $t, short => $short, proxy => $proxy, key => $key,
        id => $id };
}


# "STATUS CACHE" of a good key, or of another.

sub ask {
    my ($name, $key) = @_;

    my $r = $gate{$name}{t}->get('/', 'X-API-Key' => $key // $gate{$name}{key});
    return $r->status . ' ' . ($r->header('x-cache') // '');
}


# Says to the worker that a key has changed; it is there before what is asked
# next.

sub message {
    my ($name) = @_;

    $proxy->inject("*3\r\n\$7\r\nmessage\r\n\$20\r\n__redis__:invalidate\r\n"
        . "*1\r\n\$" . length($name) . "\r\n$name\r\n", 'push');
}
