#!/usr/bin/perl

# Guards: want of memory lets nobody in.  Each allocation of a request fails
# once: the first, then only the second, and so on until the request needs no
# more; then once more with all that follow failing too.  Who may pass gets
# what it should get or an error; who may not gets no other answer than a
# refusal or an error, and no backend sees the request.  What the admin API
# says it has done is done, no clear passes without a use of the flag, the
# client's key reaches neither a backend nor a log, and the worker lives on and
# serves the next request.  A worker and a configuration start whole or not at
# all.  Seen red with a worker that died of a header whose name nginx had no
# memory for, with a key in what the log handler complained of, with 400 for a
# body that could not be parsed for want of memory, with 404 for 405, with a
# second answer behind a first header, and with a record that there was no
# memory for taken for none.
#
# With an nginx of scripts/coverage or scripts/asan each piece of memory counts,
# else only what nginx takes of malloc().

use Gate;
use Gate::Shortage;

my $t = Gate->new;
my $redis = $t->redis;
my $proxy = $t->proxy($redis);
my $backend = $t->backend({
    '/accel/' => { headers => ['X-Accel-Redirect' => '/other/x'] },
    '/wipe/' => { headers => ['X-Accel-Redirect' => '/wiped/x'] } });
my $short = Gate::Shortage->new($t);
my $own = 'own+key/of-the-backend';

$t->example('hotcakes.conf');           # makes the tokens and the pepper
$t->write('own.key', "$own\n", 0600);
$t->write('peppers', "a-newer-pepper-0123456789-0123456789\n$Gate::PEPPER\n",
    0600);

$t->conf(<<'EOC', log => 'notice');
    api_key_store shop {
        server %%REDIS%%; timeout 2s; pepper_file peppers;
        cache valid=1h;
    }
    api_key_store plain {
        server %%REDIS%%; timeout 2s; prefix shop:; pepper_file api-key.pepper;
        cache off;
    }
    api_key_store away {
        server %%PROXY%%; timeout 2s; prefix shop:; pepper_file peppers;
        cache valid=1h stale=1h;
    }

    log_format all '$request $request_uri $args $status $http_x_api_key '
                   '$http_authorization $http_cookie $api_key_status '
                   '$api_key_id $api_key_name $api_key_expires';
    access_log %%TESTDIR%%/access.log all;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        api_key shop;
        api_key_from query:key header:X-API-Key bearer cookie:key;

        location / { proxy_pass http://%%BACKEND%%; }
        location /plain/ { api_key plain; proxy_pass http://%%BACKEND%%; }
        location /away/ { api_key away; proxy_pass http://%%BACKEND%%; }
        location /live/ { api_key_clear GET; proxy_pass http://%%BACKEND%%; }
        location /own/ {
            api_key_upstream replace=own.key;
            proxy_pass http://%%BACKEND%%;
        }
        location /header/ {
            api_key_upstream replace=own.key as=header:X-Store-Key;
            proxy_pass http://%%BACKEND%%;
        }
        location /args/ {
            set $args "a=1&$args";
            proxy_pass http://%%BACKEND%%;
        }
        location /scope/ {
            api_key_scope write; proxy_pass http://%%BACKEND%%;
        }
        location /clear/ {
            api_key_clear DELETE "unless=^/clear/[0-9]+$";
            proxy_pass http://%%BACKEND%%;
        }
        location /any/ {
            satisfy any; allow all;
            api_key_clear DELETE;
            proxy_pass http://%%BACKEND%%;
        }
        location /accel/ { proxy_pass http://%%BACKEND%%; }
        location /wipe/ { proxy_pass http://%%BACKEND%%; }
        location /wiped/ {
            api_key plain; api_key_clear GET; proxy_pass http://%%BACKEND%%;
        }
        location /other/ { api_key plain; proxy_pass http://%%BACKEND%%; }
        location /observe/ {
            api_key_observe on; proxy_pass http://%%BACKEND%%;
        }
        location /page/ {
            error_page 401 /sorry; proxy_pass http://%%BACKEND%%;
        }
        location /sorry { api_key off; return 401 "sorry"; }
        location /text/ {
            api_key_response text/plain 'no: $api_key_error $request_uri';
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        api_key_admin_tokens api-key.tokens;
        location /admin/ { api_key_admin shop; }
        location /match/ {
            api_key shop; api_key_from header:X-API-Key;
            api_key_clear POST match=^/match/all$;
            rewrite ^ /matched break;
            proxy_pass http://%%BACKEND%%;
        }
    }
EOC
$short->run(sub { $t->start });
$t->allow_log(qr/\[emerg\].*(?:malloc|posix_memalign)\(\d/);

my ($key, $id) = key(name => 'good', scopes => 'read',
    expires_at => time + 3600);
my ($rated) = key(rate => '1000000/60');
my ($revoked) = key(state => 'revoked');
my ($large) = key(map { ("meta:m$_" => 'x' x 100) } 1 .. 8);
my $unknown = Gate::issued_key('key');
my $imported = 'an-imported-key:100%';
my $escaped = $imported =~ s/(\W)/sprintf '%%%02x', ord $1/ger;
key(key => $imported);

my ($worker) = $t->workers;


# who may pass

fail_each('known', 200, 'GET', '/?a=1', [h($key)]);
fail_each('in the query', 200, 'GET', "/?a=1&key=$escaped");
fail_each('in a rewritten query', 200, 'GET', "/args/?key=$escaped");
fail_each('in a cookie', 200, 'GET', '/', [Cookie => "a=1; key=$key"]);
fail_each('as bearer', 200, 'GET', '/', [Authorization => "Bearer $key"]);
fail_each('asked for', 200, 'GET', '/plain/', [h($key)]);
fail_each('with a rate', 200, 'GET', '/', [h($rated)]);
fail_each('with much to remember', 200, 'GET', '/', [h($large)]);
fail_each('with much, asked for', 200, 'GET', '/plain/', [h($large)]);
fail_each('own key', 200, 'GET', "/own/?b&key=$escaped&c", [h($imported)]);
fail_each('own key in a header', 200, 'GET', '/header/', [h($key)]);
fail_each('two stores', 200, 'GET', '/accel/', [h($rated)]);
fail_each('one of many', 200, 'DELETE', '/clear/1', [h($key)]);
fail_each('observed', 200, 'GET', '/observe/', [h($key)], observe => 1);
fail_each('observed, in the query', 200, 'GET', "/observe/?key=$escaped", [],
    observe => 1);


# who may not

fail_each('no key', 401, 'GET', '/');
fail_each('unknown', 401, 'GET', '/', [h($unknown)]);
fail_each('unknown, asked for', 401, 'GET', '/plain/', [h($unknown)]);
fail_each('revoked', 401, 'GET', '/', [h($revoked)]);
fail_each('no scope', 403, 'GET', '/scope/', [h($key)]);
fail_each('two keys', 400, 'GET', "/?key=$escaped", [h($key)]);
fail_each('own page', 401, 'GET', '/page/', [h($unknown)]);
fail_each('own text', 401, 'GET', "/text/?key=$unknown");
fail_each('clear', 403, 'DELETE', '/clear/', [h($key)]);
fail_each('clear with a rate', 403, 'DELETE', '/clear/', [h($rated)]);
fail_each('clear by parameter', 403, 'POST', '/clear/?_method=%64elete',
    [h($key)]);
fail_each('clear behind two stores', 403, 'GET', '/wipe/', [h($rated)],
    backend => qr{^/wipe/$});
fail_each('clear, rewritten', 403, 'POST', '/match/all', [h($key)],
    port => $t->port(1));
fail_each('clear let in', 403, 'DELETE', '/any/', [h($key)]);
fail_each('clear let in, key in the query', 403, 'DELETE',
    "/any/?key=$escaped");


# a clear takes a use of the flag

$t->arm(3600, value => 'uses:100000');
fail_each('clear, armed', 200, 'DELETE', '/clear/', [h($key)], after => sub {
    my ($passed) = @_;
    my ($left) = $redis->cmd('GET', 'shop:armed') =~ /^uses:(\d+)$/;
    cmp_ok(100000 - $left, '>=', $passed, 'clear, armed: a use for each');
    $redis->cmd('SET', 'shop:armed', 'uses:100000', 'EX', 3600);
});
$t->disarm;


# Redis is away: what is known stays so, and it is known once nobody asks for it

for my $known ($key, $large) {
    ok($t->until(sub {
        my $asked = asked();
        status('/away/', $known) == 200 && asked() == $asked;
    }), 'known');
}
$proxy->mode('refuse');
fail_each('stale', 200, 'GET', '/away/', [h($key)]);
fail_each('stale, with much to remember', 200, 'GET', '/away/', [h($large)]);
fail_each('unknown, away', 503, 'GET', '/away/', [h($unknown)]);
$proxy->mode('pass');


# administrators

fail_admin('no token', 401, 'GET', 'v1/keys', undef, token => undef);
fail_admin('a wrong token', 401, 'GET', 'v1/keys', undef, token => 'x' x 64);
fail_admin('a reader changes', 403, 'DELETE', "v1/keys/$id", undef,
    token => $Gate::READ_TOKEN);
fail_admin('no such route', 404, 'GET', 'v1/nothing');
fail_admin('no such method', 405, 'PUT', 'v1/keys');
fail_admin('list', 200, 'GET', 'v1/keys');
fail_admin('show', 200, 'GET', "v1/keys/$id");
fail_admin('metrics', 200, 'GET', 'metrics');
fail_admin('create', 201, 'POST', 'v1/keys', '{"name":"x"}');
is($redis->cmd('HGET', "shop:key:$id", 'state'), 'active', 'still there');

my $changed;
fail_admin('revoke', 204, 'DELETE', sub { "v1/keys/$changed" }, undef,
    before => sub { $changed = (key())[1] },
    done => sub { $redis->cmd('HGET', "shop:key:$changed", 'state')
        eq 'revoked' });
fail_admin('arm', 200, 'PUT', 'v1/clear', '{"ttl":60}',
    before => sub { $t->disarm },
    done => sub { defined $redis->cmd('GET', 'shop:armed') });
fail_admin('disarm', 204, 'DELETE', 'v1/clear', undef,
    before => sub { $t->arm(60) },
    done => sub { !defined $redis->cmd('GET', 'shop:armed') });


# the record has changed while the answer was on its way: it is asked again

$proxy->mode('delay', 0.1, 'data');
fail_each('asked again', 200, 'GET', '/away/', [h($key)], alone => 1,
    before => sub {
        $t->until(sub {
            $t->get('/away/up', h(Gate::issued_key('key')))->status == 401
        });
        changed();
    },
    sent => sub { $t->until(sub { $proxy->held }); changed() });
$proxy->mode('delay', 0.2, 'data');
late();
$proxy->mode('pass');

is(join(' ', $t->workers), $worker, 'the same worker all the time');


# the first request of a worker

fail_each('the first', 200, 'GET', '/', [h($key)], alone => 1, up => sub { 1 },
    before => sub { $t->reload });


# a worker that starts with too little ends, or serves all the same

$t->allow_log(qr/worker process \d+ exited with fatal code 2/,
    qr/initgroups\(root, 0\) failed \(12:/);

my ($pieces, $failed, %started) = (0, 1);

while ($failed) {
    my ($old) = $t->workers;

    $short->arm(memory => $pieces++, pid => 0);
    kill 'TERM', $old;
    $t->until(sub { !grep { $_ == $old } $t->workers });
    $t->until(sub { $t->workers || $t->error_log =~ /fatal code 2.*\n.*\Z/ });
    $failed = $short->disarm;

    if ($t->workers) {
        my $good = $t->until(sub { status('/', $key) == 200 }, 5);
        $started{$good ? status('/', $unknown) : 'no good one'}++;

    } else {
        $started{'not at all'}++;
        $short->run(sub { $t->restart });
    }
}

cmp_ok($started{401}, '>', 0, "a worker's start, $pieces pieces");
delete @started{401, 503, 'not at all'};
is(join(' ', %started), '', 'serves as it should or not at all');

# a configuration is taken or refused: what is needed until it is opened is none
# of ours

my $begin = pieces(sub { $t->check_file('none') });
my $text = <<'EOC';
    api_key_store shop { server %%REDIS%%; pepper_file peppers; }
    server {
        listen 127.0.0.1:%%PORT_3%%;
        api_key shop;
        api_key_from bearer query:key;
        api_key_scope read;
        api_key_clear DELETE unless=^/[0-9]+$;
        api_key_response text/plain "$api_key_error";
        api_key_upstream replace=own.key as=header:X-Key;
        api_key_mask query:pwd;
        location /admin/ {
            api_key_admin shop;
            api_key_admin_tokens api-key.tokens;
        }
    }
EOC
my $end = pieces(sub { $t->check($text) });
my ($taken, $crashed, $tried) = (0, 0, 0);

# all of them where it is counted what they reach, else some
my $step = $ENV{TEST_COVERAGE} ? 1 : 13;

$t->allow_log(qr/\[emerg\].*could not set up shared memory zone/);

for (my $n = $begin; $n < $end; $n += $step) {
    $short->arm(memory => $n, pid => 0);
    my ($good, $output) = $short->run(sub { $t->check($text) });
    $short->disarm;

    $tried++;
    $taken += $good;
    $crashed++ if ($? & 127 || $? >> 8 > 1)
        && $output !~ /test is successful/;
}

cmp_ok($taken, '<', $tried, "a configuration of $begin to $end pieces:"
    . " refused without some");
is($crashed, 0, 'and nothing crashes');

unwritten();

$t->done;


sub h { ('X-API-Key' => $_[0]) }
sub status { $t->get($_[0], h($_[1]))->status }
sub key { $t->key(secret => $Gate::PEPPER, @_) }


# How many it takes.

sub pieces {
    my ($code) = @_;

    $short->arm(memory => 1e9, pid => 0, times => 0);
    $short->run($code);
    return 1e9 - $short->left;
}


# Whether both stores reach Redis.

sub up {
    return $t->get('/plain/up', h($key))->status == 200
        && $t->get('/live/up', h($key))->status =~ /200|403/;
}


# Changes the record, and waits until nginx has heard of it, by the link next to
# the one that counts, whose numbers need no answer by the slow one.

sub changed {
    my ($only_heard) = @_;
    my $heard = heard();

    $redis->cmd('HSET', "shop:key:$id", 'meta:n', rand);
    $t->until(sub { heard() > $heard && ($only_heard || up()) });
}


# Who comes late to a question that was sent three times has one of its own
# sent, or an error.  The first pieces are those of the answer; they are not as
# many each time, so more than one fails at once, and one turn without a failure
# is not yet the last.

sub late {
    my ($n, $without, %first, %late) = (20, 0);

    for (; $without < 3 && $n < 45; $n++) {
        $t->until(sub {
            $t->get('/away/up', h(Gate::issued_key('key')))->status == 401
        });

        # it is known that there is none under the newer pepper
        $t->until(sub { status('/away/up', $key) == 200 });
        changed();

        my $asked = asked();
        my @c = map { $t->connect } 1, 2;
        $c[0]->request('GET', '/away/', headers => [h($key)]);

        for my $try (1 .. 3) {
            $t->until(sub { asked() == $asked + $try });
            $c[1]->request('GET', '/away/', headers => [h($key)]) if $try == 3;
            changed('only heard');
        }

        $short->arm(memory => $n, times => 3);
        $first{$c[0]->response->status}++;
        $late{$c[1]->response->status}++;
        $without = $short->disarm ? 0 : $without + 1;
    }

    my $words = join ' ', map { "$_ x $late{$_}" } sort keys %late;

    is(join(' ', grep { !/^(?:0|200|50[023])$/ } keys %first, keys %late), '',
        "late, $n pieces: $words");
}


# How often a record was asked for.

sub asked {
    return $redis->cmd('INFO', 'commandstats')
        =~ /cmdstat_hgetall:calls=(\d+)/ ? $1 : 0;
}


sub heard {
    my $r = $t->request('GET', '/admin/metrics', port => $t->port(1),
        headers => [Authorization => "Bearer $Gate::READ_TOKEN"]);

    return $r->body =~ /invalidations_total\{store="shop"\} (\d+)/ ? $1 : 0;
}


# No log shows a secret.

sub unwritten {
    my @secrets = ($key, $rated, $revoked, $large, $unknown, $imported,
        $escaped, $own, $Gate::READ_TOKEN, $Gate::WRITE_TOKEN);

    for my $log ('access.log', 'error.log') {

        # nginx's own complaint, before any module has seen the request
        my $text = join "\n", grep {
            !/\[emerg\] .* while reading client request/
        } split /\n/, $t->read($log);

        is(join(' ', grep { index($text, $_) >= 0 } @secrets), '',
            "no secret in the $log");
    }
}


# A request to the gate.

sub fail_each {
    my ($name, $want, $method, $target, $headers, %opt) = @_;

    for my $all (0, $opt{alone} ? () : 1) {
        $backend->forget;

        my %seen = answers($all, $want, "$name", sub {
            my ($arm) = @_;

            $arm->() unless $opt{sent};
            my $c = $t->connect(port => $opt{port} // $t->port(0));
            $c->request($method, $target, close => 1, headers => $headers);

            if ($opt{sent}) {
                $opt{sent}->();
                $arm->();
            }

            my $r = $c->response;
            $c->closed;             # it is logged now
            return $r;
        }, %opt);

        my $apart = $opt{backend} // qr{/up$};
        my @got = grep { $_->target !~ $apart && $_->target !~ m{/up$} }
            $backend->requests;

        if ($want != 200) {
            is(scalar @got, 0, "$name: no backend sees it");
            next;
        }

        cmp_ok(scalar @got, '>=', $seen{200}, "$name: the backend sees it");
        is(join(' ', grep { /\Q$key\E|\Q$rated\E|\Q$large\E/
            || /\Q$imported\E|\Q$escaped\E/i } map { $_->raw } @got), '',
            "$name: the backend sees no key") unless $opt{observe};
        $opt{after}->(scalar @got) if $opt{after};
    }
}


# A request to the admin API.

sub fail_admin {
    my ($name, $want, $method, $route, $body, %opt) = @_;

    my $token = exists $opt{token} ? $opt{token} : $Gate::WRITE_TOKEN;
    my @headers = (Authorization => defined $token ? "Bearer $token" : undef,
        'Content-Type' => 'application/json');
    my $lied = 0;

    for my $all (0, 1) {
        answers($all, $want, $name, sub {
            my ($arm) = @_;

            $arm->();
            my $c = $t->connect(port => $t->port(1));
            $c->request($method, '/admin/' . (ref $route ? $route->() : $route),
                close => 1, headers => \@headers, body => $body);
            my $r = $c->response;
            $c->closed;

            # a body may break off, a status may not lie
            $lied++ if $r->status == $want && $opt{done} && !$opt{done}->();
            return $r;
        }, %opt);
    }

    is($lied, 0, "$name: done where it says so") if $opt{done};
}


# Sends a request again and again while one allocation after the other fails,
# alone or with all that follow.  Returns how often which status was seen.

sub answers {
    my ($all, $want, $name, $request, %opt) = @_;

    my %allowed = map { $_ => 1 } $want, 0, 500, 503,
        $want == 200 || $opt{backend} ? 502 : ();
    my ($n, $failed, $status, %seen);

    $name .= ', and all that follow' if $all;

    for ($n = 0; $n < 2000; $n++) {
        $opt{before}->() if $opt{before};
        $t->until($opt{up} // \&up) or last;

        $status = $request->(sub {
            $short->arm(memory => $n, times => $all ? 1e9 : 1);
        })->status;
        $failed = $short->disarm;

        $seen{$status}++;
        last unless $failed;
    }

    is($status, $want, "$name: as it should with all memory, $n pieces");
    is(join(' ', grep { !$allowed{$_} } sort keys %seen), '',
        "$name: nothing else without, but "
        . join ' ', map { "$_ x $seen{$_}" } sort keys %seen);

    return %seen;
}
