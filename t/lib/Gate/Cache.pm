package Gate::Cache;

# nginx with some stores, for tests of what it remembers and of how soon it
# forgets.
#
#   my $c = Gate::Cache->new($t, { shop => '', none => 'cache off;' },
#       workers => 2);                  writes the configuration and starts
#   $c->ask($key)                       "200 hit": the status and where the
#                                       answer came from ("-": nowhere)
#   $c->ask($key, store => 'none', worker => 1, method => 'DELETE')
#   $c->last                            the response to it
#   $c->all($key, ...)                  the same of each worker
#   $c->warm($key, ...)                 until each worker says "200 hit"
#   $c->refused_after($key, ...)        ms until the last accepted request was
#                                       sent; looks on for a while after that
#   $c->room($store, KEYS)              how much a zone that is full with these
#                                       and with unknown keys holds
#   $c->lookups                         HGETALL calls that Redis has seen
#   $c->admin('POST', 'v1/keys', {...}, store => 'none', worker => 1)
#   $c->send_admin(...)                 the same, but returns the connection
#   $c->reload({ STORES }), $c->connect after workers have come anew
#
# Each store has its location /NAME/, its admin API in /admin/NAME/, and, if
# its text does not say otherwise, %%REDIS%% and the prefix "shop:".  Requests
# go to a worker of choice, over a connection to it that is kept.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Test::More ();
use Time::HiRes qw(sleep);

our $TOKEN = 'w' x 64;


sub new {
    my ($class, $t, $stores, %opt) = @_;

    my $self = bless { t => $t, stores => $stores, workers => 2, %opt },
        $class;

    $t->write('tokens', 'writer:write:' . sha256_hex($TOKEN) . "\n", 0600);
    $self->conf;
    $t->start;

    return $self->connect;
}


sub conf {
    my ($self) = @_;

    my ($stores, $locations) = ('', '');

    for my $name (sort keys %{$self->{stores}}) {
        my $text = $self->{stores}{$name};
        $text = "server %%REDIS%%; $text" unless $text =~ /\bserver\b/;
        $text = "prefix shop:; $text" unless $text =~ /\bprefix\b/;

        $stores .= "    api_key_store $name { $text }\n";
        $locations .= <<"EOC";
        location /$name/ { api_key $name; api_key_clear DELETE; empty_gif; }
        location /admin/$name/ { api_key_admin $name; }
EOC
    }

    $self->{t}->conf(<<"EOC", workers => $self->{workers},
    log_format words '\$uri \$status \$api_key_status \$api_key_cache';
    access_log %%TESTDIR%%/access.log words;
    keepalive_requests 10000000;
    keepalive_timeout 600s;
    add_header X-Words "\$api_key_cache|\$api_key_status|\$api_key_meta_text"
        always;
$stores
    server {
        listen 127.0.0.1:%%PORT_0%% reuseport;
        api_key_admin_tokens %%TESTDIR%%/tokens;
        location = /pid { return 200 \$pid; }
$locations
    }
EOC
        connections => 8192, log => $self->{log} // "info",
        main => $self->{main});
}


# Makes a connection to each worker.

sub connect {
    my ($self) = @_;

    my %found;

    $self->{t}->until(sub {
        my $c = $self->{t}->connect;
        $c->request('GET', '/pid');
        my $pid = $c->response->body;
        $found{$pid} //= $c if $pid;
        keys %found >= $self->{workers};
    }) or die "not all workers answer\n";

    $self->{pids} = [sort keys %found];
    $self->{to} = [@found{@{$self->{pids}}}];

    return $self;
}


sub reload {
    my ($self, $stores) = @_;

    $self->{stores} = $stores if $stores;
    $self->{to} = [];
    $self->conf;
    $self->{t}->reload;

    return $self->connect;
}


sub pids { @{$_[0]{pids}} }
sub last { $_[0]{last} }


sub ask {
    my ($self, $key, %opt) = @_;

    my $c = $self->{to}[$opt{worker} // 0];
    $self->send($c, $key, %opt);
    $self->{last} = $c->response;

    return words($self->{last});
}


sub send {
    my ($self, $c, $key, %opt) = @_;

    $c->request($opt{method} // 'GET', '/' . ($opt{store} // 'shop') . '/',
        headers => [defined $key ? ('X-API-Key' => $key) : ()]);
}


sub words {
    my ($r) = @_;
    my ($from) = split /\|/, $r->header('x-words') // '';
    return $r->status . ' ' . ($from || '-');
}


# The gate's verdict on the last request.

sub verdict { (split /\|/, $_[0]{last}->header('x-words') // '')[1] }


# The metadata "text" of the last request's key.

sub text { (split /\|/, $_[0]{last}->header('x-words') // '', -1)[2] }


sub all {
    my ($self, $key, %opt) = @_;
    return map { $self->ask($key, %opt, worker => $_) }
        0 .. $#{$self->{to}};
}


sub warm {
    my ($self, $key, %opt) = @_;

    my @words;

    $self->{t}->until(sub {
        @words = $self->all($key, %opt);
        !grep { $_ ne '200 hit' } @words;
    }, $opt{seconds}) or die "never warm: @words\n";

    return $self;
}


sub now { Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }


# Asks all workers until the key has been refused for so long that it is not
# going to come back.  since => the moment (now) of the change.

sub refused_after {
    my ($self, $key, %opt) = @_;

    my $since = $opt{since} // now();
    my $end = $since + ($opt{seconds} // 0.15);
    my $last = 0;
    my %words;

    while (now() < $end) {
        for my $worker (0 .. $#{$self->{to}}) {
            my $sent = now();
            my $words = $self->ask($key, %opt, worker => $worker);
            $words{$words}++;
            $last = 1000 * ($sent - $since) if $words =~ /^2/;
        }
    }

    $self->{seen} = \%words;

    return $last > 0 ? $last : 0;
}


sub seen {
    my ($self) = @_;
    return join ', ', map { "$_: $self->{seen}{$_}" } sort keys %{$self->{seen}};
}


sub room {
    my ($self, $store, @keys) = @_;
    my $c = $self->{t}->connect;

    for my $key (@keys, map { "a-key-that-fills-the-zone-$_" } 1 .. 40) {
        $self->send($c, $key, store => $store);
        $c->response;
    }

    my ($n) = $self->admin('GET', 'metrics', undef, store => $store)->body
        =~ /^nginx_api_key_cache_entries\{store="\Q$store\E"\} (\d+)/m;
    return $n;
}


sub lookups {
    my ($self, $redis) = @_;

    $redis //= $self->{t}->redis;
    my ($calls) = $redis->cmd('INFO', 'commandstats')
        =~ /^cmdstat_hgetall:calls=(\d+)/m;

    return $calls // 0;
}


sub admin { shift->send_admin(@_)->response }


sub send_admin {
    my ($self, $method, $path, $body, %opt) = @_;

    my $worker = $opt{worker};
    my $c = defined $worker ? $self->{to}[$worker] : $self->{t}->connect;

    $c->request($method, '/admin/' . ($opt{store} // 'shop') . "/$path",
        headers => [Authorization => "Bearer $TOKEN",
            $body ? ('Content-Type' => 'application/json') : ()],
        body => $body && JSON::PP->new->utf8->encode($body));

    return $c;
}


1;
