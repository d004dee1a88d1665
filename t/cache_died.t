#!/usr/bin/perl

# Guards: a worker that is killed inside a zone, with its lock held and the
# table in pieces, harms nobody: the others go on, and the zone is as good as
# new.  The module is built so that the first worker that comes to a chosen
# place stays there; one that waits for it is killed, and then it itself.  Seen
# red with tables that are taken as they are (keys, rates), and always emptied.

use Gate;
use Gate::Build;
use Gate::Cache;
use IO::Select;

# it is another nginx there, and the module would not fit
plan(skip_all => 'not with the sanitizers') if $ENV{TEST_SANITIZERS};

my $CACHE = 'src/rules/api_key_cache.c';
my $RATE = 'src/rules/api_key_rate.c';

# what comes right after each place
my %PLACES = (
    put => [$CACHE, 'cell->next = *bucket;
    *bucket = n;'],
    get => [$CACHE, 'api_key_link(cache, class, n);
    }'],
    remove => [$CACHE, 'api_key_unlink(cache, class, n);
    class->entries--;'],
    take => [$RATE, 'entry->ends = entry->began + length;'],
    leave => ['src/store/ngx_http_api_key_zone.c',
        'ngx_shmtx_unlock(&zone->shpool->mutex);'],
);

my $build = Gate::Build->new;

for my $place (sort keys %PLACES) {
    my ($file, $behind) = @{$PLACES{$place}};
    my $stop = qq({ extern void stop_at(const char *); stop_at("$place"); });
    $build->change($file, sub { s/(?=\Q$behind\E)/$stop\n/ });
}

$build->change('src/rules/api_key_table.c', sub { $_ .= <<'EOC' });

#include <stdio.h>
#include <unistd.h>

void stop_at(const char *place);

void
stop_at(const char *place)
{
    char  name[64];

    snprintf(name, sizeof(name), "stopped-%ld", (long) getpid());

    if (rename(place, name) == 0) {
        for ( ;; ) {
            (void) pause();
        }
    }
}
EOC

local $Gate::MODULE = $build->make;

my $t = Gate->new;
my $redis = $t->redis;
my $c = Gate::Cache->new($t, { shop => 'cache size=64k; timeout 5s;' }, workers => 4,
    main => 'working_directory %%TESTDIR%%;');
my @crowd = map { ($t->key)[0] } 1 .. 600;
my ($revoked) = $t->key(state => 'revoked');

my ($first) = $t->key;
$c->warm($first);
my $room = $c->room('shop', @crowd);
cmp_ok($room, '>', 200, 'the zone is full');

for my $place (sort keys %PLACES) {
    my ($known, $id) = $t->key;
    my ($new) = $t->key;
    my ($limited, $more, $most) = map { ($t->key(rate => '1/600'))[0] } 1 .. 3;
    $c->warm($known);
    $c->ask($_) for $limited, $more, $most;
    $c->warm($first);
    is($c->ask($limited), '429 hit', "$place: a rate that is used up");

    # one worker stays there

    my $ask = { put => $new, take => $more }->{$place} // $known;
    $t->write($place, '');
    $place eq 'remove' ? $redis->cmd('HSET', "shop:key:$id", 'name', 'x')
        : $c->send($c->{to}[0], $ask);
    my $inside = $t->until(sub { glob $t->dir . '/stopped-*' })
        or BAIL_OUT("nobody comes to $place");
    unlink $inside;
    $inside =~ s/.*-//;

    # the others want to get in, and may wait longer than Redis should

    my @others = grep { ($c->pids)[$_] != $inside } 0 .. 3;
    my ($dies, @go_on) = @others;
    $ask = $place eq 'take' ? $most : $known;
    $c->send($c->{to}[$_], $ask) for @others;
    my @sockets = map { $c->{to}[$_]->socket } @others;
    my @answered = IO::Select->new(@sockets)->can_read(0.1);
    is(scalar @answered, 0, 'the others wait');
    my $lookups = $c->lookups;

    for my $pid (($c->pids)[$dies], $inside) {
        $t->allow_log(qr/worker process $pid exited on signal 9$/);
        kill 'KILL', $pid;
        $t->until(sub { !grep { $_ == $pid } $t->workers });
    }

    $t->allow_log(qr/shared memory zone "[^"]+" was locked by $inside$/);
    ok($t->wait_log(qr/was locked by $inside$/m), 'nginx frees the lock');

    my %status = map { $_->response->status => 1 } @{$c->{to}}[@go_on];
    is(join(' ', sort keys %status), $place eq 'take' ? '200 429' : '200',
        'they go on');
    is($c->lookups > $lookups, $place !~ /take|leave/,
        'what is in pieces is emptied, and only that');

    # and so do two new ones

    $t->until(sub { $t->workers == 4 });
    $c->connect->warm($_) for $first, $known, $new;
    is(join(' ', $c->all($revoked)), '401 miss' . ' 401 hit' x 3,
        'a key that is revoked');
    is(join(' ', map { $c->ask($limited, worker => $_) =~ /^(\d+)/ } 0 .. 3),
        $place eq 'take' ? '200 429 429 429' : '429 429 429 429',
        'rates are counted anew, or go on');
    ok($t->until(sub { $c->room('shop', @crowd) == $room }, 5),
        'there is as much room');
}

$t->done;
