# Context, traces and spans; options and environment.
use strict;
use warnings;
use lib 't/lib';

use FakeSidecar qw(eventually);
use JSON::PP    ();
use Test::More;
use Time::HiRes qw(sleep time);

use Monitoring::SDK;

my $sidecar = FakeSidecar->start;
my $TRACE   = 'a' x 32;
my $PARENT  = 'b' x 16;
my $HEADER  = "00-$TRACE-$PARENT-01";

sub client { return Monitoring::SDK->new(source => 'context', tcp_host => '127.0.0.1', tcp_port => $sidecar->port, @_) }

# What a client sends while $code runs: a sidecar and a connection of its own.
sub sent {
    my ($code, @options) = @_;
    $sidecar = FakeSidecar->start;
    my $sdk = client(@options);
    $code->($sdk);
    $sdk->close;
    return $sidecar->records($sdk->stats->{sent});
}

# ---- precedence ----
{
    my ($plain, $set, $start, $inside, $end, $after) = sent(sub {
        my $sdk = shift;
        $sdk->log_event('info', 'plain');
        $sdk->set_context(trace_id => 'C' x 32);
        $sdk->log_event('info', 'set');
        my $span = $sdk->start_span('s', traceparent => $HEADER);
        $sdk->log_event('info', 'inside');
        $sdk->end_span($span);
        $sdk->set_context(trace_id => undef);
        $sdk->log_event('info', 'after');
    });
    ok(!exists $plain->{trace_id}, 'outside of any trace a record has none');
    is($set->{trace_id}, 'c' x 32, 'set_context gives one');
    is($start->{trace_id}, $TRACE, 'a span that continues another process\'s has its trace');
    is($start->{data}{parent_span_id}, $PARENT, 'and is a child of its span');
    is($inside->{trace_id}, $TRACE, 'an open span wins over the context');
    is($inside->{span_id}, $start->{span_id}, 'its events are its own');
    is_deeply([ @$end{qw(trace_id span_id)}, $end->{data}{parent_span_id} ], [ $TRACE, $start->{span_id}, $PARENT ], 'so is its end');
    ok(!exists $after->{trace_id}, 'then it is as before');
}
{
    local $ENV{TRACEPARENT} = uc $HEADER;
    local $ENV{MONITORING_JOB_ID} = 'env-job';
    my ($event, $root, undef, $second, undef, $mine, $again) = sent(sub {
        my $sdk = shift;
        $sdk->log_event('info', 'x');
        $sdk->end_span($sdk->start_span('root'));
        $sdk->end_span($sdk->start_span('second'));
        $sdk->set_context(job_id => 'mine');
        $sdk->log_event('info', 'x');
        $sdk->set_context(job_id => undef);
        $sdk->log_event('info', 'x');
    });
    is_deeply([ @$event{qw(trace_id span_id job_id)} ], [ $TRACE, $PARENT, 'env-job' ], 'trace, span and job out of the environment');
    is_deeply([ $root->{trace_id}, $root->{data}{parent_span_id} ], [ $TRACE, $PARENT ], 'for spans too');
    is($second->{job_id}, 'env-job', 'for every one');
    is($mine->{job_id}, 'mine', 'set_context wins');
    is($again->{job_id}, 'env-job', 'and gives way');
}
for my $bad ('', 'x', "00-$TRACE-$PARENT", '00-' . '0' x 32 . "-$PARENT-01", "00-$TRACE-" . '0' x 16 . '-01', "00-$TRACE$TRACE-$PARENT-01") {
    local $ENV{TRACEPARENT} = $bad;
    my ($event) = sent(sub { $_[0]->log_event('info', 'x') });
    ok(!exists $event->{trace_id}, "TRACEPARENT '$bad' is none");
}
{
    my @spans = sent(sub {
        my $sdk = shift;
        ok($sdk->continue_trace($HEADER), 'a service takes up a trace');
        is($sdk->traceparent, $HEADER, 'and is in it');
        $sdk->end_span($sdk->start_span('one'));
        ok(!$sdk->continue_trace('nonsense'), 'nonsense is refused');
        is($sdk->traceparent, $HEADER, 'and changes nothing');
        ok($sdk->continue_trace(undef), 'it leaves it');
        is($sdk->traceparent, undef, 'and is in none');
        $sdk->end_span($sdk->start_span('two'));
        $sdk->end_span($sdk->start_span('three'));
    });
    is($spans[0]{trace_id}, $TRACE, 'a span of the trace');
    isnt($spans[2]{trace_id}, $TRACE, 'a span of its own');
    isnt($spans[4]{trace_id}, $spans[2]{trace_id}, 'each root span begins a trace');
    ok(!exists $spans[2]{data}{parent_span_id}, 'without a parent');
}

# ---- jobs of a service ----
{
    my @records = sent(sub {
        my $sdk = shift;
        for my $job (qw(job-1 job-2)) {    # the order of the use case: the span first
            my $span = $sdk->start_span('process_job');
            $sdk->set_context(job_id => $job);
            $sdk->end_span($span);
            $sdk->log_metric('jobs_processed', 1, 'count');
        }
        $sdk->set_context(job_id => 'job-3');
        $sdk->start_span('other order');
    });
    is_deeply([ map { $_->{job_id} } @records ], [ undef, 'job-1', 'job-1', undef, 'job-2', 'job-2', 'job-3', 'job-3' ],
        'a span that starts before its job is known does not start in the last one');
}

# ---- spans ----
{
    my ($sdk_stats, @spans);
    @spans = sent(sub {
        my $sdk   = shift;
        my $outer = $sdk->start_span('outer');
        my $one   = $sdk->start_span('one');
        my $two   = $sdk->start_span('two', parent => $outer);
        like($_, qr/\A[0-9a-f]{16}\z/, 'a span id') for $outer, $one, $two;
        $sdk->end_span($one);
        $sdk->log_event('info', 'in two');
        is($sdk->end_span($one), 0, 'ending twice does nothing');
        is($sdk->end_span('nonsense'), 0, 'nor does ending what never was');
        is($sdk->end_span(undef), 0, 'or nothing');
        is($sdk->stats->{unknown_spans}, 3, 'but it is counted');
        sleep 0.02;
        $sdk->end_span($two);
    });
    my ($outer, $one, $two, $one_end, $event, $two_end, $outer_end) = @spans;
    is($one->{data}{parent_span_id}, $outer->{span_id}, 'the span opened last is the parent');
    is($two->{data}{parent_span_id}, $outer->{span_id}, 'or the one that is named');
    is($event->{span_id}, $two->{span_id}, 'spans may end in any order');
    cmp_ok($two_end->{data}{duration_us}, '>=', 20_000, 'a duration in microseconds');
    cmp_ok($two_end->{data}{duration_us}, '<', 60_000_000, 'not in anything smaller');
    cmp_ok(abs($two_end->{data}{start_us} / 1e6 - time), '<', 600, 'a start in microseconds of the epoch');
    cmp_ok($two_end->{data}{start_us}, '<=', $two_end->{ts_us}, 'before its end');
    is($outer_end->{data}{status}, 'abandoned', 'close ends what is open');
    is(scalar @spans, 7, 'once');
}
{
    my $died;
    my @ends = grep { $_->{data}{phase} eq 'end' } sent(sub {
        my $sdk = shift;
        is_deeply([ $sdk->in_span('list', sub { return (1, 2, 3) }) ], [ 1, 2, 3 ], 'in_span in list context');
        is(scalar $sdk->in_span('scalar', sub { return wantarray ? 'list' : 'scalar' }), 'scalar', 'and in scalar context');
        like($sdk->in_span('id', sub { return shift }), qr/\A[0-9a-f]{16}\z/, 'the code is given the span id');
        my $error = bless { code => 42 }, 'My::Error';
        eval { $sdk->in_span('object', sub { die $error }) };
        is($@, $error, 'an exception passes unchanged');
        eval { $sdk->in_span('string', sub { die "no rows\n" }) };
        is($@, "no rows\n", 'a string too');
        for (1) { no warnings 'exiting'; $sdk->in_span('last', sub {last}) }
        is($sdk->in_span('nothing', undef), undef, 'without code nothing happens');
        is($sdk->traceparent, undef, 'no span is left open');
        { my $guard = $sdk->span('guard'); $guard->end('failed', 'why', { n => 1 }); $guard->end }
        { my $guard = $sdk->span('scope') }
        eval { my $guard = $sdk->span('unwound'); die "boom\n" };
        is($@, "boom\n", 'a guard does not change an exception');
        eval { die "before\n" };
        { my $guard = $sdk->span('old error'); is($guard->id, (split /-/, $sdk->traceparent)[2], 'a guard knows its span') }
        is($@, "before\n", 'nor does it touch an old one');
    });
    my %status = map { $_->{data}{name} => $_->{data}{status} } @ends;
    is_deeply(\%status, { list => 'success', scalar => 'success', id => 'success', object => 'error', string => 'error', last => 'abandoned',
        nothing => 'success', guard => 'failed', scope => 'success', unwound => 'error', 'old error' => 'success' }, 'however a scope is left');
    my %message = map { $_->{data}{name} => $_->{data}{status_message} } @ends;
    is($message{string},  "no rows\n", 'with the error');
    is($message{unwound}, "boom\n",    'of a guard too');
    is($message{guard},   'why',       'or what was said');
    is(scalar @ends, 11, 'each once');
}
{
    my @records = sent(sub { my $sdk = shift; $sdk->start_span("s$_") for 1 .. 1100; $sdk->log_event('info', 'last') });
    my ($event) = grep { $_->{type} eq 'event' } @records;
    is(scalar(grep { ($_->{data}{phase} // '') eq 'end' && $_->{ts_us} < $event->{ts_us} } @records), 1100 - 1024, 'not more than 1,024 spans are open');
}

# ---- context ----
{
    my $value = { list => [1] };
    my ($event, $metric, $progress, $resource, undef, $end) = sent(sub {
        my $sdk = shift;
        ok($sdk->set_context(user => $value), 'set_context says yes');
        push @{ $value->{list} }, 2;
        $sdk->log_event('info', 'x', { n => 1 });
        $sdk->log_metric('m', 1, undef, { n => 1 });
        $sdk->log_progress('j', 1, 's');
        $sdk->log_resource(1);
        $sdk->end_span($sdk->start_span('s'), 'success', undef, { n => 1 });
    }, tags => { env => 'test' });
    my %context = (user => { list => [1] }, env => 'test');
    is_deeply($event->{data}{context},    { %context, n => 1 }, 'in events, as it was when it was set');
    is_deeply($metric->{data}{tags},      { %context, n => 1 }, 'in metrics as tags');
    is_deeply($end->{data}{attributes},   { %context, n => 1 }, 'in spans as attributes');
    is_deeply($_->{data}{context}, \%context, "in $_->{type}") for $progress, $resource;
}

# ---- options and environment ----
{
    local %ENV = (%ENV, MONITORING_HOST => '127.0.0.1', MONITORING_PORT => $sidecar->port, MONITORING_SOURCE => 'from-env',
        MONITORING_TAGS => 'a=1,b=x=y', MONITORING_LEVEL => 'warn', MONITORING_BUFFER_BYTES => 5000);
    my $sdk = Monitoring::SDK->new;
    is($sdk->log_event('info', 'below'), 1, 'a record below the level is no failure');
    is($sdk->stats->{accepted}, 0, 'but no record');
    $sdk->log_event('notice', 'below');
    $sdk->log_event('CRITICAL', 'above');
    $sdk->log_event('warning', 'above');
    my @events;
    eventually(sub { @events = grep { $_->{source} eq 'from-env' } $sidecar->records; @events >= 2 });
    is_deeply([ map { $_->{data}{level} } @events ], [ 'CRITICAL', 'warning' ], 'levels as they were sent');
    is_deeply($events[0]{data}{context}, { a => '1', b => 'x=y' }, 'tags');
    is($sdk->{link}{limit_bytes}, 5000, 'the size of the backlog');
    is(Monitoring::SDK->new(source => 'argument')->{source}, 'argument', 'an argument wins over the environment');
    $sdk->close;
    for my $name (qw(MONITORING_DISABLED OTEL_SDK_DISABLED)) {
        for my $value (qw(1 true yes)) {
            local $ENV{$name} = $value;
            my $off = Monitoring::SDK->new(source => "off-$value");
            is($off->log_event('error', 'x'), undef, "$name=$value sends nothing");
            ok(!$off->{link}, 'and opens nothing');
            is($off->start_span('x'), '0' x 16, 'a span id is no use');
            is($off->in_span('x', sub {7}), 7, 'code runs');
            ok($off->close && $off->flush, 'and there is nothing to wait for');
            is($off->stats->{accepted}, 0, 'nor to count');
        }
        local $ENV{$name} = 'false';
        ok(Monitoring::SDK->new(source => "on-$name")->{link}, "$name=false is not set");
    }
    delete $ENV{MONITORING_SOURCE};
    is(Monitoring::SDK->new->{source}, 'context.t', 'a source unless named is the program');
    local $ENV{OTEL_SERVICE_NAME} = 'otel';
    is(Monitoring::SDK->new->{source}, 'otel', 'or what OpenTelemetry calls it');
}
{
    my $one = client();
    is(client(), $one, 'the same arguments give the same client');
    isnt(client(level => 'warn'), $one, 'others another');
    is(Monitoring::SDK->init('context', '127.0.0.1', $sidecar->port), $one, 'init by position, as the brief writes it');
    is(Monitoring::SDK->new({ source => 'context', tcp_host => '127.0.0.1', tcp_port => $sidecar->port }), $one, 'or by a hash');
    $one->close;
    isnt(client(), $one, 'a closed one is not given again');
    is(client(source => "a\nb\x{7}")->{source}, 'a?b?', 'a source is printable');
    is(length client(source => 'x' x 500)->{source}, 128, 'and not long');
    my $kept = client(source => 'kept');
    require Scalar::Util;
    Scalar::Util::weaken($kept);
    is($kept, undef, 'a client that nobody holds goes');
}

done_testing;
