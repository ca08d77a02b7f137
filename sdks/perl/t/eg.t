# The programs of eg/: a job through three services, one trace.
use strict;
use warnings;
use lib 't/lib';

use FakeSidecar ();
use File::Temp  qw(tempdir);
use Test::More;

my $sidecar = FakeSidecar->start;
my $folder  = tempdir(CLEANUP => 1);
local %ENV = (%ENV, MONITORING_HOST => '127.0.0.1', MONITORING_PORT => $sidecar->port, EG_TIME_SCALE => 0.005);

sub spew {
    my ($name, @text) = @_;
    open my $out, '>', $name or die "$name: $!";
    print {$out} @text;
    close $out or die "$name: $!";
    return $name;
}

sub run { my ($program, @arguments) = @_; return system($^X, "eg/$program", @arguments) >> 8 }

mkdir "$folder/queue";
my $csv = spew("$folder/rows.csv", map {"$_,row $_,1.5\n"} 1 .. 10_000);

is(run('config_service.pl'), 0, 'config-service');
is(run('file_receiver.pl', 'job-12345', $csv, "$folder/queue"), 0, 'file-receiver');
ok(-s "$folder/queue/job-12345.json", 'queues the job');
is(run('queue_service.pl', "$folder/queue"), 0, 'queue-service');
is_deeply([ glob "$folder/queue/*" ], [], 'empties the queue');

my @records = $sidecar->records(2 + 6 + 7 + 5);
is(scalar @records, 2 + 6 + 7 + 5, 'all records are there');
my @of_job = grep { $_->{source} ne 'config-service' } @records;
my %span   = map { $_->{data}{name} => $_ } grep { $_->{type} eq 'span' && $_->{data}{phase} eq 'end' } @of_job;
is_deeply([ sort keys %span ], [qw(load_data process_job receive_file)], 'three spans');
is($span{process_job}{data}{parent_span_id}, $span{receive_file}{span_id}, 'queue-service\'s is the child of file-receiver\'s');
is($span{load_data}{data}{parent_span_id}, $span{process_job}{span_id}, 'db-loader\'s of queue-service\'s, over a plain system');
is(scalar(grep { ($_->{trace_id} // $span{load_data}{trace_id}) ne $span{load_data}{trace_id} } @of_job), 0, 'one trace');
is(scalar(grep { ($_->{job_id} // 'job-12345') ne 'job-12345' } @of_job), 0, 'one job');
my ($rows) = grep { ($_->{data}{name} // '') eq 'rows_loaded' } @of_job;
is($rows->{data}{value}, 10_000, '10,000 rows');
is((grep { $_->{type} eq 'event' && $_->{source} eq 'db-loader' } @of_job)[0]{data}{message}, 'Data loaded, 10,000 rows inserted', 'as the brief says it');

# What goes wrong is told too.
open my $stderr, '>&', \*STDERR or die;
open STDERR, '>', '/dev/null' or die;
isnt(run('file_receiver.pl', 'job-2', spew("$folder/bad.csv", "1,2\n1,2,3\n"), "$folder/queue"), 0, 'a bad file');
spew("$folder/queue/job-3.json", qq({"job_id":"job-3","file":"$folder/bad.csv"}));
spew("$folder/queue/job-4.json", '{');
is(run('queue_service.pl', "$folder/queue"), 0, 'a bad job does not stop the queue');
isnt(run('config_service.pl', $csv), 0, 'a bad configuration');
open STDERR, '>&', $stderr or die;
@records = $sidecar->records(20 + 5 + 7 + 3 + 1 + 1);
my %said = map { ("$_->{source}: $_->{data}{message}" => 1) } grep { ($_->{data}{level} // '') eq 'error' } @records;
is_deeply([ sort keys %said ], [ 'config-service: Configuration rejected', 'db-loader: Load failed', 'file-receiver: File rejected', 'queue-service: Job failed', 'queue-service: Unreadable job' ],
    'each service says what failed');
is_deeply([ map {"$_->{data}{name} $_->{data}{status}"} grep { $_->{type} eq 'span' && ($_->{data}{status} // '') eq 'failed' } @records ],
    [ 'receive_file failed', 'process_job failed', 'load_data failed' ], 'and its span failed') or diag explain [ map { $_->{data} } @records[ 20 .. $#records ] ];

done_testing;
