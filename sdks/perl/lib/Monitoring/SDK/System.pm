package Monitoring::SDK::System;

# What the core modules know of a system that is no usual Linux, and of addresses that are no IPv4 ones.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Errno  ();
use Fcntl  qw(F_GETFL F_SETFL O_NONBLOCK);
use Socket ();

# Of sockets and their errors; prepare, called with a socket, makes it one that does not block.
sub numbers {
    my %errno   = (again => Errno::EAGAIN(), in_progress => Errno::EINPROGRESS(), not_connected => Errno::ENOTCONN());
    my $prepare = sub { fcntl $_[0], F_SETFL, O_NONBLOCK | fcntl $_[0], F_GETFL, 0 };
    return { %errno, type => Socket::SOCK_STREAM(), no_signal => eval { Socket::MSG_NOSIGNAL() } || 0, prepare => $prepare };
}

# (error, { family, addr, ... }) of a host; only a name is asked for.
sub look_up {
    my ($host, $port) = @_;
    my %hint  = (socktype => Socket::SOCK_STREAM(), protocol => Socket::IPPROTO_TCP());
    my @found = Socket::getaddrinfo($host, $port, { %hint, flags => Socket::AI_NUMERICHOST() });
    return $found[0] ? Socket::getaddrinfo($host, $port, \%hint) : @found;
}

1;
