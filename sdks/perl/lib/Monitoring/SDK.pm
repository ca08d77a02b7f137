package Monitoring::SDK;

# Telemetry to the monitoring sidecar: encoded in the caller, sent without waiting before the call returns, kept in
# a bounded backlog while the sidecar is away. The documentation follows the code.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own; the pragma takes 1 ms to load

use Time::HiRes ();

use Monitoring::SDK::JSON qw(iso_time json_kept json_members json_number json_text json_value weaken);
use Monitoring::SDK::Link ();

our $VERSION = '0.1.0';

sub MAX_RECORD_BYTES () {65_536}
sub MAX_CONTEXT_KEYS () {64}
sub NO_SPAN ()          { '0' x 16 }
sub CLOSE_S ()          {1}
sub ABSENT_S ()         {0.2}

my %RANK = (
    trace => 1, verbose => 1, debug => 2, info => 3, notice => 3, warn => 4, warning => 4, error => 5, err => 5,
    map { $_ => 6 } qw(fatal critical crit alert emerg emergency panic)
);
my %DEFAULT = (
    source => undef, tcp_host => '127.0.0.1', tcp_port => 17_000, level => 'trace', buffer_bytes => 2**20,
    tags => undef, job_id => undef, export_env => 1, disabled => 0, quiet => 0, debug => 0, ack => '', token => '',
    protocol => 'ndjson', before_send => undef
);
my $NUMBER = '(?i)\A\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?|nan)\s*\z';    # compiled when it is used
my %FINAL  = map { $_ => 1 } qw(complete completed done finished success succeeded fail failed failure error canceled cancelled aborted);

my %CLIENT;         # configuration => client, weak
my $LATEST;         # the one made last, weak
my $THREAD = 0;     # added to the pid: a thread's clone starts afresh, as a forked child does
our $BUSY  = 0;

# Signals that a host may handle; those of real time only by way of POSIX.
my @HANDLED = qw(ALRM CHLD CONT HUP INT IO PROF PWR QUIT TERM TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ);

# ---- interface ----------------------------------------------------------------------------------------------------

sub new {
    my ($class, @given) = @_;
    local ($@, $!, $?);
    local $SIG{__DIE__};
    my $self = eval { _configure(@given) } || { disabled => 1 };
    my $key  = join ',', map { json_value($self->{$_}) } sort keys %DEFAULT;
    $self = $CLIENT{$key} if $CLIENT{$key} && !$CLIENT{$key}{closed};
    weaken($LATEST = $self);
    return $self if $CLIENT{$key} == $self;
    weaken($CLIENT{$key} = bless $self, ref $class || $class);
    _safely($self, sub { $self->{link}->connect });
    return $self;
}

*init = \&new;
sub log_event      { return _safely(shift, \&_event,          @_) }
sub log_metric     { return _safely(shift, \&_metric,         @_) }
sub log_progress   { return _safely(shift, \&_progress,       @_) }
sub log_resource   { return _safely(shift, \&_in, 'Resource', 'record', @_) }
sub sample_resources { return _safely(shift, \&_in, 'Resource', 'sample') }
sub start_span     { return _safely(shift, \&_in, 'Span', 'start', @_) || NO_SPAN }
sub end_span       { return _safely(shift, \&_in, 'Span', 'finish', @_) }
sub span           { return _has_spans($_[0]) ? Monitoring::SDK::Span->new(@_) : bless [], 'Monitoring::SDK::NoSpan' }
sub set_context    { return _safely(shift, \&_set_context,    @_) }
sub continue_trace { return _safely(shift, \&_continue_trace, @_) }
sub traceparent    { return (_safely(shift, \&_in, 'Span', 'environment') || {})->{TRACEPARENT} }
sub child_env      { return { %ENV, %{ _safely(shift, \&_in, 'Span', 'environment') || {} } } }

sub in_span {
    my ($self, $name, $code, @options) = @_;
    $code = _callable($code);
    return _has_spans($self) ? Monitoring::SDK::Span::around($self, $name, $code, @options) : $code->(NO_SPAN);
}

sub with_child_env {
    my ($self, $code) = @_;
    local %ENV = %{ child_env($self) };
    return _callable($code)->();
}

sub flush {
    my ($self, $timeout_s) = @_;
    return _flush($self, _seconds($timeout_s, 1), 9**9);
}

sub close {
    my ($self, $timeout_s) = @_;
    return 1 if !ref $self || $self->{disabled} || $self->{closed};
    my $flushed = _finish($self, _seconds($timeout_s, CLOSE_S));
    $self->{closed} = 1;
    _safely($self, sub { $self->{link}->end });
    return $flushed;
}

sub stats {
    my $self  = ref $_[0] ? shift : {};
    my $link  = $self->{link} || {};
    my %stats = map { $_ => $link->{$_} || 0 } qw(accepted sent queued connects);
    $stats{dropped} = { map { $_ => $link->{dropped}{$_} || 0 } qw(full encode oversize refused closed forked) };
    my %state = (queued_bytes => length($link->{backlog} // ''), connected => $link->{up} ? 1 : 0);
    return { %stats, %state, unknown_spans => $self->{unknown_spans} || 0 };
}

# For bridges: the client made last; whether one takes records, and events of a level.
sub latest  { return $LATEST }
sub is_open { return !$_[0]{disabled} && !$_[0]{closed} }
sub takes   { return ($RANK{ lc $_[1] } // 3) >= $_[0]{rank} }

sub CLONE { $THREAD += 2**32; return }

sub DESTROY {
    my $self = shift;
    local ($@, $!, $?);
    return $self->close if ${^GLOBAL_PHASE} ne 'DESTRUCT' && $self->{owner} == $$ + $THREAD;
}

END {
    local ($@, $!, $?);    # not closed: an END block that runs later may log
    _finish($_, CLOSE_S) for grep { $_ && $_->{owner} == $$ + $THREAD && !$_->{closed} } values %CLIENT;
}

# ---- safety -------------------------------------------------------------------------------------------------------

# Runs $work so that none of it reaches the host: no exception, no $@ $! $?, no handler. Signals wait until the
# record is whole: a handler may then log, or die (the alarm idiom), without tearing it or being swallowed.
sub _safely {
    my ($self, $work) = (shift, shift);
    return if !ref $self || $self->{disabled};
    return $self->{link}->drop('encode') if $BUSY;    # an argument that logs while it is read
    my ($errno, $status) = (0 + $!, $?);
    my ($mask, $held, $entered, $done, $error, $result) = _room_for_mask();
    {
        local ($@, $!, $?);
        local $SIG{__DIE__};
        $done = eval {
            $held = POSIX::sigprocmask($Monitoring::SDK::Signals::SET, $Monitoring::SDK::Signals::ALL, $mask) if $mask;
            $held || !$mask and $entered = 1;    # perl delivers what came earlier at this ||, not inside the work
            local $BUSY = 1;
            _own($self) if $self->{owner} != $$ + $THREAD;
            ($!, $?) = ($errno, $status);    # an argument may be one of them, by its name
            $result = $self->$work(@_);
            my $loss = delete $self->{link}{loss};
            $self->record('sdk', json_members(dropped => $loss), 'context') if $loss;
            1;
        };
        $error = $@;
    }
    $result = $self->{link}->drop('encode') if $entered && !$done;
    POSIX::sigprocmask($Monitoring::SDK::Signals::SET, $mask) if $held;
    die $error unless $entered;         # the host's own, out of a signal handler
    return $result;
}

# Room for the mask of signals that is there now, if signals must be held back: a handler waits for one, or POSIX is there
# anyway. Without it, as after a chroot, nothing is held back.
sub _room_for_mask {
    return if !defined &POSIX::sigprocmask && join('', @SIG{@HANDLED}) =~ /\A(?:IGNORE|DEFAULT)*\z/;
    return defined $Monitoring::SDK::Signals::SET || _load_signals() ? POSIX::SigSet->new : ();
}

# False if they are not to be found. Meanwhile a handler may log, or die.
sub _load_signals {
    my @files = ('Monitoring/SDK/Signals.pm', 'POSIX.pm');
    local ($@, $!, $?);
    local $SIG{__DIE__};
    return 0 if exists $INC{ $files[0] };
    return 1 if eval { part('Signals') };
    my $error = $@;
    defined $INC{$_} || delete $INC{$_} for @files;
    die $error if ref $error;
    return 0 if $error =~ /\ACan't locate /;
    1 while $error =~ s/^(?:BEGIN failed--compilation aborted|Compilation failed in require) at .*\n\z//m;
    die $error;
}

# Makes a client this process's. A forked child keeps the context and where it is in the trace, nothing else.
sub _own {
    my $self = shift;
    $self->{remote} = [ $self->current ];
    @$self{qw(owner spans stack unknown_spans)} = ($$ + $THREAD, {}, [], 0);
    delete @$self{qw(ids saved_env)};
    $self->{link}->begin;
    return;
}

# Ends open spans and empties the queue; gives up early when there is no sidecar.
sub _finish {
    my ($self, $timeout_s) = @_;
    my @open = reverse @{ $self->{stack} };
    _safely($self, sub { $self->_in('Span', 'finish', $_, 'abandoned') for @open });
    return 1 if _flush($self, $timeout_s, ABSENT_S);
    $self->{link}{notice}->("$self->{link}{queued} records could not be delivered");
    return 0;
}

sub _flush {
    my ($self, $timeout_s, $absent_s) = @_;
    return 1 if !ref $self || $self->{disabled};
    my ($link, $start_s) = ($self->{link}, Monitoring::SDK::Link::now_s());
    $link->{next_s} = 0 if $link->{tried_s} + 0.1 < $start_s;
    my $asked;
    while (1) {
        _safely($self, sub {
            $link->drain;
            $asked ||= $link->{queued} && $link->ask('ping');
        });
        return 1 unless $link->{queued};
        my $passed_s = Monitoring::SDK::Link::now_s() - $start_s;
        return 0 unless $passed_s < $timeout_s && ($link->{up} || $passed_s < $absent_s);
        local $!;
        $link->rest;
    }
}

# ---- configuration ------------------------------------------------------------------------------------------------

sub _configure {
    my $given = ref $_[0] eq 'HASH' ? shift : @_ % 2 == 0 && grep({ exists $DEFAULT{ $_[ 2 * $_ ] } } 0 .. @_ / 2 - 1) ? {@_}
        : @_ ? { source => shift, tcp_host => shift, tcp_port => shift, @_ } : {};
    my $env  = sub { return length $ENV{ $_[0] } ? $ENV{ $_[0] } : undef };
    my $self = { map { $_ => $given->{$_} // $env->('MONITORING_' . uc s/\Atcp_//r) // $DEFAULT{$_} } keys %DEFAULT };
    my $name = $self->{source} // $env->('OTEL_SERVICE_NAME') // $0 =~ s{.*/}{}sr;
    $name = $self->{source} = substr $name =~ s/[^[:print:]]/?/gr || 'perl', 0, 128;
    $self->{disabled} ||= $env->('OTEL_SDK_DISABLED');
    $self->{$_} = $self->{$_} !~ /\A(?:0|false|no|off|)\z/i for qw(export_env disabled quiet debug);
    $self->{$_} =~ /\A[1-9][0-9]{0,8}\z/ or $self->{$_} = $DEFAULT{$_} for qw(tcp_port buffer_bytes);
    my $notice = $self->{quiet} ? sub {0} : sub { return _notice("monitoring-sdk[$name]: $_[0]\n") };
    delete $self->{before_send} if ref $self->{before_send} ne 'CODE';
    part('BeforeSend') if $self->{before_send};
    @$self{qw(ack protocol)} = (lc($self->{ack}) =~ /\A(memory|disk)\z/ ? $1 : '', lc $self->{protocol});
    my $head = '{"source":' . json_text($name);
    $self->{link} = _link($self, $head, $notice) unless $self->{disabled};
    @$self{qw(head rank env_job)} = ($head, $RANK{ lc $self->{level} }, $self->{job_id});
    $self->{inherited} = $self->{remote} = parse_traceparent($ENV{TRACEPARENT}) || [];
    my %tags = ref $self->{tags} eq 'HASH' ? %{ $self->{tags} } : map { /(.+?)=(.*)/ } split /,/, $self->{tags};
    $self->{context} = { map { $_ => json_kept($tags{$_}) } keys %tags };
    my @unknown = grep { !exists $DEFAULT{$_} } sort keys %$given;
    $notice->("unknown option @unknown; known are @{[sort keys %DEFAULT]}") if @unknown;
    return $self;
}

sub _link {
    my ($self, $head, $notice) = @_;
    my %link = (host => $self->{tcp_host}, port => $self->{tcp_port}, limit_bytes => $self->{buffer_bytes}, notice => $notice);
    @link{qw(debug msgpack)} = ($self->{debug}, $self->{protocol} eq 'msgpack');
    return Monitoring::SDK::Link->new(%link) unless $self->{ack} || length $self->{token};
    part($_) for qw(Session Span);
    @link{qw(ack token sdk)} = (@$self{qw(ack token)}, "perl/$VERSION");
    @link{qw(line new_id)}   = (sub { $head . _timestamps() . qq(,"type":"$_[0]","data":$_[1]}\n) }, sub { Monitoring::SDK::Span::new_id(16, $$ + $THREAD) });
    return Monitoring::SDK::Session->new(%link);
}

sub _notice {
    my ($line, $fd) = (shift, fileno STDERR);
    local ($@, $!);
    local $SIG{PIPE} = 'IGNORE';
    return $fd > 0 && eval { require POSIX } && POSIX::write($fd, $line, length $line);
}

# ---- records ------------------------------------------------------------------------------------------------------

sub _event {
    my ($self, $level, $message, $context) = @_;
    $level = 'info' unless length $level;
    my $rank = $RANK{ lc $level } // 3;
    return 1 if $rank < $self->{rank};
    my $core = '"level":' . json_text($level) . ',"message":' . json_text($message // '');
    return $self->record('event', $core, 'context', $context, $rank >= 4);
}

sub _metric {
    my ($self, $name, $value, $unit, $tags) = @_;
    $value = number($value);
    return $self->{link}->drop('encode') unless $value =~ /$NUMBER/ && $value - $value == 0;
    my $core = sprintf '"name":%s,"value":%s,"unit":%s',
        json_text($name // ''), json_number($value) =~ tr/"//dr, json_text($unit);
    return $self->record('metric', $core, 'tags', $tags);
}

sub _progress {
    my ($self, $job, $percent, $status, $more) = @_;
    $job //= $self->{job_id};
    my @more = (status => $status, ref $more eq 'HASH' ? map { $_ => $more->{$_} } sort keys %$more : ());
    my $core  = '"job_id":' . json_text($job) . ',' . json_members(percent => number($percent), @more);
    my $final = $percent >= 100 || $FINAL{ lc $status };
    return $self->record('progress', $core, 'context', undef, $final, ids($job, $self->current));
}

# A number if it looks like one: what comes out of a file or a database is a string to perl.
sub number { return $_[0] =~ /$NUMBER/ ? 0 + $_[0] : $_[0] }

sub _seconds { return defined $_[0] && $_[0] =~ /$NUMBER/ ? $_[0] : $_[1] }

# One frame: the envelope, the members of its type ($core), and the context merged with what the call gave.
sub record {
    my ($self, $type, $core, $slot, $given, $important, $ids) = @_;
    return $self->{link}->drop('closed') if $self->{closed};
    my $context = $self->{context};
    if (defined $given) {
        $given   = { value => $given } unless ref $given eq 'HASH';
        $context = %$context ? { %$context, %$given } : $given;
        $ids //= ids($given->{job_id}, $self->current) if defined $given->{job_id};
    }
    $ids //= $self->{ids} //= ids($self->{job_id}, $self->current);
    my $extra = %$context ? qq(,"$slot":) . json_value($context) : '';
    if ($self->{before_send}) {
        ($core, $extra) = Monitoring::SDK::BeforeSend::edited($self->{before_send}, $type, "{$core$extra}", $slot) or return 1;
    }
    my $frame = $self->{head} . _timestamps() . qq(,"type":"$type"$ids,"data":{$core);
    $extra = qq(,"$slot":{"_truncated":true}) if length($frame) + length($extra) > MAX_RECORD_BYTES - 3;
    return $self->{link}->drop('oversize') if length($frame) + length($extra) > MAX_RECORD_BYTES - 3;
    return $self->{link}->offer("$frame$extra}}\n", $important);
}

my ($SECOND, $STAMP) = (0);

sub _timestamps {
    my ($s, $us) = Time::HiRes::gettimeofday();
    ($SECOND, $STAMP) = ($s, iso_time($s)) if $s != $SECOND;
    $us = sprintf '%06d', $us;
    return qq(,"timestamp":"$STAMP.) . substr($us, 0, 3) . qq(Z","ts_us":$s$us);
}

sub ids {
    my ($job, $trace, $span) = @_;
    my $ids = ($trace && qq(,"trace_id":"$trace")) . ($span && qq(,"span_id":"$span"));
    return defined $job ? $ids . ',"job_id":' . json_text($job) : $ids;
}

# ---- context and spans --------------------------------------------------------------------------------------------

sub _set_context {
    my ($self, $key, $value) = @_;
    if ($key eq 'job_id') { @$self{qw(job_id job_over)} = (defined $value ? "$value" : $self->{env_job}, 0) }
    elsif ($key eq 'trace_id') {
        my ($trace) = lc($value) =~ tr/-//dr =~ /\A((?!0{32})[0-9a-f]{32})\z/;
        return 0 if defined $value && !$trace;
        $self->{trace_id} = $trace;
    }
    elsif (!defined $value) { delete $self->{context}{$key} }
    elsif (!exists $self->{context}{$key} && keys %{ $self->{context} } >= MAX_CONTEXT_KEYS) { return 0 }
    else { $self->{context}{$key} = json_kept($value) }
    return $self->changed;
}

sub _continue_trace {
    my ($self, $traceparent) = @_;
    $self->{remote} = defined $traceparent ? parse_traceparent($traceparent) || return 0 : $self->{inherited};
    return $self->changed;
}

# The trace and the span that a record or a new span belongs to: those of the span opened last, else of set_context,
# else of the environment or continue_trace, else none.
sub current {
    my $self = shift;
    my $id   = $self->{stack}[-1];
    return $id ? ($self->{spans}{$id}{trace}, $id) : $self->{trace_id} || @{ $self->{remote} };
}

# After every change of the context.
sub changed {
    my $self = shift;
    delete $self->{ids};
    Monitoring::SDK::Span::export_env($self) if @{ $self->{stack} } || $self->{saved_env};
    return 1;
}

# [trace id, span id] of a W3C traceparent; false if it is none.
sub parse_traceparent {
    my @ids = lc($_[0]) =~ /\A[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}/;
    return @ids && \@ids;
}

# ---- parts that are loaded when they are needed ------------------------------------------------------------------

# Loads them all: use Monitoring::SDK ':all'.
sub import { return grep({ $_ eq ':all' } @_) && grep { part($_) } qw(BeforeSend Msgpack Resource Session Signals Span System) }

# Where they are, whatever chdir may come.
my $LIB = __FILE__ =~ s{Monitoring/SDK\.pm\z}{}r;
($LIB) = join('/', readlink('/proc/self/cwd') // do { require Cwd; Cwd::getcwd() }, $LIB) =~ /\A(.*)\z/s    # not tainted
    if $LIB !~ m{\A(?:/|[A-Za-z]:)};

sub part {
    my $file = "Monitoring/SDK/$_[0].pm";
    return 1 if $INC{$file};
    local @INC = ($LIB, @INC);
    return require $file;
}

# Calls a function of one.
sub _in {
    my ($self, $part, $name) = splice @_, 0, 3;
    part($part);
    return "Monitoring::SDK::$part"->can($name)->($self, @_);
}

# False for a client that is disabled, and where they are not to be found, as after a chroot.
sub _has_spans {
    my $self = shift;
    return if !ref $self || $self->{disabled};
    return defined &Monitoring::SDK::Span::around || _safely($self, sub { part('Span') });
}

# What was given for a code reference, or one that does nothing.
sub _callable {
    my $code = shift;
    local $@;
    local $SIG{__DIE__};
    return ref $code && eval { defined &$code && \&$code } || sub { };
}

sub Monitoring::SDK::NoSpan::id  { return NO_SPAN }
sub Monitoring::SDK::NoSpan::end { return 0 }

1;

__END__

=encoding UTF-8

=head1 NAME

Monitoring::SDK - events, metrics, progress and spans to the monitoring sidecar

=head1 SYNOPSIS

    use Monitoring::SDK;

    my $monitoring = Monitoring::SDK->new(source => 'queue-service', tcp_host => 'localhost', tcp_port => 17000);

    my $span = $monitoring->start_span('process_job');
    $monitoring->set_context('job_id', 'job-12345');
    $monitoring->log_progress('job-12345', 0, 'started');
    system('perl db_loader.pl FILE');          # a child process continues the trace and the job
    $monitoring->log_progress('job-12345', 100, 'completed');
    $monitoring->end_span($span, 'success');
    $monitoring->log_metric('jobs_processed', 1, 'count');

=head1 DESCRIPTION

A call encodes its record and hands it to the kernel before it returns, without ever waiting: the record arrives even
if the program is killed in the next instant. While the sidecar is away, records wait in a backlog of at most 1 MiB
that later calls, C<flush> and the end of the program send. When it is full, records are dropped and counted; its
last fifth is kept for what is important: events of level C<warn> and above, ends of spans, and final progress.

No call dies, warns, or changes C<$@>, C<$!> or C<$?>, whatever it is given and whatever the network does. There is no
thread and no dependency beyond perl's core. In a forked child and in a thread the client goes on with the context on
a connection of its own.

=head1 METHODS

The C<log_> methods give 1, or 0 if the record was dropped.

=head2 new(%options), init(%options)

The same arguments give the same client. An option that is not given comes from the environment.

    source        MONITORING_SOURCE, OTEL_SERVICE_NAME      name of the service; else the program's
    tcp_host      MONITORING_HOST                           127.0.0.1; a name is looked up here, once
    tcp_port      MONITORING_PORT                           17000
    level         MONITORING_LEVEL                          events below it are left out; else all are sent
    buffer_bytes  MONITORING_BUFFER_BYTES                   size of the backlog, 1048576
    tags          MONITORING_TAGS (a=1,b=2)                 context from the start, a hash
    job_id        MONITORING_JOB_ID                         job from the start
    export_env    MONITORING_EXPORT_ENV                     0: leave %ENV alone
    disabled      MONITORING_DISABLED, OTEL_SDK_DISABLED    1: no socket, every call returns at once
    quiet         MONITORING_QUIET                          1: say nothing on stderr
    debug         MONITORING_DEBUG                          1: tell on stderr of each connection
    ack           MONITORING_ACK                            memory or disk: keep records until they are acknowledged
    token         MONITORING_TOKEN                          what the sidecar wants to hear from its clients
    protocol      MONITORING_PROTOCOL                       msgpack: MessagePack instead of JSON lines
    before_send   -                                         a function of each record, see below

C<before_send> gets C<< { type => ..., data => { ... } } >> and gives it back, edited, or nothing to leave the record out. If it
dies, or logs, that is counted as C<encode>. It is called while the record is made, so that it costs the program; numbers and
booleans are JSON::PP's.

By position, too: C<< Monitoring::SDK->init($source, $tcp_host, $tcp_port) >>. A C<TRACEPARENT> (W3C Trace Context) in
the environment is continued.

=head2 log_event($level, $message, \%context)

Levels: trace, debug, info, warn, error, fatal; the usual other names are understood.

=head2 log_metric($name, $value, $unit, \%tags)

C<$value> is a finite number, or text that reads as one.

=head2 log_progress($job_id, $percent, $status, \%more)

C<%more>: C<message>, C<current>, C<total>.

=head2 log_resource($cpu, $memory, $disk, $network), log_resource(name => $value, ...)

Percent; megabytes.

=head2 sample_resources

The processor time of this process in percent since it was last asked, and its memory in megabytes; the first time it only
begins to count.

=head2 start_span($name, %options) gives the span's id

The span is a child of the one opened last; with C<< parent => $span_id >> of that one, with
C<< traceparent => $header >> of one in another process. Without any it begins a trace. While a span is open, C<%ENV>
holds C<TRACEPARENT>, C<MONITORING_JOB_ID>, C<MONITORING_HOST> and C<MONITORING_PORT> for child processes.

=head2 end_span($span_id, $status, $message, \%attributes)

C<success> if no status is given. Ending a span that is not open does nothing but count.

=head2 in_span($name, sub { my $span_id = shift; ... }, %options)

Gives what the code gives. An exception is recorded and goes on, unchanged.

=head2 span($name, %options) gives a guard

The span ends with C<< $guard->end($status, $message, \%attributes) >>, else when the guard goes out of scope: with
C<success>, or with C<error> if C<$@> has changed meanwhile. Where a handled exception may leave C<$@> set, say C<end>
or use C<in_span>. C<< $guard->id >> is the span's id.

=head2 set_context($key, $value)

Goes with every record from now on; C<undef> takes it out. At most 64 keys. Two are special: C<job_id>, and
C<trace_id> (32 hex digits) for records outside of spans.

=head2 continue_trace($traceparent), traceparent

Takes up a trace for what is outside of spans; C<undef> leaves it. C<traceparent> is what another process needs to
continue: put it into queue items and headers.

=head2 child_env, with_child_env(sub { system ... })

A copy of C<%ENV> with the four variables above; the code runs with it.

=head2 flush($timeout_s)

1 when the kernel has everything, with C<ack> when the sidecar has acknowledged it; 0 when the time (1 s) is over.

=head2 close($timeout_s)

Ends open spans as C<abandoned>, flushes, closes. Gives up after 0.2 s without a sidecar. The end of the program does
as much by itself, except in forked children that did not use the client.

=head2 latest, is_open, takes($level)

For bridges such as L<Log::Any::Adapter::Monitoring>: the client that was made last and is still there; whether a client is
neither disabled nor closed; whether it takes events of a level.

=head2 stats

A hash: accepted = sent + queued + dropped{full, encode, oversize, refused, closed, forked}; besides queued_bytes, connected,
connects, unknown_spans.

=head1 ACKNOWLEDGEMENTS

Without C<ack> a record counts as sent once the kernel has it, and the sidecar says nothing. With C<ack> it stays in
the backlog until the sidecar has it: C<memory>, in the queue of every backend; C<disk>, synced to disk or delivered.
After a lost connection, what is not acknowledged is sent again, and the sidecar ignores what it has already, even
if it was killed; what it was delivering then it delivers again, under the same id. Acknowledgements are read by later
calls, C<flush> and C<close>; no call waits for one but these two. The backlog has to hold what is out meanwhile: raise
C<buffer_bytes> for high rates.

=head1 PARTS

What one event needs is loaded with the module; the rest (spans, resources, signals, with which POSIX comes) by the first call
that needs it. A program that changes its root directory says C<use Monitoring::SDK ':all'> for all of it at once. Where a part
cannot be found, its records are counted as C<encode>, and the code of C<in_span> runs without a span.

=head1 VALUES

Numbers stay numbers, strings strings, and from perl 5.36 on booleans booleans; before that a string counts as a number
if perl has used it as one and it reads the same. C<\1> and C<\0> and the booleans of JSON modules work everywhere.
Objects: dates become ISO 8601, C<TO_JSON> is asked, then the object's text. Bytes are taken as UTF-8 where they are,
else as Latin-1. Limits: depth 8, 128 keys, 256 items, 8 KiB a string, 64 KiB a record, integers beyond 2**53 as
strings.

=head1 LICENSE

Apache License 2.0.

=cut
