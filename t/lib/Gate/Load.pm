package Gate::Load;

# A client that keeps asking with a known mix of keys while something else goes
# wrong, and what must be true of its answers.
#
#   my $load = Gate::Load->new($t, $c, stores => ['cached', 'live'],
#       keys => { good => [KEYS], revoked => [KEYS], ... });   see mix()
#   $load->change(good => [KEYS]);         others from now on; [] for none
#   my @answers = $load->answers($since);  [store, kind, code, sent, got,
#                                          who, worker]
#   $load->drain;                          those not drained yet, to forget them
#   $load->right;                          waits until all is as it should be
#   $load->same                            notes workers and descriptors
#   $load->memory($pid)                    KiB of a process's own in memory
#   $load->resets(0.1);                    so many more clients a turn send half
#                                          a request or a whole one, and a RST;
#                                          returns how many there were
#   $load->fault('what', sub { ... begins }, sub { ... ends }, OPTIONS);
#
# $c is a Gate::Cache: its locations and its workers.  For each store there are
# four kept connections to each worker, each with one request at a time.  Kinds
# are good (200) and others (401); fresh => ['TEXT-'] is a new unknown key each
# time; NAME@STORE is asked of that store only.  A code of 0 is a connection
# that was closed without an answer, 1 in the middle of one.  With again => 1
# the client does what clients do then: asks once more, over a new connection.
#
# fault() lets it last and tests that no answer was one that it must not be,
# neither then nor later; that all is right within 2 s of its end; that nobody
# was kept waiting; and that workers and their descriptors are the same.
#
#   seconds => 0.6      how long it lasts
#   may => { good => [200] }            codes while it lasts and until all is
#                       right again; else good 200, 503, others 401, 503
#   felt => qr/^live \w+ 503/           an answer that there must have been
#   also => sub { ... } done midway
#   bound => 0.1        a good key is revoked as soon as it has begun: no
#                       request with it passes that is sent so much later
#   right => { ... }    what is right afterwards, if it is not that
#   slowest => 1.5      seconds for an answer

use strict;
use warnings;

use IO::Select;
use POSIX ();
use Socket ();
use Test::More ();
use Time::HiRes qw(sleep);

our $PER_WORKER = 4;          # connections, for each store
our $PACE = 0.008;            # seconds between two requests of a connection
our $CALM = 0.25;             # so long all must be right to be taken for it


sub new {
    my ($class, $t, $c, %opt) = @_;

    socketpair(my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(),
        Socket::PF_UNSPEC()) or die "socketpair: $!\n";

    my $n = $t->{load_count}++ || '';
    my $self = bless { t => $t, c => $c, answers => [],
        file => $t->dir . "/load$n.answers", %opt }, $class;
    $self->{right} = { map { $_ => $_ eq 'good' ? 200 : 401 }
        keys %{$self->{keys}}, 'victim' };

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        close $ours;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $self->{control} = $theirs;
        eval { $self->loop };
        print STDERR "load: $@" if $@;
        POSIX::_exit(0);
    }

    close $theirs;
    $self->{control} = $ours;
    $self->{pid} = $t->started($pid);
    push @{$t->{things}}, $self;

    return $self;
}


# A mix of keys: by kind, those of one kind get the same answer.

sub mix {
    my ($t) = @_;

    return (
        good => [map { ($t->key)[0] } 1 .. 10],
        revoked => [map { ($t->key(state => 'revoked'))[0] } 1, 2],
        disabled => [($t->key(state => 'disabled'))[0]],
        expired => [map { ($t->key(expires_at => time - 3600))[0] } 1, 2],
        unknown => ['a-key-that-never-was-0', 'a-key-that-never-was-1'],
        fresh => ['a-key-that-nobody-knows-'],
    );
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'KILL', $pid;
    waitpid($pid, 0);
}


# Tells the client's process, and waits until it has done so; returns its word.

sub order {
    my ($self, $text) = @_;

    syswrite($self->{control}, "$text\n");
    IO::Select->new($self->{control})->can_read(10)
        or die "the load does not answer\n";
    sysread($self->{control}, my $answer, 20) or die "the load is gone\n";
    chomp $answer;

    return $answer;
}


sub change {
    my ($self, %keys) = @_;
    $self->order("$_ @{$keys{$_}}") for sort keys %keys;
    %{$self->{keys}} = (%{$self->{keys}}, %keys);
}


sub now { Gate::Cache::now() }


# The answers to what was sent since then.

sub answers {
    my ($self, $since) = @_;

    $self->order('write');

    open(my $f, '<', "$self->{file}.written") or die "$self->{file}: $!\n";
    push @{$self->{answers}}, map { [split] } <$f>;

    return grep { $_->[3] >= $since } @{$self->{answers}};
}


sub drain {
    my ($self) = @_;

    my @answers = $self->answers(0);
    $self->{answers} = [];

    return @answers;
}


sub resets { $_[0]->order("resets $_[1]") }


# Waits until there were only right answers for a while, of every kind and on
# each connection.  Returns when the last other one was asked for, in seconds
# since then; dies when that takes too long.

sub right {
    my ($self, $since, %opt) = @_;

    $since //= $self->now;
    my $right = { %{$self->{right}}, %{$opt{right} // {}} };
    my $kinds = grep { @$_ } values %{$self->{keys}};
    my (@wrong, $last);

    return $last - $since if $self->{t}->until(sub {
        my @answers = $self->answers($since);
        my $calm = $self->now - $CALM;

        @wrong = grep { $_->[2] != $right->{$_->[1]} } @answers;
        ($last) = sort { $b <=> $a } $since, map { $_->[3] } @wrong;

        my %seen = map { ("@$_[1, 5]" => 1) }
            grep { $_->[3] > $last } @answers;

        $last <= $calm && keys %seen == $kinds * $self->connections
    }, $opt{seconds} // 8);

    die 'all is not right: ', counts(@wrong), "\n";
}


sub connections {
    my ($self) = @_;
    return @{$self->{stores}} * $self->{c}->pids * $PER_WORKER;
}


# "live good 200: 17, ..."

sub counts {
    my %n;
    $n{"@$_[0 .. 2]"}++ for @_;
    return join ', ', map { "$_: $n{$_}" } sort keys %n;
}


sub fault {
    my ($self, $what, $begins, $ends, %opt) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $t = $self->{t};
    my $length = $opt{seconds} // 0.6;
    my ($victim, $id, $revoked);

    if (defined $opt{bound}) {
        ($victim, $id) = $t->key;
        $self->change(victim => [$victim]);
        $self->right(undef, right => { victim => 200 });
    }

    my $begin = $self->now;
    $begins->();
    my $began = $self->now;

    if ($victim) {
        sleep 0.02;
        $t->redis->cmd('HSET', "shop:key:$id", 'state', 'revoked');
        $revoked = $self->now;
    }

    sleep $length / 2;
    $opt{also}->() if $opt{also};
    my $left = $began + $length - $self->now;
    sleep $left if $left > 0;

    $ends->();
    my $end = $self->now;
    my $last = eval { $self->right($end, right => $opt{right}) };
    my $error = $@;

    # those too that were asked for just before

    my @answers = grep { $_->[4] >= $begin } $self->answers(0);
    my $may = { (map { $_ => [401, 503] } keys %{$self->{right}}),
        good => [200, 503], victim => [200, 401, 503], %{$opt{may} // {}} };

    Test::More::is(counts(grep { my $a = $_;
        !grep { $a->[2] == $_ } @{$may->{$a->[1]}} } @answers), '',
        "$what: no answer that must not be");

    if (my $felt = $opt{felt}) {
        Test::More::ok(scalar(grep { "@$_[0 .. 2]" =~ $felt
            && $_->[3] < $end } @answers), 'it was felt');
    }

    if ($victim) {
        my ($passed) = sort { $b <=> $a } map { $_->[3] - $revoked }
            grep { $_->[1] eq 'victim' && $_->[2] == 200 } @answers;
        Test::More::cmp_ok($passed // 0, '<', $opt{bound},
            'a key revoked meanwhile is dead');
        $self->change(victim => []);
    }

    Test::More::note(counts(@answers));

    my ($slowest) = sort { $b <=> $a } map { $_->[4] - $_->[3] } @answers;
    Test::More::cmp_ok($slowest, '<', $opt{slowest} // 1.5,
        'nobody is kept waiting');
    Test::More::ok(!$error && $last < 2, 'all is right within 2 s')
        or Test::More::diag($error || "after $last s");

    $self->same($what);
    $self->drain;
}


# Notes the workers and their descriptors, or tests that they are the same.

sub same {
    my ($self, $what) = @_;

    my $t = $self->{t};
    my $state = sub {
        join ', ', map { "$_: " . ($t->descriptors($_) // 'gone') }
            $t->workers;
    };

    return $self->{state} = $state->() unless $what;

    $t->until(sub { $state->() eq $self->{state} }, 5);
    Test::More::is($state->(), $self->{state},
        'the same workers, and as many descriptors of each');
}


# How much of a process is in memory, in KiB, without what it shares by file or
# zone.  With the sanitizers that says nothing: they keep what is freed for a
# while.

sub memory {
    my ($self, $pid) = @_;
    return 0 if $ENV{TEST_SANITIZERS};
    my (undef, $all, $shared) = split ' ', $self->{t}->read("/proc/$pid/statm");
    return ($all - $shared) * POSIX::sysconf(POSIX::_SC_PAGESIZE()) / 1024;
}


# from here on: the client's own process

sub loop {
    my ($self) = @_;

    $self->open_file;
    $self->open_all;
    @$self{qw(resets reset)} = (0, 0);
    my $turn = $self->now;

    while (1) {
        if ($self->now >= $turn) {
            $self->ask($_) for grep { !$_->{sent} } @{$self->{connections}};
            $self->reset if rand() < $self->{resets};
            $turn = $self->now + $PACE;
        }

        my $wait = $turn - $self->now;
        my $select = IO::Select->new($self->{control},
            map { $_->{socket} } @{$self->{connections}});

        for my $socket ($select->can_read($wait > 0 ? $wait : 0)) {
            my ($one) = grep { $_->{socket} == $socket }
                @{$self->{connections}};
            $one ? $self->take($one) : $self->command;
        }
    }
}


sub open_file {
    my ($self) = @_;
    open($self->{out}, '>', $self->{file}) or die "$self->{file}: $!\n";
}


sub command {
    my ($self) = @_;

    sysread($self->{control}, my $text, 65536) or POSIX::_exit(0);
    my ($kind, @words) = split ' ', $text;
    my $answer = 'ok';

    if ($kind eq 'write') {
        close $self->{out};
        rename $self->{file}, "$self->{file}.written";
        $self->open_file;

    } elsif ($kind eq 'resets') {
        $self->{resets} = $words[0];
        $answer = $self->{reset};

    } else {
        $self->{keys}{$kind} = \@words;
    }

    syswrite($self->{control}, "$answer\n");
}


sub open_all {
    my ($self) = @_;

    for my $store (@{$self->{stores}}) {
        my %left = map { $_ => $PER_WORKER } $self->{c}->pids;

        while (grep { $_ } values %left) {
            my $one = $self->connect({ store => $store });
            next unless $left{$one->{worker}};
            $left{$one->{worker}}--;
            $one->{who} = $one->{turn} = push @{$self->{connections}}, $one;
        }
    }
}


# A worker that dies or leaves is none to stay with.

sub connect {
    my ($self, $one) = @_;

    for (1 .. 100) {
        my $c = $self->{t}->connect;
        $c->request('GET', '/pid');
        my $r = $c->response;

        @$one{qw(worker socket in sent)} = ($r->body, $c->socket, '', 0);
        return $one if $r->status == 200 && !leaves($r->raw);
    }

    die "no worker wants to stay\n";
}


sub leaves { $_[0] =~ /^connection: close\r$/mi }


# Each connection asks with one kind after the other; one that has been closed
# is none to ask over.

sub ask {
    my ($self, $one) = @_;

    $self->connect($one) if IO::Select->new($one->{socket})->can_read(0);

    my $keys = $self->{keys};
    my @kinds = grep { @{$keys->{$_}} && (!/@(.*)/ || $1 eq $one->{store}) }
        sort keys %$keys;
    my $kind = $kinds[$one->{turn}++ % @kinds];
    my $key = $keys->{$kind}[rand @{$keys->{$kind}}];
    $key .= rand if $kind eq 'fresh';

    $one->{kind} = $kind;
    $one->{request} = "GET /$one->{store}/ HTTP/1.1\r\n"
        . "Host: localhost\r\nX-API-Key: $key\r\n\r\n";
    $self->send($one);
}


sub send {
    my ($self, $one) = @_;
    $one->{sent} = $self->now;
    syswrite($one->{socket}, $one->{request});
}


# A client that asks like one of the others and goes away.

sub reset {
    my ($self) = @_;

    my @like = map { $_->{request} // () } @{$self->{connections}} or return;
    my $request = $like[rand @like];
    my $c = $self->{t}->connect;
    $c->send(substr($request, 0, rand 2 * length $request));
    $c->reset;
    $self->{reset}++;
}


sub take {
    my ($self, $one) = @_;

    unless (sysread($one->{socket}, $one->{in}, 65536, length $one->{in})) {
        my $asked = $one->{sent};
        $self->note($one, length $one->{in} ? 1 : 0) if $asked;
        $self->connect($one);
        $self->send($one) if $asked && $self->{again};
        return;
    }

    my ($code, $length) = $one->{in}
        =~ /^HTTP\S+ (\d+).*?^content-length: (\d+).*?\r\n\r\n/msi or return;
    return if length($one->{in}) < $+[0] + $length;

    $self->note($one, $code);
    my $leaves = leaves($one->{in});
    @$one{qw(in sent)} = ('', 0);
    $self->connect($one) if $leaves;
}


sub note {
    my ($self, $one, $code) = @_;
    print {$self->{out}} join(' ', @$one{qw(store kind)}, $code, $one->{sent},
        $self->now, @$one{qw(who worker)}), "\n";
}


1;
