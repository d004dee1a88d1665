# Guards: the admin page in a browser, with a real nginx and Redis behind it.
# What each part guards is said in t/browser/*.js, which this runs one by one.
#
#   TEST_BROWSER=keys            runs t/browser/keys.js alone
#   TEST_SCREENSHOTS=dir         keeps pictures of what was seen
#   TEST_CHROMIUM_BINARY=file    another Chromium

use Gate;
use Gate::Admin;
use IPC::Open2;
use JSON::PP ();

my $t = Gate->new;
my $redis = $t->redis(undef, args => ['--appendonly', 'yes']);
my $backend = $t->backend;
my $api = Gate::Admin->new($t, 'issue rotate_after=90d;', '', <<'EOC');
        location /shop/ {
            api_key shop;
            api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
EOC

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $dir = "$Gate::ROOT/t/browser";
my $only = $ENV{TEST_BROWSER} // '';

$ENV{ADMIN_URL} = 'http://127.0.0.1:' . $t->port(0) . '/admin/';
$ENV{WRITE_TOKEN} = $Gate::Admin::WRITE;
$ENV{READ_TOKEN} = $Gate::Admin::READ;
$ENV{CHROMIUM} = $ENV{TEST_CHROMIUM_BINARY} // find('chromium');
$ENV{HOME} = $t->dir;                   # where the browser keeps its things

my %can = (
    redis => sub { $redis->cmd(@_) },
    stop => sub { $redis->stop; 1 },
    start => sub { $redis->start; 1 },
    key => sub { [$t->key(%{$_[0]})] },
);

my @files = grep { $only eq '' || m{/\Q$only\E\.js$} } glob "$dir/*.js";
ok(scalar @files, 'there is something to run');

for my $file (@files) {
    $redis->cmd('FLUSHALL');
    my ($name) = $file =~ m{([^/]+)\.js$};
    subtest($name, sub { run($file) });
}

$t->done;


# Its TAP becomes ours; a line with "!" asks for what only this side can do.

sub run {
    my ($file) = @_;

    my $pid = open2(my $from, my $to, find('node'), $file);
    $t->started($pid);

    my ($tests, $plan) = (0, 0);

    while (my $line = <$from>) {
        chomp $line;

        if ($line =~ /^!(.*)/) {
            my ($what, @args) = @{$json->decode($1)};
            print $to $json->encode($can{$what}->(@args)), "\n";
            $to->flush;

        } elsif ($line =~ /^(not )?ok \d+ - (.*)/) {
            ok(!$1, $2);
            $tests++;

        } elsif ($line =~ /^1\.\.(\d+)$/) {
            $plan = $1;

        } else {
            diag($line);
        }
    }

    waitpid($pid, 0);
    is($tests, $plan || 'a plan', 'all were run');
}


sub find {
    my ($name) = @_;

    for my $dir (split(/:/, $ENV{PATH}), '/usr/bin') {
        return "$dir/$name" if -x "$dir/$name";
    }

    die "there is no $name\n";
}
