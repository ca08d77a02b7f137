package Monitoring::SDK::Link;

# One connection to the sidecar and the bounded backlog in front of it. Nothing waits, except 4 ms for a handshake.
# States: none (until next_s) → connecting → up (the kernel took something) → lost → none.

use 5.016;
use strict;
no warnings;    # whatever a host passes in, its stderr and its warning handler are its own

use Digest::MD5 qw(md5);
use Errno       qw(EAGAIN EINPROGRESS ENOTCONN);
use Fcntl       qw(FD_CLOEXEC F_GETFL F_SETFD F_SETFL O_NONBLOCK);
use Socket      qw(AI_NUMERICHOST IPPROTO_TCP MSG_NOSIGNAL SOCK_STREAM TCP_NODELAY getaddrinfo);
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime);

use constant { BACKOFF_S => 0.1, BACKOFF_MAX_S => 5, HANDSHAKE_S => 0.004, CONNECT_S => 5, SEND_BYTES => 65_536 };

my $NOSIGNAL = eval {MSG_NOSIGNAL} || 0;

# $notice->($text) is called when records begin to be lost and when that ends.
sub new {
    my ($class, $host, $port, $limit_bytes, $notice) = @_;
    my %hint = (socktype => SOCK_STREAM, protocol => IPPROTO_TCP);
    my $numeric = $host =~ s/\Alocalhost\z/127.0.0.1/ir;
    my ($error, $found) = getaddrinfo($numeric, $port, { %hint, flags => AI_NUMERICHOST });
    ($error, $found) = getaddrinfo($host, $port, \%hint) if $error;    # the only look-up of a name, ever
    $notice->("cannot resolve $host: $error; nothing will be delivered") if $error;
    my $self = { name => "$host:$port", peer => $found, limit_bytes => $limit_bytes, notice => $notice };
    return bless($self, $class)->begin;
}

# Starts afresh. In a forked child what is queued is the parent's to send, and so is the connection: it is closed
# without a shutdown.
sub begin {
    my $self   = shift;
    my $forked = $self->{queued} || 0;
    close delete $self->{sock} if $self->{sock};
    @$self{qw(backlog accepted dropped losing)} = ('', $forked, { forked => $forked });
    @$self{qw(sent queued offset step next_s tried_s connects up)} = (0) x 8;
    return $self;
}

# Sends the frame or queues it; 0 if it was dropped. The last fifth of the backlog is for what is important.
sub offer {
    my ($self, $frame, $important) = @_;
    $self->drain if $self->{queued};
    my $room = $self->{limit_bytes} * ($important ? 1 : 0.8) - length $self->{backlog};
    return $self->drop('full') if $self->{queued} && length $frame > $room;
    $self->{accepted}++;
    $self->{backlog} .= $frame;
    $self->drain unless $self->{queued}++;
    return 1;
}

# Counts a record that will not be sent; 0.
sub drop {
    my ($self, $why) = @_;
    my $before = $why eq 'full' && !$self->{losing} && { %{ $self->{dropped} } };
    $self->{accepted}++;
    $self->{dropped}{$why}++;
    $self->{notice}->("no sidecar at $self->{name} takes records and the buffer is full: dropping") if $before;
    $self->{losing} ||= $before;
    return 0;
}

# Sends what the kernel takes now, in order. A frame that a lost connection cut starts again on the next one.
sub drain {
    my $self = shift;
    while (length $self->{backlog}) {
        my $sock = $self->_socket or return;
        local $SIG{PIPE} = 'IGNORE' unless $NOSIGNAL;
        my $bytes = send $sock, substr($self->{backlog}, $self->{offset}, SEND_BYTES), $NOSIGNAL;
        return if !defined $bytes && ($! == EAGAIN || $! == ENOTCONN && !$self->{up});
        defined $bytes ? $self->_taken($bytes) : $self->_lose;
    }
    return unless $self->{losing};
    my ($then, $now) = (delete $self->{losing}, $self->{dropped});
    $self->{loss} = { map { $_ => $now->{$_} - $then->{$_} } keys %$now };
    return $self->{notice}->("delivering again; $self->{loss}{full} records were dropped");
}

sub _taken {
    my ($self, $bytes) = @_;
    my $whole  = 1 + rindex $self->{backlog}, "\n", $self->{offset} + $bytes - 1;
    my $frames = substr($self->{backlog}, 0, $whole, '') =~ tr/\n//;
    $self->{offset} += $bytes - $whole;
    $self->{sent}   += $frames;
    $self->{queued} -= $frames;
    $self->{connects}++ unless $self->{up};
    return $self->{up} = 1;
}

# The socket, if it may be written to. The read is there to see whether the sidecar has closed; it says nothing else.
sub _socket {
    my $self = shift;
    return $self->connect unless $self->{sock};
    my $heard = recv $self->{sock}, my $text, 4096, 0;
    my $open = defined $heard ? length $text
        : $! == EAGAIN && ($self->{up} || clock_gettime(CLOCK_MONOTONIC) < $self->{tried_s} + CONNECT_S);
    return $self->{sock} if $open;
    $self->_lose;
    return $self->connect;
}

# One attempt a backoff step, with full jitter.
sub connect {
    my $self  = shift;
    my $now_s = clock_gettime(CLOCK_MONOTONIC);
    return if $now_s < $self->{next_s} || !$self->{peer};
    my $limit_s = BACKOFF_S * 2**$self->{step}++;
    $limit_s = BACKOFF_MAX_S if $limit_s > BACKOFF_MAX_S;
    @$self{qw(tried_s next_s)} = ($now_s, $now_s + $limit_s * unpack('N', md5("$$ $now_s $self")) / 2**32);
    socket my $sock, $self->{peer}{family}, SOCK_STREAM, IPPROTO_TCP or return;
    fcntl $sock, F_SETFD, FD_CLOEXEC;
    fcntl $sock, F_SETFL, O_NONBLOCK | fcntl $sock, F_GETFL, 0;
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    CORE::connect $sock, $self->{peer}{addr} or $! == EINPROGRESS or return;
    _wait($sock, HANDSHAKE_S);
    return if getsockname $sock eq $self->{peer}{addr};    # TCP may connect to itself where nothing listens
    return $self->{sock} = $sock;
}

# A connection that lived for a second has earned an attempt at once.
sub _lose {
    my $self = shift;
    @$self{qw(step next_s)} = (0, 0) if $self->{up} && clock_gettime(CLOCK_MONOTONIC) > $self->{tried_s} + 1;
    close delete $self->{sock};
    return @$self{qw(up offset)} = (0, 0);
}

# Waits until the socket takes more, for 20 ms at most.
sub rest { return _wait($_[0]{sock}, 0.02) }

sub _wait {
    my ($sock, $timeout_s) = @_;
    vec(my $ready = '', fileno $sock, 1) = 1 if $sock;
    return select undef, $ready, undef, $timeout_s;
}

# Closes for good, what is queued counts as dropped.
sub end {
    my $self = shift;
    $self->{dropped}{closed} += $self->{queued};
    @$self{qw(backlog queued peer up)} = ('', 0);
    shutdown $self->{sock}, 1 if $self->{sock};
    return delete $self->{sock};
}

1;
