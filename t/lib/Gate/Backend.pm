package Gate::Backend;

# The server behind nginx: records each request byte for byte, then answers.
#
#   my $backend = $t->backend;                    200 with the body "ok"
#   my $backend = $t->backend({ '/path' => { status => 500, body => '...',
#       headers => ['Name' => 'value'], delay => 0.5, chunked => 1,
#       close => 1 (after the answer), silent => 1 (close without one),
#       hang => 1 (no answer, the connection stays) }, '*' => {...} });
#   my $backend = $t->backend(sub { my $request = shift; return {...} });
#
#   $backend->answer('/path' => {...})            from now on
#   $backend->requests                            what came, oldest first
#   $backend->forget                              begin anew
#
# A request: ->method, ->target, ->head (with request line, to the blank line),
# ->headers (a list of [name, value]), ->header('name'), ->body (decoded),
# ->raw (all bytes).  Paths of answers are compared with the target before "?".

use strict;
use warnings;

use Fcntl qw(:flock);
use IO::Socket::INET;
use POSIX ();
use Storable ();
use Time::HiRes ();


sub new {
    my ($class, $t, $answers) = @_;

    my $n = $t->{backend_count}++ || '';

    my $self = bless {
        t => $t,
        port => $t->free_port,
        file => $t->dir . "/backend$n.requests",
        answers_file => $t->dir . "/backend$n.answers",
        answers => ref $answers eq 'HASH' ? $answers : {},
        code => ref $answers eq 'CODE' ? $answers : undef,
    }, $class;

    $self->forget;
    $self->answer;

    return $self->start;
}


sub address { "127.0.0.1:$_[0]{port}" }
sub port { $_[0]{port} }


sub answer {
    my ($self, %answers) = @_;

    $self->{answers} = { %{$self->{answers}}, %answers };
    Storable::nstore($self->{answers}, "$self->{answers_file}.new");
    rename "$self->{answers_file}.new", $self->{answers_file};
}


sub forget {
    my ($self) = @_;
    open(my $f, '>', $self->{file}) or die "$self->{file}: $!\n";
}


sub requests {
    my ($self) = @_;

    open(my $f, '<:raw', $self->{file}) or return;
    flock($f, LOCK_SH);
    my @requests;

    while (read($f, my $lengths, 8) == 8) {
        my ($head, $raw) = unpack 'NN', $lengths;
        read($f, my $bytes, $raw);
        push @requests, Gate::Request->new(substr($bytes, 0, $head),
            substr($bytes, $head));
    }

    return @requests;
}


sub start {
    my ($self) = @_;

    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Proto => 'tcp', Listen => 128,
        ReuseAddr => 1) or die "backend: $!\n";

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        setpgrp(0, 0);
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{CHLD} = 'IGNORE';
        eval { $self->serve($listener) };
        POSIX::_exit(0);
    }

    setpgrp($pid, $pid);
    $self->{pid} = $self->{t}->started($pid);
    return $self;
}


# Each connection has a process, in the process group of the first.

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'KILL', -$pid;
    waitpid($pid, 0);
}


sub serve {
    my ($self, $listener) = @_;

    while (1) {
        my $socket = $listener->accept or next;
        my $pid = fork;

        if (defined $pid && $pid == 0) {
            close $listener;
            binmode($socket);
            $self->{left} = '';
            eval { 1 while $self->serve_one($socket) };
            POSIX::_exit(0);
        }
    }
}


# one request on a kept connection; false when it is to be closed

sub serve_one {
    my ($self, $socket) = @_;

    my $in = \$self->{left};

    my $fill = sub { sysread($socket, $$in, 65536, length $$in) };
    my $take = sub {
        my ($n) = @_;
        while (length $$in < $n) { $fill->() or die "closed\n" }
        return substr($$in, 0, $n, '');
    };

    until ($$in =~ /\r\n\r\n/) { $fill->() or return 0 }
    $$in =~ s/^(.*?\r\n\r\n)//s;
    my $head = $1;
    my $body = '';

    if ($head =~ /\r\nExpect: *100-continue/i) {
        syswrite($socket, "HTTP/1.1 100 Continue\r\n\r\n");
    }

    if ($head =~ /\r\nContent-Length: *(\d+)/i) {
        $body = $take->($1);

    } elsif ($head =~ /\r\nTransfer-Encoding: *chunked/i) {
        my $n;
        do {
            until ($$in =~ /\r\n/) { $fill->() or return 0 }
            $$in =~ s/^([0-9a-f]+\r\n)//i or return 0;
            $n = hex $1;
            $body .= $1;
            $body .= $take->($n + 2);
        } while ($n > 0);
    }

    $self->record($head, $body);

    return $self->reply($socket, Gate::Request->new($head, $body));
}


# The request is on record before its answer leaves.

sub record {
    my ($self, $head, $body) = @_;

    open(my $f, '>>:raw', $self->{file}) or return;
    flock($f, LOCK_EX);
    syswrite($f, pack('NN', length $head, length($head) + length($body))
        . $head . $body);
}


sub choose {
    my ($self, $request) = @_;

    return $self->{code}->($request) if $self->{code};

    my ($path) = split /\?/, $request->target;
    my $answers = Storable::retrieve($self->{answers_file});
    return $answers->{$path} // $answers->{'*'};
}


sub reply {
    my ($self, $socket, $request) = @_;

    my $answer = $self->choose($request) // {};

    Time::HiRes::sleep($answer->{delay}) if $answer->{delay};
    return 0 if $answer->{silent};

    if ($answer->{hang}) {
        sysread($socket, my $end, 1);
        return 0;
    }

    my $body = $answer->{body} // 'ok';
    my $status = $answer->{status} // 200;
    my @headers = @{$answer->{headers} // []};
    my $text = "HTTP/1.1 $status Status\r\n";

    $text .= shift(@headers) . ': ' . shift(@headers) . "\r\n" while @headers;
    $text .= "Connection: close\r\n" if $answer->{close};

    if ($answer->{chunked}) {
        $text .= "Transfer-Encoding: chunked\r\n\r\n";
        $text .= sprintf("%x\r\n%s\r\n", length $body, $body) if length $body;
        $text .= "0\r\n\r\n";
    } else {
        $text .= 'Content-Length: ' . length($body) . "\r\n\r\n";
        $text .= $body unless $request->method eq 'HEAD';
    }

    while (length $text) {
        my $n = syswrite($socket, $text) or return 0;
        substr($text, 0, $n) = '';
    }

    my $connection = $request->header('Connection') // '';
    return 0 if $answer->{close} || $connection =~ /close/i;
    return $request->head =~ m{^\S+ .* HTTP/1\.1\r\n}
        || $connection =~ /keep-alive/i;
}


package Gate::Request;

use strict;
use warnings;


sub new {
    my ($class, $head, $raw_body) = @_;
    return bless { head => $head, raw_body => $raw_body }, $class;
}


sub head { $_[0]{head} }
sub raw { $_[0]{head} . $_[0]{raw_body} }
sub method { (split / /, $_[0]{head})[0] }
sub target { $_[0]{head} =~ m{^\S+ (.*) HTTP/[\d.]+\r\n} ? $1 : '' }


sub headers {
    my ($self) = @_;
    my (undef, @lines) = split /\r\n/, $self->{head};
    return map { [/^([^:]*): ?(.*)$/s] } @lines;
}


sub header {
    my ($self, $name) = @_;
    my @values = map { $_->[1] }
        grep { lc $_->[0] eq lc $name } $self->headers;
    return wantarray ? @values : $values[0];
}


sub body {
    my ($self) = @_;

    my $raw = $self->{raw_body};
    return $raw unless $self->{head} =~ /\r\nTransfer-Encoding: *chunked/i;

    my $body = '';
    while ($raw =~ s/^([0-9a-f]+)\r\n//i) {
        $body .= substr($raw, 0, hex $1, '');
        substr($raw, 0, 2) = '';
    }
    return $body;
}


1;
