package Monitoring::SDK::Resource;

# What a program says of its resources, and what it uses itself. Loaded when it first does. Functions get the client first.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Monitoring::SDK::JSON qw(json_members);

sub record {
    my ($client, @given) = @_;
    my %given = ref $given[0] eq 'HASH' ? %{ $given[0] } : $given[0] =~ /\A(?!nan|inf)[a-z]\w*\z/i ? @given : ();
    @given{qw(cpu memory disk network)} = @given unless %given;
    my @members = map { $_ => Monitoring::SDK::number($given{$_}) } sort keys %given;
    return $client->record('resource', json_members(@members), 'context');
}

# The first time it only begins to count.
sub sample {
    my $client = shift;
    my ($user_s, $system_s) = times;
    my ($before, $now_s) = ($client->{sampled}, Monitoring::SDK::Link::now_s());
    $client->{sampled} = [ $user_s + $system_s, $now_s ];
    return 1 if !$before || $now_s <= $before->[1];
    local $/ = "\n";
    open my $status, '<', '/proc/self/status';
    my ($memory) = map { /\AVmRSS:\s*(\d+)/ ? $1 / 1024 : () } <$status>;
    my %found = (cpu => 100 * ($user_s + $system_s - $before->[0]) / ($now_s - $before->[1]), memory => $memory);
    my @members = map { $_ => sprintf('%.1f', $found{$_}) + 0 } grep { defined $found{$_} } qw(cpu memory);
    return $client->record('resource', json_members(@members, per => 'process', pid => $$ + 0), 'context');
}

1;
