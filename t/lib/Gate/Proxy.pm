package Gate::Proxy;

# Faults between nginx and Redis: a proxy that can be told to misbehave, and
# a Redis that says what the test wants it to say.
#
#   my $proxy = $t->proxy($t->redis);      as %%PROXY%% in the configuration
#   $proxy->mode('pass');                  all goes through
#   $proxy->mode('delay', 0.3);            replies come that much later
#   $proxy->mode('stall');                 connected, but nothing goes through
#   $proxy->mode('deaf');                  commands do, replies do not
#   $proxy->mode('split');                 replies byte by byte
#   $proxy->mode('corrupt', 0.01);         that share of their bytes is another
#   $proxy->mode('duplicate', 0.2);        that share of them comes twice, and
#                                          all so late that others are asked for
#   $proxy->mode('cut');                   closes all, and each new one at once
#   $proxy->mode('cut_after', 10);         after so many bytes of reply each
#   $proxy->mode('reset'), ('reset_after', 10)         the same by a RST
#   $proxy->mode('refuse');                nobody listens
#   $proxy->drop;                          closes what is open, takes new ones
#   $proxy->count;                         connections taken up to now
#   $proxy->open;                          connections open now
#   $proxy->held;                          replies that wait for their time
#
#   $proxy->mode('delay', 0.3, 'data');    only on this kind of link; not cut,
#                                          reset and refuse
#   $proxy->inject("+OK\r\n", 'push');     says that to nginx on such links
#   $proxy->inject("+OK\r\n", 'data', 'held');   where replies wait
#
# A mode holds from the moment the call returns, for open connections too.  A
# link is "push" once it has subscribed to something, and "data" before that.
#
#   my $fake = $t->fake_redis(sub {        as %%REDIS%%
#       my ($argv, $state) = @_;           the command; this connection's own
#       return "+OK\r\n";                  bytes; '' for none; undef to close
#   }, undef, split => 1);
#   $fake->commands                        all that came: array references
#
# The sub may fall back on Gate::FakeRedis::default($argv), which knows PING,
# AUTH, SELECT, CLIENT and ROLE.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket ();
use Time::HiRes qw(time);


sub new {
    my ($class, $t, $to) = @_;

    my $self = bless { t => $t, to => ref $to ? $to->address : $to,
                       port => $t->free_port }, $class;
    return $self->start;
}


sub address { "127.0.0.1:$_[0]{port}" }
sub port { $_[0]{port} }


sub start {
    my ($self) = @_;

    socketpair(my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(),
        Socket::PF_UNSPEC()) or die "socketpair: $!\n";
    $self->listen;

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        close $ours;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $self->{control} = $theirs;
        eval { $self->loop };
        print STDERR "proxy: $@" if $@;
        POSIX::_exit(0);
    }

    close $theirs;
    delete $self->{listener};
    $self->{control} = $ours;
    $self->{pid} = $self->{t}->started($pid);

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'KILL', $pid;
    waitpid($pid, 0);
}


# Asks the proxy's process and waits for its word.

sub ask {
    my ($self, $text) = @_;

    syswrite($self->{control}, "$text\n");
    IO::Select->new($self->{control})->can_read(5)
        or die "the proxy does not answer\n";
    sysread($self->{control}, my $answer, 100) or die "the proxy is gone\n";
    chomp $answer;

    return $answer;
}


sub mode { my $self = shift; $self->ask(join ' ', @_) }
sub inject {
    my ($self, $bytes, @where) = @_;
    $self->ask(join ' ', 'inject', unpack('H*', $bytes), @where);
}

sub drop { $_[0]->ask('drop') }
sub count { $_[0]->ask('count') }
sub open { $_[0]->ask('open') }
sub held { $_[0]->ask('held') }


# from here on: the proxy's own process

sub listen {
    my ($self) = @_;

    $self->{listener} = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Proto => 'tcp', Listen => 128,
        ReuseAddr => 1) or die "proxy: $!\n";
}


sub loop {
    my ($self) = @_;

    @$self{qw(mode value count pairs)} = ('pass', 0, 0, []);

    while (1) {
        my @sockets = ($self->{control});
        push @sockets, $self->{listener} if $self->{listener};
        push @sockets, map { @$_{'client', 'server'} }
            grep { !$self->is('stall', $_) } @{$self->{pairs}};

        # while replies wait for their time, look often
        my $wait = (grep { @{$_->{late}} } @{$self->{pairs}})
            ? $self->{mode} eq 'split' ? 0.0002 : 0.001 : 1;

        for my $socket (IO::Select->new(@sockets)->can_read($wait)) {
            if ($socket == $self->{control}) {
                $self->command;
                last;          # sockets may be gone now
            } elsif ($self->{listener} && $socket == $self->{listener}) {
                $self->accept;
            } else {
                $self->forward($socket);
            }
        }

        $self->due;
    }
}


sub command {
    my ($self) = @_;

    sysread($self->{control}, my $text, 4096) or POSIX::_exit(0);
    chomp $text;
    my ($word, $value, $which, $held) = split ' ', $text;
    my $answer = 'ok';

    if ($word eq 'count') {
        $answer = $self->{count};

    } elsif ($word eq 'open') {
        $answer = @{$self->{pairs}};

    } elsif ($word eq 'held') {
        $answer = map { @{$_->{late}} } @{$self->{pairs}};

    } elsif ($word eq 'drop') {
        $self->{pairs} = [];

    } elsif ($word eq 'inject') {
        write_all($_->{client}, pack('H*', $value))
            for grep { $_->{kind} eq $which && (!$held || @{$_->{late}}) }
                @{$self->{pairs}};

    } else {
        $self->set_mode($word, $value // 0, $which);
    }

    syswrite($self->{control}, "$answer\n");
}


sub set_mode {
    my ($self, $mode, $value, $which) = @_;

    @$self{qw(mode value which)} = ($mode, $value, $which);
    $_->{replied} = 0 for @{$self->{pairs}};

    my @gone = $mode =~ /^(?:cut|reset|refuse)$/ ? @{$self->{pairs}} : ();
    $self->close_pair($_) for @gone;

    if ($mode eq 'refuse') {
        delete $self->{listener};
    } elsif (!$self->{listener}) {
        $self->listen;
    }
}


# whether a mode holds for a link

sub is {
    my ($self, $mode, $pair) = @_;
    return $self->{mode} eq $mode
        && ($self->{which} // $pair->{kind}) eq $pair->{kind};
}


sub accept {
    my ($self) = @_;

    my $client = $self->{listener}->accept or return;
    $self->{count}++;
    return reset_at_close($client) if $self->{mode} eq 'reset';
    return if $self->{mode} eq 'cut';

    my $server = $self->{to} =~ /^unix:(.*)/
        ? IO::Socket::UNIX->new(Peer => $1, Type => Socket::SOCK_STREAM())
        : IO::Socket::INET->new(PeerAddr => $self->{to}, Proto => 'tcp');
    return unless $server;

    binmode($_) for $client, $server;
    setsockopt($client, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    push @{$self->{pairs}}, { client => $client, server => $server,
                              late => [], replied => 0, kind => 'data' };
}


sub forward {
    my ($self, $socket) = @_;

    my ($pair) = grep { $_->{client} == $socket || $_->{server} == $socket }
        @{$self->{pairs}} or return;

    sysread($socket, my $bytes, 65536) or return $self->close_pair($pair);

    if ($socket == $pair->{client}) {
        $pair->{kind} = 'push' if $bytes =~ /^SUBSCRIBE\r$/m;
        write_all($pair->{server}, $bytes);
        return;
    }

    return if $self->is('deaf', $pair);

    my @parts = $self->is('split', $pair) ? split(//, $bytes)
        : $self->is('duplicate', $pair) && rand() < $self->{value}
            ? ($bytes, $bytes)
        : $self->is('corrupt', $pair) ? corrupted($bytes, $self->{value})
        : $bytes;
    my $after = $self->is('delay', $pair) ? $self->{value}
        : $self->is('duplicate', $pair) ? 0.02 : 0;
    push @{$pair->{late}}, map { [time + $after, $_] } @parts;
}


sub corrupted {
    my ($bytes, $share) = @_;

    for my $at (grep { rand() < $share } 0 .. length($bytes) - 1) {
        substr($bytes, $at, 1) ^= chr(1 + int rand 255);
    }

    return $bytes;
}


# replies whose time has come

sub due {
    my ($self) = @_;

    my @pairs = @{$self->{pairs}};

    for my $pair (@pairs) {
        next if $self->is('stall', $pair);

        while (@{$pair->{late}} && $pair->{late}[0][0] <= time) {
            my $bytes = (shift @{$pair->{late}})->[1];

            my $short = $self->is('cut_after', $pair)
                || $self->is('reset_after', $pair);

            if ($short) {
                my $left = $self->{value} - $pair->{replied};
                $bytes = substr($bytes, 0, $left > 0 ? $left : 0);
            }

            $pair->{replied} += length $bytes;
            write_all($pair->{client}, $bytes);

            if ($short && $pair->{replied} >= $self->{value}) {
                $self->close_pair($pair);
                last;
            }

            # each byte has a turn of its own, to be read one by one
            last if $self->is('split', $pair);
        }
    }
}


sub close_pair {
    my ($self, $pair) = @_;

    reset_at_close($pair->{client}) if $self->{mode} =~ /^reset/;
    $self->{pairs} = [grep { $_ != $pair } @{$self->{pairs}}];
}


sub reset_at_close {
    my ($socket) = @_;
    setsockopt($socket, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
        pack('ii', 1, 0));
    return;
}


# part by part, with time enough between them to be read one by one

sub write_slowly {
    my ($socket, @parts) = @_;

    while (@parts) {
        write_all($socket, shift @parts);
        select undef, undef, undef, 0.0002 if @parts;
    }
}


sub write_all {
    my ($socket, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite($socket, $bytes) or return;
        substr($bytes, 0, $n) = '';
    }
}


package Gate::FakeRedis;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket ();
use Storable ();


sub new {
    my ($class, $t, $sub, %opt) = @_;

    my $n = $t->{fake_count}++ || '';

    my $self = bless { t => $t, sub => $sub, split => $opt{split},
        port => $t->free_port,
        file => $t->write("fake$n.commands", '') }, $class;

    return $self->start;
}


sub address { "127.0.0.1:$_[0]{port}" }
sub port { $_[0]{port} }


sub start {
    my ($self) = @_;

    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Proto => 'tcp', Listen => 128,
        ReuseAddr => 1) or die "fake Redis: $!\n";

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        eval { $self->loop($listener) };
        print STDERR "fake Redis: $@" if $@;
        POSIX::_exit(0);
    }

    $self->{pid} = $self->{t}->started($pid);
    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'KILL', $pid;
    waitpid($pid, 0);
}


sub commands {
    my ($self) = @_;

    open(my $f, '<:raw', $self->{file}) or return;
    my @commands;

    while (read($f, my $length, 4) == 4) {
        read($f, my $bytes, unpack 'N', $length);
        push @commands, Storable::thaw($bytes);
    }

    return @commands;
}


sub default {
    my ($argv) = @_;
    my $name = uc $argv->[0];

    return "+PONG\r\n" if $name eq 'PING';
    return "*3\r\n\$6\r\nmaster\r\n:0\r\n*0\r\n" if $name eq 'ROLE';
    return "+OK\r\n" if $name =~ /^(?:AUTH|SELECT|CLIENT)$/;
    return "-ERR unknown command\r\n";
}


sub loop {
    my ($self, $listener) = @_;

    my %clients;
    my $select = IO::Select->new($listener);

    while (1) {
        for my $socket ($select->can_read) {
            if ($socket == $listener) {
                my $new = $listener->accept or next;
                binmode($new);
                setsockopt($new, Socket::IPPROTO_TCP(),
                    Socket::TCP_NODELAY(), 1);
                $select->add($new);
                $clients{$new} = { in => '', state => {} };

            } elsif (!$self->serve($socket, $clients{$socket})) {
                $select->remove($socket);
                delete $clients{$socket};
                close $socket;
            }
        }
    }
}


# false when the connection is to be closed

sub serve {
    my ($self, $socket, $client) = @_;

    sysread($socket, $client->{in}, 65536, length $client->{in}) or return 0;

    while (my $argv = parse(\$client->{in})) {
        $self->record($argv);

        my $answer = $self->{sub}->($argv, $client->{state}) // return 0;
        Gate::Proxy::write_slowly($socket,
            $self->{split} ? split(//, $answer) : $answer);
    }

    return 1;
}


# one whole command from the front of the buffer, if there is one

sub parse {
    my ($buffer) = @_;

    $$buffer =~ /^\*(\d+)\r\n/ or return;
    my ($n, $at, @argv) = ($1, $+[0]);

    for (1 .. $n) {
        pos($$buffer) = $at;
        $$buffer =~ /\G\$(\d+)\r\n/g or return;
        my $length = $1;
        $at = pos($$buffer);
        return if length($$buffer) < $at + $length + 2;
        push @argv, substr($$buffer, $at, $length);
        $at += $length + 2;
    }

    substr($$buffer, 0, $at) = '';
    return \@argv;
}


sub record {
    my ($self, $argv) = @_;

    my $bytes = Storable::nfreeze($argv);
    open(my $f, '>>:raw', $self->{file}) or return;
    syswrite($f, pack('N', length $bytes) . $bytes);
}


1;
