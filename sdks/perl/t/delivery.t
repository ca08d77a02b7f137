# What happens between the call and the sidecar: every record arrives, or is counted, and the caller never waits.
use strict;
use warnings;
use lib 't/lib';

use FakeSidecar qw(black_hole eventually in_process);
use JSON::PP    ();
use POSIX       ();
use Test::More;
use Time::HiRes qw(sleep time);

use Monitoring::SDK;

my $FREE_PORT = do { my $gone = FakeSidecar->start; $gone->port };

sub client {
    my ($port, @options) = @_;
    return Monitoring::SDK->new(source => 'delivery', tcp_host => '127.0.0.1', tcp_port => $port, @options);
}

sub numbers { return [ map { $_->{data}{context}{n} } grep { $_->{type} eq 'event' } @_ ] }

sub balanced {
    my ($sdk, $name) = @_;
    my $stats   = $sdk->stats;
    my $dropped = 0;
    $dropped += $_ for values %{ $stats->{dropped} };
    return is($stats->{accepted}, $stats->{sent} + $stats->{queued} + $dropped, "$name: accepted = sent + queued + dropped");
}

sub rss_kb {
    open my $status, '<', '/proc/self/status' or return 0;
    return (map {/VmRSS:\s+(\d+)/} <$status>)[0];
}

# ---- written through ----
{
    my $sidecar = FakeSidecar->start;
    my $died    = 0;
    for my $n (1 .. 100) {
        my $status = in_process(sub {
            client($sidecar->port)->log_event('info', 'last words', { n => $n });
            kill 'KILL', $$;
        });
        $died++ if $status == POSIX::SIGKILL();
    }
    is($died, 100, '100 processes that kill themselves right after a call');
    my @records = $sidecar->records(100);
    is_deeply([ sort { $a <=> $b } @{ numbers(@records) } ], [ 1 .. 100 ], 'and all 100 records arrive');
}

# ---- no sidecar ----
{
    my $start = time;
    my $sdk   = client($FREE_PORT);
    ok($sdk, 'init without a sidecar succeeds');
    $sdk->log_event('info', 'warm up', { n => $_ }) for 1 .. 10_000;
    my $before = rss_kb();
    $sdk->log_event('info', 'nobody hears', { n => $_, text => 'x' x 100 }) for 1 .. 200_000;
    cmp_ok(rss_kb() - $before, '<', 8192, 'memory stays bounded');
    my $stats = $sdk->stats;
    cmp_ok($stats->{queued_bytes}, '<=', 0.8 * 2**20, 'ordinary records fill four fifths of the backlog');
    cmp_ok($stats->{dropped}{full}, '>', 100_000, 'the others are dropped and counted');
    balanced($sdk, 'no sidecar');

    my $queued = $stats->{queued};
    ok(!$sdk->log_event('info', 'ordinary'), 'an ordinary record finds no room');
    ok($sdk->log_event('warn', 'important'), 'a warning does');
    ok($sdk->log_progress('j', 100, 'completed'), 'final progress does');
    ok(!$sdk->log_progress('j', 50, 'running'), 'other progress does not');
    ok($sdk->end_span($sdk->start_span('s')), 'the end of a span does');
    is($sdk->stats->{queued}, $queued + 3, 'these three');
    my $taken = 0;
    $taken++ while $sdk->log_event('error', 'x' x 1000) && $taken < 10_000;
    cmp_ok($sdk->stats->{queued_bytes}, '<=', 2**20, 'important ones fill it up');
    cmp_ok($taken, '>', 100, 'the last fifth is theirs');

    my $closing = time;
    is($sdk->flush(0), 0, 'flush says that it is not');
    is($sdk->close, 0, 'so does close');
    is($sdk->stats->{queued}, 0, 'closed, nothing is queued');
    is($sdk->log_event('info', 'late'), 0, 'a call after close');
    cmp_ok($sdk->stats->{dropped}{closed}, '>', $taken, 'and what was queued are dropped and counted');
    is($sdk->close, 1, 'closing again does nothing');
    balanced($sdk, 'closed');
    cmp_ok(time - $start, '<', 120, 'and all of it without waiting for anything');
}

# ---- attempts ----
{
    my $sdk = client($FREE_PORT);
    my ($attempts, $connect) = (0, \&Monitoring::SDK::Link::connect);
    no warnings 'redefine';
    my ($step, @delays) = (0);
    local *Monitoring::SDK::Link::connect = sub {
        my $tried = $_[0]{tried_s};
        my @result = $connect->(@_);
        if ($_[0]{tried_s} != $tried) { $attempts++; push @delays, $_[0]{next_s} - $_[0]{tried_s} }
        return @result;
    };
    my $end = time + 1.5;
    while (time < $end) { $sdk->log_event('info', 'x') }
    my $many = 0;
    for (0 .. $#delays) { my $limit = 0.1 * 2**($_ + 1); $many++ if $delays[$_] > ($limit > 5 ? 5 : $limit) }
    is($many, 0, 'no delay beyond its step');
    cmp_ok($attempts, '<', 100, 'an attempt a backoff step, not a call');
    $sdk->{link}{step} = 60;
    $sdk->{link}{next_s} = 0;
    $sdk->log_event('info', 'x');
    cmp_ok($delays[-1], '<=', 5, 'five seconds at most');
    $sdk->close(0);
}

# ---- the sidecar comes late ----
{
    my $sdk = client($FREE_PORT, quiet => 1);
    $sdk->log_event('info', 'early', { n => $_ }) for 1 .. 500;
    my $sidecar = FakeSidecar->start(port => $FREE_PORT);
    ok($sdk->flush(60), 'what was queued is sent when the sidecar comes');
    $sdk->log_event('info', 'on time', { n => $_ }) for 501 .. 600;
    is_deeply(numbers($sidecar->records(600)), [ 1 .. 600 ], 'in order');
    is($sdk->stats->{connects}, 1, 'over one connection');
    $sdk->close;
}

# ---- loss is told ----
{
    my ($read, $write);
    pipe $read, $write or die;
    my $sidecar;
    my $status = in_process(sub {
        open STDERR, '>&', $write;
        my $sdk = client($FREE_PORT, quiet => 0, buffer_bytes => 4000);
        $sdk->log_event('info', 'x' x 100, { n => $_ }) for 1 .. 100;
        $sidecar = FakeSidecar->start(port => $FREE_PORT);
        $sdk->flush(60);
        $sdk->log_event('info', 'after');
        $sdk->flush(60);
        my ($loss) = grep { $_->{type} eq 'sdk' } $sidecar->records($sdk->stats->{sent});
        my $full = $sdk->stats->{dropped}{full};
        POSIX::_exit(1) unless $full > 50;
        POSIX::_exit(2) unless $loss && $loss->{data}{dropped}{full} == $full;
        POSIX::_exit(3) if grep { $_ } @{ $loss->{data}{dropped} }{qw(encode closed)};
    });
    close $write;
    is($status >> 8, 0, 'after the recovery a record of type sdk says how many were lost');
    my @said = <$read>;
    is(scalar @said, 2, 'and stderr has two lines') or diag @said;
    like($said[0], qr/\Amonitoring-sdk\[delivery\]: .*:$FREE_PORT takes records.*dropping$/, 'one when it starts');
    like($said[1], qr/\Amonitoring-sdk\[delivery\]: delivering again; \d+ records were dropped$/, 'and one when it ends');
}

# ---- the sidecar restarts ----
{
    my $sidecar = FakeSidecar->start;
    my $sdk     = client($sidecar->port);
    $sdk->log_event('info', 'before', { n => 1 });
    $sidecar->lines(1);
    sleep 1.1;    # a connection that lived for a second
    $sidecar->murder;
    my $next = $sidecar->again;
    $sdk->log_event('info', 'after', { n => 2 });
    is_deeply(numbers($next->records(2)), [ 1, 2 ], 'restarted while the client is idle: the one next record arrives, no flush');
    $sdk->close;
}

{
    my $sidecar = FakeSidecar->start;
    my $sdk     = client($sidecar->port);
    my ($n, @generation) = (0, $sidecar);
    for my $round (1 .. 3) {
        $sdk->log_event('info', 'under load', { n => ++$n }) for 1 .. 2000;
        my $draining = $generation[-1]{pid};
        kill 'TERM', $draining;
        my $gone = time + 60;
        $sdk->log_event('info', 'under load', { n => ++$n }) while !waitpid($draining, POSIX::WNOHANG()) && time < $gone;
        delete $generation[-1]{pid};
        push @generation, $sidecar->again;
    }
    ok($sdk->flush(60), 'flushed');
    my $stats = $sdk->stats;
    my @got = @{ numbers($sidecar->records($stats->{sent})) };
    is(scalar @got, $stats->{sent}, 'a sidecar that drains three times under load: all that was sent arrived');
    my $disorder = grep { $got[$_] <= $got[ $_ - 1 ] } 1 .. $#got;
    is($disorder, 0, 'in order, none twice');
    cmp_ok($stats->{accepted}, '>=', $n, 'every call counted');
    balanced($sdk, 'draining');
    $sdk->close;
}

# ---- whole frames, slow peers ----
{
    my $deaf = FakeSidecar->start(reads => 0);
    my $sdk  = client($deaf->port);
    my $start = time;
    $sdk->log_event('info', 'x' x 1000, { n => $_ }) for 1 .. 20_000;
    cmp_ok(time - $start, '<', 120, 'a sidecar that never reads does not stop the caller');
    my $stats = $sdk->stats;
    cmp_ok($stats->{dropped}{full}, '>', 0, 'the kernel and the backlog are full');
    balanced($sdk, 'never reading');
    my $sent = $stats->{sent};
    $deaf->murder;
    my $sidecar = $deaf->again;
    ok($sdk->flush(60), 'and the next one takes what is queued');
    my @lines = $sidecar->lines($stats->{queued});
    my $torn = grep { !eval { JSON::PP::decode_json($_) } } @lines;
    is($torn, 0, 'in whole frames');
    my $got = numbers(map { JSON::PP::decode_json($_) } @lines);
    is($got->[0], $sent + 1, 'from the first that was not sent whole');
    is_deeply($got, [ sort { $a <=> $b } @$got ], 'in order');
    $sdk->close;
}

{
    my ($port, $handles) = black_hole();
    my $start = time;
    my $sdk   = client($port);
    $sdk->log_event('info', 'into the void', { n => $_ }) for 1 .. 5000;
    cmp_ok(time - $start, '<', 60, 'a black hole does not stop the caller');
    is($sdk->stats->{sent}, 0, 'nothing is sent');
    my $closing = time;
    is($sdk->close, 0, 'nor flushed');
    cmp_ok(time - $closing, '<', 30, 'and close gives up');
    balanced($sdk, 'black hole');
}

# ---- a listener that hangs up at once ----
{
    my $sidecar = FakeSidecar->start;
    my $sdk     = client($sidecar->port);
    $sdk->{link}{step} = 0;
    my $end = time + 1;
    my $lost = 0;
    while (time < $end) {
        $sdk->log_event('info', 'x');
        shutdown $sdk->{link}{sock}, 2 if $sdk->{link}{sock} && ++$lost;
    }
    cmp_ok($sdk->stats->{connects}, '<', 60, 'connections that do not live are not made again at every call');
    $sdk->close(0);
}

# ---- names ----
{
    my $sidecar = FakeSidecar->start;
    my @asked;
    no warnings 'redefine';
    my $real = \&Socket::getaddrinfo;
    local *Socket::getaddrinfo = sub { push @asked, $_[0] unless $_[2]{flags}; return $real->(@_) };
    for my $host ('localhost', 'LOCALHOST', '127.0.0.1') {
        my $sdk = Monitoring::SDK->new(source => 'names', tcp_host => $host, tcp_port => $sidecar->port);
        ok($sdk->log_event('info', $host), "connects to $host");
        ok($sdk->close, 'and delivers');
    }
    is_deeply(\@asked, [], 'without asking for a name');
    my $nowhere = Monitoring::SDK->new(source => 'names', tcp_host => 'no-such-host.invalid', tcp_port => 1);
    ok($nowhere->log_event('info', 'x'), 'a name that nobody knows costs no exception');
    is_deeply(\@asked, ['no-such-host.invalid'], 'and one look-up');
    $nowhere->close(0);
}

done_testing;
