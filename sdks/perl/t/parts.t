# Parts are loaded when they are needed, from where they can be found, and their absence hurts nobody.
use strict;
use warnings;
use lib 't/lib';

use Cwd         ();
use FakeSidecar ();
use File::Copy  qw(copy);
use File::Spec  ();
use File::Temp  qw(tempdir);
use JSON::PP    ();
use POSIX       ();
use Test::More;

my $sidecar = FakeSidecar->start;
$ENV{MONITORING_PORT} = $sidecar->port;
my $lib = Cwd::abs_path('lib');
my $one = 'my $m = Monitoring::SDK->new(source => q(parts)); $m->log_event(info => q(one));';

# What a program prints; its records are among the sidecar's.
sub printed {
    my ($code, $from, @flags) = @_;
    open my $out, '-|', $^X, '-w', @flags, '-I' . ($from // $lib), '-e', "$code" or die "$^X: $!";
    return join '', <$out>;
}

sub last_of { my ($count) = @_; return ($sidecar->records($count))[-1] }

my $loaded = 'print join q( ), sort grep { !m{^(?:builtin|strict|XSLoader|Exporter)} } keys %INC';
is(printed("require Monitoring::SDK; $one $loaded"),
    'Monitoring/SDK.pm Monitoring/SDK/JSON.pm Monitoring/SDK/Link.pm Time/HiRes.pm',
    'one event needs little') if $] >= 5.036;
like(printed("use Monitoring::SDK ':all'; $loaded"), qr{POSIX.pm}, 'all of it at once');
my $seen = $sidecar->lines;

printed("use Monitoring::SDK; chdir '/'; $one \$m->in_span(inner => sub { \$m->log_resource(1, 2, 3, 4) })", File::Spec->abs2rel($lib));
my @types = map { $_->{type} } ($sidecar->records($seen + 4))[ $seen .. $seen + 3 ];
is_deeply(\@types, [qw(event span resource span)], 'a library of a relative path, after a chdir');
is(printed("use Monitoring::SDK; chdir '/'; \$SIG{USR1} = sub {}; my \$m = Monitoring::SDK->new(protocol => 'msgpack', token => 'x', tcp_host => '::1', "
            . "before_send => sub { \$_[0] }); print \$m->log_event(info => 'x'), join ' ', sort grep { /SDK/ } keys %INC", File::Spec->abs2rel($lib)),
    '1' . join(' ', 'Monitoring/SDK.pm', map { "Monitoring/SDK/$_.pm" } qw(BeforeSend JSON Link Msgpack Session Signals Span System)), 'all of its parts');

is(printed("use Monitoring::SDK; $one print \$m->in_span(x => sub { length shift }), \$m->stats->{dropped}{encode}", File::Spec->abs2rel($lib), '-T'),
    '160', 'of a program that takes nothing for granted, too');

# ---- where no part is to be found ----
my $bare = tempdir(CLEANUP => 1);
mkdir "$bare/$_" for 'Monitoring', 'Monitoring/SDK';
copy("$lib/Monitoring/$_.pm", "$bare/Monitoring/$_.pm") or die "$_: $!" for 'SDK', 'SDK/JSON', 'SDK/Link';
my $gone = "BEGIN { \@INC = grep { \$_ ne '$lib' } \@INC } use lib '$bare'; use Monitoring::SDK; $one";
is(printed("$gone print \$m->in_span(x => sub { 'ran with ' . shift }), ' ', \$m->span('y')->id, ' ', \$m->span('z')->end, ' ', \$m->start_span('s')"),
    'ran with 0000000000000000 0000000000000000 0 0000000000000000', 'spans are none, and their code runs');
is(printed("$gone local \$SIG{USR1} = sub { print 'woken ' }; print \$m->log_event(info => 'x'), ' '; kill USR1 => \$\$; print \$m->log_event(info => 'y')"),
    '1 woken 1', 'signals are not held back');
is(printed("$gone print \$m->log_resource(1), \$m->child_env->{PATH} ? 'env' : ''"), '0env', 'and what is left out is told');

# ---- a handler that strikes while a part is loaded ----
my $strike = q{our $struck; BEGIN { unshift @INC, sub { kill USR1 => $$ if $_[1] eq 'POSIX.pm' && !$struck++; return } }};
is(printed("$strike use Monitoring::SDK; $one local \$SIG{USR1} = sub { die qq(mine\\n) }; "
            . 'print eval { $m->log_event(info => q(two)); 1 } ? q(swallowed) : $@, $m->log_event(info => q(three)), $INC{q(POSIX.pm)} ? q( held) : q()'),
    "mine\n1 held", 'it may die');
is(printed("$strike use Monitoring::SDK; $one local \$SIG{USR1} = sub { print \$m->log_event(info => 'in') }; print \$m->log_event(info => 'two')"),
    '11', 'it may log');

# ---- other systems ----
$seen = $sidecar->lines;
my $other = q{BEGIN { $^O = 'plan9' } use Monitoring::SDK;};
is(printed("$other $one \$m->log_event(info => 'two'); print \$INC{'Socket.pm'} ? 'Socket' : ''"), 'Socket', 'the numbers are asked of Socket');
is(last_of($seen + 2)->{data}{message}, 'two', 'and records arrive');
is(printed("$other my \$m = Monitoring::SDK->new(tcp_port => 1); \$m->log_event(info => 'x'); print \$m->stats->{queued}"), '1', 'or wait');
my $bits = 'open my $i, q(<), q(/proc/self/fdinfo/) . fileno $m->{link}{sock}; print grep { /^flags/ } <$i>';
SKIP: {
    skip 'no /proc', 2 unless -e '/proc/self/fdinfo';
    for my $start ('use Monitoring::SDK;', $other) {
        like(printed("\$^F = 99; $start $one $bits"), qr/^flags:\s*02004002$/, 'a socket that does not block, closed on exec whatever $^F says');
    }
}

done_testing;
