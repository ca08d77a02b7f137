package Log::Any::Adapter::Monitoring;

# What a program logs by Log::Any, as events of its Monitoring::SDK client. The documentation follows the code.

use 5.016;
use strict;
use warnings;

use parent 'Log::Any::Adapter::Base';

use Log::Any::Adapter::Util ();
use Monitoring::SDK         ();

our $VERSION = '0.1.0';

my %NUMBER = map { $_ => Log::Any::Adapter::Util::numeric_level($_) } Log::Any::Adapter::Util::logging_methods();

sub init {
    my $self  = shift;
    my $level = $self->{log_level} // 'trace';
    $self->{most} = $level =~ /\A\d+\z/ ? $level : Log::Any::Adapter::Util::numeric_level($level);
    _complain("log_level $level is none; everything is logged") unless defined $self->{most};
    $self->{most} //= $NUMBER{trace};
    my ($name, @options) = ref $self->{fallback} eq 'ARRAY' ? @{ $self->{fallback} } : $self->{fallback} // 'Null';
    $self->{instead} = _adapter($name, category => $self->{category}, @options);
    return;
}

sub _adapter {
    my ($name, @options) = @_;
    my $class = $name =~ s/\A\+// ? $name : "Log::Any::Adapter::$name";
    my $file  = $class =~ s{::}{/}gr . '.pm';
    my $found = $class ne __PACKAGE__ && eval { $class->can('new') || require $file; $class->new(@options) };
    return $found if $found;
    _complain("no fallback $name: " . ($@ || 'it would fall back for ever'));
    return _adapter('Null');
}

sub _complain { require Carp; return Carp::carp("Log::Any::Adapter::Monitoring: $_[0]") }

# The client, if it takes anything.
sub _client {
    my $self   = shift;
    my $client = $self->{client} // Monitoring::SDK->latest;
    return ref $client && $client->is_open ? $client : undef;
}

# Called with what was given to the logging method, from Log::Any 1.700 on.
sub structured {
    my ($self, $level, $category, @parts) = @_;
    my $client = $self->_client or return $self->_fall_back($level, $category, @parts);
    my %context = map { %$_ } grep { ref eq 'HASH' } @parts;
    my @texts   = grep { defined && ref ne 'HASH' } @parts;
    $context{logger} = $category if defined $category;
    # What an object says of itself is asked within the client's call: there it may die, or log.
    my $text = grep({ref} @texts) ? bless(\@texts, 'Log::Any::Adapter::Monitoring::Text') : _joined(@texts);
    return $client->log_event($level, $text, \%context);
}

sub _fall_back {
    my ($self, $level, $category, @parts) = @_;
    my $instead = $self->{instead};
    return $instead->structured($level, $category, @parts) if $instead->can('structured');
    my @texts = map { ref eq 'HASH' ? Log::Any::Adapter::Util::dump_one_line($_) : $_ } grep {defined} @parts;
    return $instead->$level(_joined(@texts));
}

# With a space between; a prefix brings its own.
sub _joined {
    my $text = '';
    for my $part (@_) {
        my $more = ref $part ? eval {"$part"} // '<unprintable>' : $part;
        $text .= $text eq '' || $text =~ /\s\z/ ? $more : " $more";
    }
    return $text;
}

for my $method (Log::Any::Adapter::Util::logging_methods()) {
    no strict 'refs';
    *$method = sub { my $self = shift; return $self->structured($method, $self->{category}, @_) };
    *{"is_$method"} = sub {
        my $self = shift;
        return 0 if $NUMBER{$method} > $self->{most};
        my $client = $self->_client;
        my $is     = "is_$method";
        return $client ? $client->takes($method) : $self->{instead}->$is;
    };
}

package Log::Any::Adapter::Monitoring::Text;

use overload '""' => sub { return Log::Any::Adapter::Monitoring::_joined(@{ $_[0] }) }, fallback => 1;

1;

__END__

=encoding UTF-8

=head1 NAME

Log::Any::Adapter::Monitoring - what a program logs by Log::Any, to the monitoring sidecar

=head1 SYNOPSIS

    use Log::Any '$log';
    use Log::Any::Adapter;
    use Monitoring::SDK;

    my $monitoring = Monitoring::SDK->new(source => 'queue-service');
    Log::Any::Adapter->set('Monitoring', client => $monitoring);

    $log->info('Job dequeued', { file => 'orders.csv', rows => 10_000 });

=head1 DESCRIPTION

Each message becomes an event, by L<Monitoring::SDK/log_event>: with its level as Log::Any calls it, the text, and as
context the hashes that it was given, those of C<< $log->context >>, and the category as C<logger>. What is said of a
client's events holds for these too: no call waits or dies; the active span and job are theirs; what cannot be sent is
counted. Objects are asked for their text; one that logs while it is asked is left out, and counted as C<encode>.

Hashes as such need Log::Any 1.700 or later; before that, and with a C<filter>, Log::Any makes text of them.

=head1 OPTIONS

=head2 client

The client. Without it, the one that the program made last: libraries may set the adapter before there is one.

=head2 log_level

Messages below it are left out: a name of Log::Any's, or its number from 0 (emergency) to 8 (trace). The client's own
C<level> holds besides. C<< $log->is_debug >> knows of both.

=head2 fallback

Where messages go while there is no client, or one that is disabled or closed: the name of an adapter, or a reference to
an array of it and its options. C<Null>, nowhere, by default.

    Log::Any::Adapter->set('Monitoring', fallback => 'Stderr');

=head1 SEE ALSO

L<Monitoring::SDK>, L<Log::Any>

=head1 LICENSE

Apache License 2.0.

=cut
