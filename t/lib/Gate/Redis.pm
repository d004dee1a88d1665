package Gate::Redis;

# A private redis-server, made by $t->redis, and a client for it.
#
#   my $redis = $t->redis;                     on a unix socket
#   my $other = $t->redis('B', port => 1);     on a port: %%REDIS_B%%
#   ... args => ['--requirepass', 'x'], auth => ['x']
#                                              further options of the server,
#                                              and what our client says to it
#
#   $redis->cmd('HGETALL', $name)              its reply; dies of an error
#   $redis->try('EVAL', ...)                   (reply, error)
#   $redis->auth('user', 'password')           for the client from now on
#   $redis->stop, kill, start, restart         the data are gone each time
#   $redis->pause, resume                      SIGSTOP, SIGCONT
#   $redis->monitor; ...; $redis->monitored    the commands that it got
#
# A status or bulk reply is a string, an integer a number, nil undef, an array
# an array reference.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);


our $SERVER = $ENV{TEST_REDIS_BINARY} || find_server();


sub find_server {
    for my $name ('redis-server', 'valkey-server') {
        for my $dir (split(/:/, $ENV{PATH}), '/usr/bin') {
            return "$dir/$name" if -x "$dir/$name";
        }
    }
    return;
}


sub new {
    my ($class, $t, %opt) = @_;

    die "there is no redis-server\n" unless $SERVER;

    my $n = $t->{redis_count}++;

    my $self = bless {
        t => $t,
        name => "redis" . ($n || ''),
        args => $opt{args} // [],
        auth => $opt{auth},
        port => $opt{port} ? $t->free_port : 0,
    }, $class;

    $self->{path} = $t->dir . "/$self->{name}.sock" unless $opt{port};
    mkdir $t->dir . "/$self->{name}";

    return $self->start;
}


# as the server directive takes it

sub address {
    my ($self) = @_;
    return $self->{path} ? "unix:$self->{path}" : "127.0.0.1:$self->{port}";
}


sub port { $_[0]{port} }
sub pid { $_[0]{pid} }


sub start {
    my ($self) = @_;

    my $t = $self->{t};
    my $dir = $t->dir . "/$self->{name}";

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>>', "$dir.log");
        open(STDERR, '>>', "$dir.log");
        exec $SERVER, '--port', $self->{port}, '--bind', '127.0.0.1',
            ($self->{path} ? ('--unixsocket', $self->{path}) : ()),
            '--dir', $dir, '--save', '', '--appendonly', 'no',
            '--daemonize', 'no', @{$self->{args}}
            or POSIX::_exit(127);
    }

    $self->{pid} = $self->{t}->started($pid);

    # it answers, be it with an error that asks for a password
    $t->until(sub {
        die "redis-server did not start:\n" . $t->read("$dir.log")
            if waitpid($pid, POSIX::WNOHANG()) == $pid;
        my ($reply, $error) = eval { $self->try('PING') };
        defined $reply || ($error // '') =~ /^(?:NOAUTH|NOPERM)/;
    }) or die "redis-server did not start in time\n";

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    $self->forget;

    CORE::kill('CONT', $pid);
    CORE::kill('TERM', $pid);

    unless ($self->{t}->gone($pid, 5)) {
        CORE::kill('KILL', $pid);
        waitpid($pid, 0);
    }

    unlink $self->{path} if $self->{path};
}


# without a farewell

sub kill {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    $self->forget;

    CORE::kill('KILL', $pid);
    waitpid($pid, 0);
    unlink $self->{path} if $self->{path};
}


sub restart {
    my ($self) = @_;
    $self->stop;
    return $self->start;
}


sub pause {
    my ($self) = @_;
    CORE::kill('STOP', $self->{pid});
}


sub resume {
    my ($self) = @_;
    CORE::kill('CONT', $self->{pid});
}


# the client

sub forget {
    my ($self) = @_;
    delete @$self{qw(client monitor)};
}


sub connect {
    my ($self) = @_;

    my $socket = $self->{path}
        ? IO::Socket::UNIX->new(Peer => $self->{path}, Type => SOCK_STREAM)
        : IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}");
    die "no connection to Redis: $!\n" unless $socket;
    binmode($socket);

    my $client = { socket => $socket, in => '' };

    if ($self->{auth}) {
        $self->send_command($client, 'AUTH', @{$self->{auth}});
        my (undef, $error) = $self->reply($client);
        die "Redis: $error\n" if defined $error;
    }

    return $client;
}


sub auth {
    my ($self, @words) = @_;
    $self->{auth} = @words ? \@words : undef;
    delete $self->{client};
}


sub cmd {
    my ($self, @argv) = @_;

    my ($reply, $error) = $self->try(@argv);
    die "Redis: $error\n" if defined $error;
    return $reply;
}


sub try {
    my ($self, @argv) = @_;

    my @answer = eval {
        my $client = $self->{client} //= $self->connect;
        $self->send_command($client, @argv);
        $self->reply($client);
    };

    if (my $died = $@) {
        delete $self->{client};
        die $died;
    }

    return @answer;
}


sub send_command {
    my ($self, $client, @argv) = @_;

    my $text = '*' . @argv . "\r\n";

    for my $word (@argv) {
        my $bytes = "$word";
        utf8::encode($bytes) if utf8::is_utf8($bytes);
        $text .= '$' . length($bytes) . "\r\n$bytes\r\n";
    }

    local $SIG{PIPE} = 'IGNORE';

    while (length $text) {
        my $n = syswrite($client->{socket}, $text)
            or die "Redis: write failed\n";
        substr($text, 0, $n) = '';
    }
}


sub reply {
    my ($self, $client) = @_;

    my $line = $self->line($client);
    my $type = substr($line, 0, 1, '');

    return $line if $type eq '+';
    return $line + 0 if $type eq ':';
    return (undef, $line) if $type eq '-';

    if ($type eq '$') {
        return undef if $line < 0;
        return substr($self->bytes($client, $line + 2), 0, $line);
    }

    if ($type eq '*') {
        return undef if $line < 0;
        return [map { ($self->reply($client))[0] } 1 .. $line];
    }

    die "Redis: unexpected reply $type$line\n";
}


sub line {
    my ($self, $client) = @_;

    $self->fill($client) until $client->{in} =~ /\r\n/;

    $client->{in} =~ s/^(.*?)\r\n//s;
    return $1;
}


sub bytes {
    my ($self, $client, $n) = @_;

    $self->fill($client) while length $client->{in} < $n;
    return substr($client->{in}, 0, $n, '');
}


sub fill {
    my ($self, $client) = @_;

    IO::Select->new($client->{socket})->can_read(10)
        or die "Redis: no reply in time\n";
    sysread($client->{socket}, $client->{in}, 65536, length $client->{in})
        or die "Redis: connection closed\n";
}


sub monitor {
    my ($self) = @_;

    my $client = $self->{monitor} = $self->connect;
    $self->send_command($client, 'MONITOR');
    $self->reply($client);
}


sub monitor_end {
    my ($self) = @_;
    delete $self->{monitor};             # closes its socket
}


# The lines since then; Redis is asked something of our own to be sure that
# all has come.

sub monitored {
    my ($self) = @_;

    my $client = $self->{monitor};
    my $mark = 'seen-' . rand;
    my @lines;

    $self->cmd('ECHO', $mark);

    while (1) {
        my $line = $self->line($client);
        return @lines if $line =~ /\Q$mark\E/;
        push @lines, $line;
    }
}


1;
