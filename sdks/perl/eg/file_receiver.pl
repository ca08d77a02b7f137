#!/usr/bin/env perl
# file-receiver: takes in a CSV file, checks it and queues a job for it.
#   file_receiver.pl JOB-ID FILE QUEUE-FOLDER
# EG_TIME_SCALE scales the pretended work: with 0.01, seconds take hundredths.
use strict;
use warnings;

use File::Basename qw(basename);
use FindBin        qw($Bin);
use JSON::PP       qw(encode_json);
use Time::HiRes    qw(sleep);
use lib "$Bin/../lib";

use Monitoring::SDK;

@ARGV == 3 or die "usage: $0 JOB-ID FILE QUEUE-FOLDER\n";
my ($job, $file, $queue) = @ARGV;
my $TIME_SCALE = $ENV{EG_TIME_SCALE} // 1;

my $monitoring = Monitoring::SDK->new(
    source   => 'file-receiver',
    tcp_host => $ENV{MONITORING_HOST} // 'localhost',
    tcp_port => $ENV{MONITORING_PORT} // 17000,
);
$monitoring->set_context('job_id', $job);

my $span = $monitoring->start_span('receive_file');
sleep 1.2 * $TIME_SCALE;    # the transfer
$monitoring->log_event('info', 'File received', { file => basename($file), bytes => -s $file });

my ($rows, $problem) = check($file);
$monitoring->log_metric('file_valid', $problem ? 0 : 1, 'bool', { file => basename($file) });
if ($problem) {
    $monitoring->log_event('error', 'File rejected', { file => basename($file), reason => $problem });
    $monitoring->end_span($span, 'failed', $problem);
    die "$file: $problem\n";
}
sleep 1 * $TIME_SCALE;
$monitoring->log_event('info', 'File validated', { file => basename($file), rows => $rows });

# Who takes the job from the queue continues this trace: its `traceparent` travels with the job.
enqueue({ job_id => $job, file => $file, traceparent => $monitoring->traceparent });
sleep 0.1 * $TIME_SCALE;
$monitoring->log_event('info', 'Job queued');
$monitoring->end_span($span, 'success');
$monitoring->close;

# (rows, what is wrong): every row must have as many columns as the first.
sub check {
    my $name = shift;
    open my $in, '<', $name or return (0, "cannot read: $!");
    my $commas;
    while (<$in>) {
        $commas //= tr/,//;
        return ($. - 1, "line $.: not " . ($commas + 1) . ' columns') if tr/,// != $commas;
    }
    return ($., $. ? undef : 'empty');
}

sub enqueue {
    my $item = shift;
    my $name = "$queue/$item->{job_id}.json";
    open my $out, '>:raw', "$name.new" or die "$name.new: $!\n";
    print {$out} encode_json($item);
    close $out or die "$name.new: $!\n";
    rename "$name.new", $name or die "$name: $!\n";
    return;
}
