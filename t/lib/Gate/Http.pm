package Gate::Http;

# HTTP clients, as methods of Gate.
#
#   my $r = $t->get('/target', 'Name' => 'value', ...);
#   $t->post('/target', $body, 'Name' => 'value');      also put, patch
#   $t->delete('/target', ...);                         also head, options
#   $t->request($method, $target, headers => [...], body => ..., port => N)
#   $t->raw("GET / HTTP/1.1\r\n...")          byte for byte
#   $t->parallel([$method, $target, headers => [...]], ...)  at the same time
#   $t->h2($method, $target, headers => [...], body => ...)  HTTP/2, by curl
#
#   my $c = $t->connect;                      a connection to be kept; over
#                                             socket => SOCKET, if given
#   $c->send($bytes); $c->request(...); my $r = $c->response;
#   $c->close; $c->reset;                     reset: with a RST, as a crash does
#
# All go to %%PORT_0%% unless port => N (the port itself) says otherwise; the
# default for the rest of the test is set with $t->default_port(N).
#
# A response: $r->status, $r->header('name') (all of them in list context),
# $r->headers (a list of [name, value]), $r->body, $r->json, $r->raw.  A
# connection that closes without an answer gives status 0.

use strict;
use warnings;

use JSON::PP ();


sub default_port {
    my ($self, $port) = @_;
    $self->{default_port} = $port if defined $port;
    return $self->{default_port} // $self->port(0);
}


sub connect {
    my ($self, %opt) = @_;
    return Gate::Connection->new($opt{socket} // $opt{port}
        // $self->default_port, $opt{timeout});
}


sub get     { my $t = shift; $t->without_body('GET', @_) }
sub head    { my $t = shift; $t->without_body('HEAD', @_) }
sub options { my $t = shift; $t->without_body('OPTIONS', @_) }
sub delete  { my $t = shift; $t->without_body('DELETE', @_) }
sub post    { my $t = shift; $t->with_body('POST', @_) }
sub put     { my $t = shift; $t->with_body('PUT', @_) }
sub patch   { my $t = shift; $t->with_body('PATCH', @_) }


sub without_body {
    my ($self, $method, $target, @headers) = @_;
    return $self->request($method, $target, headers => \@headers);
}


sub with_body {
    my ($self, $method, $target, $body, @headers) = @_;
    return $self->request($method, $target, headers => \@headers,
        body => $body);
}


sub request {
    my ($self, $method, $target, %opt) = @_;

    my $c = $self->connect(%opt);
    $c->request($method, $target, close => 1, %opt);
    my $r = $c->response;
    $c->close;

    return $r;
}


sub raw {
    my ($self, $bytes, %opt) = @_;

    my $c = $self->connect(%opt);
    $c->send($bytes);
    my $r = $c->response(head => scalar($bytes =~ /^HEAD /));
    $c->close;

    return $r;
}


# Sends all before it reads the first answer.

sub parallel {
    my ($self, @requests) = @_;
    my @connections;

    for my $request (@requests) {
        my ($method, $target, %opt) = @$request;
        my $c = $self->connect(%opt);
        $c->request($method, $target, close => 1, %opt);
        push @connections, $c;
    }

    return map { my $r = $_->response; $_->close; $r } @connections;
}


sub h2 {
    my ($self, $method, $target, %opt) = @_;

    my $port = $opt{port} // $self->default_port;
    my @headers = @{$opt{headers} // []};
    my @command = ('curl', '-s', '-i', '--http2-prior-knowledge',
        '--path-as-is', '-g', '--max-time', $opt{timeout} // 10);

    push @command, $method eq 'HEAD' ? '-I' : ('-X', $method);
    push @command, '-H', shift(@headers) . ': ' . shift(@headers)
        while @headers;

    if (defined $opt{body}) {
        push @command, '--data-binary',
            '@' . $self->write('h2-body', $opt{body});
    }

    # An answer may come before the body has gone (RFC 9113, 8.1), which some
    # versions of curl take for an error (92): then once more.
    my $raw;

    for (1 .. 10) {
        open(my $pipe, '-|', @command, "http://127.0.0.1:$port$target")
            or die "curl: $!\n";
        binmode($pipe);
        local $/;
        $raw = <$pipe> // '';
        close($pipe);
        last unless defined $opt{body} && $? >> 8 == 92;
    }

    my ($head, $body) = $raw =~ /^(.*?\r\n)\r\n(.*)$/s;
    return Gate::Response->new('', '', '') unless defined $head;
    return Gate::Response->new($head, $body, $raw);
}


package Gate::Connection;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket ();
use Time::HiRes qw(time);


sub new {
    my ($class, $port, $timeout) = @_;

    my $socket = ref $port ? $port
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
            Proto => 'tcp', Timeout => 5)
        or die "connect to port $port: $!\n";
    binmode($socket);

    return bless { socket => $socket, in => '', timeout => $timeout // 10,
                   methods => [] }, $class;
}


sub socket { $_[0]{socket} }


sub send {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite($self->{socket}, $bytes) // return 0;
        substr($bytes, 0, $n) = '';
    }

    return 1;
}


sub request {
    my ($self, $method, $target, %opt) = @_;

    my @headers = @{$opt{headers} // []};
    my %given;
    my $text = "$method $target HTTP/1.1\r\n";

    while (@headers) {
        my ($name, $value) = splice(@headers, 0, 2);
        next unless defined $value;
        $given{lc $name} = 1;
        $text .= "$name: $value\r\n";
    }

    $text .= "Host: localhost\r\n" unless $given{host};
    $text .= "Connection: close\r\n" if $opt{close} && !$given{connection};
    $text .= 'Content-Length: ' . length($opt{body}) . "\r\n"
        if defined $opt{body} && !$given{'content-length'}
           && !$given{'transfer-encoding'};

    push @{$self->{methods}}, $method;

    return $self->send("$text\r\n" . ($opt{body} // ''));
}


# Reads one response; 1xx are passed over.

sub response {
    my ($self, %opt) = @_;

    my $method = shift @{$self->{methods}} // '';
    my $no_body = $opt{head} || $method eq 'HEAD';
    my $end = time + $self->{timeout};
    my ($head, $body, $r);

    do {
        while ($self->{in} !~ /\r?\n\r?\n/) {
            $self->fill($end)
                or return Gate::Response->new('', '', $self->{in});
        }
        $self->{in} =~ s/^(.*?\r?\n)\r?\n//s;
        $head = $1;
        $r = Gate::Response->new($head, '', $head);
    } while ($r->status =~ /^1\d\d$/);

    if ($no_body || $r->status == 204 || $r->status == 304) {
        $body = '';

    } elsif (($r->header('transfer-encoding') // '') =~ /chunked/i) {
        $body = $self->chunked($end);

    } elsif (defined(my $length = $r->header('content-length'))) {
        while (length $self->{in} < $length) {
            $self->fill($end) or last;
        }
        $body = substr($self->{in}, 0, $length, '');

    } else {
        1 while $self->fill($end);
        $body = $self->{in};
        $self->{in} = '';
    }

    return Gate::Response->new($head, $body, "$head\r\n$body");
}


sub chunked {
    my ($self, $end) = @_;
    my $body = '';

    while (1) {
        until ($self->{in} =~ /\r\n/) {
            $self->fill($end) or return $body;
        }
        $self->{in} =~ s/^([0-9a-fA-F]+)[^\r\n]*\r\n// or return $body;
        my $length = hex $1;

        while (length $self->{in} < $length + 2) {
            $self->fill($end) or return $body;
        }
        $body .= substr($self->{in}, 0, $length, '');
        substr($self->{in}, 0, 2) = '';

        return $body if $length == 0;
    }
}


# Reads what there is; false at the end or when time is up.

sub fill {
    my ($self, $end) = @_;

    my $left = $end - time;
    return 0 if $left <= 0;
    return 0 unless IO::Select->new($self->{socket})->can_read($left);

    return sysread($self->{socket}, $self->{in}, 65536, length $self->{in});
}


# Whether the server closes the connection within that time.

sub closed {
    my ($self, $seconds) = @_;

    my $end = time + ($seconds // 5);

    while (time < $end) {
        next unless IO::Select->new($self->{socket})->can_read($end - time);
        return 1 unless sysread($self->{socket}, $self->{in}, 65536,
            length $self->{in});
    }

    return 0;
}


sub close {
    my ($self) = @_;
    CORE::close($self->{socket});
}


sub reset {
    my ($self) = @_;
    setsockopt($self->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
        pack('ii', 1, 0));
    CORE::close($self->{socket});
}


package Gate::Response;

use strict;
use warnings;


sub new {
    my ($class, $head, $body, $raw) = @_;

    my ($first, @lines) = split /\r?\n/, $head;
    my ($status) = ($first // '') =~ m{^HTTP/[\d.]+ (\d{3})};

    return bless {
        status => $status // 0,
        headers => [map { [/^([^:]*):[ \t]*(.*?)[ \t]*$/s] } @lines],
        body => $body,
        raw => $raw,
    }, $class;
}


sub status { $_[0]{status} }
sub body { $_[0]{body} }
sub raw { $_[0]{raw} }
sub headers { @{$_[0]{headers}} }


sub header {
    my ($self, $name) = @_;

    my @values = map { $_->[1] }
        grep { defined $_->[0] && lc $_->[0] eq lc $name } $self->headers;

    return wantarray ? @values : $values[0];
}


sub json {
    my ($self) = @_;
    return eval { JSON::PP->new->utf8->decode($self->{body}) };
}


1;
