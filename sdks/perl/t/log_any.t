# The bridge of Log::Any, with the real one.
use strict;
use warnings;
use lib 't/lib';

use FakeSidecar ();
use JSON::PP    ();
use Test::More;

BEGIN { plan skip_all => 'needs Log::Any (Debian: liblog-any-perl)' unless eval { require Log::Any; require Log::Any::Adapter; 1 } }

use Log::Any::Adapter::Util ();
use Monitoring::SDK;

my $sidecar = FakeSidecar->start;
my $log     = Log::Any->get_logger(category => 'App::Queue');
my $number  = 0;

sub client { return Monitoring::SDK->new(source => 'log-any-' . $number++, tcp_port => $sidecar->port, @_) }

# The data of the events that $code logs, $count of them.
my $seen = 0;

sub logged {
    my ($count, $code) = @_;
    $code->();
    my @records = $sidecar->records($seen + $count);
    my @new     = map { $_->{data} } @records[ $seen .. $#records ];
    $seen = @records;
    return @new;
}

# ---- before there is a client ----
my @captured;
Log::Any::Adapter->set('Monitoring', fallback => [ 'Capture', to => \@captured, format => 'structured' ]);
ok(eval { $log->warn('early', { a => 1 }); 1 }, 'without a client');
is_deeply($captured[-1], [ 'warning', 'App::Queue', 'early', { a => 1 } ], 'the fallback gets it all');
Log::Any::Adapter->set('Monitoring', fallback => [ 'Capture', to => \@captured, format => 'messages' ]);
$log->warn('early', { a => 1 });
like($captured[-1][2], qr/\Aearly .*a.*1/, 'one that knows of no structure gets text');
{
    my @warned;
    local $SIG{__WARN__} = sub { push @warned, @_ };
    Log::Any::Adapter->set('Monitoring', fallback => 'NoSuch', log_level => 'loud');
    $log->info('nowhere');
    Log::Any::Adapter->set('Monitoring', fallback => 'Monitoring');
    $log->info('nowhere');
    is(scalar(grep {/log_level loud|no fallback (?:NoSuch|Monitoring)/} @warned), 3, 'what cannot be is told once, and falls on its feet');
}
Log::Any::Adapter->set('Monitoring', fallback => 'Null');
ok(!$log->is_error, 'and nothing is made for nobody');

# ---- with the one made last ----
my $sdk = client();
ok($log->is_trace, 'a client takes everything');
my ($event) = logged(1, sub { $log->info('late') });
is_deeply($event, { level => 'info', message => 'late', context => { logger => 'App::Queue' } }, 'without being named');

# ---- levels ----
Log::Any::Adapter->set('Monitoring', client => $sdk);
my @methods = Log::Any::Adapter::Util::logging_methods();
my @events  = logged(scalar @methods, sub { $log->$_("a $_") for @methods });
is_deeply([ map { [ @$_{qw(level message)} ] } @events ], [ map { [ $_, "a $_" ] } @methods ], 'every level goes by its name');
is_deeply([ map { $_->{level} } logged(3, sub { $log->warn('x'); $log->err('x'); $log->fatal('x') }) ], [qw(warning error critical)], 'aliases too');
{
    my $scope = Log::Any::Adapter->set({ lexically => \my $lex }, 'Monitoring', client => $sdk, log_level => 'warn');
    ok(!$log->is_info && $log->is_warn, 'log_level is known to is_info');
    is_deeply([ map { $_->{message} } logged(1, sub { $log->info('no'); $log->infof('no %d', 1); $log->warn('yes') }) ], ['yes'], 'and kept');
}
{
    my $terse = client(level => 'error');
    Log::Any::Adapter->set({ lexically => \my $lex }, 'Monitoring', client => $terse);
    ok(!$log->is_warn && $log->is_error, "so is the client's level");
}

# ---- structure ----
($event) = logged(1, sub {
    local $log->context->{request} = 7;
    $log->error('failed', { file => 'orders.csv', rows => [ 1, 2 ], nested => { deep => undef } });
});
is_deeply($event->{context}, { logger => 'App::Queue', request => 7, file => 'orders.csv', rows => [ 1, 2 ], nested => { deep => undef } },
    'hashes become context, their values what they are');
is($event->{message}, 'failed', 'and are not in the text');
is((logged(1, sub { $log->infof('%s of %d', 'one', 2) }))[0]{message}, 'one of 2', 'formats');
is((logged(1, sub { $log->info('one', 'two', 3, undef) }))[0]{message}, 'one two 3', 'parts');
is((logged(1, sub { $log->clone(prefix => 'App: ')->info('text') }))[0]{message}, 'App: text', 'a prefix');
($event) = logged(1, sub { $log->clone(filter => sub { "<$_[2]>" })->info('text', { a => 1 }) });
like($event->{message}, qr/\A<text .*>\z/, 'a filter gets text, and its text goes');
is($event->{context}{logger}, 'App::Queue', 'with the category');
{
    my $id = $sdk->start_span('work');
    $sdk->set_context(job_id => 'job-7');
    $sidecar->lines($seen + 1);
    $seen = $sidecar->lines;
    $log->info('inside');
    my $record = ($sidecar->records($seen + 1))[-1];
    is_deeply([ @$record{qw(span_id job_id)} ], [ $id, 'job-7' ], 'the active span and job are its own');
    $sdk->end_span($id);
    $sidecar->lines($seen + 2);
    $seen = $sidecar->lines;
}

# ---- what objects say ----
package Throws { use overload '""' => sub { die "no text\n" }, fallback => 1 }
package Says   { use overload '""' => sub {'an exception'}, fallback => 1 }
package Logs   { use overload '""' => sub { $log->info('inner', $_[0]); 'logged' }, fallback => 1 }

package main;

is((logged(1, sub { $log->error('failed:', bless {}, 'Says') }))[0]{message}, 'failed: an exception', 'an object is asked for its text');
ok(eval { ($event) = logged(1, sub { $log->error('failed:', bless {}, 'Throws') }); 1 }, 'which may die');
is($event->{message}, 'failed: <unprintable>', 'the rest goes');
my $before = $sdk->stats->{dropped}{encode};
is((logged(1, sub { $log->info('outer', bless {}, 'Logs') }))[0]{message}, 'outer logged', 'or log, without running in circles');
is($sdk->stats->{dropped}{encode} - $before, 1, 'which is counted');
($event) = logged(1, sub { $log->info([ 1, 2 ], {}) });
like($event->{message}, qr/\AARRAY/, 'other references are text');
{
    local ($@, $!) = ('mine', 2);
    logged(1, sub { $log->info('x', bless({}, 'Throws'), { t => bless {}, 'Throws' }) });
    is($@, 'mine', '$@ stays');
}

# ---- a client that takes nothing ----
$sdk->close;
Log::Any::Adapter->set('Monitoring', client => $sdk, fallback => [ 'Capture', to => \@captured, format => 'messages' ]);
$log->info('closed');
is($captured[-1][2], 'closed', 'a closed client: the fallback');
my $off = client(disabled => 1);
Log::Any::Adapter->set('Monitoring', client => $off, fallback => [ 'Capture', to => \@captured, format => 'messages' ]);
$log->info('off');
is($captured[-1][2], 'off', 'a disabled one, too');

done_testing;
