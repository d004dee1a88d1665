package Gate;

# The test harness: nginx with the module, Redis, a backend, HTTP clients.
#
#   use Gate;                             # brings Test::More, strict, warnings
#
#   my $t = Gate->new;                    # a directory of its own, ports
#   my $redis = $t->redis;                # a private redis-server
#   my $backend = $t->backend;            # records what nginx sends to it
#
#   $t->conf(<<'EOC');                    # what stands inside http { }
#   api_key_store shop { server %%REDIS%%; }
#   server {
#       listen 127.0.0.1:%%PORT_0%%;
#       api_key shop;
#       location / { proxy_pass http://%%BACKEND%%; }
#   }
#   EOC
#   $t->start;
#
#   my ($key, $id) = $t->key(name => 'erp');        # made directly in Redis
#   my $r = $t->get('/', 'X-API-Key' => $key);      # see Gate::Http
#   is($r->status, 200);
#   is(($backend->requests)[-1]->target, '/');      # see Gate::Backend
#
#   $t->done;     # stops all, looks for alerts, crashes and leaks; the plan
#
# Texts may hold %%TESTDIR%%, %%PORT_0%% to %%PORT_9%% (free ports),
# %%REDIS%% and %%BACKEND%% (or %%REDIS_NAME%% and so on for a second one).
#
# nginx:  conf(TEXT, log => 'info', workers => 1, main => TEXT, events => TEXT,
#         connections => 1024)
#         conf_file(TEXT)    a whole nginx.conf; load_module and pid are added
#         check(TEXT)        (ok, output) of nginx -t with TEXT inside http { }
#         check_file(TEXT)   the same for a whole nginx.conf
#         example(FILE)      a whole one from conf-examples/, adapted
#         start, stop, reload (waits until the old workers are gone;
#         reload(wait => 'new') does not), restart
#         workers            their process ids;    descriptors($pid)
#         error_log, access_log, read(FILE), write(FILE, TEXT, MODE)
#         wait_log(qr/.../)  until the error log (or log => FILE) matches
#         until(sub { ... }, SECONDS)    waits for a condition
#         allow_log(qr/.../) an [alert] or the like that the test provokes
# Redis:  redis(NAME, OPTIONS), fake_redis(SUB), proxy(TO): Gate::Redis and
#         Gate::Proxy;  key(...), arm(TTL, ...)
# HTTP:   get, post, put, delete, request, raw, connect, parallel, h2
#
# TEST_NGINX_BINARY and TEST_NGINX_MODULE name another nginx or module;
# TEST_NGINX_LEAVE=1 keeps the directory.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex hmac_sha256_hex);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(time sleep);

use Gate::Http;
use Gate::Backend;
use Gate::Proxy;
use Gate::Redis;

our @ISA = ('Gate::Http');

our $ROOT = abs_path(dirname(__FILE__) . '/../..');
our $NGINX = $ENV{TEST_NGINX_BINARY} || find_nginx();
our $MODULE = $ENV{TEST_NGINX_MODULE}
    || "$ROOT/build/ngx_http_api_key_module.so";

# how many times longer things may take
our $PATIENCE = $ENV{TEST_VALGRIND} ? 6 : 1;

# what example() puts into the secret files
our $BACKEND_KEY = '1-b91c45bc-1752-4fb9-aa48-f59b68244b57';
our $PEPPER = 'a-pepper-of-the-tests-0123456789';
our $READ_TOKEN = 'r' x 64;
our $WRITE_TOKEN = 'w' x 64;

my %alive;                      # harnesses that are to be cleaned up at exit


# "use Gate" is all that a test needs to say

sub import {
    strict->import;
    warnings->import;
    Test::More->export_to_level(1, @_ ? $_[0] : ());
}


sub new {
    my ($class) = @_;

    my $self = bless {
        pid => $$,
        dir => tempdir('api-key-test-XXXXXX', TMPDIR => 1),
        ports => {}, locks => [], names => {}, things => [],
        pids => [], allowed => [], log_level => 'info', failures => [],
    }, $class;

    chmod 0755, $self->{dir};
    $self->write('error.log', '');

    $alive{$self->{dir}} = $self;
    $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
    $SIG{PIPE} = 'IGNORE';

    # nginx takes a variable of this name for the sockets of an upgrade
    delete $ENV{NGINX};

    return $self;
}


sub find_nginx {
    for my $dir (split(/:/, $ENV{PATH}), qw(/usr/sbin /usr/local/sbin)) {
        return "$dir/nginx" if -x "$dir/nginx";
    }

    die "there is no nginx\n";
}


# ports, files, conditions

# A port is free when nobody listens on it and no other test has its lock,
# which is held until this process ends.  They lie below the range from which
# the kernel takes ports for outgoing connections.

sub port {
    my ($self, $n) = @_;

    return $self->{ports}{$n} //= $self->free_port;
}


sub free_port {
    my ($self) = @_;

    my $dir = File::Spec->tmpdir . "/api-key-test-ports.$>";
    mkdir $dir, 0700;

    for (1 .. 1000) {
        my $port = 15000 + int(rand(15000));

        open(my $lock, '>', "$dir/$port") or die "$dir/$port: $!\n";
        flock($lock, LOCK_EX | LOCK_NB) or next;

        IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port",
            Proto => 'tcp', Listen => 1, ReuseAddr => 1) or next;

        push @{$self->{locks}}, $lock;
        return $port;
    }

    die "no free port\n";
}


sub dir { $_[0]{dir} }


sub expand {
    my ($self, $text) = @_;

    $text =~ s/%%TESTDIR%%/$self->{dir}/g;
    $text =~ s/%%ROOT%%/$ROOT/g;
    $text =~ s/%%MODULE%%/$MODULE/g;
    $text =~ s/%%PORT_(\d)%%/$self->port($1)/ge;
    $text =~ s/%%([A-Z]+(?:_\w+)?)%%/
        ($self->{names}{$1} or die "who is %%$1%%?\n")->address/gex;

    return $ENV{TEST_VALGRIND} ? patient($text) : $text;
}


# Stores with more time than they have by default: under valgrind the first
# request alone takes it.

sub patient {
    my ($text) = @_;

    for my $name (qw(timeout connect_timeout)) {
        $text =~ s/(\bapi_key_store\s+\w+\s*\{)(?![^}]*\s$name\s)/$1 $name 3s;/g;
    }

    return $text;
}


sub write {
    my ($self, $file, $text, $mode) = @_;

    $file = "$self->{dir}/$file" unless $file =~ m{^/};

    open(my $f, '>:raw', $file) or die "$file: $!\n";
    print $f $text;
    close($f) or die "$file: $!\n";
    chmod($mode, $file) if defined $mode;

    return $file;
}


sub read {
    my ($self, $file) = @_;

    $file = "$self->{dir}/$file" unless $file =~ m{^/};

    open(my $f, '<:raw', $file) or return '';
    local $/;
    return scalar(<$f>) // '';
}


sub error_log { $_[0]->read('error.log') }
sub access_log { $_[0]->read('access.log') }


# Waits until the condition holds; returns its value, false after the time.

sub until {
    my ($self, $condition, $seconds) = @_;

    my $end = time + ($seconds // 10) * $PATIENCE;
    my $pause = 0.002;

    while (1) {
        my $value = $condition->();
        return $value if $value;
        return $value if time > $end;

        sleep $pause;
        $pause = $pause * 2 < 0.05 ? $pause * 2 : 0.05;
    }
}


sub wait_log {
    my ($self, $pattern, %opt) = @_;

    return $self->until(sub {
        $self->read($opt{log} // 'error.log') =~ $pattern
    }, $opt{seconds});
}


# nginx's configuration

sub conf {
    my ($self, $http, %opt) = @_;

    $self->{log_level} = $opt{log} // 'info';
    $self->write('nginx.conf', $self->frame($http, %opt));

    return $self;
}


sub conf_file {
    my ($self, $text, %opt) = @_;

    $self->{log_level} = $opt{log} // 'info';
    $self->write('nginx.conf', $self->globals(%opt)
        . $self->whole($self->expand($text)));

    return $self;
}


sub globals {
    my ($self, %opt) = @_;

    my $user = $> == 0 ? "user root;\n" : '';
    my $level = $opt{log} // $self->{log_level};

    return <<EOF;
load_module $MODULE;
daemon off;
pid $self->{dir}/nginx.pid;
error_log $self->{dir}/error.log $level;
$user
EOF
}


# where nginx puts bodies and the like: not every user may use the default

sub http_globals {
    my ($self) = @_;

    return join '', map { "    ${_}_temp_path $self->{dir}/temp_$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi);
}


sub frame {
    my ($self, $http, %opt) = @_;

    my $workers = $opt{workers} // 1;
    my $access = $http =~ /^\s*access_log\s/m ? ''
        : "    access_log $self->{dir}/access.log;";

    return $self->globals(%opt) . $self->expand(<<EOF);
worker_processes $workers;
@{[$opt{main} // '']}
events {
    worker_connections @{[$opt{connections} // 1024]};
    @{[$opt{events} // '']}
}
http {
@{[$self->http_globals]}$access
$http
}
EOF
}


# a whole nginx.conf: its own globals make way for the test's

sub whole {
    my ($self, $text) = @_;

    $text =~ s/^(?:load_module|daemon|pid|user|error_log)\s[^;]*;//mg;
    $text =~ s{\baccess_log\s+/\S+}{access_log $self->{dir}/access.log}g;

    my $more = $self->http_globals;
    $more .= "    access_log $self->{dir}/access.log;\n"
        unless $text =~ /\baccess_log\s/;
    $text =~ s/^(http\s*\{)/$1\n$more/m;

    return $text;
}


# One of conf-examples/ with addresses of the test: the gate listens on
# %%PORT_0%%, the admin API on %%PORT_1%%.  The secret files are made.

sub example {
    my ($self, $file) = @_;

    my $text = $self->read("$ROOT/conf-examples/$file")
        or die "there is no conf-examples/$file\n";

    $text =~ s/127\.0\.0\.1:8081/127.0.0.1:%%PORT_1%%/g;
    $text =~ s/127\.0\.0\.1:8080/%%BACKEND%%/g;
    $text =~ s/127\.0\.0\.1:6379/%%REDIS%%/g;
    $text =~ s/(\blisten\s+)80\b/${1}127.0.0.1:%%PORT_0%%/g;

    $text =~ s/(\bapi_key_store\s+\w+\s*\{)(\s*)\}/$1 server %%REDIS%%; }/g;

    $self->write('shop-backend.key', "$BACKEND_KEY\n", 0600);
    $self->write('shop-redis.pass', "not-used\n", 0600);
    $self->write('api-key.pepper', "$PEPPER\n", 0600);
    $self->write('api-key.tokens', 'reader:read:' . sha256_hex($READ_TOKEN)
        . "\nwriter:write:" . sha256_hex($WRITE_TOKEN) . "\n", 0600);

    return $text;
}


sub check {
    my ($self, $http, %opt) = @_;

    return $self->run_check($self->frame($http, %opt));
}


sub check_file {
    my ($self, $text, %opt) = @_;

    return $self->run_check($self->globals(%opt)
        . $self->whole($self->expand($text)));
}


sub run_check {
    my ($self, $text) = @_;

    my $file = $self->write('check.conf', $text);
    my $output = `'$NGINX' -t -p '$self->{dir}' -c '$file' -e stderr 2>&1`;

    return (($? == 0) ? 1 : 0, $output);
}


# nginx's life

sub start {
    my ($self) = @_;

    die "nginx runs already\n" if $self->{nginx};

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>>', "$self->{dir}/stderr.log");
        open(STDERR, '>>', "$self->{dir}/stderr.log");
        exec $NGINX, '-p', "$self->{dir}/", '-c', "$self->{dir}/nginx.conf",
            '-e', 'stderr'
            or POSIX::_exit(127);
    }

    $self->{nginx} = $self->started($pid);

    $self->until(sub {
        if (waitpid($pid, WNOHANG) == $pid) {
            delete $self->{nginx};
            die "nginx did not start:\n" . $self->read('stderr.log')
                . $self->error_log . "\n";
        }
        $self->read('nginx.pid') =~ /\d/ && $self->workers;
    }) or die "nginx did not start in time\n" . $self->error_log;

    return $self;
}


# the worker processes; with a true argument those that are on their way out too

sub workers {
    my ($self, $all) = @_;

    return unless $self->{nginx};

    return grep {
        my $title = $self->title($_);
        $title =~ /worker process/ && ($all || $title !~ /shutting down/)
    } children($self->{nginx});
}


# What a process of nginx calls itself.  Under valgrind its title is not seen
# from outside, and the log tells which worker is on its way out.

sub title {
    my ($self, $pid) = @_;

    return $self->read("/proc/$pid/cmdline") unless $ENV{TEST_VALGRIND};

    return 'worker process' . ($self->error_log
        =~ /\b$pid#\d+: gracefully shutting down/ ? ' is shutting down' : '');
}


sub children {
    my ($parent) = @_;
    my @children;

    for my $file (glob '/proc/[0-9]*/stat') {
        open(my $f, '<', $file) or next;
        my $stat = <$f> // next;
        $stat =~ /^(\d+) \(.*\) (\S) (\d+)/s or next;
        push @children, $1 if $3 == $parent && $2 ne 'Z';
    }

    return sort { $a <=> $b } @children;
}


# the number of sockets, files and so on that a process has open

sub descriptors {
    my ($self, $pid) = @_;

    opendir(my $dir, "/proc/$pid/fd") or return;
    return scalar grep { /^\d+$/ } readdir $dir;
}


sub reload {
    my ($self, %opt) = @_;

    my %old = map { $_ => 1 } $self->workers(1);
    my $log = length $self->error_log;

    kill 'HUP', $self->{nginx};

    $self->until(sub {
        my $new = substr($self->error_log, $log);
        die "reload failed:\n$1\n" if $new =~ /(.*\[emerg\].*)/;

        my @workers = $self->workers(1);
        (grep { !$old{$_} } @workers)
            && (($opt{wait} // '') eq 'new' || !grep { $old{$_} } @workers)
    }, $opt{seconds}) or die "reload took too long\n" . $self->error_log;

    return $self;
}


# A graceful stop; true when nginx went in time.

sub stop {
    my ($self, %opt) = @_;

    my $pid = delete $self->{nginx} or return 1;

    kill($opt{signal} // 'QUIT', $pid);
    return 1 if $self->gone($pid, $opt{seconds} // 10);

    push @{$self->{failures}}, 'nginx did not stop in time';
    kill('TERM', $pid);
    return 0 if $self->gone($pid, 2);

    kill('KILL', $pid, children($pid));
    waitpid($pid, 0);
    return 0;
}


sub restart {
    my ($self, %opt) = @_;

    $self->stop(%opt);
    unlink "$self->{dir}/nginx.pid";
    return $self->start;
}


# Waits for a child's end.

sub gone {
    my ($self, $pid, $seconds) = @_;

    return $self->until(sub { waitpid($pid, WNOHANG) != 0 }, $seconds);
}


# the others

sub redis {
    my ($self, $name, %opt) = @_;
    return $self->thing('REDIS', $name, sub { Gate::Redis->new($self, %opt) });
}


sub fake_redis {
    my ($self, $sub, $name, %opt) = @_;
    return $self->thing('REDIS', $name,
        sub { Gate::FakeRedis->new($self, $sub, %opt) });
}


sub proxy {
    my ($self, $to, $name) = @_;
    return $self->thing('PROXY', $name,
        sub { Gate::Proxy->new($self, $to) });
}


sub backend {
    my ($self, $answers, $name) = @_;
    return $self->thing('BACKEND', $name,
        sub { Gate::Backend->new($self, $answers) });
}


# Makes something that runs beside nginx, or finds it: the first of a kind is
# %%KIND%%, others are %%KIND_NAME%%.

sub thing {
    my ($self, $kind, $name, $make) = @_;

    $kind .= "_$name" if defined $name;

    return $self->{names}{$kind} //= do {
        my $thing = $make->();
        push @{$self->{things}}, $thing;
        $thing;
    };
}


# Makes a key in Redis as the README lays it out; options are the record's
# fields and
#
#   key => TEXT        this key, as if imported; else one is made
#   issue => PREFIX    the issued key's prefix ("key")
#   store => PREFIX    the Redis prefix ("shop:")
#   secret => TEXT     a pepper: HMAC instead of SHA-256
#   redis => OBJECT    the Redis to use
#
# A field that is undef is left away.  Returns (key, id).

sub key {
    my ($self, %opt) = @_;

    my $redis = delete $opt{redis} // $self->{names}{REDIS};
    my $store = delete $opt{store} // 'shop:';
    my $issue = delete $opt{issue} // 'key';
    my $key = delete $opt{key} // issued_key($issue);
    my $secret = delete $opt{secret};

    my $digest = defined $secret ? hmac_sha256_hex($key, $secret)
        : sha256_hex($key);
    my $id = substr($digest, 0, 20);

    my %fields = (digest => $digest, name => 'test', state => 'active',
        created_at => int(time),
        pepper => defined $secret ? substr(sha256_hex($secret), 0, 8) : undef,
        %opt);

    $redis->cmd('HSET', "${store}key:$id", map { $_ => $fields{$_} }
        grep { defined $fields{$_} } sort keys %fields);

    my @lists = ('keys', ($fields{state} // '') ne 'revoked' ? 'live' : ());
    $redis->cmd('ZADD', "$store$_", int(time * 1000), $id) for @lists;

    return ($key, $id);
}


my @base62 = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');


# PREFIX_, 30 random characters, 6 of checksum

sub issued_key {
    my ($prefix) = @_;

    my $text = $prefix . '_' . join '', map { $base62[rand 62] } 1 .. 30;
    return $text . base62_crc($text);
}


sub base62_crc {
    my ($text) = @_;

    my $crc = crc32($text);
    my $digits = '';

    for (1 .. 6) {
        $digits = $base62[$crc % 62] . $digits;
        $crc = int($crc / 62);
    }

    return $digits;
}


# zlib's CRC-32

sub crc32 {
    my ($text) = @_;
    my $crc = 0xffffffff;

    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte;
        $crc = $crc & 1 ? ($crc >> 1) ^ 0xedb88320 : $crc >> 1 for 1 .. 8;
    }

    return $crc ^ 0xffffffff;
}


# Sets the clear flag for the store or, with key => ID, for one key.

sub arm {
    my ($self, $ttl, %opt) = @_;

    my $redis = $opt{redis} // $self->{names}{REDIS};
    my $name = ($opt{store} // 'shop:') . 'armed'
        . (defined $opt{key} ? ":$opt{key}" : '');

    $redis->cmd('SET', $name, $opt{value} // 'x', 'EX', $ttl);
}


sub disarm {
    my ($self, %opt) = @_;

    my $redis = $opt{redis} // $self->{names}{REDIS};
    $redis->cmd('DEL', ($opt{store} // 'shop:') . 'armed'
        . (defined $opt{key} ? ":$opt{key}" : ''));
}


# the end

sub allow_log {
    my ($self, @patterns) = @_;
    push @{$self->{allowed}}, @patterns;
}


# Stops all, checks how nginx fared, and ends the test.

sub done {
    my ($self, %opt) = @_;

    $self->check_workers(%opt) if $self->{nginx};
    $self->finish;

    Test::More::is(join("\n", @{$self->{failures}}), '',
        'nginx stopped as it should');
    Test::More::is($self->complaints, '',
        'no alert, crash or sanitizer line in the log');

    Test::More::done_testing();
    $self->clean;
}


sub check_workers {
    my ($self, %opt) = @_;

    Test::More::ok(scalar $self->workers, 'workers are alive');

    # The master's own number is what a worker inherits; beyond it a worker
    # holds its events, channels and, for each store, two connections.
    my $stores = () = $self->read('nginx.conf') =~ /^\s*api_key_store\s/mg;
    my $limit = $self->descriptors($self->{nginx}) + 2 * $stores
        + ($opt{descriptors} // 10);

    for my $pid ($self->workers) {
        my $n;
        $self->until(sub {
            ($n = $self->descriptors($pid) // 0) <= $limit
        }, 3);

        Test::More::cmp_ok($n, '<=', $limit, 'no descriptors leaked');
    }
}


sub complaints {
    my ($self) = @_;

    my @lines = grep {
        /\[(?:alert|emerg)\]|Sanitizer|runtime\ error:|exited\ on\ signal
         |open\ socket.*left|double\ free|corrupted|^==\d+==\ \S/x
    } split /\n/, $self->error_log . $self->read('stderr.log');

    for my $pattern (@{$self->{allowed}}) {
        @lines = grep { $_ !~ $pattern } @lines;
    }

    return join "\n", @lines;
}


# stops whatever runs

sub finish {
    my ($self) = @_;

    return if $self->{finished}++;

    $self->stop;
    $_->stop for reverse @{$self->{things}};

    # what has not even started well
    for my $pid (grep { waitpid($_, WNOHANG) == 0 } @{$self->{pids}}) {
        kill('KILL', $pid);
        waitpid($pid, 0);
    }
}


# Notes a child, so that none is left behind.

sub started {
    my ($self, $pid) = @_;
    push @{$self->{pids}}, $pid;
    return $pid;
}


sub clean {
    my ($self) = @_;

    return if $self->{cleaned}++;
    delete $alive{$self->{dir}};

    if ($ENV{TEST_NGINX_LEAVE}) {
        Test::More::diag("left in $self->{dir}");
    } else {
        remove_tree($self->{dir});
    }
}


# a test that dies midway, or ends without done()

END {
    my $status = $?;

    for my $self (values %alive) {
        next if $self->{pid} != $$;
        $self->finish;

        if ($status != 0) {
            my @log = split /\n/, $self->read('stderr.log') . $self->error_log;
            splice(@log, 0, @log - 15) if @log > 15;
            Test::More::diag(join "\n", $self->complaints,
                'end of the log:', @log);
        }

        $self->clean;
    }

    $? = $status;
}


1;
