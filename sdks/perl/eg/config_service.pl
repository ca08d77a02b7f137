#!/usr/bin/env perl
# config-service: reads the settings of the other services and says what it found.
#   config_service.pl [SETTINGS.json]
use strict;
use warnings;

use FindBin  qw($Bin);
use JSON::PP qw(decode_json);
use lib "$Bin/../lib";

use Monitoring::SDK;

my $monitoring = Monitoring::SDK->new(
    source   => 'config-service',
    tcp_host => $ENV{MONITORING_HOST} // 'localhost',
    tcp_port => $ENV{MONITORING_PORT} // 17000,
);

my $file     = shift;
my $settings = { queue => 'orders', workers => 4, region => 'eu-central-1' };
if (defined $file) {
    $settings = eval { decode_json(slurp($file)) };
    if (ref $settings ne 'HASH') {
        my $reason = $@ || 'not a JSON object';
        $monitoring->log_event('error', 'Configuration rejected', { file => $file, reason => $reason });
        die "$file: $reason\n";
    }
}
$monitoring->log_event('info', 'Configuration loaded', $settings);
$monitoring->log_metric('config_entries', scalar keys %$settings, 'count', { file => $file // 'built in' });
$monitoring->close;

sub slurp {
    my $name = shift;
    open my $in, '<:raw', $name or die "$!\n";
    local $/;
    return scalar <$in>;
}
