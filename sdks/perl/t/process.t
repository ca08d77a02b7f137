# fork, exec, system and the end of the program.
use strict;
use warnings;
use lib 't/lib';

use FakeSidecar qw(eventually in_process);
use JSON::PP    ();
use POSIX       ();
use Test::More;
use Time::HiRes qw(sleep time);

use Monitoring::SDK;

my $sidecar = FakeSidecar->start;
my @perl    = ($^X, '-Ilib', '-MMonitoring::SDK');

sub client { return Monitoring::SDK->new(source => 'process', tcp_host => '127.0.0.1', tcp_port => $sidecar->port, @_) }

sub records { my ($name, $count) = @_; return grep { ($_->{data}{message} // '') eq $name } $sidecar->records($count // 0) }

sub wait_for {
    my ($name, $count) = @_;
    my @records;
    eventually(sub { @records = records($name); @records >= $count });
    return @records;
}

# ---- children ----
{
    my $sdk  = client();
    my $span = $sdk->start_span('parent');
    $sdk->set_context(job_id => 'job-1');
    $sdk->log_event('info', 'parent', { n => 1 });
    my @children = map {
        my $child = $_;
        my $pid   = fork // die;
        if (!$pid) {
            $sdk->log_event('info', 'child', { child => $child, n => $_, pid => $$ }) for 1 .. 1000;
            POSIX::_exit($sdk->flush(60) ? 0 : 1);
        }
        $pid;
    } 1 .. 8;
    $sdk->log_event('info', 'parent', { n => $_ }) for 2 .. 100;
    my $failed = grep { waitpid $_, 0; $? } @children;
    is($failed, 0, 'eight children log and flush');
    $sdk->log_event('info', 'parent', { n => 101 });
    $sdk->end_span($span);

    my @lines = $sidecar->lines(8000 + 103);
    my @all   = map { eval { JSON::PP::decode_json($_) } || () } @lines;
    is(scalar @all, 8103, '8 × 1,000 records and the parent\'s: none lost, none doubled, none torn');
    my %seen;
    $seen{ $_->{data}{context}{child} }{ $_->{data}{context}{n} }++ for grep { $_->{data}{message} && $_->{data}{message} eq 'child' } @all;
    is_deeply([ map { scalar keys %{ $seen{$_} } } sort keys %seen ], [ (1000) x 8 ], 'each child has its thousand');
    is($sidecar->connections, 9, 'on a connection each');
    is_deeply([ map { $_->{data}{context}{n} } grep { ($_->{data}{message} // '') eq 'parent' } @all ], [ 1 .. 101 ],
        'the parent\'s connection lives on');
    is(scalar(grep { ($_->{span_id} // '') eq $span } @all), 8103, 'children are in the span that was open');
    is(scalar(grep { ($_->{job_id} // '') eq 'job-1' } @all), 8102, 'and in the job');
    $sdk->close;
}
{
    my $sdk = client();
    my %ids;
    $ids{ $sdk->start_span('warm') }++;    # fills the pool of random bytes
    my @from = map {
        my $pid = open my $from, '-|';
        if (!$pid) {
            print map { $sdk->start_span('x') . "\n" } 1 .. 1000;
            STDOUT->flush;
            POSIX::_exit(0);
        }
        $from;
    } 1 .. 8;
    for my $from (@from) { $ids{$_}++ while <$from> }
    is(scalar keys %ids, 8001, 'span ids of forked processes never meet');
    $sdk->close;
}
{
    my $gone   = do { my $other = FakeSidecar->start; $other->port };
    my $sdk    = Monitoring::SDK->new(source => 'fork', tcp_port => $gone);
    $sdk->log_event('info', 'queued by the parent') for 1 .. 10;
    my $status = in_process(sub {
        $sdk->log_event('info', 'queued by the child');
        my $stats = $sdk->stats;
        POSIX::_exit($stats->{dropped}{forked} == 10 && $stats->{accepted} == 11 && $stats->{queued} == 1 ? 0 : 1);
    });
    is($status, 0, 'a child drops what its parent queued, and counts it');
    is($sdk->stats->{queued}, 10, 'the parent keeps it');
    my $late = FakeSidecar->start(port => $gone);
    ok($sdk->flush(60), 'and sends it');
    is(scalar($late->lines(10)), 10, 'once');
    is(in_process(sub { }), 0, 'a child that only exits');
    sleep 0.1;
    is(scalar($late->lines(10)), 10, 'sends nothing');
    $sdk->log_event('info', 'after');
    is(scalar($late->lines(11)), 11, 'and cuts nothing');
    $sdk->close;
}
{
    $sidecar = FakeSidecar->start;
    my $sdk   = client();
    my $guard = $sdk->span('guarded');
    is(scalar($sidecar->lines(1)), 1, 'a span starts');
    in_process(sub { });
    in_process(sub { die "in the child\n" }) if open STDERR, '>', '/dev/null';
    sleep 0.1;
    is(scalar($sidecar->lines), 1, 'a child that ends does not end its parent\'s spans');
    $guard->end;
    is(scalar($sidecar->lines(2)), 2, 'the parent does');
    $sdk->close;
}
{
    my $sdk = client(tags => { t => 'exec' });
    $sdk->log_event('info', 'holds a connection');
    # Of its own: stdin, stdout and stderr may be the runner's sockets.
    my $socket = readlink '/proc/self/fd/' . fileno $sdk->{link}{sock};
    SKIP: {
        skip 'no /proc', 1 unless $socket;
        unlike(scalar qx(ls -l /proc/self/fd), qr/\Q$socket\E/, 'the connection is closed on exec');
    }
    $sdk->close;
}

# ---- the end of the program ----
sub program {
    my ($code, %env) = @_;
    local %ENV = (%ENV, MONITORING_PORT => $sidecar->port, MONITORING_SOURCE => 'program', %env);
    system @perl, '-e', "open STDERR, '>', '/dev/null'; my \$sdk = Monitoring::SDK->new; $code";
    return $? >> 8;
}

$sidecar = FakeSidecar->start;
my $late = q{ @{ $sdk->{link} }{qw(next_s tried_s)} = (9**9, 0); close delete $sdk->{link}{sock}; };    # the backlog takes all
is(program($late . q{$sdk->log_event('info', 'at the end')}),              0, 'a program that ends');
is(program($late . q{$sdk->log_event('info', 'at exit'); exit 3}),         3, 'one that exits');
isnt(program($late . q{sub f { my $m = $sdk; $m->log_event('info', 'at die'); die 'x' } f()}), 0, 'one that dies');
is(program(q{END { $sdk->log_event('info', 'in END') } exit 4}),           4, 'one that logs in END');
is(program(q{BEGIN { unshift @INC, sub { }; } { package Early; END { $sdk->log_event('info', 'in a late END') } } exit 5}), 5, 'or later');
is(program(q{{ my $inner = Monitoring::SDK->new(source => 'inner'); } $sdk->log_event('info', 'scoped')}), 0, 'one whose client goes out of scope');
is(program(q{if (!fork) { $sdk->log_event('info', 'child at exit') for 1 .. 5; exit 0 } wait}), 0, 'one with a child that exits');
for my $name ('at the end', 'at exit', 'at die', 'in END', 'in a late END', 'scoped') {
    is(scalar(wait_for($name, 1)), 1, "$name: the record arrives, once");
}
is(scalar(wait_for('child at exit', 5)), 5, 'the child\'s own records arrive');

is(program(q{$sdk->log_event('info', 'as text', { name => "caf\x{e9}" }); exit !$sdk->flush(5)}, PERLIO => ':utf8'), 0,
    'one whose environment makes every handle text');
is((wait_for('as text', 1))[0]{data}{context}{name}, "caf\x{e9}", 'sends the same');

program(q{$sdk->start_span('left open'); $sdk->log_event('info', 'open'); exit 0});
wait_for('open', 1);
my @ends;
ok(eventually(sub { @ends = grep { ($_->{data}{name} // '') eq 'left open' && $_->{data}{phase} eq 'end' } $sidecar->records }),
    'a span that is open at exit ends');
is($ends[0]{data}{status}, 'abandoned', 'as abandoned');
is(program('exit 0', MONITORING_PORT => 1), 0, 'without a sidecar a program ends as it would');

# ---- system ----
$sidecar = FakeSidecar->start;
my $child_program = q{$_ = Monitoring::SDK->new(source => 'child'); $_->log_event('info', 'by system'); my $id = $_->start_span('in the child'); $_->end_span($id)};
{
    my $sdk = client();
    my %env = %ENV;
    $sdk->set_context(job_id => 'job-9');
    my $span = $sdk->start_span('around');
    like($ENV{TRACEPARENT}, qr/\A00-[0-9a-f]{32}-$span-01\z/, 'TRACEPARENT is set while a span is open');
    is_deeply([ @ENV{qw(MONITORING_JOB_ID MONITORING_HOST MONITORING_PORT)} ], [ 'job-9', '127.0.0.1', $sidecar->port ], 'and the rest');
    is(system(@perl, '-e', $child_program), 0, 'a child by a plain system');
    my ($event) = wait_for('by system', 1);
    is($event->{span_id}, $span, 'it is in the parent\'s span');
    is($event->{job_id}, 'job-9', 'and job');
    my ($end) = eventually(sub { grep { ($_->{data}{name} // '') eq 'in the child' && $_->{data}{phase} eq 'end' } $sidecar->records });
    my @spans = grep { ($_->{data}{name} // '') eq 'in the child' } $sidecar->records;
    is($spans[-1]{data}{parent_span_id}, $span, 'its span is the parent\'s child');
    is($spans[-1]{trace_id}, substr($ENV{TRACEPARENT}, 3, 32), 'in one trace');

    my $inner = $sdk->start_span('inner');
    like($ENV{TRACEPARENT}, qr/$inner/, 'an inner span takes over');
    $sdk->set_context(job_id => 'job-10');
    is($ENV{MONITORING_JOB_ID}, 'job-10', 'a new job too');
    $sdk->end_span($inner);
    like($ENV{TRACEPARENT}, qr/$span/, 'and gives back');
    $sdk->end_span($span);
    is_deeply(\%ENV, \%env, 'after the span the environment is as it was');

    local $ENV{TRACEPARENT} = 'somebody else\'s';
    my $guard = $sdk->span('around');
    isnt($ENV{TRACEPARENT}, 'somebody else\'s', 'another value gives way');
    undef $guard;
    is($ENV{TRACEPARENT}, 'somebody else\'s', 'and returns');
    $sdk->close;
}
{
    my $sdk = client(export_env => 0);
    my %env = %ENV;
    my $span = $sdk->start_span('around');
    is_deeply(\%ENV, \%env, 'export_env => 0 leaves the environment alone');
    like($sdk->child_env->{TRACEPARENT}, qr/$span/, 'child_env has it');
    is($sdk->child_env->{PATH}, $ENV{PATH}, 'beside what there is');
    my ($inside, @list) = $sdk->with_child_env(sub { return ($ENV{TRACEPARENT}, 1, 2) });
    is($inside, $sdk->traceparent, 'so has %ENV in with_child_env');
    is_deeply(\@list, [ 1, 2 ], 'which gives what the code gives');
    is_deeply(\%ENV, \%env, 'and nothing remains');
    $sdk->close;
}

done_testing;
