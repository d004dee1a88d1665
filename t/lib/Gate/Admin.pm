package Gate::Admin;

# A client of the admin API, for tests of it.
#
#   my $t = Gate->new; $t->redis;
#   my $api = Gate::Admin->new($t, 'issue max_keys=2;', LOCATION, SERVER);
#                                       writes the configuration and starts
#   $api->call('POST', 'v1/keys', {name => 'x'});   by the write token
#   $api->call('GET', 'v1/keys', undef, token => 'read');   or none, or TEXT
#   $api->call(..., headers => [...], h2 => 1, type => 'text/plain')
#   my $record = $api->create(name => 'x');         dies unless 201
#   $api->get($id)                                  the record
#   $api->problem($r, 400, 'invalid_field', 'name', 'what is tested');
#   $api->audit                                     the entries, as hashes
#
# A body is JSON when it is a reference, else sent as it is.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Test::More ();

our $JSON = JSON::PP->new->utf8->canonical;
our $WRITE = 'write-' . 'w' x 60;
our $READ = 'read-' . 'r' x 60;


sub new {
    my ($class, $t, $store, $location, $server, %opt) = @_;

    my $self = bless { t => $t }, $class;

    $t->write('tokens', "# who may\n\nwriter:write:" . sha256_hex($WRITE)
        . "\nreader:read:" . sha256_hex($READ) . "\n", 0600);
    $_ //= '' for $store, $location, $server;

    $t->conf(<<"EOC", %opt);
    api_key_store shop { server %%REDIS%%; $store }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_2%% http2;
        api_key_admin_tokens %%TESTDIR%%/tokens;
        location /admin/ { api_key_admin shop; $location }
        location /guarded/ { api_key shop; empty_gif; }
        $server
    }
EOC
    $t->start;

    return $self;
}


sub call {
    my ($self, $method, $path, $body, %opt) = @_;

    my $token = exists $opt{token} ? $opt{token} : 'write';
    $token = { write => $WRITE, read => $READ }->{$token // ''} // $token;

    my @headers = @{$opt{headers} // []};
    push @headers, 'Authorization', "Bearer $token" if defined $token;

    $body = $JSON->encode($body) if ref $body;
    push @headers, 'Content-Type', $opt{type} // 'application/json'
        if defined $body && ($opt{type} // '') ne 'none';

    return $self->{t}->h2($method, "/admin/$path", headers => \@headers,
        body => $body, port => $self->{t}->port(2)) if $opt{h2};

    return $self->{t}->request($method, "/admin/$path", headers => \@headers,
        body => $body);
}


sub create {
    my ($self, %fields) = @_;

    my $r = $self->call('POST', 'v1/keys', { name => 'test', %fields });
    die 'not created: ' . $r->raw if $r->status != 201;

    return $r->json;
}


sub get {
    my ($self, $id) = @_;
    return $self->call('GET', "v1/keys/$id")->json;
}


sub problem {
    my ($self, $r, $status, $code, $field, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $json = $r->json // {};
    my $want = { type => 'about:blank', title => $json->{title} // '(none)',
        status => $status, code => $code };
    $want->{field} = $field if defined $field;

    delete @$json{qw(id detail)} if $status == 503;

    Test::More::is_deeply([$r->status, $r->header('content-type'), $json],
        [$status, 'application/problem+json', $want], $name)
        or Test::More::diag($r->raw);
}


sub audit {
    my ($self) = @_;

    return map { { @{$_->[1]} } }
        @{$self->{t}->redis->cmd('XRANGE', 'shop:audit', '-', '+')};
}


1;
