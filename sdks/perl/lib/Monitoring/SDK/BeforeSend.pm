package Monitoring::SDK::BeforeSend;

# What a program's own function makes of its records.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use JSON::PP ();

use Monitoring::SDK::JSON qw(json_members json_value);

# The members of a record but for $slot, and that, as JSON; nothing if it is to be left out.
sub edited {
    my ($before_send, $type, $json, $slot) = @_;
    my $codec  = JSON::PP->new->utf8->allow_nonref;
    my $edited = $before_send->({ type => $type, data => $codec->decode($json) }) or return;
    my %data   = %{ $edited->{data} };
    my $extra  = delete $data{$slot};
    my $core   = json_members(map { $_ => $data{$_} } sort keys %data);
    return ($core, ref $extra eq 'HASH' && %$extra ? ($core ne '' && ',') . qq("$slot":) . json_value($extra) : '');
}

1;
