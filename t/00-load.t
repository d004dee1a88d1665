# Guards: the module loads into this nginx, and each file in conf-examples/ is
# one that nginx takes.

use Gate;

my $t = Gate->new;
$t->redis;
$t->backend;

my ($ok, $output) = $t->check('');
ok($ok, 'nginx loads the module') or BAIL_OUT($output);

my @examples = map { m{([^/]+)$} } glob "$Gate::ROOT/conf-examples/*.conf";
cmp_ok(scalar @examples, '>=', 5, 'examples are there');

for my $file (@examples) {
    my ($ok, $output) = $t->check_file($t->example($file));
    ok($ok, $file) or diag $output;
    unlike($output, qr/\[(?:warn|emerg|alert)\]/, "$file without warnings");
}

$t->done;
