#!/usr/bin/env perl
# queue-service: takes each job from the queue and has db_loader.pl load its file.
#   perl -Ilib eg/queue_service.pl QUEUE-FOLDER
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Monitoring::SDK;
use Time::HiRes qw(sleep);

my ($queue) = @ARGV;
die "usage: $0 QUEUE-FOLDER\n" unless defined $queue;
my $scale = $ENV{EG_TIME_SCALE} // 1;

my $monitor = Monitoring::SDK->new(source => 'queue-service');

for my $path (sort glob "$queue/*.json") {
    open my $in, '<', $path or die "$path: $!\n";
    my $item = decode_json(do { local $/; <$in> });
    close $in;
    unlink $path;
    process_job($item);
}
$monitor->close;

sub process_job {
    my ($item) = @_;
    my ($job, $file) = @$item{qw(job_id file)};

    $monitor->continue_trace($item->{traceparent});
    $monitor->set_context('job_id', $job);
    my $span = $monitor->start_span('process_job');
    $monitor->log_event('info', 'Job dequeued', { file => $file });
    $monitor->log_progress($job, 0, 'started');
    sleep(0.1 * $scale);
    $monitor->log_event('info', 'Processing started', { file => $file });

    # Inside an open span a plain system() hands the trace and the job to the script.
    my $failed = system($^X, "$FindBin::Bin/db_loader.pl", $file) != 0;

    $monitor->log_progress($job, 100, $failed ? 'failed' : 'completed');
    $monitor->end_span($span, $failed ? 'failed' : 'success');
    $monitor->log_metric('jobs_processed', 1, 'count');
    $monitor->set_context('job_id', undef);
    return;
}
