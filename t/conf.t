# Guards: wrong configurations are refused by nginx -t with the directive, the
# file and the line; right ones are taken, and what levels inherit.  Seen red
# with the checks for undefined stores and for duplicates taken out.

use Gate;
use Digest::SHA qw(sha256_hex);

my $t = Gate->new;
$t->redis;

$t->write('pass', "secret\n", 0600);
$t->write('empty', '', 0600);
$t->write('blank', "\nx\n", 0600);
$t->write('open', "secret\n", 0644);
$t->write('pepper', 'p' x 32 . "\n", 0600);
$t->write('short-pepper', "short\n", 0600);
$t->write('none-first', "none\n", 0600);
$t->write('three', join("\n", map { $_ x 32 } qw(a b c)) . "\n", 0600);
$t->write('tokens', 'ops:write:' . sha256_hex('x') . "\n", 0600);
$t->write('tokens-role', 'ops:admin:' . sha256_hex('x') . "\n", 0600);
$t->write('tokens-twice', join('', map { "ops:$_:" . sha256_hex('x') . "\n" }
    qw(read write)), 0600);
$t->write('tokens-none', "# nobody\n", 0600);

my $store = "api_key_store shop { server 127.0.0.1:1; }\n";

sub in_store { "api_key_store shop { $_[0] }\n" }
sub in_server { "$store server { listen 127.0.0.1:%%PORT_0%%; $_[0] }\n" }

my @wrong = (
    ['api_key_store shop { } api_key_store shop { }',
        qr/duplicate "api_key_store" "shop"/],
    ['api_key_store "a b" { }', qr/invalid name "a b"/],
    ['api_key_store off { }', qr/invalid name "off"/],
    ['server { api_key shop; }', qr/"shop" is not defined/],
    [in_store('servre x;'), qr/unknown directive "servre"/],
    [in_store('server 127.0.0.1:99999;'), qr/invalid port in "server"/],
    [in_store('server 127.0.0.1:1; server 127.0.0.1:2;'),
        qr/"server" directive is duplicate/],
    [in_store('server nobody.invalid:1;'), qr/host not found in "server"/],
    [in_store('server;'), qr/invalid number of arguments in "server"/],
    [in_store('database -1;'), qr/invalid value "-1" in "database"/],
    [in_store('database x;'), qr/invalid value "x" in "database"/],
    [in_store('timeout 0;'), qr/invalid value "0" in "timeout"/],
    [in_store('connect_timeout soon;'),
        qr/invalid value "soon" in "connect_timeout"/],
    [in_store('prefix "a b:";'), qr/invalid value "a b:" in "prefix"/],
    [in_store('username x;'), qr/"username" requires "password_file"/],
    [in_store('password_file nothing;'),
        qr/"password_file".*nothing" failed \(2/],
    [in_store('password_file empty;'), qr/"password_file".*is empty/],
    [in_store('password_file blank;'), qr/"password_file".*blank"/],
    [in_store('password_file .;'), qr/"password_file".*not a file/],
    [in_store('pepper_file short-pepper;'), qr/"pepper_file".*line 1/],
    [in_store('pepper_file none-first;'), qr/"pepper_file".*line 1/],
    [in_store('pepper_file three;'), qr/"pepper_file".*line 3/],
    [in_store('issue prefix=Shop;'), qr/invalid value "prefix=Shop"/],
    [in_store('issue max_ttl=never;'), qr/invalid value "max_ttl=never"/],
    [in_store('issue default_ttl=2d max_ttl=1d;'), qr/"default_ttl" is longer/],
    [in_store('issue max_keys=1 max_keys=2;'), qr/duplicate parameter/],
    [in_store('issue colour=red;'), qr/invalid parameter "colour=red"/],
    [in_store('cache;'), qr/invalid number of arguments in "cache"/],
    [in_store('cache on;'), qr/invalid parameter "on" in "cache"/],
    [in_store('cache off size=1m;'), qr/invalid parameter "off" in "cache"/],
    [in_store('cache size=1m off;'), qr/invalid parameter "off" in "cache"/],
    [in_store('cache off; cache off;'), qr/"cache" directive is duplicate/],
    [in_store('cache colour=red;'), qr/invalid parameter "colour=red"/],
    [in_store('cache valid=1s valid=2s;'), qr/duplicate parameter "valid=2s"/],
    [in_store('cache size=63k;'), qr/invalid value "size=63k" in "cache"/],
    [in_store('cache size=0;'), qr/invalid value "size=0" in "cache"/],
    [in_store('cache size=-8m;'), qr/invalid value "size=-8m" in "cache"/],
    [in_store('cache size=8x;'), qr/invalid value "size=8x" in "cache"/],
    [in_store('cache size=;'), qr/invalid value "size=" in "cache"/],
    [in_store('cache size=262145m;'), qr/invalid value "size=262145m" in "cache"/],
    [in_store('cache size=99999999999999999999m;'), qr/invalid value "size=9+m"/],
    [in_store('cache valid=0;'), qr/invalid value "valid=0" in "cache"/],
    [in_store('cache valid=soon;'), qr/invalid value "valid=soon" in "cache"/],
    [in_store('cache valid=;'), qr/invalid value "valid=" in "cache"/],
    [in_store('cache valid=25h;'), qr/invalid value "valid=25h" in "cache"/],
    [in_store('cache invalid=-1;'), qr/invalid value "invalid=-1" in "cache"/],
    [in_store('cache invalid=25h;'), qr/invalid value "invalid=25h"/],
    [in_store('cache stale=never;'), qr/invalid value "stale=never"/],
    [in_store('cache stale=25h;'), qr/invalid value "stale=25h" in "cache"/],
    [in_store('cache push=maybe;'), qr/invalid value "push=maybe" in "cache"/],
    [in_store('cache push=;'), qr/invalid value "push=" in "cache"/],
    [in_store('cache push=onoff;'), qr/invalid value "push=onoff" in "cache"/],
    [in_store('topology cluster;'), qr/"topology cluster" is not supported/],
    [in_store('topology ring;'), qr/invalid value "ring" in "topology"/],
    [in_server('api_key shop; api_key shop;'), qr/"api_key".*duplicate/],
    [in_server('api_key_from;'), qr/invalid number of arguments/],
    [in_server('api_key_from header;'), qr/invalid source "header"/],
    [in_server('api_key_from header:;'), qr/invalid source/],
    [in_server('api_key_from header:X_Key;'), qr/invalid source/],
    [in_server('api_key_from header:Host;'), qr/invalid source/],
    [in_server('api_key_from query:a query:A;'), qr/duplicate source/],
    [in_server('api_key_from ' . join(' ', map { "query:k$_" } 1 .. 33) . ';'),
        qr/too many sources in "api_key_from"/],
    [in_server('api_key_from body:x;'), qr/invalid source "body:x"/],
    [in_server('api_key_mask x;'), qr/invalid source "x" in "api_key_mask"/],
    [in_server('api_key_upstream hide;'), qr/invalid parameter "hide"/],
    [in_server('api_key_upstream replace=nothing;'),
        qr/"api_key_upstream".*failed \(2/],
    [in_server('api_key_upstream replace=empty;'), qr/is empty/],
    [in_server('api_key_upstream replace=;'), qr/no file/],
    [in_server('api_key_upstream replace=pass as=cookie:x;'),
        qr/invalid parameter "as=cookie:x"/],
    [in_server('api_key_upstream strip as=query:x;'), qr/invalid parameter/],
    [in_server('api_key_scope "a b";'), qr/invalid scope "a b"/],
    [in_server('api_key_clear unless=x;'), qr/no method in "api_key_clear"/],
    [in_server('api_key_clear delete;'), qr/invalid parameter "delete"/],
    [in_server('api_key_clear DELETE match=(;'), qr/"api_key_clear"/],
    [in_server('api_key_clear DELETE match=a match=b;'),
        qr/duplicate parameter "match=b"/],
    [in_server('api_key_response plain x;'), qr/invalid type "plain"/],
    [in_server('api_key_response text/plain "$nothing_known";'),
        qr/unknown "nothing_known" variable/],
    [in_server('api_key_observe maybe;'), qr/invalid value "maybe"/],
    [in_server('api_key_admin shop;'), qr/not allowed here/],
    [in_server('location /a/ { api_key_admin shop; }'),
        qr/"api_key_admin" requires "api_key_admin_tokens"/],
    [in_server('api_key_admin_tokens tokens; location /a { api_key_admin '
        . 'shop; }'), qr/needs a prefix location/],
    [in_server('api_key_admin_tokens tokens; location ~ /a/ { api_key_admin '
        . 'shop; }'), qr/needs a prefix location/],
    [in_server('api_key_admin_tokens tokens; location = /a/ { api_key_admin '
        . 'shop; }'), qr/needs a prefix location/],
    [in_server('api_key_admin_tokens tokens; location /a/ { api_key off; '
        . 'api_key_admin shop; }'), qr/"api_key" directive is not allowed/],
    [in_server('api_key_admin_tokens tokens-role;'), qr/line 1/],
    [in_server('api_key_admin_tokens tokens-twice;'), qr/duplicate name.*line 2/],
    [in_server('api_key_admin_tokens tokens-none;'), qr/no token/],
    [in_server('api_key_admin_tokens empty;'), qr/is empty/],
    [in_server('api_key_admin_tokens nothing;'), qr/failed \(2/],
);

for my $case (@wrong) {
    my ($conf, $text) = @$case;
    my ($ok, $output) = $t->check($conf);
    ok(!$ok, "refused: $conf");
    like($output, qr/\[emerg\].*$text/, 'with its text') or diag $output;

    # nginx itself finds unknown variables, when it has read all files
    next if $output =~ /unknown "nothing_known" variable/;
    like($output, qr/ in \S+\.conf:\d+$/m, 'with file and line');
}

my @right = (
    '', $store, in_store('server unix:/nowhere;'), in_store('server [::1]:1;'),
    in_store('topology standalone; tls off; cache off; database 3;'),
    in_store('cache size=64k valid=1ms invalid=0 stale=0 push=off;'),
    in_store('cache size=572k;'),       # nginx counts a page too many in it
    in_store('cache push=on stale=24h invalid=1d valid=1d size=100m;'),
    in_store('password_file pass; username u; pepper_file pepper;'),
    in_store('issue prefix=hc default_ttl=90d max_ttl=365d rotate_after=90d '
        . 'max_keys=20;'),
    "server { api_key shop; } $store",
    in_server('api_key shop; api_key_from bearer query:k cookie:c header:X;'
        . 'api_key_clear off; api_key_clear DELETE PUT match=a "unless=b{1,2}";'
        . 'location / { limit_except GET { api_key off; } }'),
    in_server('location /a/ { api_key_admin_tokens tokens; api_key_admin shop; '
        . '} api_key shop; api_key_clear DELETE;'),
);

for my $conf (@right) {
    my ($ok, $output) = $t->check($conf);
    ok($ok, "taken: $conf") or diag $output;
}

my ($ok, $output) = $t->check(in_store('password_file open;'));
ok($ok, 'a secret that others can read');
like($output, qr/\[warn\].*"password_file".*can be read by others/, 'a warning');
unlike($output, qr/secret/, 'the secret is not shown');

$t->done;
