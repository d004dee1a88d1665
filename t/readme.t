# Guards: each configuration in README.md is one that nginx takes, and each
# directive has an example there.

use Gate;

my $t = Gate->new;
$t->redis;
$t->backend;
$t->example('hotcakes.conf');                   # makes the secret files
$t->write('redis.pass', "secret\n", 0600);

my $readme = $t->read("$Gate::ROOT/README.md");
my @examples = $readme =~ /^```nginx\n(.*?)^```$/msg;
cmp_ok(scalar @examples, '>=', 12, 'examples are there');

my $store = 'api_key_store shop { server %%REDIS%%; }';

for my $example (@examples) {
    my ($name) = $example =~ /^\s*(?!include|events|\}|$)(.*)/m;
    my ($ok, $output) = whole($example);

    ok($ok, $name) or diag $output;
    unlike($output, qr/\[warn\]/, "$name without warnings");
}

for my $directive (sort { $a cmp $b } directives()) {
    my ($section) = $readme =~ /^(### $directive\n.*?)^##/ms;
    like($section // '', qr/^\| Syntax \| \*\*$directive\*\* .*
\| Default \| .*
\| Context \| /m, "$directive has syntax, default and context");
    ok((grep { /^\s*$directive\s/m } @examples), "$directive has an example");
}

$t->done;


# an example, with what it needs around it

sub whole {
    my ($text) = @_;

    $text =~ s/127\.0\.0\.1:8080/%%BACKEND%%/g;
    $text =~ s/127\.0\.0\.1:8081/127.0.0.1:%%PORT_1%%/g;
    $text =~ s/listen 80;/listen 127.0.0.1:%%PORT_0%%;/g;

    return $t->check_file($text) if $text =~ /^events/m;
    return $t->check($text) if $text =~ /^api_key_store/m;
    return $t->check("$store\n$text") if $text =~ /^(?:server|log_format)/m;
    return $t->check("$store\nserver { listen 127.0.0.1:%%PORT_0%%;\n"
        . "$text\n}");
}


sub directives {
    my $source = $t->read("$Gate::ROOT/src/ngx_http_api_key_module.c");
    return $source =~ /\{ ngx_string\("(api_key[a-z_]*)"\),\n/g;
}
