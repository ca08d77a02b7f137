package Monitoring::SDK::Msgpack;

# Records as MessagePack, made of the JSON that the SDK writes; and what the sidecar answers in it.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Exporter qw(import);

our @EXPORT_OK = qw(from_json next_value);

my %UNESCAPED = (n => "\n", r => "\r", t => "\t", '"' => '"', '\\' => '\\');

# A value as MessagePack, of its compact JSON as Monitoring::SDK::JSON writes it: UTF-8, control characters escaped.
sub from_json {
    local $_ = $_[0];
    return _value();
}

# The next value, from where the last match in $_ ended.
sub _value {
    if (/\G\{/gc) {
        my ($count, $members) = (0, '');
        until (/\G\}/gc) {
            $members .= _value();
            /\G:/gc or die "no member\n";
            $members .= _value();
            $count++;
            /\G,/gc;
        }
        return _head($count, 0x80, 16, 0xDE, 0xDF) . $members;
    }
    if (/\G\[/gc) {
        my ($count, $items) = (0, '');
        until (/\G\]/gc) { $items .= _value(); $count++; /\G,/gc }
        return _head($count, 0x90, 16, 0xDC, 0xDD) . $items;
    }
    return _text($1) if /\G"((?:[^"\\]++|\\.)*+)"/gcs;
    return "\xC0" if /\Gnull/gc;
    return $1 eq 'true' ? "\xC3" : "\xC2" if /\G(true|false)/gc;
    return _number($1) if /\G(-?[0-9][-+.0-9eE]*)/gc;
    die "no JSON\n";
}

sub _head {
    my ($count, $short, $limit, $two, $four) = @_;
    return chr($short | $count) if $count < $limit;
    return $count < 2**16 ? pack 'Cn', $two, $count : pack 'CN', $four, $count;
}

sub _text {
    my $text = shift;
    $text =~ s/\\(?:u00([0-9a-f]{2})|(.))/defined $1 ? chr hex $1 : $UNESCAPED{$2}/ge;
    my $bytes = length $text;
    return ($bytes >= 32 && $bytes < 256 ? pack 'CC', 0xD9, $bytes : _head($bytes, 0xA0, 32, 0xDA, 0xDB)) . $text;
}

sub _number {
    my $number = shift;
    return pack 'Cd>', 0xCB, $number if $number !~ /\A-?\d+\z/;
    return $number < 128 ? chr $number : $number < 2**32 ? pack 'CN', 0xCE, $number : _long(0xCF, $number) if $number >= 0;
    return $number >= -32 ? pack 'c', $number : $number >= -2**31 ? pack 'Cl>', 0xD2, $number : _long(0xD3, $number);
}

# In two halves, for a perl whose integers have 32 bits.
sub _long {
    my ($kind, $number) = @_;
    my $low = $number % 2**32;
    return pack 'CNN', $kind, (($number - $low) / 2**32) % 2**32, $low;
}

my ($in, $at);

# The value that $$bytes begins with, which is taken from it; dies where it is not all there.
sub next_value {
    my $bytes = shift;
    ($in, $at) = ($$bytes, 0);
    my $value = _next();
    substr $$bytes, 0, $at, '';
    return $value;
}

sub _next {
    my $kind = ord _take(1);
    return $kind                                if $kind < 0x80;
    return $kind - 256                          if $kind >= 0xE0;
    return undef                                if $kind == 0xC0;
    return \($kind & 1)                         if $kind == 0xC2 || $kind == 0xC3;
    return _map($kind & 15)                     if $kind < 0x90;
    return [ map { _next() } 1 .. $kind & 15 ]  if $kind < 0xA0;
    return _take($kind & 31)                    if $kind < 0xC0;
    return unpack 'd>', _take(8)                if $kind == 0xCB;
    return _take(_size($kind - 0xD9))           if $kind >= 0xD9 && $kind <= 0xDB;
    return [ map { _next() } 1 .. _size($kind - 0xDB) ] if $kind == 0xDC || $kind == 0xDD;
    return _map(_size($kind - 0xDD))            if $kind >= 0xDE;
    my $bits = 8 * 2**($kind & 3);
    return _whole($bits, 0)                     if $kind >= 0xCC && $kind <= 0xCF;
    return _whole($bits, 1)                     if $kind >= 0xD0 && $kind <= 0xD3;
    die "unknown kind $kind\n";
}

sub _take {
    my $count = shift;
    die "more to come\n" if $at + $count > length $in;
    $at += $count;
    return substr $in, $at - $count, $count;
}

sub _map { my $count = shift; return { map { my $key = _next(); ($key => _next()) } 1 .. $count } }

# A count of one, two or four bytes.
sub _size { return unpack ['C', 'n', 'N']->[ $_[0] ], _take(2**$_[0]) }

sub _whole {
    my ($bits, $signed) = @_;
    my $number = 0;
    $number = $number * 256 + $_ for unpack 'C*', _take($bits / 8);
    return $signed && $number >= 2**($bits - 1) ? $number - 2**$bits : $number;
}

1;
