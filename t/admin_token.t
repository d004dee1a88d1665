# Guards scripts/admin-token: a line that the module takes, a file for its
# owner only, nothing written on an error.

use Gate;
use Digest::SHA qw(sha256_hex);

my $t = Gate->new;
my $file = $t->dir . '/tokens';


sub run {
    my (@words) = @_;

    open(my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh',
        "$Gate::ROOT/scripts/admin-token", @words) or die "sh: $!\n";
    local $/;
    my $output = <$pipe> // '';
    close $pipe;

    return ($? >> 8, $output);
}


my ($status, $token) = run('alice', 'write', $file);
is($status, 0, 'a token is made');
like($token, qr/^[0-9a-f]{64}\n\z/, 'it is printed, 256 bits');
chomp $token;

is((stat $file)[2] & 0777, 0600, 'a new file is for its owner only');
is($t->read($file), 'alice:write:' . sha256_hex($token) . "\n", 'its line');

chmod 0640, $file;
my ($status2, $other) = run('b.o_b-2', 'read', $file);
is($status2, 0, 'a second one');
isnt($other, "$token\n", 'another token');
is((stat $file)[2] & 0777, 0640, 'the mode is kept');
chmod 0600, $file;

# a file that lacks its last line end
$t->write('cut', '# mine', 0600);
run('carol', 'read', $t->dir . '/cut');
like($t->read('cut'), qr/^# mine\ncarol:read:[0-9a-f]{64}\n\z/, 'no line end');

# errors write nothing and print no token
my $before = $t->read($file);

for my $words (['alice', 'write', $file], ['a b', 'read', $file],
    ['a:b', 'read', $file], ["a\nb", 'read', $file], ['', 'read', $file],
    ['x' x 65, 'read', $file], ['dave', 'admin', $file], ['dave', '', $file],
    ['dave', 'read'], ['dave', 'read', $file, 'more'], [],
    ['dave', 'read', $t->dir], ['dave', 'read', $t->dir . '/no/such'])
{
    my ($status, $output) = run(@$words);
    my $name = join ' ', map { s/\n/\\n/gr } @$words;

    isnt($status, 0, "refused: $name");
    like($output, qr/^admin-token: .+/m, 'it says why');
    unlike($output, qr/[0-9a-f]{64}/, 'no token');
}

is($t->read($file), $before, 'the file is as it was');

# what the module thinks of it
$t->redis;
my ($ok, $output) = $t->check(<<'EOC');
api_key_store shop { server %%REDIS%%; }
server { listen 127.0.0.1:%%PORT_0%%;
    location /a/ { api_key_admin shop; api_key_admin_tokens tokens; } }
EOC
ok($ok, 'nginx takes the file') or diag $output;

$t->done;
