package Gate::Shortage;

# Lets calls of nginx fail that hardly ever do.
#
#   my $short = Gate::Shortage->new($t);        compiles shortage.c
#   $short->run(sub { $t->start });             what is started here obeys it
#
#   $short->arm(memory => $n)       the n-th allocation of the only worker
#                                   fails, counted from 0 and from now on, and
#                                   the others do not;  times => N: N from there
#                                   on;  pid => N: that process, 0: each nginx
#   $short->arm(watch => $n)        the same for epoll_ctl(), but to unwatch
#   $short->disarm                  how many have failed
#   $short->failed                  the same, and it goes on
#   $short->left                    how many are to succeed before
#
# With an nginx of scripts/coverage or scripts/asan, which has no pools, each
# allocation of the module is one of these.

use strict;
use warnings;

use constant { LEFT => 2, FAILED => 4 };

my %what = (memory => 1, watch => 2);


sub new {
    my ($class, $t) = @_;

    my $self = bless { t => $t, file => $t->dir . '/shortage',
        library => $t->dir . '/shortage.so' }, $class;

    $self->disarm;

    my $cc = $ENV{CC} || 'cc';
    my $source = __FILE__ =~ s/Shortage\.pm$/shortage.c/r;

    system("$cc -shared -fPIC -O1 -Wall -Wextra -Werror -o '$self->{library}'"
        . " '$source' -ldl") == 0 or die "$source does not compile\n";

    return $self;
}


sub run {
    my ($self, $code) = @_;

    local $ENV{LD_PRELOAD} = $self->{library};
    local $ENV{TEST_SHORTAGE} = $self->{file};

    # it stands before the sanitizer, and calls it
    local $ENV{ASAN_OPTIONS} = join ':', 'verify_asan_link_order=0',
        grep { defined } $ENV{ASAN_OPTIONS};

    return $code->();
}


sub arm {
    my ($self, $what, $n, %opt) = @_;

    my $pid = $opt{pid} // ($self->{t}->workers)[0] // die "no worker\n";

    $self->write($what{$what} // die("what is $what?\n"), $pid, $n,
        $opt{times} // 1, 0);
}


sub disarm {
    my ($self) = @_;

    my $failed = -e $self->{file} ? $self->failed : 0;
    $self->write((0) x 5);

    return $failed;
}


sub failed { (unpack 'q5', $_[0]{t}->read($_[0]{file}))[FAILED] }
sub left { (unpack 'q5', $_[0]{t}->read($_[0]{file}))[LEFT] }


# in place: the file is mapped

sub write {
    my ($self, @fields) = @_;

    open my $file, -e $self->{file} ? '+<:raw' : '>:raw', $self->{file}
        or die "$self->{file}: $!\n";
    syswrite($file, pack 'q5', @fields) == 40 or die "$self->{file}: $!\n";
    close $file;
}


1;
