# Guards: secrets are changed as SECURITY.md says, and no request fails on the
# way: an admin token, the pepper, the password of Redis.

use Gate;
use Gate::Admin;

my $t = Gate->new;
my $redis = $t->redis;

my $security = $t->read("$Gate::ROOT/SECURITY.md");
my ($pepper_commands) = $security =~ /^    (\(umask .*?)\n    nginx -s reload/ms;
ok($pepper_commands, 'the commands for a new pepper')
    or BAIL_OUT('SECURITY.md has no commands for a pepper');

$redis->cmd('ACL', 'SETUSER', 'gateway', 'on', '>old', 'allkeys',
    'allchannels', '+@all');
$t->write('redis.pass', "old\n", 0600);

my $api = Gate::Admin->new($t, <<'EOC');
username gateway; password_file %%TESTDIR%%/redis.pass; issue prefix=hc;
EOC

my $none = $api->create(name => 'without a pepper');
my @good = ($none->{key});
passes('at first');

# the pepper, introduced

$t->write('api-key.pepper', "none\n", 0600);
new_pepper();
(my $conf = $t->read('nginx.conf')) =~
    s/(issue prefix=hc;)/$1 pepper_file $t->{dir}\/api-key.pepper;/
    or die 'where is the store?';
$t->write('nginx.conf', $conf);
$t->reload;
passes('with a first pepper');

my $first = $api->create(name => 'under the first');
push @good, $first->{key};
is($none->{pepper}, 'none', 'the first key has none');
isnt($first->{pepper}, 'none', 'the second has one');
is(due($none), 1, 'the first key is due');
is(due($first), 0, 'the second is not');
successor($none);

# and changed

$t->write('api-key.pepper', $t->read('api-key.pepper') =~ s/none\n//r, 0600);
$t->reload;
is(status(shift @good), 401, 'a key without a pepper is gone with "none"');
passes('with one pepper');

new_pepper();
$t->reload;
passes('with a second pepper');
is(due($first), 1, 'the key of the first is due now');
my $third = successor($first);
isnt($third->{pepper}, $first->{pepper}, 'its successor has the new pepper');
passes('rotated with a grace period');

# the password of Redis

$redis->cmd('ACL', 'SETUSER', 'gateway', '>new');
$t->write('redis.pass', "new\n", 0600);
$t->reload;
passes('both passwords');
$redis->cmd('ACL', 'SETUSER', 'gateway', '<old');
$redis->cmd('CLIENT', 'KILL', 'USER', 'gateway');
passes('the new one alone');

# an admin token

my $tokens = "$t->{dir}/tokens";
my $token = qx($Gate::ROOT/scripts/admin-token alice-2 write $tokens);
chomp $token;
$t->reload;
is(health($token), 200, 'the new token');
is(health($Gate::Admin::WRITE), 200, 'the old one');

my ($old) = $t->read('tokens') =~ /^(\w+):write:/m;
is(system('sed', '-i', "/^$old:/d", $tokens), 0, 'its line is removed');
is(health($Gate::Admin::WRITE), 200, 'still there');
$t->reload;
is(health($Gate::Admin::WRITE), 401, 'gone');
is(health($token), 200, 'the new one stays');

$t->done;


sub new_pepper {
    is(system("cd $t->{dir} && $pepper_commands"), 0, 'a new pepper');
    is((stat "$t->{dir}/api-key.pepper")[2] & 0777, 0600, 'for its owner only');
}


sub successor {
    my ($record) = @_;
    my $r = $api->call('POST', "v1/keys/$record->{id}/rotate",
        { grace => 600 });
    is($r->status, 201, 'rotated');
    push @good, $r->json->{key};
    return $r->json;
}


sub due {
    my ($record) = @_;
    return $api->call('GET', "v1/keys/$record->{id}")->json->{rotate_due}
        ? 1 : 0;
}


sub passes {
    my ($when) = @_;
    is(join(' ', map { status($_) } @good), join(' ', (200) x @good), $when);
}


sub status { $t->get('/guarded/', 'X-API-Key' => $_[0])->status }


sub health {
    my ($token) = @_;
    return $t->get('/admin/v1/health', Authorization => "Bearer $token")
        ->status;
}
