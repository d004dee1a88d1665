package Gate::Build;

# Another module than the one that is tested: the tree's own source, changed.
#
#   my $build = Gate::Build->new;         a copy of the tree
#   my $module = $build->make(%flags);    the module's file; BAIL_OUT if not;
#                                         CC_OPT => FLAGS and so on
#   $build->change('src/rules/x.c', sub { s/this/that/ });     the sub returns
#                                         whether that has found its place
#
#   local $Gate::MODULE = $module;        for those that are made from now on

use strict;
use warnings;

use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Test::More ();

use Gate ();


sub new {
    my ($class) = @_;

    my $dir = tempdir('api-key-build-XXXXXX', TMPDIR => 1, CLEANUP => 1);

    for my $part (qw(config src scripts)) {
        system('cp', '-R', "$Gate::ROOT/$part", "$dir/") == 0
            or die "cannot copy $part\n";
    }

    return bless { dir => $dir, n => 0 }, $class;
}


sub change {
    my ($self, $file, $change) = @_;

    $file = "$self->{dir}/$file";
    local $_ = Gate->read($file);
    $change->() or Test::More::BAIL_OUT("$file is not as it was");

    open my $out, '>', $file or die "$file: $!\n";
    print $out $_;
    close $out or die "$file: $!\n";
}


sub make {
    my ($self, %flags) = @_;

    my $dir = $self->{dir};
    my $module = "$dir/" . ++$self->{n} . '.so';
    local @ENV{keys %flags} = values %flags;

    system("$dir/scripts/build > $dir/build.log 2>&1") == 0
        or Test::More::BAIL_OUT(Gate->read("$dir/build.log"));
    copy("$dir/build/ngx_http_api_key_module.so", $module)
        or die "$module: $!\n";

    return $module;
}


1;
