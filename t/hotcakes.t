# Guards the job that conf-examples/hotcakes.conf is for: what the store gets
# of each of the SDK's 160 requests is what the client sent, with the store's
# own key in the place of the client's; no spelling of a clear operation
# passes while the flag is not set; no log shows a key or a password.
#
# t/data/hotcakes-sdk-requests.tsv     all requests of the official SDK
# t/data/hotcakes-delete-variants.tsv  spellings of one path, and what a store
#                                      makes of a DELETE of each
# t/data/hotcakes_model.py             the store's reading of any path

use Gate;

my $REST = '/DesktopModules/Hotcakes/API/rest/v1/';
my $HOST = 'api.example.com';
my $GUID = '9c3a1f52-6f0d-4e6b-8a70-1f2f6f1f9c11';
my $PASSWORD = 'open-sesame-42';
my $BODY = '{"Bvin":"","Sku":"TEA-1"}';

my $t = Gate->new;
$t->redis;
my $store = $t->backend;

$t->conf_file($t->example('hotcakes.conf'), log => 'notice');
$t->start;

my ($key, $id) = $t->key(issue => 'hc', name => 'erp');
my $own = $Gate::BACKEND_KEY;


sub table {
    my ($file) = @_;

    my (undef, @lines) = split /\n/, $t->read("$Gate::ROOT/t/data/$file");
    return map { [split /\t/] } @lines;
}


# a value for each placeholder of the SDK's table

sub fill {
    my ($text, $presented, %value) = @_;

    my %known = (
        key => $presented, slug => 'my-cat', sku => 'SKU%2F1',
        email => 'a@b.c', fileName => 'a.jpg', description => 'my%20file',
        password => $PASSWORD, pwd => $PASSWORD, clearpassword => $PASSWORD,
        '0|1' => 1, howMany => 100, %value,
    );

    $text =~ s/\{([^}]*)\}/$known{$1}
        \/\/ ($1 =~ m{bvin}i ? $GUID : 7)/gex;

    return $REST . $text;
}


# as .NET's HttpWebRequest sends it

sub send_request {
    my ($method, $target, @more) = @_;

    my @headers = (Host => $HOST, @more);
    push @headers, 'Content-Type' => 'application/x-www-form-urlencoded'
        if $method ne 'GET';
    push @headers, Expect => '100-continue' if $method eq 'POST';
    push @headers, 'Content-Length' => 0 if $method eq 'DELETE';

    return $t->request($method, $target, headers => \@headers,
        body => $method eq 'POST' ? $BODY : undef);
}


# what the store is to get: request line, header lines in any order, body

sub expected {
    my ($method, $target) = @_;

    my @lines = ('Host: www.example.com', 'X-Forwarded-For: 127.0.0.1');
    push @lines, 'Content-Type: application/x-www-form-urlencoded'
        if $method ne 'GET';
    push @lines, 'Content-Length: ' . length $BODY if $method eq 'POST';
    push @lines, 'Content-Length: 0' if $method eq 'DELETE';

    return ("$method $target HTTP/1.1", (sort @lines),
        $method eq 'POST' ? $BODY : '');
}


sub received {
    my ($request) = @_;

    my ($first, @lines) = split /\r\n/, $request->head;
    return ($first, (sort @lines), $request->body);
}


# Refused with the store's own envelope, and the store has not heard of it.

sub refused {
    my ($r, $code, $name) = @_;

    is($r->status, 403, "$name: status");
    is_deeply($r->json, { Content => undef,
        Errors => [{ Code => 'KEY', Description => $code }] },
        "$name: envelope") or diag $r->raw;
    is(scalar $store->requests, 0, "$name: not at the store");
}


# the SDK's requests

my @sdk = table('hotcakes-sdk-requests.tsv');
is(scalar @sdk, 160, 'the table is whole');

for my $row (@sdk) {
    my ($call, $method, $path, $clear) = @$row;

    $store->forget;
    my $r = send_request($method, fill($path, $key));

    if ($clear eq 'YES') {
        refused($r, 'not_armed', $call);
        next;
    }

    is($r->status, 200, "$call: status") or diag $r->raw;
    my @requests = $store->requests;
    is(scalar @requests, 1, "$call: once at the store");
    is_deeply([received($requests[0])], [expected($method, fill($path, $own))],
        "$call: unchanged but for the key") if @requests;
}


# deleting one thing without naming it is a clear

for my $row (grep { $_->[3] =~ /^if/ } @sdk) {
    my ($call, $method, $path) = @$row;

    $store->forget;
    refused(send_request($method, fill($path, $key, bvin => '')),
        'not_armed', "$call of nothing");
}


# spellings of a path

my @variants = table('hotcakes-delete-variants.tsv');
cmp_ok(scalar @variants, '>=', 35, 'the table of spellings is whole');

my %model = model(map { "DELETE\t$_->[0]" } @variants);
my $grammar = qr{^\Q$REST\E[a-z]+/[0-9A-Za-z-]{1,64}(/[0-9A-Za-z-]{1,64})*/?$}i;
my @clears;

for my $row (@variants) {
    my ($target, $status, $uri, $outcome) = @$row;

    my $clear = $outcome =~ /^CLEAR/
        || ($model{"DELETE\t$target"} // '') =~ /^clear/;
    my $plain = (split /\?/, $target)[0] =~ $grammar;
    push @clears, $target if $clear;

    $store->forget;
    my $r = spelled('DELETE', $target, $key);

    if ($plain) {
        ok(!$clear, "$target: the grammar holds no clear");
        is($r->status, 200, "$target: a plain delete passes");
        is(scalar $store->requests, 1, "$target: at the store");
        next;
    }

    like($r->status, $clear ? qr/^(?:403|400)$/ : qr/^(?:403|400|200)$/,
        "$target: refused");
    is($r->json->{Errors}[0]{Description}, 'not_armed', "$target: not_armed")
        if $r->status == 403;
    is(scalar $store->requests, 0, "$target: not at the store") if $clear;
}

# no spelling gets round the key

for my $row (@variants) {
    $store->forget;
    my $target = $row->[0] =~ s/\?.*//r;

    like(spelled('GET', $target, $key)->status, qr/^40[01]$/,
        "$target: not without a key");
    is(scalar $store->requests, 0, "$target: not at the store without a key");
}


# armed, what was refused passes, as it was sent

$t->arm(60);

for my $target (@clears) {
    $store->forget;
    my $r = spelled('DELETE', $target, $key);
    next if $r->status == 400;

    is($r->status, 200, "$target: passes when armed") or diag $r->raw;
    is(($store->requests)[0]->target,
        with_key($target, $own) =~ s{^http://[^/]*}{}r,
        "$target: as it was sent") if $store->requests;
}

$t->disarm;
$store->forget;
refused(spelled('DELETE', $clears[0], $key), 'not_armed', 'disarmed');


# wrong keys, other methods, other hosts

my $r = spelled('GET', "${REST}products/?key=K", 'wrong-key-0123456789');
is($r->status, 401, 'wrong key');
is($r->json->{Errors}[0]{Description}, 'invalid', 'wrong key: envelope');
is($r->header('Content-Type'), 'application/json', 'wrong key: type');
is($r->header('Cache-Control'), 'no-store', 'wrong key: not to be stored');

is(spelled('GET', "${REST}products/?key=K", $own)->status, 401,
    "the store's own key is no key for clients");

for my $header ('X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override')
{
    $store->forget;
    refused(send_request('POST', "${REST}products/?key=$key",
        $header => 'DELETE'), 'not_armed', $header);
}

# The store takes the names of its route from a form or JSON before the path.

for my $body ("modelname=categories&parameters=", '{"parameters":""}') {
    $store->forget;
    refused($t->request('DELETE', "${REST}products/$GUID?key=$key",
        headers => [Host => $HOST, 'Content-Type' => $body =~ /^\{/
            ? 'application/json' : 'application/x-www-form-urlencoded'],
        body => $body), 'not_armed', "DELETE with $body");
}

$store->forget;
refused(spelled('POST', "${REST}products/?key=K#&_method=DELETE", $key),
    'not_armed', 'a method behind what nginx takes for the query');

$store->forget;
$r = $t->get("${REST}products/?key=$key", Host => 'other.example.com');
is($r->status, 421, 'an unknown Host');
is(scalar $store->requests, 0, 'an unknown Host: not at the store');

# three megabytes of a picture

my $picture = '[' . join(',', (137) x 750_000) . ']';
$r = $t->request('POST', "${REST}productmainimage/$GUID?key=$key&filename=a.png",
    headers => [Host => $HOST], body => $picture);
is($r->status, 200, 'a large body');
ok(($store->requests)[-1]->body eq $picture, 'a large body arrives whole');


# nothing secret in the logs, for the refused ones neither

$t->get("${REST}products/?key=$key&pwd=$PASSWORD", Host => 'other');
$t->post("${REST}customeraccounts/?KEY=$key&Pwd=$PASSWORD", '{}',
    Host => $HOST);

ok($t->until(sub { $t->access_log =~ /customeraccounts\/\S* HTTP[^\n]*\n\z/ }),
    'the access log is written');
like($t->access_log, qr/key=$id "erp" ok$/m, 'the access log names the key');

for my $log ('access', 'error') {
    my $text = $log eq 'access' ? $t->access_log : $t->error_log;
    unlike($text, qr/\Q$key\E/, "$log log: no client's key");
    unlike($text, qr/\Q$own\E/, "$log log: not the store's key");
    unlike($text, qr/\Q$PASSWORD\E/, "$log log: no password");
    unlike($text, qr/wrong-key/, "$log log: no wrong key");
}

$t->done;


sub with_key {
    my ($target, $presented) = @_;
    return $target =~ s{^http://x/}{http://$HOST/}r
        =~ s/key=K\b/key=$presented/r;
}


# a target byte for byte

sub spelled {
    my ($method, $target, $presented) = @_;

    return $t->raw("$method " . with_key($target, $presented) . " HTTP/1.1\r\n"
        . "Host: $HOST\r\nConnection: close\r\n\r\n");
}


# what the store makes of these requests; nothing where there is no Python

sub model {
    my (@lines) = @_;

    my $input = $t->write('model.in', join '', map { "$_\n" } @lines);
    my @answers = split /\n/,
        `python3 '$Gate::ROOT/t/data/hotcakes_model.py' < '$input'`;

    is(scalar @answers, scalar @lines, 'the model has answered');

    my %model;
    @model{@lines} = @answers;
    return %model;
}
