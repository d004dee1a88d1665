package Gate::Pipeline;

# Sends many requests over some kept connections, several at a time on each.
#
#   Gate::Pipeline->new($port)->send(@requests);
#
# A request is a hash with its bytes; it gets the status of its answer, 0 if
# there is none.  With alone => 1 it has a connection of its own.  What an
# answer that closes the connection leaves behind is sent again.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

our $CONNECTIONS = 8;
our $DEPTH = 16;


sub new {
    my ($class, $port, $seconds) = @_;
    return bless { port => $port, seconds => $seconds // 60 }, $class;
}


sub send {
    my ($self, @requests) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $end = time + $self->{seconds};

    $self->{queue} = \@requests;
    $self->{select} = IO::Select->new;
    $self->{connections} = {};

    $self->open for 1 .. $CONNECTIONS;

    while ($self->{select}->count) {
        die "no answer in time\n" if time > $end;
        $self->read($_) for $self->{select}->can_read(1);
    }
}


sub open {
    my ($self) = @_;

    return unless @{$self->{queue}};

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}, Proto => 'tcp')
        or die "connect to port $self->{port}: $!\n";
    binmode($socket);

    my $connection = $self->{connections}{$socket} = { socket => $socket,
        in => '', waiting => [] };
    $self->{select}->add($socket);
    $self->write($connection);
}


# the next requests on this connection

sub write {
    my ($self, $connection) = @_;

    my $queue = $self->{queue};
    my @next;

    if (@$queue && $queue->[0]{alone}) {
        @next = shift @$queue;
    } else {
        push @next, shift @$queue
            while @$queue && @next < $DEPTH && !$queue->[0]{alone};
    }

    $connection->{waiting} = \@next;
    my $bytes = join '', map { $_->{bytes} } @next;

    while (length $bytes) {
        my $n = syswrite($connection->{socket}, $bytes) // last;
        substr($bytes, 0, $n) = '';
    }
}


sub read {
    my ($self, $socket) = @_;

    my $connection = $self->{connections}{$socket};
    my $waiting = $connection->{waiting};
    my $ended = !sysread($socket, $connection->{in}, 65536,
        length $connection->{in});

    while (@$waiting && $connection->{in} =~ m{^(HTTP/1\.1 (\d+).*?\r\n\r\n)}s) {
        my ($head, $status) = ($1, $2);
        my ($length) = $head =~ /^Content-Length: (\d+)\r$/m;
        $length = length($head) + ($length // 0);
        last if length $connection->{in} < $length;

        substr($connection->{in}, 0, $length) = '';
        my $request = shift @$waiting;
        $request->{status} = $status;
        $ended = 1 if $request->{alone} || $head =~ /^Connection: close\r$/m;
    }

    if ($ended) {
        $self->close($connection);
        $self->open;
    } elsif (!@$waiting) {
        $self->next($connection);
    }
}


sub next {
    my ($self, $connection) = @_;

    my $queue = $self->{queue};

    return $self->write($connection) if @$queue && !$queue->[0]{alone};

    $self->close($connection);
    $self->open;
}


# The first one without an answer may be why: it gets one more chance, alone.

sub close {
    my ($self, $connection) = @_;

    my @left = @{$connection->{waiting}};

    if (@left && $left[0]{alone}) {
        (shift @left)->{status} = 0;
    } elsif (@left && $left[0]{again}++) {
        $left[0]{alone} = 1;
    }

    unshift @{$self->{queue}}, @left;

    $self->{select}->remove($connection->{socket});
    delete $self->{connections}{$connection->{socket}};
    CORE::close($connection->{socket});
}


1;
