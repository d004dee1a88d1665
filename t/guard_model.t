# Guards conf-examples/hotcakes.conf against the store's own reading: of 100,000
# random spellings of clears and single deletes none that the store takes for a
# clear gets through while the flag is not set, and no single delete as the SDK
# sends it is refused.
#
#   t/lib/Gate/Spellings.pm     makes the requests
#   t/data/hotcakes_model.py    the store's reading, of what the backend got
#
# TEST_SEED repeats a run, TEST_REQUESTS sets how many.  Seen red, and after how
# many requests: an empty id (3), parentheses (5), `.` or `%` in an id with $uri
# not looked at (109, 94), a backslash (2,056), no `$` at the end (1,540), $uri
# alone (11,706), X-HTTP-Method unknown (68), only its first line (1,697), with
# case (503), `_` for `-` (50,040), what is behind `#` (416), a body (463), one in
# chunks (944), a list of what is forbidden (5), no rule (1); and the SDK's
# requests with `unless` minding case (43).

use Gate;
use Gate::Pipeline;
use Gate::Spellings;

use List::Util qw(min sum0);

my $HOST = 'api.example.com';
my $SLICE = 10_000;
my $CONTROL = 5_000;
my $REQUESTS = $ENV{TEST_REQUESTS} // 100_000;
my $SEED = $ENV{TEST_SEED} // int rand 1_000_000_000;

# mutations after which the store takes some requests for a clear
my @ALIVE = qw(absolute backslash blank body case cookieless dots folding
    fragment front id override parameter percent query slashes tail version);

# what an administrator may set on top, so that more reaches the guard
my $LENIENT = <<'EOC';
    underscores_in_headers on;
    ignore_invalid_headers off;
    merge_slashes off;
EOC

my $t = Gate->new;
$t->redis;
my $store = $t->backend(sub { {} });

my $conf = $t->example('hotcakes.conf')
    =~ s/(api_key_store shop \{)/$1 timeout 5s;/r
    =~ s{proxy_pass http://%%BACKEND%%}{proxy_pass http://store}r
    =~ s/^(http \{\n)/$1UPSTREAM/mr
    =~ s/UPSTREAM/upstream store { server %%BACKEND%%; keepalive 16; }\n/r;

my @sdk = map { (split /\?/, $_->[2])[0] }
    grep { $_->[1] eq 'DELETE' && $_->[2] =~ /\{.*\?/ } map { [split /\t/] }
    split /\n/, $t->read("$Gate::ROOT/t/data/hotcakes-sdk-requests.tsv");
cmp_ok(scalar @sdk, '>=', 26, 'the single deletes of the SDK');

my ($key) = $t->key(issue => 'hc');
my $spellings = Gate::Spellings->new($SEED, $key, $HOST, @sdk);
diag("TEST_SEED=$SEED");


# the guard

my (%answers, %clears, %mild, @holes, @lost);

$t->conf_file($conf, log => 'error');
$t->start;
guarded($REQUESTS / 2);

$t->conf_file($conf =~ s/^(http \{\n)/$1$LENIENT/mr, log => 'error');
$t->reload;
guarded($REQUESTS / 2) unless @holes;

ok(!@holes, 'no clear gets through') or shown(@holes);
ok(!@lost, 'no single delete of the SDK is refused') or shown(@lost);

is(join(', ', grep { /^(?:0|500|502|503|504)$/ } sort keys %answers), '',
    'each got an answer of its own');
cmp_ok($clears{sent}, '>=', 0.2 * $REQUESTS, 'clears were among them')
    unless @holes;
cmp_ok($clears{refused}, '>=', 0.15 * $REQUESTS, 'the guard refused them')
    unless @holes;

diag('answers: ' . join ', ', map { "$answers{$_} x $_" } sort keys %answers);
diag("clears, as sent: $clears{sent}, refused by the guard: $clears{refused}");
diag('single deletes refused though the store takes them: ' . join ', ', map {
    "$_ " . ($mild{$_}[0] // 0) . ' of ' . sum0(map { $_ // 0 } @{$mild{$_}})
} sort keys %mild);


# without it: clears get through, by each mutation that can make one

$t->conf_file($conf =~ s/api_key_clear[^;]*;//r, log => 'error');
$t->reload;

my %alive;

for my $r (played($spellings->requests($CONTROL, 1))) {
    $alive{$r->{ways}[0] // 'none'}++
        if grep { /^clear/ } @{$r->{taken_as}};
}

cmp_ok(sum0(values %alive), '>=', $CONTROL / 10, 'unguarded, clears pass');
ok($alive{$_}, "unguarded, clears pass by: $_") for @ALIVE;

$t->done;


sub guarded {
    my ($left) = @_;

    for (; $left > 0 && !@holes; $left -= $SLICE) {

        for my $r (played($spellings->requests(min($SLICE, $left)))) {
            my $passed = $r->{status} == 200;

            $answers{$r->{status}}++;
            push @holes, $r if grep { /^clear/ } @{$r->{taken_as}};
            push @lost, $r if $r->{kind} eq 'plain' && !$passed;

            if ($r->{sent_as} =~ /^clear/) {
                $clears{sent}++;
                $clears{refused}++ if $r->{status} == 403;
            }

            $mild{$r->{ways}[0]}[$passed ? 1 : 0]++
                if $r->{kind} eq 'mild' && $r->{sent_as} =~ /^single/;
        }
    }
}


# Sends them and asks the model: sent_as is what the store would make of a
# request as it was sent, taken_as what it makes of what has reached it.

sub played {
    my (@requests) = @_;

    $store->forget;
    Gate::Pipeline->new($t->port(0))->send(@requests);

    my %by_id = map { $_->{id} => $_ } @requests;
    my @lines = map { line($_->{method}, $_->{target}, $_->{body},
        @{$_->{headers}}) } @requests;
    my @received = $store->requests;

    push @lines, map { line($_->method, $_->target, $_->body, $_->headers) }
        @received;

    my $input = $t->write('model.in', join '', map { "$_\n" } @lines);
    my @answers = split /\n/,
        `python3 '$Gate::ROOT/t/data/hotcakes_model.py' < '$input'`;
    is(scalar @answers, scalar @lines, 'the model has answered');

    $_->{sent_as} = shift @answers for @requests;

    for my $request (@received) {
        my $r = $by_id{$request->header('X-Spelling') // 0}
            // { id => '?', bytes => $request->raw, kind => 'unknown',
                 ways => [] };
        push @{$r->{taken_as}}, shift @answers;
        push @holes, $r if $r->{kind} eq 'unknown';
    }

    is(scalar(grep { $_->{status} == 200 && !$_->{taken_as} } @requests), 0,
        'what was answered was at the store');
    return @requests;
}


# a line for the model

sub line {
    my ($method, $target, $body, @headers) = @_;

    $target =~ s/[\t\r\n]/%01/g;
    my $line = store_method($method, $target, @headers) . "\t$target";

    if (length($body // '')) {
        my ($type) = map { $_->[1] } grep { lc $_->[0] eq 'content-type' }
            @headers;
        $line .= join "\t", '', $type // '',
            $body =~ s/([^A-Za-z0-9])/sprintf '%%%02x', ord $1/gre;
    }

    return $line;
}


# A store that does not know overrides may stand behind a proxy that does: who
# names DELETE at all, by any reading, means it.

sub store_method {
    my ($method, $target, @headers) = @_;
    my @said = ($method);

    push @said, map { $_->[1] } grep {
        $_->[0] =~ /^X[-_](?:HTTP[-_]Method(?:[-_]Override)?|Method[-_]Override)$/i
    } @headers;

    my (undef, $query) = split /\?/, $target, 2;

    for my $text (map { $_, s/#.*//r } $query // '') {
        for my $piece (split /&/, $text) {
            my ($name, $value) = map { decoded($_) } split /=/, $piece, 2;
            push @said, $value if lc($name // '') eq '_method' && defined $value;
        }
    }

    return (grep { uc $_ eq 'DELETE' }
        map { split /[^!#\$%&'*+.^_`|~0-9A-Za-z-]+/ } @said) ? 'DELETE'
        : $method;
}


sub decoded {
    my ($text) = @_;

    $text =~ tr/+/ /;
    return $text =~ s/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/
        chr(hex($1 \/\/ $2) & 0xff)/gier;
}


sub shown {
    my (@requests) = @_;

    for my $r (@requests[0 .. min(4, $#requests)]) {
        diag("request $r->{id} ($r->{kind}" . join('', map { ", $_" }
            @{$r->{ways}}) . "), " . ($r->{status} // 'no') . ', '
            . join(', ', @{$r->{taken_as} // []}) . ":\n"
            . $r->{bytes} =~ s/([^\x20-\x7e\n])/sprintf '\\x%02x', ord $1/ger);
    }
}
