#!/usr/bin/env perl
# queue-service: takes each job from the queue and runs the loader on its file.
#   queue_service.pl QUEUE-FOLDER [--watch]
# With --watch it goes on looking for jobs. EG_TIME_SCALE: see file_receiver.pl.
use strict;
use warnings;

use FindBin     qw($Bin);
use JSON::PP    qw(decode_json);
use Time::HiRes qw(sleep);
use lib "$Bin/../lib";

use Monitoring::SDK;

my ($queue, $watch) = @ARGV;
defined $queue or die "usage: $0 QUEUE-FOLDER [--watch]\n";
my $TIME_SCALE = $ENV{EG_TIME_SCALE} // 1;

my $monitoring = Monitoring::SDK->new(
    source   => 'queue-service',
    tcp_host => $ENV{MONITORING_HOST} // 'localhost',
    tcp_port => $ENV{MONITORING_PORT} // 17000,
);

while (1) {
    for my $name (glob "\Q$queue\E/*.json") {
        my $item = take($name) or next;
        process_job(@$item{qw(job_id file traceparent)});
    }
    last unless $watch;
    sleep 0.5;
}
$monitoring->close;

sub process_job {
    my ($job, $file, $traceparent) = @_;

    # A child of the span that queued the job: one trace for the job through all services.
    my $span = $monitoring->start_span('process_job', traceparent => $traceparent);
    $monitoring->set_context('job_id', $job);
    $monitoring->log_event('info', 'Job dequeued', { file => $file });
    $monitoring->log_progress($job, 0, 'started');
    sleep 0.1 * $TIME_SCALE;
    $monitoring->log_event('info', 'Processing started');

    # A plain system: while the span is open the SDK has the trace and the job in %ENV.
    my $failed = system $^X, "$Bin/db_loader.pl", $file;

    if ($failed) {
        $monitoring->log_event('error', 'Job failed', { exit_code => $? >> 8 });
        $monitoring->log_progress($job, undef, 'failed');
        $monitoring->end_span($span, 'failed');
    }
    else {
        $monitoring->log_progress($job, 100, 'completed');
        $monitoring->end_span($span, 'success');
    }
    $monitoring->log_metric($failed ? 'jobs_failed' : 'jobs_processed', 1, 'count');
    $monitoring->set_context('job_id', undef);
    return;
}

# The job, if no other worker was faster.
sub take {
    my $name = shift;
    rename $name, "$name.taken" or return;
    open my $in, '<:raw', "$name.taken" or return;
    unlink "$name.taken";
    local $/;
    my $item = eval { decode_json(<$in>) };
    $monitoring->log_event('error', 'Unreadable job', { item => $name, reason => $@ }) unless $item;
    return $item;
}
