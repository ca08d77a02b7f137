package FakeSidecar;

# A sidecar for tests: a process of its own that accepts connections and writes down what arrives, one file each.

use strict;
use warnings;

use Exporter    qw(import);
use File::Temp  qw(tempdir);
use IO::Select  ();
use JSON::PP    ();
use POSIX       ();
use Socket      qw(INADDR_LOOPBACK PF_INET SOCK_STREAM SOL_SOCKET SO_REUSEADDR SO_RCVBUF SOMAXCONN pack_sockaddr_in unpack_sockaddr_in);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(black_hole eventually in_process);

$ENV{MONITORING_QUIET} //= 1;
delete @ENV{qw(TRACEPARENT MONITORING_JOB_ID MONITORING_HOST MONITORING_PORT MONITORING_SOURCE)};

my $PATIENCE_S = 60;    # how long a slow machine may take; no test asserts less

# port: 0 for a free one; reads: 0 to accept and never read; dir: of an earlier one whose records it continues.
sub start {
    my ($class, %option) = @_;
    my $self = bless { reads => 1, dir => tempdir(CLEANUP => 1), owner => $$, %option }, $class;
    socket my $listener, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    setsockopt $listener, SOL_SOCKET, SO_REUSEADDR, 1;
    setsockopt $listener, SOL_SOCKET, SO_RCVBUF, 4096 unless $self->{reads};
    bind $listener, pack_sockaddr_in($self->{port} || 0, INADDR_LOOPBACK) or die "bind: $!";
    listen $listener, SOMAXCONN;
    ($self->{port}) = unpack_sockaddr_in(getsockname $listener);
    $self->{pid} = fork // die "fork: $!";
    $self->_serve($listener) unless $self->{pid};
    return $self;
}

sub port { return $_[0]{port} }

# Another on the same port, with the same records.
sub again {
    my ($self, %option) = @_;
    return FakeSidecar->start(port => $self->{port}, dir => $self->{dir}, %option);
}

# SIGTERM: stops to accept, sends FIN on each connection and reads on until the clients' end.
sub drain { return $_[0]->_end('TERM') }

sub murder { return $_[0]->_end('KILL') }

sub _end {
    my ($self, $signal) = @_;
    local ($?, $!);
    my $pid = delete $self->{pid} or return;
    kill $signal, $pid;
    return waitpid $pid, 0;
}

sub CLONE_SKIP { return 1 }

sub DESTROY {
    my $self = shift;
    $self->murder if $self->{owner} == $$;
    return;
}

# Every line that has arrived, connection by connection; waits for $count of them. Unterminated text counts as a line.
sub lines {
    my ($self, $count) = @_;
    my @lines;
    eventually(sub { @lines = $self->_read; @lines >= ($count || 0) });
    return @lines;
}

sub _read {
    my $self = shift;
    my @lines;
    for my $file (sort glob "$self->{dir}/*") {
        open my $in, '<:raw', $file or die "$file: $!";
        push @lines, <$in>;
    }
    return @lines;
}

sub records {
    my ($self, $count) = @_;
    return map { JSON::PP::decode_json($_) } $self->lines($count);
}

sub connections { my @files = glob "$_[0]{dir}/*"; return scalar @files }

sub _serve {
    my ($self, $listener) = @_;
    my ($selector, %file, $draining) = (IO::Select->new($listener));
    local $SIG{TERM} = sub { $draining = 1 };
    my ($number, $run) = (0, time);
    my $take = sub {
        accept my $client, $listener or return;
        $selector->add($client) if $self->{reads};
        open $file{$client}, '>:raw', sprintf '%s/%.6f-%05d', $self->{dir}, $run, $number++;
        $file{$client}->autoflush(1);
        push @{ $self->{held} }, $client;
        return;
    };
    while (1) {
        if ($draining && $listener) {
            $selector->remove($listener);
            # Clients that have connected already are answered, too: closing would reset them.
            $take->() while IO::Select->new($listener)->can_read(0);
            close $listener;
            undef $listener;
            shutdown $_, 1 for $selector->handles;
        }
        POSIX::_exit(0) if $draining && !$selector->count || getppid != $self->{owner};
        for my $handle ($selector->can_read(0.05)) {
            if ($listener && $handle == $listener) {
                $take->();
                next;
            }
            if (sysread $handle, my $bytes, 65_536) {
                print { $file{$handle} } $bytes;
                next;
            }
            $selector->remove($handle);
            close $handle;
        }
    }
}

# ---- for any test ----

# Polls until $code gives a true value, which it returns; false after a minute.
sub eventually {
    my $code  = shift;
    my $until = time + $PATIENCE_S;
    while (time < $until) {
        my $value = $code->();
        return $value if $value;
        sleep 0.01;
    }
    return;
}

# Runs $code in a forked child that exits as perl does, END blocks and all; gives its wait status.
sub in_process {
    my $code = shift;
    my $pid  = fork // die "fork: $!";
    if (!$pid) {
        Test::More->builder->no_ending(1) if Test::More->can('builder');
        $code->();
        exit 0;
    }
    waitpid $pid, 0;
    return $?;
}

# The port of a listener that answers no SYN: its queue is full. Keep the handles alive.
sub black_hole {
    socket my $listener, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    bind $listener, pack_sockaddr_in(0, INADDR_LOOPBACK) or die "bind: $!";
    listen $listener, 0;
    my @handles = ($listener);
    for (1 .. 4) {
        socket my $client, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
        $client->blocking(0);
        connect $client, getsockname $listener;
        push @handles, $client;
    }
    my ($port) = unpack_sockaddr_in(getsockname $listener);
    return ($port, \@handles);
}

1;
