package Monitoring::SDK::Signals;

# What is held back while a record is made. Loaded once there is a handler that a signal may wake: POSIX takes 5 ms.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use POSIX ();

our $ALL = POSIX::SigSet->new;
$ALL->fillset;
$ALL->delset(POSIX::SIGPIPE());    # blocked it would stay pending, and strike later

our $SET = POSIX::SIG_SETMASK();

1;
