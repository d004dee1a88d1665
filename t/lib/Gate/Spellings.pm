package Gate::Spellings;

# Random spellings of what a Hotcakes store takes for a clear or for a single
# delete, to be sent byte for byte.
#
#   my $spellings = Gate::Spellings->new($seed, $key, $host, @sdk_paths);
#   my @requests = $spellings->requests($n);      the next ones of this seed
#   my @requests = $spellings->requests($n, 1);    with one mutation each
#
# A request is a hash:
#
#   kind      'plain': a single delete as the SDK sends it;  'mild': one that
#             differs in one way that a careful client might, too;  'clear',
#             'single': one of these, with none to four mutations
#   ways      the mutations' names
#   method, target, headers ([name, value]...), type and body
#   bytes     all of it
#   alone     to be sent on a connection of its own

use strict;
use warnings;

my $BASE = '/DesktopModules/Hotcakes/API/rest/v1/';
my @CLEARABLE = qw(products categories customeraccounts);
my @OVERRIDES = qw(X-HTTP-Method-Override X-HTTP-Method X-Method-Override);

# the ways of each kind; a mutation takes a request and changes it

my %WAYS = (
    percent => \&percent, twice => \&twice, overlong => \&overlong,
    invalid => \&invalid, microsoft => \&microsoft, case => \&letter_case,
    slashes => \&slashes, backslash => \&backslash, dots => \&dots,
    tail => \&tail, front => \&front, blank => \&blank,
    cookieless => \&cookieless, semicolon => \&semicolon, id => \&id,
    version => \&version, model => \&model, folding => \&folding,
    long => \&long, control => \&control, query => \&query,
    fragment => \&fragment, absolute => \&absolute, method => \&method,
    override => \&override, parameter => \&parameter, body => \&body,
    line => \&line,
);

my %MILD = (
    percent => sub { replace($_[0], qr/[a-z0-9]/i, \&escaped) },
    slashes => \&slashes, absolute => sub { $_[0]{front} = 'http://HOST' },
    version => sub { $_[0]{path} =~ s{/v1/}{/v2/} },
    tail => sub { $_[0]{path} .= '/' },
    braces => sub { $_[0]{path} =~ s{([0-9a-f-]{36})}{%7B$1%7D} },
    dots => sub { $_[0]{path} =~ s{/v1/}{/v1/./} },
    case => \&letter_case,
);


sub new {
    my ($class, $seed, $key, $host, @sdk) = @_;

    return bless { seed => $seed, key => $key, host => $host, sdk => \@sdk,
                   slice => 0, id => 0 }, $class;
}


# Each slice begins anew, so that nobody else's rand() has a part in it.

sub requests {
    my ($self, $n, $mutations) = @_;

    srand($self->{seed} + $self->{slice}++);
    return map { $self->request($mutations) } 1 .. $n;
}


sub request {
    my ($self, $mutations) = @_;

    my $x = rand;
    my $kind = $x < 0.05 ? 'plain' : $x < 0.1 ? 'mild'
        : $x < 0.8 ? 'clear' : 'single';

    my $r = { id => ++$self->{id}, kind => $kind, ways => [], front => '',
              method => 'DELETE', key => $self->{key}, more => [],
              gap => [' ', ' '], version => 'HTTP/1.1', headers => [] };

    if ($kind eq 'clear') {
        $r->{path} = $BASE . one(@CLEARABLE) . one('', '/');
        $r->{more} = ['howmany=' . int rand 1000] if rand() < 0.3;
    } else {
        $r->{path} = $BASE . filled(one(@{$self->{sdk}}));
    }

    if ($kind eq 'plain') {
        $r->{path} = $BASE . one(@CLEARABLE) . '/' . guid() if rand() < 0.5;
        letter_case($r) if rand() < 0.3;
        $r->{more} = ['apiformat=text'] if rand() < 0.2;

    } elsif ($kind eq 'mild') {
        $self->mutate($r, \%MILD, 1);

    } else {
        $self->mutate($r, \%WAYS, $mutations // int rand 5);
    }

    return $self->finish($r);
}


sub mutate {
    my ($self, $r, $ways, $n) = @_;

    for (1 .. $n) {
        my $way = one(sort keys %$ways);
        push @{$r->{ways}}, $way;
        $ways->{$way}->($r);
    }
}


# puts the request together

sub finish {
    my ($self, $r) = @_;

    my @query = @{$r->{more}};
    splice @query, rand(@query + 1), 0,
        ($r->{name} // 'key') . "=$r->{key}";

    my $front = $r->{front} =~ s/HOST/$self->{host}/r;
    $r->{target} = $front . $r->{path} . '?' . join('&', @query)
        . ($r->{end} // '');

    my @headers = ([Host => $self->{host}], ['X-Spelling' => $r->{id}],
        @{$r->{headers}});
    push @headers, ['Content-Type' => $r->{type}] if defined $r->{type};
    push @headers, $r->{chunked} ? ['Transfer-Encoding' => 'chunked']
        : ['Content-Length' => length($r->{body} // '')];

    my $bytes = $r->{method} . $r->{gap}[0] . $r->{target} . $r->{gap}[1]
        . "$r->{version}\r\n";
    $bytes .= "$_->[0]: $_->[1]\r\n" for @headers;

    my $body = $r->{body} // '';
    $body = sprintf "%x\r\n%s\r\n0\r\n\r\n", length $body, $body
        if $r->{chunked};

    $r->{bytes} = "$bytes\r\n$body";
    $r->{headers} = \@headers;
    return $r;
}


# random things

sub one { $_[rand @_] }

sub hex_digits { join '', map { one(0 .. 9, 'a' .. 'f') } 1 .. $_[0] }


sub guid {
    my $guid = join '-', map { hex_digits($_) } 8, 4, 4, 4, 12;
    return rand() < 0.2 ? uc $guid : $guid;
}


sub filled {
    my ($path) = @_;
    return $path =~ s/\{([^}]*)\}/$1 =~ m{bvin}i ? guid() : int rand 10_000/gre;
}


# Replaces a random match of the pattern, if there is one.

sub replace {
    my ($r, $pattern, $with) = @_;
    my @at;

    push @at, [$-[0], $+[0] - $-[0]] while $r->{path} =~ /$pattern/g;
    return unless @at;

    my ($at, $length) = @{one(@at)};
    my $old = substr($r->{path}, $at, $length);
    substr($r->{path}, $at, $length) = ref $with ? $with->($old) : $with;
}


sub any_case { join '', map { rand() < 0.5 ? uc : lc } split //, $_[0] }

sub escaped { any_case(join '', map { sprintf '%%%02x', ord } split //, $_[0]) }


# mutations of the path

sub percent {
    my ($r) = @_;

    if (rand() < 0.1) {
        $r->{path} =~ s{([^/%])}{escaped($1)}ge;
        return;
    }

    replace($r, qr/[^%]/, \&escaped) for 1 .. 1 + rand 3;
}


sub twice {
    my ($r) = @_;
    replace($r, qr/./, sub { '%25' . substr(escaped($_[0]), 1) });
}


sub overlong {
    my ($r) = @_;

    replace($r, qr{[/.\\a-z0-9]}i, sub {
        my $c = ord $_[0];
        my @bytes = rand() < 0.7 ? () : (0xe0);
        push @bytes, (@bytes ? 0x80 : 0xc0) | $c >> 6, 0x80 | $c & 0x3f;
        my $text = join '', map { chr } @bytes;
        return rand() < 0.2 ? $text : escaped($text);
    });
}


sub invalid {
    my ($r) = @_;

    my $bytes = one("\xff", "\xc3", "\x80", "\xa0", "\xc0\x80", "\xed\xa0\x80",
        "\xf8\x88\x80\x80\x80", "\xe2\x80", '%', '%4', '%zz', '%-1');
    $bytes = escaped($bytes) if $bytes !~ /^%/ && rand() < 0.7;

    substr($r->{path}, rand() < 0.5 ? length $r->{path}
        : 1 + rand(length($r->{path}) - 1), 0) = $bytes;
}


# %u0041, and characters that some take for a slash, a dot or a blank

sub microsoft {
    my ($r) = @_;

    replace($r, qr{[/.a-z]}i, sub {
        my $c = rand() < 0.7 ? ord $_[0]
            : one(0x2215, 0x2044, 0xff0f, 0xff0e, 0x2024, 0xff3c, 0xa0);
        return '%' . one('u', 'u', 'U') . any_case(sprintf '%04x', $c);
    });
}


sub letter_case {
    my ($r) = @_;
    my $how = rand;

    $r->{path} =~ s/([a-z]+)/any_case($1)/gie, return if $how < 0.5;
    $r->{path} = $how < 0.75 ? uc $r->{path} : lc $r->{path};
}


sub slashes { replace($_[0], qr{/}, one('//', '//', '///', '/%2f', '%2F/')) }


sub backslash {
    my ($r) = @_;

    my $slash = one('\\', '\\', '%5c', '%5C');

    if (rand() < 0.2) {
        $r->{path} =~ s{(?!^)/}{$slash}g;
    } elsif (rand() < 0.3) {
        $r->{path} .= $slash;
    } else {
        replace($r, qr{(?!^)/}, one($slash, "/$slash", "$slash/"));
    }
}


sub dots {
    my ($r) = @_;

    my ($dot, $slash) = (one('.', '.', '%2e', '%2E'),
        one('/', '/', '/', '\\', '%2f', '%5c'));
    my $other = one('x', 'orders', guid(), '0', '%20', '...', '(S(a))');
    my $segment = one($dot, $dot, "$other$slash$dot$dot", "$dot$dot",
        "$other$slash$other$slash$dot$dot$slash$dot$dot");

    if (rand() < 0.4) {
        $r->{path} =~ s{/?$}{/$segment};
    } else {
        replace($r, qr{/}, "/$segment$slash");
    }
}


sub tail {
    my ($r) = @_;

    $r->{path} .= one('/', '//', '/.', '/./', '/..', '%20', '/%20', '/%20/',
        '.', '...', './', '/.%20', ',', '+', '/+', '%2f', '/%2f', '~', '/*',
        '%23', '%3f', '%26', '&', '/&a=b', ':', '::$DATA', '.aspx', '/.aspx',
        '.json', '/%22%22', '/%27%27', '/%7b%7d', '/-', '/%00', '%', '/x/y');
}


sub front {
    my ($r) = @_;
    $r->{path} = one('/', '//', '/.', '/%20', '/x/..', '/%2e', '/..', '/\\',
        '/%5c', '/%2f', '/portal', '/~', '/%u002f') . $r->{path};
}


sub blank {
    my ($r) = @_;

    my $blank = one(' ', "\t", "\xa0", "\xc2\xa0", "\xc2\x85", "\xe1\x9a\x80",
        "\xe2\x80\x83", "\xe2\x80\x8b", "\xe3\x80\x80", "\xef\xbb\xbf");
    $blank = escaped($blank) if $blank =~ /^[ \t]/ || rand() < 0.8;
    $blank = '%u' . one('0020', '00a0', '3000', '2003') if rand() < 0.05;

    if (rand() < 0.6) {
        $r->{path} .= one('', '/') . $blank;
    } else {
        replace($r, qr{(?!^)/}, one("$blank/", "/$blank", "/$blank/"));
    }
}


sub cookieless {
    my ($r) = @_;

    my $segment = one('(S(a))', '(S(abc123))', '(A(x)F(y))', '(X(1))',
        '(S())', '(s(a))', '(S(a)', '((a))', '(S(a))(S(b))', '(S(%20))',
        '%28S(a))', '(S%28a%29)');

    if (rand() < 0.3) {
        $r->{path} =~ s{/?$}{/$segment/};
    } else {
        replace($r, qr{/}, "/$segment/");
    }
}


sub semicolon {
    my ($r) = @_;

    my $parameter = one(';', ';a=b', ';/', ';/..', '..;/', ';%2f..', '%3b');

    if (rand() < 0.5) {
        $r->{path} .= one('', '/') . $parameter;
    } else {
        replace($r, qr{/}, one("$parameter/", "/$parameter"));
    }
}


# an id that may be none

sub id {
    my ($r) = @_;

    my $id = one('', '%20', '+', '%2b', '%00', '0', '-', '--', '_', '*', '%2a',
        'ANY', 'all', 'null', 'undefined', '.', '..', '%2e%2e', '%u0020',
        '%c2%a0', "\xa0", '%', '%25', '%2520', "'", '""', '{}', '[]', '@', '!',
        '00000000-0000-0000-0000-000000000000', 'a' x one(63, 64, 65, 1000));

    $r->{path} =~ s{^(.*?/v1/[^/]*)(?:/[^/]*)?}{$1/$id};
}


sub version {
    my ($r) = @_;
    my $version = one('v2', 'V1', 'v9', 'v01', 'v1.0', 'vx', 'v', 'v1v', 'vv1',
        'v%31', 'v1%20', 'v-1', 'v1;a', 'v' . '1' x 40, 'rest/v1');
    $r->{path} =~ s{/v1/}{/$version/};
}


sub model {
    my ($r) = @_;

    my $model = one(@CLEARABLE, 'product', 'orders', 'Products', 'products.',
        'products,', 'products-', 'products0', 'categories_', 'customers',
        'customeraccounts%20', '%20categories', "products\xa0");
    $r->{path} =~ s{(/v1/)[^/]*}{$1$model};
}


# letters that become others when the case is folded

sub folding {
    my ($r) = @_;

    my %like = (s => '%c5%bf', S => '%c5%bf', k => '%e2%84%aa',
        i => one('%c4%b0', '%c4%b1'), I => '%c4%b1');
    replace($r, qr/[skiSI]/, sub { $like{$_[0]} });
}


sub long {
    my ($r) = @_;

    my $text = one('./', '/', 'x/../', '%2e/', '(S(a))/', 'a/') x (20
        + rand 300);
    replace($r, qr{/}, "/$text");
}


sub control {
    my ($r) = @_;

    my $byte = chr one(0 .. 0x1f, 0x7f .. 0x9f);
    my $escaped = rand() < 0.9 || $byte =~ /[\0\n\r]/;
    $byte = escaped($byte) if $escaped;
    $byte .= one('', '', '/x', '%0a/x', guid()) if $escaped;

    substr($r->{path}, rand() < 0.6 ? length $r->{path}
        : 1 + rand(length($r->{path}) - 1), 0) = $byte;
}


# mutations of the rest

sub query {
    my ($r) = @_;

    $r->{name} = one('KEY', 'Key', '%6bey', 'k%65y', 'key', '%u006bey')
        if rand() < 0.4;
    push @{$r->{more}}, one('', 'a', '=', '=b', '?', ';a=b', '%', '%zz', '+',
        'amp;a=b', 'howmany=1', 'HOWMANY=2&howmany=3', 'howmany', 'howmany=',
        'parameters=', 'parameters=' . guid(), 'modelname=products', 'id=1',
        'bvin=' . guid(), '/' . guid(), '%2f..%2f', "\xff", "a='");
    push @{$r->{more}}, 'key=another-key-0123456789' if rand() < 0.02;
}


sub fragment {
    my ($r) = @_;

    my $fragment = '#' . one('', 'f', '/', '/' . guid(), '?a=b', '&a=b',
        '/..', '/../', '/../..', '\\..', 'f/../../', '%2f..%2f');

    if (rand() < 0.4) {
        $r->{path} .= $fragment;
    } else {
        $r->{end} .= $fragment;
    }
}


sub absolute {
    my ($r) = @_;

    $r->{front} = one('http://', 'http://', 'HTTP://', 'hTTp://', 'https://',
            'ftp://', 'x:')
        . one('HOST', 'HOST', 'HOST', 'HOST:80', 'HOST.', 'HOST:', 'HOST:0',
            'another.example.com', 'user@HOST', '[::1]', '', '127.0.0.1');
    $r->{front} = uc $r->{front} if rand() < 0.1;
}


sub method {
    my ($r) = @_;
    $r->{method} = one(qw(delete Delete DELETED X-DELETE DELETE_ PURGE PUT PATCH
        POST GET OPTIONS TRACE CLEAR));
}


sub delete_word {
    return one('DELETE', 'DELETE', 'delete', 'Delete', any_case('delete'),
        ' DELETE ', "\tDELETE", 'DELETE,', 'GET, DELETE', 'DELETE;', '"DELETE"',
        'GET DELETE', "DELETE\xa0", "\x0bDELETE", 'DELETED', 'GET', '');
}


sub override {
    my ($r) = @_;

    $r->{method} = one(qw(POST POST GET PUT PATCH));

    for (1 .. 1 + (rand() < 0.3)) {
        my $name = one(@OVERRIDES);
        $name =~ tr/-/_/ if rand() < 0.2;
        $name = any_case($name) if rand() < 0.3;
        push @{$r->{headers}}, [$name, delete_word()];
    }

    splice @{$r->{headers}}, rand(@{$r->{headers}} + 1), 0,
        [one(@OVERRIDES), one('GET', '', 'POST')] if rand() < 0.2;
}


sub parameter {
    my ($r) = @_;

    my $name = one('_method', '_method', '_METHOD', '%5fmethod', '_m%65thod',
        '%u005fmethod', '_method%20', '_method[]');
    my $word = delete_word() =~ s/([^A-Za-z,])/escaped($1)/gre;
    $word =~ s/([a-z])/escaped($1)/ie if rand() < 0.3;

    $r->{method} = one(qw(POST POST GET PUT));

    if (rand() < 0.2) {
        $r->{end} .= one('#', '#f', '#?', '?') . "&$name=$word";
        return;
    }

    push @{$r->{more}}, "$name=$word";
    push @{$r->{more}}, '_method=GET' if rand() < 0.1;
}


# The store's framework takes the names in a route from a body first.

sub body {
    my ($r) = @_;

    my $name = one('parameters', 'parameters', 'Parameters', 'p%61rameters');
    my $value = one('', '', '', '%20', '+', '%c2%a0', '/', guid());
    my $model = one('', '', map { "modelname=$_" } @CLEARABLE);

    $r->{chunked} = rand() < 0.4;
    $r->{type} = one('application/x-www-form-urlencoded',
        'application/x-www-form-urlencoded', 'application/json',
        'multipart/form-data; boundary=b', 'text/plain');

    if ($r->{type} eq 'application/json') {
        $r->{body} = "{\"$name\":\"$value\"}";
    } elsif ($r->{type} =~ /multipart/) {
        $r->{body} = "--b\r\nContent-Disposition: form-data; name=\"$name\""
            . "\r\n\r\n$value\r\n--b--\r\n";
    } else {
        $r->{body} = join '&', grep { length } $model, "$name=$value";
    }
}


sub line {
    my ($r) = @_;
    my $how = rand;

    if ($how < 0.4) {
        $r->{gap} = [one(' ', '  ', "\t", ' ' x 100, "\x0b"),
                     one(' ', '  ', "\t", ' x ')];
    } elsif ($how < 0.7) {
        $r->{version} = one('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1',
            'HTTP/01.1', 'HTTP/1.1 ', 'HTTP/9.9');
        $r->{alone} = 1;
    } else {
        push @{$r->{headers}}, [one(@OVERRIDES), "GET\r\n DELETE"];
        $r->{alone} = 1;
    }
}


1;
