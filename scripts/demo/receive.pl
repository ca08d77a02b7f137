# file-receiver: takes in a file and has it loaded, by a plain `system` inside an open span: receive.pl JOB-ID
use strict;
use warnings;
use FindBin qw($Bin);
use Time::HiRes qw(sleep);
use Monitoring::SDK;

my ($job) = @ARGV;
my $m = Monitoring::SDK->new(source => 'file-receiver');
$m->set_context('job_id', $job);
my $span = $m->start_span('receive_file');
$m->log_event('info', 'File received', { file => "$job.csv" });
sleep 0.3 + rand 0.4;
$m->log_metric('file_bytes', int(1e6 + rand 4e6), 'bytes');
$m->log_event('info', 'File validated');
my $failed = system('python3', "$Bin/load.py", $job);
$m->log_event($failed ? ('error', 'Load failed') : ('info', 'File done'));
$m->end_span($span, $failed ? ('failed', 'load failed') : 'success');
$m->close;
exit($failed ? 1 : 0);
