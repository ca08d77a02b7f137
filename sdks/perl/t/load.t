# Loads on core modules only.
use strict;
use warnings;

use Module::CoreList ();
use Test::More;

BEGIN { use_ok('Monitoring::SDK') }

my @foreign = grep { !m{\AMonitoring/SDK} && !Module::CoreList::is_core(s{/}{::}gr =~ s/\.pm\z//r, undef, '5.016000') }
    split ' ', qx($^X -Ilib -e 'use Monitoring::SDK q(:all); Monitoring::SDK->new(token => 1, tcp_host => "::1", before_send => sub {}); print join " ", grep { /^[A-Z].*[.]pm\$/ } sort keys %INC');
is_deeply(\@foreign, [], 'nothing but what perl 5.16 brings');
is(Monitoring::SDK->can('init'), Monitoring::SDK->can('new'), 'init is new');

my @api = qw(new init log_event log_metric log_progress log_resource start_span end_span set_context close
    flush stats span in_span child_env with_child_env continue_trace traceparent latest is_open takes);
can_ok('Monitoring::SDK', @api);

done_testing;
