#!/usr/bin/env perl
# config-service: says which configuration the other services got.
#   perl -Ilib eg/config_service.pl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Monitoring::SDK;

my $monitor = Monitoring::SDK->new(source => 'config-service');

my %configuration = (queue => 'orders', workers => 4, region => 'eu-central-1');
$monitor->log_event('info', 'Configuration loaded', \%configuration);
$monitor->log_metric('config_entries', scalar keys %configuration, 'count', { file => 'services.conf' });
$monitor->close;
