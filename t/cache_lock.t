#!/usr/bin/perl

# Guards: nobody touches the table of known keys without its lock.  The module
# is built so that a worker can neither read nor write the table unless it
# holds the lock (NGX_HTTP_API_KEY_CACHE_GUARD), and goes through all that uses
# it.  That this would show is seen each time: the same module with one lock
# left out must be killed.

use Gate;
use Gate::Build;

# ASan would report the worker instead of letting it be killed
plan(skip_all => 'not with the sanitizers') if $ENV{TEST_SANITIZERS};

my @flags = (CC_OPT => '-DNGX_HTTP_API_KEY_CACHE_GUARD=1');
my $build = Gate::Build->new;
my $module = $build->make(@flags);

# the control has no lock in one place
$build->change('src/store/ngx_http_api_key_cache.c', sub {
    my $lock = 'ngx_http_api_key_cache_lock';
    my $unlock = qr/^\s+ngx_http_api_key_cache_unlock\(.*?\);\n/m;

    s{^(ngx_http_api_key_cache_get\(.*?)\Q$lock\E\(cache\)(.*?)$unlock}
     {$1cache->zone.table$2}ms;
});

my $guarded = run($module);
is($guarded, 0, 'with the lock no worker dies');

my $control = run($build->make(@flags), 1);
cmp_ok($control, '>', 0, 'without it a worker dies');

done_testing();


# All that looks into the table: hits, misses, unknown keys, changes that Redis
# tells of, FLUSHDB, the admin API, metrics, an outage with stale answers, a
# reload.  Returns how many workers were killed.

sub run {
    my ($module, $only_hits) = @_;

    local $Gate::MODULE = $module;

    my $t = Gate->new;
    $t->allow_log(qr/exited on signal 11/) if $only_hits;
    my $redis = $t->redis;
    $t->backend;
    $t->example('hotcakes.conf');               # makes the token file

    $t->conf(<<'EOC', workers => 2);
api_key_store shop { server %%REDIS%%; cache size=64k stale=60s; }
server {
    listen 127.0.0.1:%%PORT_0%%;
    api_key shop;
    location / { proxy_pass http://%%BACKEND%%; }
    location /admin/ {
        api_key_admin shop;
        api_key_admin_tokens api-key.tokens;
    }
}
EOC
    $t->start;

    my ($key, $id) = $t->key(name => 'erp');
    my @others = map { ($t->key(name => "n$_"))[0] } 1 .. 20;

    for my $round (1 .. 20) {
        eval { $t->get('/', 'X-API-Key' => $key) } for 1 .. 5;
        last if $only_hits && killed($t);
        eval { $t->get('/', 'X-API-Key' => $others[$round - 1]) };
        eval { $t->get('/', 'X-API-Key' => "nobody-has-this-key-$round") };
    }

    unless ($only_hits) {
        $redis->cmd('HSET', "shop:key:$id", 'name', 'changed');
        $t->get('/', 'X-API-Key' => $key);
        my @token = (Authorization => "Bearer $Gate::WRITE_TOKEN");
        is($t->get('/admin/metrics', @token)->status, 200, 'metrics');
        is($t->delete("/admin/v1/keys/$id", @token)->status, 204, 'revoked');
        $t->reload;
        $t->get('/', 'X-API-Key' => $_) for @others;
        $redis->stop;
        $t->get('/', 'X-API-Key' => $_) for @others;
        $redis->start;                          # and holds nothing now
        ok($t->until(sub {
            $t->get('/', 'X-API-Key' => $others[0])->status == 401;
        }), 'Redis is back');
        $redis->cmd('FLUSHDB');
        $t->get('/', 'X-API-Key' => $others[0]);
    }

    my $killed = killed($t);
    $t->finish;

    is($t->complaints, '', 'nothing else is wrong') unless $only_hits;
    $t->clean;

    return $killed;
}


sub killed {
    my ($t) = @_;
    my @lines = $t->error_log =~ /exited on signal 11/g;
    return scalar @lines;
}
