#!/usr/bin/env perl
# Calls the Perl SDK as it is told: a command a line on stdin, an answer a line on stdout; see ../README.md.
use 5.016;
use strict;
use warnings;
use MIME::Base64 qw(encode_base64);
use POSIX       ();
use Time::HiRes qw(time sleep);

use Monitoring::SDK;

package Throwing { use overload '""' => sub { die "no text\n" }, fallback => 1 }
package Logging { use overload '""' => sub { $::M->log_event('info', 'inner'); 'logged' }, fallback => 1 }
package Empty { use overload '""' => sub {''}, fallback => 1 }
package Date { sub epoch { ${ $_[0] } } sub strftime { '' } }

package main;

our $M = Monitoring::SDK->new(disabled => 1);
my %CONTEXT = (a => 1, b => 'two', c => 0.5);

sub text_of {
    my $text = shift =~ s/%(..)/chr hex $1/ger;
    utf8::decode($text);
    return $text;
}

sub value {
    my $tokens = shift;
    my ($kind, $rest) = shift(@$tokens) =~ /\A(.)(.*)\z/;
    if ($kind =~ /[\{\[]/) {
        my @items;
        push @items, value($tokens) while $tokens->[0] !~ /\A[\}\]]/;
        shift @$tokens;
        return $kind eq '{' ? {@items} : \@items;
    }
    my $cycle = {};
    return $cycle->{self} = $cycle if $kind eq 'c';
    if ($kind eq '*') { my $shared = 1; $shared = [ ($shared) x 100 ] for 1 .. 4; return $shared }
    return bless \(my $epoch = $rest), 'Date' if $kind eq 'T';
    return bless {}, { '!' => 'Throwing', '@' => 'Logging', e => 'Empty' }->{$kind} if $kind =~ /[!\@e]/;
    return $kind eq 'n' ? undef : $kind eq 't' ? \1 : $kind eq 'f' ? \0 : $kind eq 'u' ? "a\x{d800}b" : $kind eq '?' ? sub {1}
        : $kind eq 'i' ? ($rest =~ /\A-?\d{1,18}\z/ ? int $rest : $rest) : $kind eq 'd' ? 0 + $rest
        : $kind eq 's' ? text_of($rest) : 'base64:' . encode_base64(pack('H*', $rest), '');    # to Perl, bytes are text
}

sub before_send {
    my $record  = shift;
    my $message = $record->{data}{message} // '';
    return if $message eq 'secret';
    die "before_send\n" if $message eq 'fault';
    $record->{data}{message} = 'edited';
    return $record;
}

sub init {
    my %options = %{ shift // {} };
    for (qw(host port)) { $options{"tcp_$_"} = delete $options{$_} if exists $options{$_} }
    $options{before_send} = \&before_send if $options{before_send};
    for (qw(disabled quiet)) { $options{$_} = ${ $options{$_} } if ref $options{$_} }
    $M = Monitoring::SDK->new(%options);
    return (same => $M == Monitoring::SDK->new(%options) ? 1 : 0);
}

sub scoped {
    my ($name, $how) = @_;
    return () if eval { $M->in_span($name, sub { die "it broke\n" if $how eq 'throw' }); 1 };
    return (rethrown => $@ =~ s/\n//r);
}

sub burst {
    my ($count, $level) = @_;
    my @times = sort { $a <=> $b } map {
        my $start = Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
        $M->log_event($level // 'info', 'burst', \%CONTEXT);
        1e6 * (Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) - $start)
    } 1 .. $count;
    return (p50 => $times[ $count / 2 ], p999 => $times[ int($count * 0.999) ], max => $times[-1]);
}

sub last_words {
    my ($message, $how) = @_;
    $M->log_event('info', $message);
    kill KILL => $$ if $how eq 'kill';
    exit 0 if $how eq 'exit';
    die "uncaught\n";
}

sub produce {
    my ($nth, $count, $kind) = @_;
    for my $number (0 .. $count - 1) {
        if ($kind eq 'span') { $M->end_span($M->start_span('s')) }
        else                 { $M->log_event('info', "c$nth", { n => $number }) }
    }
    return;
}

sub forks {
    my ($children, $count, $kind) = @_;
    my @pids = map {
        my $pid = fork // die "fork: $!";
        if (!$pid) { $kind eq 'idle' or produce($_, $count, $kind), $M->flush(10); exit 0 }
        $pid;
    } 1 .. $children;
    produce(0, $count, $kind) unless $kind eq 'idle';
    return (failed => scalar grep { waitpid $_, 0; $? } @pids);
}

sub state {
    my @signals = map { $SIG{$_} // '' } qw(PIPE TERM INT CHLD __DIE__ __WARN__);
    my @env = map {"$_=$ENV{$_}"} sort keys %ENV;
    return (state => join '|', POSIX::getcwd(), POSIX::setlocale(POSIX::LC_ALL(), undef) // '', umask, @signals, @env);
}

sub mutated {
    my $given = shift;
    my $text  = sub { join ',', map { ref $given->{$_} eq 'HASH' ? "$_={" . join(',', %{ $given->{$_} }) . '}' : "$_=$given->{$_}" } sort keys %$given };
    my $before = $text->();
    $M->log_event('info', 'mutated', $given);
    $M->set_context('kept', $given);
    my $same = $before eq $text->();
    $given->{later} = 1;
    $M->log_event('info', 'after');
    return (same => $same ? 1 : 0);
}

sub stats {
    my %stats = %{ $M->stats };
    my $dropped = delete $stats{dropped};
    return (%stats, %$dropped);
}

sub kept { return (kept => $_[0] ? 1 : 0) }

my %OPERATION = (
    init => \&init, scoped => \&scoped, burst => \&burst, die => \&last_words, fork => \&forks, state => \&state,
    mutated => \&mutated, stats => \&stats, ready => sub { () },
    event       => sub { kept($M->log_event(@_)) },
    metric      => sub { kept($M->log_metric(@_)) },
    progress    => sub { kept($M->log_progress(@_)) },
    resource    => sub { kept($M->log_resource(@_)) },
    set_context => sub { kept($M->set_context(@_)) },
    start       => sub { (id => $M->start_span($_[0], parent => $_[1], traceparent => $_[2])) },
    end         => sub { kept($M->end_span(@_)) },
    continue_trace => sub { kept($M->continue_trace(@_)) },
    traceparent => sub { (value => $M->traceparent // '') },
    child_env   => sub { my $env = $M->child_env; map { $_ => $env->{$_} } grep {/\A(?:MONITORING|TRACEPARENT)/} keys %$env },
    # Nothing but what a program does anyway: the SDK has put what the child needs into %ENV.
    run_child   => sub { open my $out, '>&', \*STDOUT; open STDOUT, '>', '/dev/null'; system @_; open STDOUT, '>&', $out; (status => $?) },
    flush       => sub { (done => $M->flush(@_) ? 1 : 0) },
    close       => sub { (done => $M->close     ? 1 : 0) },
    sample      => sub { $M->can('sample_resources') and kept($M->sample_resources) },
    seed        => sub { srand shift; () },
    random      => sub { (value => rand) },
    sleep       => sub { sleep shift; () },
);

$| = 1;
while (defined(my $line = <STDIN>)) {
    my ($name, @tokens) = split ' ', $line;
    my @given;
    push @given, value(\@tokens) while @tokens;
    my $start  = time;
    my %answer = ($OPERATION{$name}->(@given), ms => undef);
    $answer{ms} = 1000 * (time - $start);
    my @parts = map { utf8::encode(my $text = "$answer{$_}"); "$_=" . $text =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ger } keys %answer;
    print join(' ', 'ok', @parts), "\n";
}
