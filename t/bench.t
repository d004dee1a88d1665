# Guards what scripts/bench stands on: its keys are such as the module makes,
# their records such as the admin API leaves behind; the load counts each wrong
# answer; no figure comes out of wrong ones; a missed aim is called missed.

use Gate;
use Gate::Admin;

use Digest::SHA qw(sha256_hex);

my $bench = "$Gate::ROOT/scripts/bench.d";

my $t = Gate->new;
my $redis = $t->redis;
$t->backend;

my $api = Gate::Admin->new($t, '', '', <<'EOC');
    }
    server {
        listen 127.0.0.1:%%PORT_3%%;
        api_key shop;
        location / { proxy_pass http://%%BACKEND%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_4%%;
        location / { return 444; }
EOC

my $dir = $t->dir;
my ($gate, $closing) = map { $t->port($_) } 3, 4;

my @compile = qw(-std=c11 -O1 -Wall -Wextra -Werror);
is(system('cc', @compile, '-o', "$dir/load", "$bench/load.c"), 0, 'load.c');


# Runs a command: (exit status, what it prints, what it complains of).

sub run {
    my ($command, $input) = @_;

    $t->write('input', $input // '');
    my $output = `$command < '$dir/input' 2> '$dir/complaint'`;

    return ($? >> 8, $output, $t->read('complaint'));
}


sub keys_of { run("'$bench/keys' $_[0] '$dir/$_[1]' " . ($_[2] // '')) }
sub list { split /\n/, $t->read($_[0]) }
sub status {
    $t->request('GET', '/', port => $gate, headers => ['X-API-Key', $_[0]])
        ->status
}


# keys and records

my ($rc, $commands) = keys_of(30, 'good', 'prefix=shop:');
my @good = list('good');
is($rc, 0, 'keys');
is((grep { /^key_[0-9A-Za-z]{36}$/ } @good), 30, 'of the form');
is((grep { substr($_, -6) eq Gate::base62_crc(substr($_, 0, -6)) } @good), 30,
    'with the right checksum');

$redis->cmd(split ' ', $_) for split /\r\n/, $commands;
is((grep { status($_) == 200 } @good), 30, 'are let through');

my $made = $api->create(name => 'client-1');
my $id = substr sha256_hex($good[0]), 0, 20;
my %ours = @{$redis->cmd('HGETALL', "shop:key:$id")};
my %theirs = @{$redis->cmd('HGETALL', "shop:key:$made->{id}")};
is_deeply([sort keys %ours], [sort keys %theirs], 'the fields of a record');
is($ours{$_}, $theirs{$_}, $_) for qw(name state);
is(length $ours{$_}, length $theirs{$_}, "length of $_")
    for qw(digest created_at);

for my $set ('shop:keys', 'shop:live') {
    is(length $redis->cmd('ZSCORE', $set, $id),
        length $redis->cmd('ZSCORE', $set, $made->{id}), "score in $set");
    is($redis->cmd('ZCARD', $set), 31, "size of $set");
}

keys_of(20, 'wrong', 'wrong status=401');
is((grep { /^key_\w{36} 401$/ } list('wrong')), 20, 'wrong ones, with status');
is((grep { s/ 401//; substr($_, -6) ne Gate::base62_crc(substr($_, 0, -6)) }
    list('wrong')), 20, 'have a wrong checksum');

(undef, $commands) = keys_of(20, 'revoked',
    'status=401 prefix=shop: state=revoked');
$redis->cmd(split ' ', $_) for split /\r\n/, $commands;
is($redis->cmd('ZCARD', 'shop:live'), 31, 'revoked ones are not live');
is($redis->cmd('ZCARD', 'shop:keys'), 51, 'but listed');
is((keys_of(1, 'x', 'nonsense'))[0], 255, 'an unknown word is an error');


# the load

sub stream {
    my ($name, %opt) = @_;
    %opt = (port => $gate, %opt, keys => "$dir/$opt{keys}");
    return join ',', "name=$name", map { "$_=$opt{$_}" } sort keys %opt;
}
sub load { run(join ' ', "'$dir/load'", map { "'$_'" } @_) }
sub lines { map { +{ map { split /=/, $_, 2 } split } } split /\n/, $_[0] }

$t->write('mixed', join '', map { "$_\n" } @good, list('wrong'),
    list('revoked'));

my ($bad, $output, $why) = load('rounds=0', stream('mixed', keys => 'mixed',
    order => 'walk', count => 700));
my ($line) = lines($output);
is($bad, 0, 'load') or diag $why;
is("@$line{qw(requests wrong status)}", '700 0 200:300,401:400',
    'each key once, each answer as its line says');

($line) = lines((load('rounds=0', stream('mixed', keys => 'mixed',
    order => 'walk', count => 70, expect => 200)))[1]);
is($line->{wrong}, 40, 'wrong answers are counted');

my @lines = lines((load('slice=0.1', 'rounds=2',
    stream('a', keys => 'good', rate => 500, phase => 0),
    stream('b', keys => 'good', order => 'zipf', phase => 1)))[1]);
is(join(' ', map { $_->{round} . $_->{stream} } @lines), '0a 0b 1b 1a 2a 2b',
    'phases take turns, every other round backwards');
is($lines[0]{requests}, 50, 'at its rate');
cmp_ok($lines[0]{p99}, '>=', $lines[0]{p50}, 'latency');

($bad, $output, $why) = load(stream('x', keys => 'good', port => $closing));
is("$bad $output", '1 ', 'a closed connection is an error');
like($why, qr/closed/, 'that says so');
is((load('nonsense'))[0], 1, 'so is an unknown word');


# figures

sub figures { run("'$bench/figures'", $_[0]) }
sub line {
    my ($stream, %opt) = @_;
    my %line = (round => 1, stream => $stream, seconds => 1, requests => 1000,
        wrong => 0, cpu => 1e7, watch => 0, p50 => 100, p99 => 200,
        status => '200:1000', %opt);
    return join(' ', map { "$_=$line{$_}" } sort keys %line) . "\n";
}

($bad, $output) = figures(line('base') . line('this', round => 0)
    . line('base', round => 0) . line('this', cpu => 2e7, requests => 1600)
    . join '', map { line('base', round => $_)
        . line('this', round => $_, cpu => 1.5e7, watch => 5e6) } 2, 3);
my %figure = map { split /=/ } split /\n/, $output;
is($bad, 0, 'figures');
is($figure{cpu}, '1.5000', 'the median of the ratios');
is($figure{cpu_base}, '10.0000', 'us a request');
is($figure{rate}, '1.0000', 'throughput');
is($figure{rate_high}, '1.4800', 'eight of ten rounds');
is($figure{watch_this}, '5.0000', 'the watched process');
is($figure{requests_this}, 4600, 'requests, the rehearsal too');

is((figures(line('base') . line('this', wrong => 1)))[0], 255,
    'no figure after a wrong answer');
is((figures(line('base', requests => 0) . line('this')))[0], 255,
    'nor without requests');
is((figures(line('base')))[0], 255, 'nor without the other stream');
is((figures('nonsense'))[0], 255, 'nor from nonsense');


# the table

sub table {
    my ($text) = @_;
    return (run("bash -s", ". '$Gate::ROOT/scripts/lib.sh'\n"
        . ". '$bench/table.sh'\nONLY=\n$text\ntable"))[1];
}

like(table('row one; put cpu %.2f 1.021; aim cpu "<=" 1.03'),
    qr/^one .* 1\.02 .*\n +aim .*<=1\.03 .* ok\n\nAll aims are reached/m,
    'reached');
like(table('row one; put cpu 1.04; put rate "0.98*"; put p50 2
    aim cpu "<=" 1.03; aim rate ">=" 0.97; aim p50 "<=" 1'),
    qr/ MISSED: cpu p50\n\n2 of the aims are missed/m, 'missed');
like(table('row one; put cpu 1; failed why; aim cpu "<=" 1.03'),
    qr/^one +NOT MEASURED\n\n1 of the rows could not be measured/m,
    'not measured');
unlike(table('ONLY=two; row one; row two'), qr/^one/m, 'only some');

$t->done;
