#!/usr/bin/env perl
# file-receiver: takes a file, checks it, and queues it for queue-service, trace included.
#   perl -Ilib eg/file_receiver.pl JOB-ID FILE QUEUE-FOLDER
# EG_TIME_SCALE shortens the pretended work: 0.01 makes seconds of hundredths.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(encode_json);
use Monitoring::SDK;
use Time::HiRes qw(sleep);

my ($job, $file, $queue) = @ARGV;
die "usage: $0 JOB-ID FILE QUEUE-FOLDER\n" unless defined $queue;
my $scale = $ENV{EG_TIME_SCALE} // 1;

my $monitor = Monitoring::SDK->new(source => 'file-receiver');
$monitor->set_context('job_id', $job);
my $span = $monitor->start_span('receive_file');

$monitor->log_event('info', 'File received', { file => $file });
sleep(1.8 * $scale);

open my $in, '<', $file or do {
    $monitor->log_event('error', 'File cannot be read', { file => $file, reason => "$!" });
    $monitor->end_span($span, 'failed');
    exit 1;
};
my $rows = () = <$in>;
close $in;
$monitor->log_event('info', 'File validated', { file => $file, rows => $rows });
$monitor->log_metric('file_valid', 1, 'count', { file => $file });
sleep(0.5 * $scale);

# The item carries the trace: whoever takes it from the queue goes on with it.
my $item = { job_id => $job, file => $file, traceparent => $monitor->traceparent };
open my $out, '>', "$queue/$job.json.tmp" or die "$queue: $!\n";
print {$out} encode_json($item), "\n";
close $out or die "$queue: $!\n";
rename "$queue/$job.json.tmp", "$queue/$job.json" or die "$queue: $!\n";

$monitor->log_event('info', 'Job queued', { queue => 'orders' });
$monitor->end_span($span, 'success');
$monitor->close;
