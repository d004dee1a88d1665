# Guards scripts/mutate: each mutant of t/mutants still applies, as one whose
# text is gone tests nothing; and a list with a mistake in it is refused.
# Seen red when a fix had changed a line of src/ that a mutant names.

use Gate;

my $t = Gate->new;
my $script = "$Gate::ROOT/scripts/mutate";

sub list {
    local $ENV{MUTANTS} = $_[0] // "$Gate::ROOT/t/mutants";
    my $output = `'$script' --list 2>&1`;
    return ($? == 0, $output);
}

my ($ok, $output) = list();
my $count = () = $output =~ /^/mg;

ok($ok, 'all mutants apply') or diag($output);
cmp_ok($count, '>=', 60, 'as many as there should be');

my $sound = <<'EOM';
name:  one
file:  t/mutate.t
tests: t/mutate.t
why:   no reason
< my $t = Gate->new;
> my $t = undef;
EOM

sub refused {
    my ($text, $words, $name) = @_;

    my ($taken, $output) = list($t->write('mutants', $text));
    ok(!$taken, "refused: $name");
    like($output, $words, "said why: $name");
}

($ok, $output) = list($t->write('mutants', $sound));
ok($ok, 'a sound list is taken') or diag($output);

refused($sound =~ s/Gate->new/Gate->old/r, qr/stands 0 times/, 'gone');
refused($sound =~ s/^<.*/< }/mr, qr/stands \d+ times/, 'not unique');
refused($sound =~ s/undef/Gate->new/r, qr/changes nothing/, 'no change');
refused("$sound\n$sound", qr/there twice/, 'a name twice');
refused($sound =~ s/^why.*\n//mr, qr/no why/, 'no reason');
refused($sound =~ s/tests: t/tests: x/r, qr/there is no x/, 'no such test');
refused("$sound?\n", qr/what is/, 'a line that is none');

$t->done;
