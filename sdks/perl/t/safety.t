# Whatever is given and whatever happens, the host program does not notice.
use strict;
use warnings;
use lib 't/lib';

use Errno       qw(ENOENT);
use FakeSidecar qw(eventually in_process);
use JSON::PP    ();
use POSIX       ();
use Test::More;
use Time::HiRes ();

use Monitoring::SDK;

my $sidecar = FakeSidecar->start;

sub client { return Monitoring::SDK->new(source => 'safety', tcp_host => '127.0.0.1', tcp_port => $sidecar->port, @_) }

{ package Throws; use overload '""' => sub { die "no text for you\n" }, 'bool' => sub {1}, '0+' => sub { die 'no number' } }
{ package Skips; use overload '""' => sub { no warnings; next }, 'bool' => sub {1} }
{ package TiedThrows; sub TIEHASH { return bless {}, shift } sub AUTOLOAD { die 'tied' } sub DESTROY { } }
{ package Logs; our $SDK; use overload '""' => sub { $SDK->log_event('info', 'from inside'); 'logs' } }

# ---- arguments ----

my @methods = qw(log_event log_metric log_progress log_resource start_span end_span set_context continue_trace
    traceparent child_env span in_span with_child_env stats);
tie my %throwing, 'TiedThrows';
my $cycle = {};
$cycle->{self} = $cycle;
my @strange = (
    undef, '', 0, -1, 1e308, 9**9**9, -sin(9**9**9), 'text', "\0", "\xff", "\x{263A}", do { no warnings; "\x{D800}" }, "\xff\xfe\xc3(", 'x' x 100_000,
    [], {}, [ [ [] ] ], $cycle, \1, \'x', \\1, sub { die 'code' }, qr/x/, \*STDOUT, *STDERR, v1.2.3, $!, \%throwing,
    bless({}, 'Throws'), bless({}, 'Skips'), bless([], 'Nowhere'), bless(\(my $s = 1), 'JSON::PP::Boolean'), { map { $_ => $_ } 1 .. 500 },
    [ 1 .. 5000 ], { job_id => [] }, { trace_id => {} }, 'job_id', 'trace_id', 'parent', 'traceparent', 'x' => 'y',
    '00-' . '0' x 32 . '-' . '0' x 16 . '-01', '00-' . 'a' x 32 . '-' . 'b' x 16 . '-01', JSON::PP::true(),
);

{
    srand 35;
    my $sdk = client();
    my (@died, @warned, @noted);
    local $SIG{__WARN__} = sub { push @warned, @_ };
    local $SIG{__DIE__}  = sub { push @noted, @_ unless caller =~ /\A(?:Throws|TiedThrows|main)\z/ };
    my %before = (cwd => POSIX::getcwd(), locale => POSIX::setlocale(POSIX::LC_ALL()) // '', pipe => $SIG{PIPE} // '');
    my $next = do { srand 7; rand };
    srand 7;
    for my $call (1 .. ($ENV{FUZZ} || 10_000)) {
        my $method = $methods[ $call % @methods ];
        my @arguments = map { $strange[ $call * 7919 / (1 + $_ * 31) % @strange ] } 0 .. $call % 5;
        # in_span and with_child_env run what they are given: that it dies is the host's affair
        @arguments = map { ref eq 'CODE' ? sub {1} : $_ } @arguments if $method =~ /in_span|with_child/;
        eval { my $result = $sdk->$method(@arguments); 1 } or push @died, "$method: $@";
    }
    is_deeply(\@died,   [], '10,000 calls with strange arguments: none dies');
    is_deeply(\@warned, [], 'nor warns');
    is_deeply(\@noted,  [], 'nor calls the die handler');
    is(rand, $next, 'nor touches the random numbers');
    is(POSIX::getcwd(), $before{cwd}, 'nor the directory');
    is(POSIX::setlocale(POSIX::LC_ALL()) // '', $before{locale}, 'nor the locale');
    is($SIG{PIPE} // '', $before{pipe}, 'nor the SIGPIPE handler');
    my $stats = $sdk->stats;
    my $dropped = 0;
    $dropped += $_ for values %{ $stats->{dropped} };
    is($stats->{accepted}, $stats->{sent} + $stats->{queued} + $dropped, 'and all are accounted for');
    ok($sdk->flush(60), 'what was taken is sent');
    $stats = $sdk->stats;
    my @lines = $sidecar->lines($stats->{sent});
    is(scalar @lines, $stats->{sent}, 'and arrives');
    my $long = 0;
    my @some = grep { length() < 2000 || $long++ % 50 == 0 } @lines;    # JSON::PP takes a second a megabyte
    is(scalar(grep { !eval { JSON::PP::decode_json($_) } } @some), 0, 'as JSON');
    is(scalar(grep { !/\A\{"source":"safety",.*\}\}\n\z/ } @lines), 0, 'every line of it');
    is(scalar(grep { length > 65_536 } @lines), 0, 'none beyond 64 KiB');
    $sdk->close;
}

eval { $_->log_event('info', 'x'); $_->start_span('x'); $_->end_span(1); $_->flush(0); $_->close; $_->stats; 1 }
    or fail("class or no client: $@") for 'Monitoring::SDK';
for my $method (@methods) {
    no strict 'refs';
    ok(eval { &{"Monitoring::SDK::$method"}(); 1 }, "$method without anything") or diag $@;
}
for my $arguments ([], [undef], [{}], [ source => [] ], ['a'], [ 'a', 'b', 'c', 'd' ], [ source => "\n\0" x 400 ], [ tcp_port => 'x' ], [ tcp_port => 99_999 ],
    [ tcp_host => '' ], [ tcp_host => {} ], [ buffer_bytes => -1 ], [ level => [] ], [ tags => 'a=1,b,=2,c=' ], [ source => bless {}, 'Throws' ]) {
    my $sdk = eval { Monitoring::SDK->new(@$arguments) };
    isa_ok($sdk, 'Monitoring::SDK') or diag $@;
    ok(eval { $sdk->log_event('info', 'x'); $sdk->close(0); 1 }, 'and it works as far as it can') or diag $@;
}

# ---- limits of a record ----
{
    my $sdk   = client(tags => { test => 'limits' });
    my $seen  = $sidecar->lines;
    my $large = { map { $_ => 'x' x 8000 } 1 .. 20 };
    ok($sdk->log_event('info', 'large', $large), 'a context beyond 64 KiB');
    is((JSON::PP::decode_json(($sidecar->lines($seen + 1))[-1]))->{data}{context}{_truncated}, JSON::PP::true(), 'goes, and the record stays');
    is($sdk->log_progress('j', 1, 's', $large), 0, 'a record that is too large without context');
    is($sdk->stats->{dropped}{oversize}, 1, 'is dropped and counted');
    is($sdk->log_metric('m', 'much'), 0, 'a metric without a number');
    is($sdk->log_metric('m', $_), 0, "$_ is none") for 9**9**9, 'nan';
    is($sdk->stats->{dropped}{encode}, 3, 'counted');
    $sdk->close;
}
{
    my $sdk = client(tags => { test => 'keys' });
    my $kept = grep { $sdk->set_context("key$_" => 1) } 1 .. 100;
    is($kept, 63, '64 keys of context, the tag included');
    ok($sdk->set_context(key1 => 2), 'one that is there may change');
}

# ---- the host's state ----
{
    my $sdk = client();
    $! = ENOENT;
    $@ = 'mine';
    local $? = 7;
    'match' =~ /(at)/;
    $sdk->log_event('info', "caf\xe9 \n", { time => Time::HiRes::time(), object => bless {}, 'Throws' });
    $sdk->in_span('s', sub { });
    $sdk->flush(1);
    is($! + 0, ENOENT, '$! stays');
    is($?, 7, '$? stays');
    is($1, 'at', '$1 stays');
    eval { die { code => 1 } };
    $sdk->log_event('info', 'x', \%throwing);
    is(ref $@, 'HASH', '$@ stays');
    $sdk->in_span('s', sub { });
    is(ref $@, 'HASH', 'behind a scope, too');
    $sdk->close;
}
{
    my $sdk  = client(tags => { test => 'variables' });
    my $seen = $sidecar->lines;
    $! = ENOENT;
    my $why = "$!";
    $sdk->log_event('error', $!);
    $sdk->end_span($sdk->start_span('s'), 'error', $!);
    is($! + 0, ENOENT, '$! as an argument stays');
    $sdk->set_context(why => $!);
    $? = 256;
    $sdk->log_metric('status', $?);
    $? = 0;
    my ($event, undef, $end, $metric) = map { JSON::PP::decode_json($_)->{data} } ($sidecar->lines($seen + 4))[ -4 .. -1 ];
    is($event->{message},       $why, 'and is what it says');
    is($end->{status_message},  $why, 'of a span, too');
    is($metric->{tags}{why},    $why, 'and in the context');
    is($metric->{value},        256,  'as $? is its number');
    local $/;    # as a program that reads whole files has it
    $sdk->sample_resources for 1 .. 2;
    $/ = "\n";
    ok(JSON::PP::decode_json(($sidecar->lines($seen + 5))[-1])->{data}{memory}, 'memory is sampled whatever $/ is');
    $sdk->close;
}

# ---- signal handlers ----
{
    my $sdk = client();
    my ($timeouts, $start) = (0, Time::HiRes::time());
    for my $round (1 .. 20) {
        local $SIG{ALRM} = sub { die "timeout\n" };
        my $ok = eval {
            Time::HiRes::ualarm(2000 + 37 * $round);
            while (1) { $sdk->log_event('info', 'busy', { round => $round }); last if Time::HiRes::time() > $start + 60 }
            1;
        };
        Time::HiRes::ualarm(0);
        $timeouts++ if !$ok && $@ eq "timeout\n";
    }
    is($timeouts, 20, 'a handler that dies gets out of a loop of nothing but log_event');
    my $now = POSIX::SigSet->new;
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new, $now);
    is_deeply([ grep { $now->ismember($_) } 1 .. 31 ], [], 'and no signal is left blocked');
}
{
    my $sdk = client();
    my $sigprocmask = \&POSIX::sigprocmask;
    my $calls = 0;
    no warnings 'redefine';
    local *POSIX::sigprocmask = sub { kill 'USR1', $$ unless $calls++; return $sigprocmask->(@_) };
    local $SIG{USR1} = sub { die "early\n" };
    is(eval { $sdk->log_event('info', 'x'); 1 }, undef, 'a signal that comes just before the call blocks it');
    is($@, "early\n", 'is not swallowed');
    $sigprocmask->(POSIX::SIG_BLOCK(), POSIX::SigSet->new, my $now = POSIX::SigSet->new);
    ok(!$now->ismember(POSIX::SIGUSR1()), 'nor left blocked');
    ok($sdk->log_event('info', 'x'), 'and the client goes on');
}
{
    my $sdk  = client(tags => { test => 'handler' });
    my $seen = $sidecar->lines;
    my ($handled, $calls, $end) = (0, 0, Time::HiRes::time() + 0.5);
    local $SIG{ALRM} = sub { $sdk->log_event('info', 'in a handler'); $handled++ };
    Time::HiRes::ualarm(500, 500);
    while (Time::HiRes::time() < $end || $handled < 3) { $sdk->log_event('info', 'x' x 300); $calls++ }
    Time::HiRes::ualarm(0);
    $sdk->flush(60);
    $sidecar->lines($seen + $calls + $handled);
    my @lines = grep {/"test":"handler"/} $sidecar->lines;
    is(scalar @lines, $calls + $handled, 'a handler that logs: nothing lost');
    is(scalar(grep { !eval { JSON::PP::decode_json($_) } } @lines), 0, 'nothing torn');
}
{
    my $sdk = client(tags => { test => 'inside' });
    $Logs::SDK = $sdk;
    ok($sdk->log_event('info', bless({}, 'Logs')), 'an argument that logs while it is read');
    is($sdk->stats->{dropped}{encode}, 1, 'its own record is dropped and counted');
    undef $Logs::SDK;
}

# ---- SIGPIPE ----
{
    my $status = in_process(sub {
        my $peer = FakeSidecar->start;
        my $sdk  = Monitoring::SDK->new(source => 'pipe', tcp_host => '127.0.0.1', tcp_port => $peer->port);
        $sdk->log_event('info', 'one');
        $peer->lines(1);
        $peer->murder;
        $sdk->log_event('info', 'two') for 1 .. 100;
        my $other = FakeSidecar->start(port => $peer->port);
        $sdk->flush(60) or POSIX::_exit(1);
        shutdown $sdk->{link}{sock}, 1;    # the next send finds a broken pipe, which no read foretells
        $sdk->log_event('info', 'three');
        $sdk->flush(60) or POSIX::_exit(2);
        $other->lines(101) == 101 or POSIX::_exit(3);
        pipe my $read, my $write;
        close $read;
        open STDERR, '>&', $write;
        my $noisy = Monitoring::SDK->new(source => 'noisy', tcp_port => $peer->port, quiet => 0, buffer_bytes => 500);
        $noisy->log_event('info', 'x' x 200) for 1 .. 10;
    });
    is($status, 0, 'neither a dead sidecar nor a dead STDERR kills by SIGPIPE');
}

done_testing;
