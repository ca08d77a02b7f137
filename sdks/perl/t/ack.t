# Acknowledgements: what is not acknowledged stays, and is sent again; the sidecar here is played line by line.
use strict;
use warnings;
use lib 't/lib';

use FakeSidecar qw(eventually in_process);
use JSON::PP    ();
use Socket      qw(INADDR_LOOPBACK PF_INET SOCK_STREAM SOL_SOCKET SO_REUSEADDR pack_sockaddr_in unpack_sockaddr_in);
use Test::More;

use Monitoring::SDK;

socket my $LISTENER, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
setsockopt $LISTENER, SOL_SOCKET, SO_REUSEADDR, 1;
bind $LISTENER, pack_sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
listen $LISTENER, 16;
$LISTENER->blocking(0);
my ($PORT) = unpack_sockaddr_in(getsockname $LISTENER);
my $number = 0;

sub client { return Monitoring::SDK->new(source => 'ack-' . $number++, tcp_port => $PORT, ack => 'disk', @_) }

sub accepted {
    my $sdk = shift;
    return eventually(sub {
        $sdk->flush(0.01) if $sdk;
        accept my $peer, $LISTENER or return;
        $peer->blocking(0);
        return $peer;
    });
}

# What a peer has received so far; waits for $count lines.
my %TEXT;

sub heard {
    my ($peer, $count) = @_;
    eventually(sub {
        sysread $peer, my $bytes, 1e6;
        $TEXT{$peer} .= $bytes // '';
        return $TEXT{$peer} =~ tr/\n// >= $count;
    }) or diag "heard only $TEXT{$peer}";
    my @lines = map { JSON::PP::decode_json($_) } split /\n/, delete $TEXT{$peer};
    return grep { $_->{type} ne 'ping' } @lines;
}

sub tell_client {
    my ($peer, $type, %data) = @_;
    return syswrite $peer, JSON::PP->new->canonical->encode({ type => $type, data => \%data }) . "\n";
}
sub seqs { return [ map { $_->{seq} } grep { $_->{type} eq 'event' } @_ ] }

sub balanced {
    my ($sdk, $name) = @_;
    my ($stats, $dropped) = ($sdk->stats, 0);
    $dropped += $_ for values %{ $stats->{dropped} };
    return is($stats->{accepted}, $stats->{sent} + $stats->{queued} + $dropped, "$name: accepted = sent + queued + dropped");
}

# ---- a session ----
{
    my $sdk  = client(token => 'secret');
    $sdk->log_event('info', "event $_") for 1 .. 3;
    my $peer = accepted();
    my ($hello, @events) = heard($peer, 4);
    is($hello->{type}, 'hello', 'the first line says hello');
    like($hello->{data}{session}, qr/\A[0-9a-f]{32}\z/, 'with a session');
    is_deeply([ @{ $hello->{data} }{qw(v ack token)} ], [ 1, 'disk', 'secret' ], 'version, level and token');
    is_deeply(seqs(@events), [ 1 .. 3 ], 'records follow at once, numbered');
    is($sdk->stats->{queued}, 3, 'and stay');
    is($sdk->flush(0.05), 0, 'flush says that they are not acknowledged');

    tell_client($peer, 'welcome', v => 1, last_seq => 0, window => 10, window_bytes => 100_000, ack => 'disk');
    tell_client($peer, 'ack', seq => 2);
    $sdk->log_event('info', 'event 4');
    is_deeply([ @{ $sdk->stats }{qw(sent queued)} ], [ 2, 2 ], 'a later call reads the acknowledgement');
    balanced($sdk, 'acknowledged in part');

    close $peer;
    $sdk->log_event('info', 'event 5');
    $peer = accepted($sdk);
    my ($again, @resent) = heard($peer, 4);
    is($again->{data}{session}, $hello->{data}{session}, 'the next connection is of the same session');
    is_deeply(seqs(@resent), [ 3 .. 5 ], 'and sends again what is not acknowledged');

    tell_client($peer, 'welcome', v => 1, last_seq => 3, window => 10, window_bytes => 100_000, ack => 'disk');
    tell_client($peer, 'nack', seq => 4, code => 'schema', retry => \0);
    is($sdk->flush(0.05), 0, 'one is left');
    tell_client($peer, 'ack', seq => 5);
    is($sdk->flush(10), 1, 'none is left');
    is_deeply([ $sdk->stats->{sent}, $sdk->stats->{dropped}{refused} ], [ 4, 1 ], 'one was refused');
    balanced($sdk, 'acknowledged');

    $sdk->log_event('info', 'more') for 1 .. 25;
    is_deeply(seqs(heard($peer, 10)), [ 6 .. 15 ], 'no more than the window is out');
    tell_client($peer, 'ack', seq => 12);
    $sdk->flush(0.05);
    is_deeply(seqs(heard($peer, 7)), [ 16 .. 22 ], 'an acknowledgement moves it');
    tell_client($peer, 'ack', seq => 22);
    $sdk->flush(0.05);
    is_deeply(seqs(heard($peer, 8)), [ 23 .. 30 ], 'up to the end');

    is(in_process(sub { $sdk->log_event('info', 'child'); POSIX::_exit(0) }), 0, 'a forked child');
    my $child = accepted();
    my ($own, @first) = heard($child, 2);
    isnt($own->{data}{session}, $hello->{data}{session}, 'has a session of its own');
    is_deeply(seqs(@first), [1], 'which begins at 1');

    tell_client($peer, 'ack', seq => 30);
    is($sdk->close(10), 1, 'close waits for the last one');
    like((map { $_->{type} } heard($peer, 1))[-1], qr/\Abye\z/, 'and says bye');
}

# ---- a token alone ----
{
    my $sdk = client(ack => '', token => 'secret');
    $sdk->log_event('info', 'event');
    my $peer = accepted();
    tell_client($peer, 'welcome', v => 1, max_frame => 1_048_576);
    my ($hello, $event) = heard($peer, 2);
    is_deeply([ sort keys %{ $hello->{data} } ], [qw(pid sdk token v)], 'a token without ack is a hello without a session');
    ok(!exists $event->{seq}, 'and its records have no number');
    is($sdk->flush(10), 1, 'what the kernel has is sent');
    $sdk->close;
}

# ---- a token that the sidecar does not know, and then does ----
{
    my $sdk  = client(ack => '', token => 'old');
    my $told = 0;
    $sdk->{link}{notice} = sub { $told += $_[0] =~ / refuses: / };
    $sdk->log_event('info', 'refused');
    for my $time (1 .. 2) {
        my $peer = accepted($sdk);
        heard($peer, $time == 1 ? 2 : 1);
        tell_client($peer, 'error', code => 'auth', message => 'the token is wrong');
        close $peer;
        $sdk->log_event('info', 'waits') if $time == 1;
    }
    eventually(sub { $sdk->flush(0.01); !$sdk->stats->{connected} });
    my $stats = $sdk->stats;
    is_deeply([ @$stats{qw(sent queued)}, $stats->{dropped}{refused} ], [ 0, 1, 1 ], 'what a refused connection had is refused, what comes waits');
    my $peer = accepted($sdk);
    is_deeply([ map { $_->{type} } heard($peer, 1) ], ['hello'], 'no record goes out before a welcome');
    tell_client($peer, 'welcome', v => 1);
    is($sdk->flush(10), 1, 'behind it what waited is sent');
    is((heard($peer, 1))[-1]{data}{message}, 'waits', 'and arrives');
    is($sdk->stats->{sent}, 1, 'counted as sent');
    is($told, 1, 'the refusal is told once');
    balanced($sdk, 'refused');
    $sdk->close;
}

# ---- no token where one is asked for ----
{
    my $sdk  = client(ack => '');
    my $told = 0;
    $sdk->{link}{notice} = sub { $told += $_[0] =~ / refuses: / };
    for my $time (1 .. 2) {
        $sdk->log_event('info', 'refused');
        my $peer = accepted($sdk);
        heard($peer, 1);
        tell_client($peer, 'error', code => 'auth', message => 'say hello');
        shutdown $peer, 1;
        $sdk->log_event('info', 'not on this connection');
        close $peer;
    }
    cmp_ok($sdk->stats->{dropped}{refused}, '>=', 2, 'without a hello what is sent is refused, time after time');
    is($told, 1, 'and that is told once');
    balanced($sdk, 'no token');
    $sdk->close(0);
}

# ---- a backlog beyond any window ----
{
    my $gone = FakeSidecar->start;
    my $sdk  = Monitoring::SDK->new(source => 'large', tcp_port => $gone->port, buffer_bytes => 4e6);
    $gone->murder;
    $sdk->log_event('info', 'x' x 8000) for 1 .. 300;
    my $next = $gone->again;
    is($sdk->flush(30), 1, 'without ack a backlog of any size is sent');
    cmp_ok($sdk->stats->{sent}, '>', 250, 'all of it');
    $sdk->close;
}

# ---- limits ----
{
    my $sdk = client(buffer_bytes => 20_000);
    $sdk->log_event('info', 'x' x 100) for 1 .. 200;
    my $stats = $sdk->stats;
    cmp_ok($stats->{dropped}{full}, '>', 0, 'what is not acknowledged counts against the backlog');
    cmp_ok($stats->{queued_bytes}, '<=', 20_000, 'which is bounded');
    my $peer = accepted();
    my (undef, @events) = heard($peer, 1 + $stats->{queued});
    is_deeply(seqs(@events), [ 1 .. $stats->{queued} ], 'numbers have no gap where records were dropped');
    $sdk->close(0);
}

done_testing;
