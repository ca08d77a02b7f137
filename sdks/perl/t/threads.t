# Each thread writes on a connection of its own.
use strict;
use warnings;
use lib 't/lib';

use Config qw(%Config);

BEGIN {
    if (!$Config{useithreads} || !eval { require threads; 1 }) {
        print "1..0 # SKIP this perl has no threads\n";
        exit 0;
    }
}

use FakeSidecar ();
use JSON::PP    ();
use Test::More;

use Monitoring::SDK;

my $sidecar = FakeSidecar->start;
my $sdk     = Monitoring::SDK->new(source => 'threads', tcp_port => $sidecar->port);
my $span    = $sdk->start_span('work');
$sdk->log_event('info', 'main', { n => 0 });

sub work {
    my $thread = shift;
    $sdk->log_event('info', "thread $thread", { n => $_ }) for 1 .. 200;
    return $sdk->flush(60);
}

my @threads = map { threads->create(\&work, $_) } 1 .. 4;
ok($_->join, 'a thread sends all of its own') for @threads;
ok($sdk->log_event('info', 'main', { n => 1 }), 'the main thread goes on');
ok($sdk->end_span($span), 'with its span');

my %last;
my @records = map { eval { JSON::PP::decode_json($_) } || fail("torn: $_") } $sidecar->lines(804);
is(scalar @records, 804, 'nothing is lost, nothing doubled');
for my $event (grep { $_->{type} eq 'event' } @records) {
    my ($thread, $n) = ($event->{data}{message}, $event->{data}{context}{n});
    fail("$thread out of order: $n") if defined $last{$thread} && $n <= $last{$thread};
    $last{$thread} = $n;
}
is_deeply([ sort { $a <=> $b } values %last ], [ 1, (200) x 4 ], 'in order');
is($sidecar->connections, 5, 'on five connections');
is(scalar(grep { ($_->{span_id} // '') eq $span } @records), 804, 'in the span that the main thread had open');

done_testing;
