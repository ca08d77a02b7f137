package Monitoring::SDK::Link;

# One connection to the sidecar and the bounded backlog in front of it. Nothing waits, except 4 ms for a handshake.
# States: none (until next_s) → connecting → up (the kernel took something) → lost → none.
# With a session (ack), what was sent stays in the backlog until it is acknowledged, and is sent again on the next
# connection; the sidecar knows by its number what it has.

use 5.016;
use strict;
no warnings;    # whatever a host passes in, its stderr and its warning handler are its own

use Digest::MD5 qw(md5);
use Errno       qw(EAGAIN EINPROGRESS ENOTCONN);
use Fcntl       qw(FD_CLOEXEC F_GETFL F_SETFD F_SETFL O_NONBLOCK);
use Socket      qw(AI_NUMERICHOST IPPROTO_TCP MSG_NOSIGNAL SOCK_STREAM TCP_NODELAY getaddrinfo);
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime);

use constant { BACKOFF_S => 0.1, BACKOFF_MAX_S => 5, HANDSHAKE_S => 0.004, CONNECT_S => 5, LINGER_S => 0.2, SEND_BYTES => 65_536 };

my $NOSIGNAL = eval {MSG_NOSIGNAL} || 0;

# $notice->($text) is called when records begin to be lost and when that ends; $hello->($self) gives what a connection
# begins with, if anything. With $ack, acknowledgements are asked for.
sub new {
    my ($class, $host, $port, $limit_bytes, $notice, $hello, $ack, $debug, $msgpack) = @_;
    my %hint = (socktype => SOCK_STREAM, protocol => IPPROTO_TCP);
    my $numeric = $host =~ s/\Alocalhost\z/127.0.0.1/ir;
    my ($error, $found) = getaddrinfo($numeric, $port, { %hint, flags => AI_NUMERICHOST });
    ($error, $found) = getaddrinfo($host, $port, \%hint) if $error;    # the only look-up of a name, ever
    $notice->("cannot resolve $host: $error; nothing will be delivered") if $error;
    my $self = { name => "$host:$port", peer => $found, limit_bytes => $limit_bytes, notice => $notice };
    @$self{qw(hello ack debug msgpack)} = ($hello, $ack, $debug, $msgpack);
    require Monitoring::SDK::Msgpack if $msgpack;
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
    @$self{qw(control heard session seq ends nacked window window_bytes)} = ('', '', undef, 0, [], {}, 1000, 2**20);
    return $self;
}

# Sends the frame or queues it; 0 if it was dropped. The last fifth of the backlog is for what is important.
sub offer {
    my ($self, $frame, $important) = @_;
    $self->drain if $self->{queued};
    $frame =~ s/\}\n\z/',"seq":' . (1 + $self->{seq}) . "}\n"/e if $self->{ack};
    $frame = $self->_framed($frame);
    my $room = $self->{limit_bytes} * ($important ? 1 : 0.8) - length $self->{backlog};
    return $self->drop('full') if $self->{queued} && length $frame > $room;
    $self->{accepted}++;
    $self->{backlog} .= $frame;
    push @{ $self->{ends} }, length $frame if $self->{ack} || $self->{msgpack};
    $self->{seq}++;
    $self->drain if !$self->{queued}++ || $self->{ack};
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
    $self->_lose if $self->{ack} && $self->{sock} && !$self->_hear;
    while ((my $left = $self->_sendable) > 0) {
        my $sock = $self->_socket or return;
        local $SIG{PIPE} = 'IGNORE' unless $NOSIGNAL;
        $left = SEND_BYTES if $left > SEND_BYTES;
        my $control = length $self->{control};
        my $bytes   = send $sock, $control ? $self->{control} : substr($self->{backlog}, $self->{offset}, $left), $NOSIGNAL;
        return if !defined $bytes && ($! == EAGAIN || $! == ENOTCONN && !$self->{up});
        if    (!defined $bytes) { $self->_lose }
        elsif ($control)        { substr $self->{control}, 0, $bytes, ''; $self->_up }
        else                    { $self->_taken($bytes) }
    }
    return if !$self->{losing} || $self->{queued};
    my ($then, $now) = (delete $self->{losing}, $self->{dropped});
    $self->{loss} = { map { $_ => $now->{$_} - $then->{$_} } keys %$now };
    return $self->{notice}->("delivering again; $self->{loss}{full} records were dropped");
}

# How many bytes may go out now: all, or as many as the window has room for.
sub _sendable {
    my $self = shift;
    my $all  = length($self->{control}) + length($self->{backlog}) - $self->{offset};
    return $all unless $self->{ack};
    my ($ends, $limit) = ($self->{ends}, $self->{window_bytes});
    return $all if $all <= 0 || @$ends <= $self->{window} && length $self->{backlog} <= $limit;
    my ($bytes, $count) = (0, 0);
    while ($count < @$ends && $count < $self->{window} && ($bytes + $ends->[$count] <= $limit || !$count)) { $bytes += $ends->[$count++] }
    return length($self->{control}) + $bytes - $self->{offset};
}

sub _up {
    my $self = shift;
    return 1 if $self->{up};
    $self->{connects}++;
    $self->_tell('connected to');
    return $self->{up} = 1;
}

sub _tell { return $_[0]{debug} && $_[0]{notice}->("$_[1] $_[0]{name}") }

sub _taken {
    my ($self, $bytes) = @_;
    $self->_up;
    return $self->{offset} += $bytes if $self->{ack};
    my ($whole, $frames) = $self->{msgpack} ? $self->_whole($bytes) : 1 + rindex $self->{backlog}, "\n", $self->{offset} + $bytes - 1;
    my $taken = substr $self->{backlog}, 0, $whole, '';
    $frames //= $taken =~ tr/\n//;
    $self->{offset} += $bytes - $whole;
    $self->{sent}   += $frames;
    $self->{queued} -= $frames;
    return 1;
}

# How many bytes of the backlog are whole frames, now that so many more are written; and how many frames these are.
sub _whole {
    my ($self, $bytes) = @_;
    my ($whole, $frames, $ends) = (0, 0, $self->{ends});
    while (@$ends && $whole + $ends->[0] <= $self->{offset} + $bytes) { $whole += shift @$ends; $frames++ }
    return ($whole, $frames);
}

# Records up to $seq are taken: they leave the backlog.
sub _acked {
    my ($self, $seq) = @_;
    my ($ends, $nacked) = @$self{qw(ends nacked)};
    my $first = $self->{seq} - @$ends + 1;
    my $bytes = 0;
    while (@$ends && ($first <= $seq || $nacked->{$first})) {
        last if $self->{offset} > $bytes && $self->{offset} < $bytes + $ends->[0];    # partly written: finished first
        $bytes += shift @$ends;
        $self->{queued}--;
        delete $nacked->{ $first++ } ? $self->{dropped}{refused}++ : $self->{sent}++;
    }
    substr $self->{backlog}, 0, $bytes, '';
    $self->{offset} = $self->{offset} > $bytes ? $self->{offset} - $bytes : 0;
    return;
}

# Reads what the sidecar says, if anything; false if it has closed.
sub _hear {
    my $self  = shift;
    my $heard = recv $self->{sock}, my $text, 4096, 0;
    if (defined $heard && length $text) {
        return 1 unless $self->{hello};
        $self->{heard} .= $text;
        while (defined(my $line = $self->_line)) {
            my ($type, $seq) = ($line =~ /"type":"(\w+)"/, $line =~ /"(?:last_)?seq":(\d+)/ ? $1 : 0);
            $self->{nacked}{$seq} = 1 if $type eq 'nack';
            $self->{$1} = $2 while $type eq 'welcome' && $line =~ /"(window(?:_bytes)?)":(\d+)/g;
            $self->_acked($type eq 'nack' ? 0 : $seq) if $self->{ack} && $type =~ /\A(?:welcome|ack|nack)\z/;
            $self->{notice}->("the sidecar at $self->{name} refuses: $line") if $type eq 'error' && !$self->{refused}++;
        }
        return $self->_hear;
    }
    return 0 if defined $heard;
    return $! == EAGAIN && ($self->{up} || clock_gettime(CLOCK_MONOTONIC) < $self->{tried_s} + CONNECT_S);
}

# Its next message as a line of compact JSON.
sub _line {
    my $self = shift;
    return $self->{heard} =~ s/\A([^\n]*)\n// ? $1 : undef unless $self->{msgpack};
    return eval { Monitoring::SDK::JSON::json_value(Monitoring::SDK::Msgpack::next_value(\$self->{heard})) };
}

# Asks to hear at once of all that was sent.
sub ask {
    my ($self, $message) = @_;
    return if !$self->{up} || length $self->{control} || $self->{offset} < length $self->{backlog};
    return $self->{control} = $self->_framed($message);
}

sub _framed { return $_[0]{msgpack} ? Monitoring::SDK::Msgpack::from_json($_[1]) : $_[1] }

# The socket, if it may be written to. The read is there to see whether the sidecar has closed, too.
sub _socket {
    my $self = shift;
    return $self->connect unless $self->{sock};
    return $self->{sock} if $self->_hear;
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
    $self->{control} = $self->_framed($self->{hello}->($self)) if $self->{hello};
    return $self->{sock} = $sock;
}

# A connection that lived for a second has earned an attempt at once.
sub _lose {
    my $self = shift;
    $self->_tell('lost the connection to') if $self->{up};
    @$self{qw(step next_s)} = (0, 0) if $self->{up} && clock_gettime(CLOCK_MONOTONIC) > $self->{tried_s} + 1;
    close delete $self->{sock};
    return @$self{qw(up offset control heard)} = (0, 0, '', '');
}

# Waits until the socket takes more, or says something where nothing is left to send, for 20 ms at most.
sub rest {
    my $self = shift;
    return _wait($self->{sock}, 0.02, $self->{ack} && $self->_sendable <= 0);
}

sub _wait {
    my ($sock, $timeout_s, $to_read) = @_;
    vec(my $ready = '', fileno $sock, 1) = 1 if $sock;
    return $to_read ? select $ready, undef, undef, $timeout_s : select undef, $ready, undef, $timeout_s;
}

# Closes for good, what is queued counts as dropped.
sub end {
    my $self = shift;
    $self->{dropped}{closed} += $self->{queued};
    @$self{qw(backlog queued peer up)} = ('', 0);
    @$self{qw(ends control)} = ([], '');
    my $sock = delete $self->{sock} or return;
    shutdown $sock, 1;
    return unless $self->{hello};
    # Closed with something unread, the connection would be reset, and what is on its way lost.
    my $until_s = clock_gettime(CLOCK_MONOTONIC) + LINGER_S;
    while (clock_gettime(CLOCK_MONOTONIC) < $until_s) {
        _wait($sock, 0.02, 1);
        my $heard = recv $sock, my $text, 4096, 0;
        last if defined $heard ? !length $text : $! != EAGAIN;
    }
    return close $sock;
}

1;
