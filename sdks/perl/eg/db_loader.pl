#!/usr/bin/env perl
# db-loader: loads a CSV file into the database, in batches. queue_service.pl runs it; job and trace come with %ENV.
#   db_loader.pl FILE
# EG_TIME_SCALE: see file_receiver.pl.
use strict;
use warnings;

use File::Basename qw(basename);
use FindBin        qw($Bin);
use Time::HiRes    qw(sleep time);
use lib "$Bin/../lib";

use Monitoring::SDK;

@ARGV == 1 or die "usage: $0 FILE\n";
my ($file) = @ARGV;
my $BATCH_ROWS = 1000;
my $TIME_SCALE = $ENV{EG_TIME_SCALE} // 1;

my $monitoring = Monitoring::SDK->new(
    source   => 'db-loader',
    tcp_host => $ENV{MONITORING_HOST} // 'localhost',
    tcp_port => $ENV{MONITORING_PORT} // 17000,
);

my $span  = $monitoring->start_span('load_data');
my $start = time;
my $rows  = eval { load($file) };
if (my $problem = $@) {
    $monitoring->log_event('error', 'Load failed', { file => basename($file), reason => $problem });
    $monitoring->end_span($span, 'failed', $problem);
    die "$file: $problem";
}
$monitoring->log_metric('rows_loaded', $rows, 'count', { file => basename($file), table => 'orders' });
$monitoring->log_resource(cpu_percent(time - $start), memory_mb(), (-s $file) / 2**20, 0);
$monitoring->log_event('info', 'Data loaded, ' . thousands($rows) . ' rows inserted', { file => basename($file) });
$monitoring->end_span($span, 'success');
$monitoring->close;

sub load {
    my $name = shift;
    open my $in, '<', $name or die "cannot read: $!\n";
    my ($count, $columns, @batch) = (0);
    while (my $line = <$in>) {
        my @values = split /,/, $line, -1;
        $columns //= @values;
        die "line $.: not $columns columns\n" if @values != $columns;
        push @batch, \@values;
        $count += insert(splice @batch) if @batch == $BATCH_ROWS || eof $in;
    }
    return $count;
}

# Stands in for the database: takes its time, and says how many rows it took.
sub insert {
    my @rows = @_;
    sleep 4.52 * $TIME_SCALE * @rows / $BATCH_ROWS;
    return scalar @rows;
}

sub cpu_percent {
    my $elapsed_s = shift;
    my ($user_s, $system_s) = times;
    return $elapsed_s > 0 ? sprintf '%.1f', 100 * ($user_s + $system_s) / $elapsed_s : 0;
}

sub memory_mb {
    open my $status, '<', '/proc/self/status' or return;
    my ($kilobytes) = map {/\AVmRSS:\s+(\d+)/} <$status>;
    return defined $kilobytes ? sprintf '%.1f', $kilobytes / 1024 : undef;
}

sub thousands {
    my $digits = reverse shift;
    $digits =~ s/(\d{3})(?=\d)/$1,/g;
    return scalar reverse $digits;
}
