package Monitoring::SDK::Span;

# Spans: opening and ending them, the guard that ends one when its scope is left, whichever way, and what hands the trace
# to other processes. Loaded by the first program that has spans. Functions get the client first.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Exporter qw(import);

use Monitoring::SDK::JSON qw(json_text refaddr);

our @EXPORT_OK = qw(new_id);

sub MAX_OPEN_SPANS () {1024}

my @EXPORTED = qw(TRACEPARENT MONITORING_JOB_ID MONITORING_HOST MONITORING_PORT);

# ---- open spans ---------------------------------------------------------------------------------------------------

sub start {
    my ($client, $name, %option) = @_;
    my $local  = $client->{spans}{ $option{parent} // '' };
    my $remote = $local ? [ $local->{trace}, $option{parent} ] : Monitoring::SDK::parse_traceparent($option{traceparent});
    my ($trace, $parent) = $remote ? @$remote : $client->current;
    $trace ||= new_id(16, $client->{owner});
    finish($client, $client->{stack}[0], 'abandoned') if @{ $client->{stack} } >= MAX_OPEN_SPANS;
    my ($id, $s, $us) = (new_id(8, $client->{owner}), Time::HiRes::gettimeofday());
    my $core = '"name":' . json_text($name // '') . ($parent && qq(,"parent_span_id":"$parent"));
    my $job = $client->{job_over} ? undef : $client->{job_id};
    $client->record('span', qq("phase":"start",$core), 'attributes', undef, 0, Monitoring::SDK::ids($job, $trace, $id));
    $core .= sprintf ',"start_us":%d%06d', $s, $us;
    $client->{spans}{$id} = { trace => $trace, core => $core, start_s => Monitoring::SDK::Link::now_s() };
    push @{ $client->{stack} }, $id;
    $client->changed;
    return $id;
}

sub finish {
    my ($client, $id, $status, $message, $attributes) = @_;
    my $span = delete $client->{spans}{$id} or return $client->{unknown_spans}++ && 0;
    my $us   = 1e6 * (Monitoring::SDK::Link::now_s() - $span->{start_s});
    my $core = sprintf '"phase":"end",%s,"duration_us":%d,"status":', $span->{core}, $us;
    $core .= json_text($status // 'success');
    $core .= ',"status_message":' . json_text($message) if defined $message;
    my $ids  = Monitoring::SDK::ids($client->{job_id}, $span->{trace}, $id);
    my $kept = $client->record('span', $core, 'attributes', $attributes, 1, $ids);
    @{ $client->{stack} } = grep { $_ ne $id } @{ $client->{stack} };
    # A service's next span may start before set_context says for which job; its start must not name the last one.
    $client->{job_over} = !@{ $client->{stack} } && $client->{job_id} ne $client->{env_job};
    $client->changed;
    return $kept;
}

# ---- other processes ----------------------------------------------------------------------------------------------

# What a child process needs to go on with the trace and the job.
sub environment {
    my $client = shift;
    my ($trace, $span) = $client->current;
    my %env = (MONITORING_HOST => $client->{tcp_host}, MONITORING_PORT => $client->{tcp_port});
    $env{TRACEPARENT}       = "00-$trace-$span-01" if $span;
    $env{MONITORING_JOB_ID} = $client->{job_id}    if defined $client->{job_id};
    return \%env;
}

# While a span is open, %ENV hands it to child processes; then it is as it was.
sub export_env {
    my $client = shift;
    my $open   = @{ $client->{stack} } && $client->{export_env};
    $client->{saved_env} ||= { map { $_ => $ENV{$_} } @EXPORTED } if $open;
    my $env = $open ? { %{ $client->{saved_env} }, %{ environment($client) } } : delete $client->{saved_env};
    for (keys %$env) { defined $env->{$_} ? $ENV{$_} = $env->{$_} : delete $ENV{$_} }
    return;
}

# ---- scopes -------------------------------------------------------------------------------------------------------

sub new {
    my ($class, $client, @start) = @_;
    my %self = (client => $client, owner => $$, error => _mark($@), exit => $?, left => 'success');
    return bless { %self, id => Monitoring::SDK::start_span($client, @start) }, $class;
}

sub id { return $_[0]{id} }

sub end {
    my ($self, @how) = @_;
    return $self->{ended}++ ? 0 : Monitoring::SDK::end_span($self->{client}, $self->{id}, @how);
}

# While perl unwinds, $@ is the exception that an eval further out will get, and $? the status of a program that ends.
sub DESTROY {
    my $self = shift;
    return if $self->{owner} != $$ || ${^GLOBAL_PHASE} eq 'DESTRUCT';
    return $self->end('error', $@) if $@ && _mark($@) ne $self->{error};
    return $self->end($? != $self->{exit} && $? > 0 && $? < 256 ? 'error' : $self->{left});
}

sub _mark { return ref $_[0] ? refaddr $_[0] : $_[0] }

# Calls $code->($span_id) in a span of its own and gives what it gives, its exception too.
sub around {
    my ($client, $name, $code, @options) = @_;
    my $self = __PACKAGE__->new($client, $name, @options);
    $self->{left} = 'abandoned';    # by exit, last and the like
    my ($want, @result) = wantarray;
    local $@;
    my $done  = eval { @result = $want ? $code->($self->{id}) : scalar $code->($self->{id}); 1 };
    my $error = $@;
    $self->end($done ? 'success' : ('error', $error));
    die $error unless $done;
    return $want ? @result : $result[0];
}

# ---- ids ----------------------------------------------------------------------------------------------------------

my ($POOL, $POOL_OWNER) = ('', 0);

# Hex digits for so many bytes from the system's random source; where there is none (chroot), a hash of what differs.
# A pool is of one $owner: a forked child draws its own.
sub new_id {
    my ($bytes, $owner) = @_;
    if (length $POOL < $bytes || $POOL_OWNER != $owner) {
        ($POOL, $POOL_OWNER) = ('', $owner);
        if (open my $random, '<:raw', '/dev/urandom') { sysread $random, $POOL, 512 }
        require Digest::MD5 if length $POOL < 512;
        $POOL .= Digest::MD5::md5(join ' ', $POOL, $owner, Time::HiRes::gettimeofday(), \my $address) while length $POOL < 512;
    }
    return unpack 'H*', substr $POOL, 0, $bytes, '';
}

1;
