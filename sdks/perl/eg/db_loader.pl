#!/usr/bin/env perl
# db-loader: the script that queue_service.pl starts for each file. Job and trace come with the environment.
#   perl -Ilib eg/db_loader.pl FILE
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Monitoring::SDK;
use Time::HiRes qw(sleep);

my ($file) = @ARGV;
die "usage: $0 FILE\n" unless defined $file;
my $scale = $ENV{EG_TIME_SCALE} // 1;

my $monitor = Monitoring::SDK->new(source => 'db-loader');
my $span    = $monitor->start_span('load_data');

open my $in, '<', $file or do {
    $monitor->log_event('error', 'File cannot be read', { file => $file, reason => "$!" });
    $monitor->end_span($span, 'failed');
    exit 1;
};
my $rows = () = <$in>;
close $in;
sleep(45.2 * $scale);

$monitor->log_event('info', "Data loaded, $rows rows inserted", { file => $file });
$monitor->log_metric('rows_loaded', $rows, 'rows', { table => 'orders' });
$monitor->log_resource(12.5, 64, 3.1, 0.4);
$monitor->end_span($span, 'success');
$monitor->close;
