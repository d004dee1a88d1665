# Guards scripts/install: the module is loaded by the machine's nginx after it,
# it undoes itself when nginx -t fails, and --remove leaves nothing behind.
# Only where it can be tried: as root, on a Debian layout, and with no such
# module there.

use Gate;

my $conf_dir = '/etc/nginx/modules-enabled';
my $script = "$Gate::ROOT/scripts/install";
my $enabled = "$conf_dir/50-mod-http-api-key.conf";
my $available = '/usr/share/nginx/modules-available/mod-http-api-key.conf';
my $breaker = "$conf_dir/99-api-key-test.conf";

plan(skip_all => 'not root') if $> != 0;
plan(skip_all => "no $conf_dir") unless -d $conf_dir;
plan(skip_all => 'it is installed here') if -e $enabled || -l $enabled;
plan(skip_all => 'another nginx is to be tested')
    if $ENV{TEST_NGINX_BINARY}
       && $ENV{TEST_NGINX_BINARY} ne Gate::find_nginx();
plan(skip_all => "the machine's nginx -t fails")
    if system("'$Gate::NGINX' -t -q 2> /dev/null") != 0;

my ($modules) = `'$Gate::NGINX' -V 2>&1` =~ /--modules-path=(\S+)/;
my $module = "$modules/ngx_http_api_key_module.so";
plan(skip_all => "$module is there") if -e $module;

my $t = Gate->new;
my $before = snapshot();


# everything in the folders that the script may touch

sub snapshot {
    return scalar `ls -lRA --time-style=+ /etc/nginx $modules \\
        /usr/share/nginx/modules-available 2> /dev/null`;
}


sub run {
    my (@words) = @_;
    my $output = `NGINX_BIN='$Gate::NGINX' '$script' @words 2>&1 < /dev/null`;
    return ($? >> 8, $output);
}


my ($status, $output) = run('--nonsense');
isnt($status, 0, 'an unknown option');
like($output, qr/usage/, 'it says how');
is(snapshot(), $before, 'and does nothing');

($status, $output) = run();
is($status, 0, 'install') or diag $output;
ok(-f $module, 'the module is in its folder');
is(readlink $enabled, $available, "enabled as Debian's own are");
is(system("'$Gate::NGINX' -t -q"), 0, 'nginx -t');
like(scalar `'$Gate::NGINX' -T 2>&1`, qr/load_module .*api_key/, 'it is loaded');

($status, $output) = run();
is($status, 0, 'once more') or diag $output;

($status, $output) = run('--remove');
is($status, 0, 'remove') or diag $output;
is(snapshot(), $before, 'nothing is left');

# nginx -t fails for another reason
$t->write($breaker, "no_such_directive;\n");
my $broken = snapshot();
($status, $output) = run();
isnt($status, 0, 'a failing nginx -t');
like($output, qr/no_such_directive/, 'the reason is shown');
is(snapshot(), $broken, 'all is as it was');
unlink $breaker;
is(snapshot(), $before, 'the machine is as it was');

$t->done;


END {
    if (defined $before) {
        unlink $breaker;
        my $status = $?;
        run('--remove') if -l $enabled;
        $? = $status;
    }
}
