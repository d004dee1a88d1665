# Guards what scripts/matrix takes for granted of its words: a suite's name
# becomes a folder below build/matrix, which is removed, and a wrong mirror is
# an error and leaves no root behind.  Seen red without the look at the name,
# and without the one at debootstrap's status.

use Gate;

my $t = Gate->new;
my $script = "$Gate::ROOT/scripts/matrix";


sub matrix {
    my ($words) = @_;

    local $ENV{BUILD_DIR} = $t->dir . '/build';
    local $ENV{MIRROR} = 'http://127.0.0.1:' . $t->port(0) . '/debian';
    my $output = `'$script' $words 2>&1 < /dev/null`;

    return ($? >> 8, $output);
}


for my $words ('--nonsense', '../trixie', 'trixie/..', "''", 'trixie --jobs 1') {
    my ($status, $output) = matrix($words);
    isnt($status, 0, "refused: $words");
    like($output, qr/^matrix: usage: /, 'and it says how');
    ok(!-e $t->dir . '/build', 'nothing is made');
}

SKIP: {
    skip 'only root can make a root, and debootstrap is needed', 3
        if $> || !-x '/usr/sbin/debootstrap';

    my ($status, $output) = matrix('trixie');
    isnt($status, 0, 'a mirror that is not there');
    like($output, qr/debootstrap failed, see/, 'is said');
    ok(!-e $t->dir . '/build/matrix/trixie', 'no root is left');
}

$t->done;
