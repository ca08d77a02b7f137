# The bytes on the wire, for every call.
use strict;
use warnings;
use lib 't/lib';

use Encode      ();
use FakeSidecar qw(eventually);
use JSON::PP    ();
use Test::More;

use Monitoring::SDK;

my $sidecar = FakeSidecar->start;
my $sdk     = Monitoring::SDK->new(source => 'wire', tcp_host => 'localhost', tcp_port => $sidecar->port);
my $seen    = 0;

# The text of the next record, with what varies masked.
sub frame {
    my $line;    # a write across two pages can be read between them
    eventually(sub { $line = ($sidecar->lines($seen + 1))[$seen]; $line =~ /\n\z/ });
    $seen++;
    $line =~ s/"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","ts_us":\d{16},/"timestamp":T,/ or fail("times in $line");
    $line =~ s/"(trace_id|span_id|parent_span_id)":"([0-9a-f]+)"/qq("$1":) . length $2/ge;
    $line =~ s/"(start_us|duration_us)":\d+/"$1":N/g;
    return $line;
}

sub data { return frame() =~ s/\A.*?"data":(.*)\}\n\z/$1/sr }

is($sdk->log_event('info', 'started', { a => 1, b => 'x', c => [ 1.5, undef ] }), 1, 'log_event says that it took the record');
is(frame(), qq({"source":"wire","timestamp":T,"type":"event","data":{"level":"info","message":"started",)
    . qq("context":{"a":1,"b":"x","c":[1.5,null]}}}\n), 'an event, whole');

$sdk->log_event('warn', 'no context');
is(data(), '{"level":"warn","message":"no context"}', 'no context, no member');
$sdk->log_event(undef, undef, {});
is(data(), '{"level":"info","message":""}', 'a missing level is info');
$sdk->log_event('info', 'm', 'text');
is(data(), '{"level":"info","message":"m","context":{"value":"text"}}', 'a context that is no hash');

$sdk->log_metric('rows', 42, 'count', { file => 'a.csv' });
is(data(), '{"name":"rows","value":42,"unit":"count","tags":{"file":"a.csv"}}', 'a metric');
$sdk->log_metric('ratio', '0.25');
is(data(), '{"name":"ratio","value":0.25,"unit":null}', 'a value out of a file is a number');
$sdk->log_metric('big', 2**60);
is(data(), '{"name":"big","value":1152921504606846976,"unit":null}', 'a metric is a number at any size');

$sdk->log_progress('job-1', 0, 'started');
like(frame(), qr/"type":"progress","job_id":"job-1","data":\{"job_id":"job-1","percent":0,"status":"started"\}\}$/, 'progress');
$sdk->log_progress('job-1', '50', 'running', { current => 5, total => 10 });
is(data(), '{"job_id":"job-1","percent":50,"status":"running","current":5,"total":10}', 'progress with more');

$sdk->log_resource(12.5, 300, 1, 2);
is(data(), '{"cpu":12.5,"disk":1,"memory":300,"network":2}', 'resources by position');
$sdk->log_resource(cpu => '3', memory_mb => 64);
is(data(), '{"cpu":3,"memory_mb":64}', 'resources by name');
$sdk->log_resource({ cpu => 3 });
is(data(), '{"cpu":3}', 'resources in a hash');
$sdk->log_resource(1);
is(data(), '{"cpu":1,"disk":null,"memory":null,"network":null}', 'unknown resources are null');

my $outer = $sdk->start_span('outer');
is(frame(), qq({"source":"wire","timestamp":T,"type":"span","trace_id":32,"span_id":16,)
    . qq("data":{"phase":"start","name":"outer"}}\n), 'the start of a span');
my $inner = $sdk->start_span('inner');
is(data(), '{"phase":"start","name":"inner","parent_span_id":16}', 'a child names its parent');
$sdk->log_event('info', 'inside');
like(frame(), qr/"type":"event","trace_id":32,"span_id":16,"data"/, 'an event in a span carries its ids');
$sdk->end_span($inner, 'failed', 'no rows', { rows => 0 });
is(data(), '{"phase":"end","name":"inner","parent_span_id":16,"start_us":N,"duration_us":N,"status":"failed",'
    . '"status_message":"no rows","attributes":{"rows":0}}', 'the end of a span is complete in itself');
$sdk->end_span($outer);
is(data(), '{"phase":"end","name":"outer","start_us":N,"duration_us":N,"status":"success"}', 'a status is success unless said');

$sdk->set_context(job_id => 'job-7');
$sdk->set_context(user => 'ada');
$sdk->log_event('info', 'm', { n => 1 });
like(frame(), qr/"type":"event","job_id":"job-7","data":\{.*"context":\{"n":1,"user":"ada"\}\}\}$/, 'the context goes with events');
$sdk->log_metric('m', 1);
like(frame(), qr/"job_id":"job-7","data":\{.*"tags":\{"user":"ada"\}\}\}$/, 'and with metrics as tags');
$sdk->log_progress('job-8', 1, 'x');
like(frame(), qr/"job_id":"job-8","data":\{"job_id":"job-8",.*"context":\{"user":"ada"\}\}\}$/, 'an argument wins over the context');
$sdk->log_event('info', 'm', { job_id => 9, user => 'bob' });
like(frame(), qr/"job_id":"9","data":\{.*"context":\{"job_id":9,"user":"bob"\}\}\}$/, 'so it does in a context');
$sdk->set_context(user => undef);
$sdk->log_event('info', 'm');
like(frame(), qr/"data":\{"level":"info","message":"m"\}\}$/, 'undef takes a key out');

$sdk->log_event('info', "caf\x{e9} \x{1F600} \"\\\n\t\x01");
is(data(), Encode::encode('UTF-8', qq({"level":"info","message":"caf\x{e9} \x{1F600} ) . '\"\\\\\n\t\u0001"}'), 'UTF-8 and escapes');

my @lines = $sidecar->lines($seen);
is(scalar @lines, $seen, 'one line a record');
ok(eval { JSON::PP::decode_json($_) }, "a JSON text: $_") for @lines;
is($sdk->stats->{sent}, $seen, 'all were sent');
is($sdk->stats->{accepted}, $seen, 'and counted');
ok($sdk->close, 'close says that all is out');
is($sidecar->connections, 1, 'over one connection');

done_testing;
