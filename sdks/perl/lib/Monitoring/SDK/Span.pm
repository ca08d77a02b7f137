package Monitoring::SDK::Span;

# The guard of an open span, which ends it when its scope is left, whichever way; and the ids that spans go by.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Exporter qw(import);

use Monitoring::SDK::JSON qw(refaddr);

our @EXPORT_OK = qw(callable new_id parse_traceparent);

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
    $code = callable($code);
    my ($want, @result) = wantarray;
    my $done  = eval { @result = $want ? $code->($self->{id}) : scalar $code->($self->{id}); 1 };
    my $error = $@;
    $self->end($done ? 'success' : ('error', $error));
    die $error unless $done;
    return $want ? @result : $result[0];
}

# What was given for a code reference, or one that does nothing.
sub callable {
    my $code = shift;
    local $@;
    local $SIG{__DIE__};
    return ref $code && eval { defined &$code && \&$code } || sub { };
}

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

# [trace id, span id] of a W3C traceparent; false if it is none.
sub parse_traceparent {
    my @ids = lc($_[0]) =~ /\A[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}/;
    return @ids && \@ids;
}

1;
