package Monitoring::SDK::Link;

# One connection to the sidecar and the bounded backlog in front of it. Nothing waits, except 4 ms for a handshake.
# States: none (until next_s) → connecting → up (the kernel took something) → lost → none.
# With a session, Monitoring::SDK::Session adds what a connection says besides records.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own; the pragma takes 1 ms to load

use Time::HiRes ();

sub BACKOFF_S ()     {0.1}
sub BACKOFF_MAX_S () {5}
sub HANDSHAKE_S ()   {0.004}
sub CONNECT_S ()     {5}
sub SEND_BYTES ()    {65_536}
sub HEARD_BYTES ()   {65_536}
sub READ_BYTES ()    {4096}
sub READS ()         {4}
sub TCP ()           {6}
sub TCP_NODELAY ()   {1}

my ($CLOCK, $OS) = Time::HiRes::CLOCK_MONOTONIC();

sub now_s { return Time::HiRes::clock_gettime($CLOCK) }

# Numbers that differ between systems. Linux's are known: Socket, Fcntl and Errno take longer to load than all else here.
# A Linux where they are others (MIPS, SPARC, Alpha) has other flags, too, and refuses this type.
sub _numbers {
    my %linux = (type => 1 | 04_000 | 02_000_000, no_signal => 0x4000, again => 11, in_progress => 115, not_connected => 107);
    return \%linux if $^O eq 'linux' && socket my $probe, 2, $linux{type}, TCP;
    Monitoring::SDK::part('System');
    return Monitoring::SDK::System::numbers();
}

# Options: host, port; limit_bytes, of the backlog; notice, called with a text when records begin to be lost and when that
# ends; debug, to tell of each connection; msgpack. And those of a session.
sub new {
    my ($class, %self) = @_;
    $OS ||= _numbers();
    my $self = bless { %self, name => "$self{host}:$self{port}" }, $class;
    $self->{peer} = $self->_peer;
    Monitoring::SDK::part('Msgpack') if $self->{msgpack};
    return $self->begin;
}

# Where the sidecar is; nothing if its name is not known. It is looked up here, and never again.
sub _peer {
    my $self = shift;
    my ($host, $port) = ($self->{host} =~ s/\Alocalhost\z/127.0.0.1/ir, $self->{port});
    my @bytes = grep { $_ < 256 } $host =~ /\A(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\z/;
    return { family => 2, addr => pack 'S n C4 x8', 2, $port, @bytes } if @bytes == 4 && $^O eq 'linux';
    Monitoring::SDK::part('System');
    my ($error, $found) = Monitoring::SDK::System::look_up($host, $port);
    $self->{notice}->("cannot resolve $host: $error; nothing will be delivered") if $error;
    return $found;
}

# Starts afresh. In a forked child what is queued is the parent's to send, and so is the connection: it is closed
# without a shutdown.
sub begin {
    my $self   = shift;
    my $forked = $self->{queued} || 0;
    close delete $self->{sock} if $self->{sock};
    @$self{qw(backlog accepted dropped losing)} = ('', $forked, { forked => $forked });
    @$self{qw(sent queued offset seq step next_s tried_s connects up)} = (0) x 9;
    @$self{qw(heard refused unsure)} = ('', 0, 0);    # unsure: sent on this connection, which may still be refused
    $self->{ends} = $self->{ack} || $self->{msgpack} ? [] : undef;    # lengths of the frames, where no LF tells them
    return $self;
}

# Sends the frame or queues it; 0 if it was dropped. The last fifth of the backlog is for what is important.
sub offer {
    my ($self, $frame, $important) = @_;
    $self->drain if $self->{queued};
    $frame = $self->framed($frame);
    my $room = $self->{limit_bytes} * ($important ? 1 : 0.8) - length $self->{backlog};
    return $self->drop('full') if $self->{queued} && length $frame > $room;
    $self->{accepted}++;
    $self->{backlog} .= $frame;
    push @{ $self->{ends} }, length $frame if $self->{ends};
    $self->{seq}++;
    $self->drain if !$self->{queued}++ || $self->{ack};
    return 1;
}

sub framed { return $_[0]{msgpack} ? Monitoring::SDK::Msgpack::from_json($_[1]) : $_[1] }

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
    while ($self->sendable > 0) {
        my $sock = $self->_socket or return;
        my $left = $self->sendable;
        next if $left <= 0;
        local $SIG{PIPE} = 'IGNORE' unless $OS->{no_signal};
        my $bytes = send $sock, $self->piece($left > SEND_BYTES ? SEND_BYTES : $left), $OS->{no_signal};
        return if !defined $bytes && (would_block() || $! == $OS->{not_connected} && !$self->{up});
        if (defined $bytes) { $self->taken($bytes); next }
        $self->hear;    # it may have said why
        $self->lose;
    }
    return if !$self->{losing} || $self->{queued};
    my ($then, $now) = (delete $self->{losing}, $self->{dropped});
    $self->{loss} = { map { $_ => $now->{$_} - $then->{$_} } keys %$now };
    return $self->{notice}->("delivering again; $self->{loss}{full} records were dropped");
}

# How many bytes may go out now.
sub sendable { return length($_[0]{backlog}) - $_[0]{offset} }

# The next of them, so many at most.
sub piece { return substr $_[0]{backlog}, $_[0]{offset}, $_[1] }

# The kernel has taken so many bytes.
sub taken {
    my ($self, $bytes) = @_;
    $self->is_up;
    my ($whole, $frames) = $self->{ends} ? $self->_whole($bytes) : 1 + rindex $self->{backlog}, "\n", $self->{offset} + $bytes - 1;
    my $taken = substr $self->{backlog}, 0, $whole, '';
    $frames //= $taken =~ tr/\n//;
    $self->{offset} += $bytes - $whole;
    $self->{sent}   += $frames;
    $self->{unsure} += $frames unless $self->{welcome};
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

sub is_up {
    my $self = shift;
    return 1 if $self->{up};
    $self->{connects}++;
    $self->_tell('connected to');
    return $self->{up} = 1;
}

sub _tell { return $_[0]{debug} && $_[0]{notice}->("$_[1] $_[0]{name}") }

# Reads what the sidecar says, if anything; false if it has closed, or is about to: it refuses. Who talks without end is
# no sidecar, and does not keep the host.
sub hear {
    my $self = shift;
    for (1 .. READS) {
        my $heard = recv $self->{sock}, my $text, READ_BYTES, 0;
        return would_block() && ($self->{up} || now_s() < $self->{tried_s} + CONNECT_S) if !defined $heard;
        return 0 if !length $text || !$self->heard($text);
    }
    return 1;
}

sub would_block { return $! == $OS->{again} }

# What the sidecar says, line by line; false once it refuses. What comes with a line that is none of its own is not looked at.
sub heard {
    my ($self, $text) = @_;
    my $goes_on = 1;
    $self->{heard} .= $text;
    while (defined(my $line = $self->_line)) {
        my $type = $line =~ /"type":"(\w+)"/ ? $1 : '';
        $self->{heard} = '' if !$type;
        $self->_refused($line) if $type eq 'error';
        $goes_on &&= $type ne 'error';
        $self->understand($type, $line);
    }
    $self->{heard} = '' if length $self->{heard} > HEARD_BYTES;    # it is no sidecar's
    return $goes_on;
}

# Its next message as a line of compact JSON.
sub _line {
    my $self = shift;
    return $self->{heard} =~ s/\A([^\n]*)\n// ? $1 : undef unless $self->{msgpack};
    return eval { Monitoring::SDK::JSON::json_value(Monitoring::SDK::Msgpack::next_value(\$self->{heard})) };
}

# Told once. What was sent is not taken; what comes waits for a welcome, unless there is no hello to say: such a client
# cannot be welcomed, only let in.
sub _refused {
    my ($self, $line) = @_;
    $self->{notice}->("the sidecar at $self->{name} refuses: $line") unless $self->{refused}++;
    $self->{sent} -= $self->{unsure};
    $self->{dropped}{refused} += $self->{unsure} if $self->{unsure};
    return $self->{unsure} = 0;
}

# Nothing else is for a client without a session.
sub understand { return }

# Asks to hear at once of all that was sent.
sub ask { return }

# The socket, if it may be written to. The read is there to see whether the sidecar has closed, too.
sub _socket {
    my $self = shift;
    return $self->connect unless $self->{sock};
    return $self->{sock} if $self->hear;
    $self->lose;
    return $self->connect;
}

# One attempt a backoff step, with full jitter, out of the clock: the host's random numbers are its own.
sub connect {
    my $self  = shift;
    my $now_s = now_s();
    return if $now_s < $self->{next_s} || !$self->{peer};
    my $limit_s = BACKOFF_S * 2**$self->{step}++;
    $limit_s = BACKOFF_MAX_S if $limit_s > BACKOFF_MAX_S;
    my $jitter = ($now_s * 1e6 % 65_536 ^ $$ % 65_536) * 40_503 % 65_536 / 65_536;
    @$self{qw(tried_s next_s)} = ($now_s, $now_s + $limit_s * $jitter);
    local $^F = -1;    # closed on exec, whatever the host has there
    socket my $sock, $self->{peer}{family}, $OS->{type}, TCP or return;
    binmode $sock;    # where PERLIO makes it text, perl refuses to send
    $OS->{prepare}->($sock) if $OS->{prepare};
    setsockopt $sock, TCP, TCP_NODELAY, 1;
    CORE::connect $sock, $self->{peer}{addr} or $! == $OS->{in_progress} or return;
    wait_for($sock, HANDSHAKE_S);
    return if getsockname $sock eq $self->{peer}{addr};    # TCP may connect to itself where nothing listens
    @$self{qw(heard welcome unsure)} = ('', 0, 0);
    return $self->{sock} = $sock;
}

# A connection that lived for a second has earned an attempt at once.
sub lose {
    my $self = shift;
    $self->_tell('lost the connection to') if $self->{up};
    @$self{qw(step next_s)} = (0, 0) if $self->{up} && now_s() > $self->{tried_s} + 1;
    close delete $self->{sock};
    return @$self{qw(up offset)} = (0, 0);
}

# Waits until the socket takes more, for 20 ms at most.
sub rest { return wait_for($_[0]{sock}, 0.02) }

sub wait_for {
    my ($sock, $timeout_s, $to_read) = @_;
    vec(my $ready = '', fileno $sock, 1) = 1 if $sock;
    return $to_read ? select $ready, undef, undef, $timeout_s : select undef, $ready, undef, $timeout_s;
}

# Closes for good, what is queued counts as dropped. The socket, with nothing more to send.
sub end {
    my $self = shift;
    $self->{dropped}{closed} += $self->{queued};
    @$self{qw(backlog queued peer up offset)} = ('', 0, undef, 0, 0);
    $self->{ends} &&= [];
    my $sock = delete $self->{sock} or return;
    shutdown $sock, 1;
    return $sock;
}

1;
