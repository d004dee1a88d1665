#!/usr/bin/perl

# Guards: the unit tests reach each branch of src/rules.  scripts/coverage does
# the same for all of src/ with all tests, which takes longer.  Seen red with a
# unit test left out.

use warnings;
use strict;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

plan(skip_all => 'scripts/coverage does it') if $ENV{TEST_COVERAGE};

my $root = dirname(dirname(abs_path(__FILE__)));
my $dir = tempdir('api_key_coverage_XXXXXX', TMPDIR => 1, CLEANUP => 1);

# gcov reads what its own gcc has written
delete @ENV{qw(CC CFLAGS TEST_UNIT)};

my $ran = do {
    local $ENV{TEST_COVERAGE} = $dir;
    `'$^X' '$root/t/unit.t' 2>&1`;
};
is($?, 0, 'the unit tests pass') or diag($ran);

my $table = `cd '$root/src' && ../scripts/coverage.d/table '$dir' rules/*.[ch]`;
is($?, 0, 'each branch is reached') or diag($table);
like($table, qr{^rules/api_key_verdict\.c .* 100\.0% +-$}m, 'it was counted');

done_testing();
