package Monitoring::SDK::Session;

# A connection that begins with a hello: it shows a token, or asks for acknowledgements, or both. With acknowledgements
# what was sent stays in the backlog until it is acknowledged, and is sent again on the next connection; the sidecar knows
# by its number what it has.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Monitoring::SDK::JSON qw(json_value);
use Monitoring::SDK::Link ();

our @ISA = ('Monitoring::SDK::Link');

sub LINGER_S () {0.2}

# Options besides a link's: line, called with a type and its data as JSON, gives a frame; new_id gives a session's id;
# ack, memory or disk, or none; token; sdk, its name and version.
sub begin {
    my $self = shift;
    @$self{qw(control session nacked window window_bytes)} = ('', undef, {}, 1000, 2**20);
    return $self->SUPER::begin;
}

sub offer {
    my ($self, $frame, $important) = @_;
    $frame =~ s/\}\n\z/',"seq":' . (1 + $self->{seq}) . "}\n"/e if $self->{ack};
    return $self->SUPER::offer($frame, $important);
}

sub drain {
    my $self = shift;
    $self->lose if ($self->{ack} || $self->{refused}) && $self->{sock} && !$self->hear;
    return $self->SUPER::drain;
}

# All, or as many as the window has room for; once refused, none before a welcome.
sub sendable {
    my $self = shift;
    return length $self->{control} if $self->{refused} && $self->{sock};
    my $all  = length($self->{control}) + $self->SUPER::sendable;
    return $all unless $self->{ack};
    my ($ends, $limit) = ($self->{ends}, $self->{window_bytes});
    return $all if $all <= 0 || @$ends <= $self->{window} && length $self->{backlog} <= $limit;
    my ($bytes, $count) = (0, 0);
    while ($count < @$ends && $count < $self->{window} && ($bytes + $ends->[$count] <= $limit || !$count)) { $bytes += $ends->[$count++] }
    return length($self->{control}) + $bytes - $self->{offset};
}

sub piece {
    my ($self, $bytes) = @_;
    return length $self->{control} ? $self->{control} : $self->SUPER::piece($bytes);
}

sub taken {
    my ($self, $bytes) = @_;
    return $self->SUPER::taken($bytes) unless $self->{ack} || length $self->{control};
    $self->is_up;
    return $self->{offset} += $bytes unless length $self->{control};
    return substr $self->{control}, 0, $bytes, '';
}

sub connect {
    my $self = shift;
    my $sock = $self->SUPER::connect or return;
    $self->{session} //= $self->{new_id}->() if $self->{ack};
    my %data = (v => 1, sdk => $self->{sdk}, pid => $$);
    @data{qw(session ack)} = @$self{qw(session ack)} if $self->{ack};
    $data{token} = $self->{token} if length $self->{token};
    $self->{control} = $self->framed($self->{line}->('hello', json_value(\%data)));
    return $sock;
}

sub lose {
    my $self = shift;
    $self->{control} = '';
    return $self->SUPER::lose;
}

# One message of the sidecar's.
sub understand {
    my ($self, $type, $line) = @_;
    my $seq = $line =~ /"(?:last_)?seq":(\d+)/ ? $1 : 0;
    $self->{nacked}{$seq} = 1 if $type eq 'nack';
    @$self{qw(welcome refused)} = (1, 0) if $type eq 'welcome';
    $self->{$1} = $2 while $type eq 'welcome' && $line =~ /"(window(?:_bytes)?)":(\d+)/g;
    $self->_acked($type eq 'nack' ? 0 : $seq) if $self->{ack} && $type =~ /\A(?:welcome|ack|nack)\z/;
    return;
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

sub ask {
    my ($self, $type) = @_;
    return if !$self->{ack} || !$self->{up} || length $self->{control} || $self->{offset} < length $self->{backlog};
    $self->{control} = $self->framed($self->{line}->($type, '{}'));
    $self->drain;
    return 1;
}

# Or until it says something, where nothing is left to send.
sub rest {
    my $self = shift;
    return Monitoring::SDK::Link::wait_for($self->{sock}, 0.02, ($self->{ack} || $self->{refused}) && $self->sendable <= 0);
}

# Closed with something unread, the connection would be reset, and what is on its way lost.
sub end {
    my $self = shift;
    $self->ask('bye');
    my $sock    = $self->SUPER::end or return;
    my $until_s = Monitoring::SDK::Link::now_s() + LINGER_S;
    while (Monitoring::SDK::Link::now_s() < $until_s) {
        Monitoring::SDK::Link::wait_for($sock, 0.02, 1);
        my $heard = recv $sock, my $text, 4096, 0;
        last if defined $heard ? !length $text || !$self->heard($text) : !Monitoring::SDK::Link::would_block();
    }
    return close $sock;
}

1;
