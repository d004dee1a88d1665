#!/usr/bin/perl

# Copyright (C) the ngx_http_api_key_module authors
#
# The fuzz targets once over their seeds and over each input that ever made
# one fail.

use warnings;
use strict;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $root = dirname(dirname(abs_path(__FILE__)));

plan(skip_all => 'no libFuzzer here, and only root can install it')
    if $> && !glob '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer*';

# the targets hold parts of nginx; CI's own run of scripts/fuzz fails without
plan(skip_all => 'the mirror has no source of this nginx')
    if system("$root/scripts/nginx-source > /dev/null 2>&1");

my @output = `$root/scripts/fuzz 0`;
my $status = $?;
my @targets = glob "$root/t/fuzz/*.c";

for (@output) {
    chomp;
    like($_, qr/: \d+ inputs, ok$/, $_);
}

is(@output, @targets, 'as many results as targets');
is($status, 0, 'exit status');

done_testing();
