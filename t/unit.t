#!/usr/bin/perl

# Copyright (C) the ngx_http_api_key_module authors
#
# The unit tests of src/rules: compiles them with the sanitizers, where these
# work, and relays what each of t/unit/*.c prints.  CC and CFLAGS are heeded.
#
#   TEST_UNIT=cache    only those whose names begin so
#   TEST_COVERAGE=dir  compiles there, with gcov's counters and no sanitizers

use warnings;
use strict;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Glob qw(bsd_glob);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $root = dirname(dirname(abs_path(__FILE__)));
my $coverage = $ENV{TEST_COVERAGE};
my $dir = $coverage
    || tempdir('api_key_unit_XXXXXX', TMPDIR => 1, CLEANUP => 1);

my $only = $ENV{TEST_UNIT} // '';
my $cc = $ENV{CC} || 'cc';
my @flags = (qw(-std=c11 -O1 -g -Wall -Wextra -Werror -Wno-unused-parameter),
    "-I$root/src/rules", split ' ', $ENV{CFLAGS} || '');
make_path($dir);
push @flags, $coverage ? qw(-O0 --coverage) : sanitizers();

# What is freed is watched for a while only, or some tests take 800 MB.

$ENV{ASAN_OPTIONS} //= 'quarantine_size_mb=32';

# In a library, so that a test that includes a rules file gets that one.

my $library = "$dir/rules.a";

for my $source (bsd_glob "$root/src/rules/*.c") {
    my $object = "$dir/" . basename($source, '.c') . '.o';

    ok(run($cc, @flags, '-c', '-o', $object, $source)
        && run('ar', 'rc', $library, $object), basename($source));
}

for my $source (bsd_glob "$root/t/unit/*.c") {
    my $name = basename($source, '.c');

    next if $name !~ /^\Q$only\E/;

    subtest $name => sub {
        my @command = ($cc, @flags, '-o', "$dir/$name", $source, $library,
            '-lcrypto', '-lz');

        ok(run(@command), 'compiles') or return;
        relay("$dir/$name");
    };
}

done_testing();

###############################################################################

# Runs a command, told only when it fails.

sub run {
    my @command = @_;

    my ($status, @output) = output(@command);
    diag("@command\n", @output) if $status;

    return $status == 0;
}

sub output {
    my @command = @_;

    my $pid = open my $pipe, '-|';
    die "fork: $!\n" unless defined $pid;

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or exit 127;
    }

    my @output = <$pipe>;
    close $pipe;

    return ($?, @output);
}

# A test that prints fewer results than its plan says, or ends badly, failed.

sub relay {
    my ($program) = @_;

    my ($status, @output) = output($program);
    my ($count, $plan) = (0, -1);

    for (@output) {
        if (/^(not )?ok \d+ - (.*)/) {
            ok(!$1, $2);
            $count++;

        } elsif (/^1\.\.(\d+)$/) {
            $plan = $1;

        } else {
            diag($_);
        }
    }

    is($count, $plan, 'as many results as planned');
    is($status, 0, 'exit status');
}

# The flags, if programs made with them run here.

sub sanitizers {
    my @sanitize
        = ('-fsanitize=address,undefined', '-fno-sanitize-recover=all');
    my $probe = "$dir/probe";

    open my $file, '>', "$probe.c" or die "$probe.c: $!\n";
    print $file "int main(void) { return 0; }\n";
    close $file;

    my ($status) = output($cc, @flags, @sanitize, '-o', $probe, "$probe.c");
    ($status) = output($probe) unless $status;

    return @sanitize unless $status;

    diag('the sanitizers do not work here');
    return;
}
