package Monitoring::SDK::JSON;

# Perl values as JSON text in UTF-8 bytes: bounded, never dying, numbers as numbers, what was given left untouched.

use 5.016;
use strict;
BEGIN { ${^WARNING_BITS} = '' }    # no warnings: the host's stderr and handler are its own

use Exporter qw(import);

our @EXPORT_OK = qw(blessed iso_time json_kept json_members json_number json_text json_value refaddr weaken);

# From 5.36 on they need no module.
BEGIN {
    if (defined &builtin::weaken) { (*blessed, *refaddr, *weaken) = (\&builtin::blessed, \&builtin::refaddr, \&builtin::weaken) }
    else                          { require Scalar::Util; Scalar::Util->import(qw(blessed refaddr weaken)) }
}

sub MAX_BYTES ()      {65_536}                   # of a record
sub MAX_TEXT_BYTES () {8192}
sub MAX_KEYS ()       {128}
sub MAX_ITEMS ()      {256}
sub MAX_DEPTH ()      {8}
sub MAX_INTEGER ()    {9_007_199_254_740_992}    # 2**53; the power itself would be a float

my %ESCAPE = ((map { chr, sprintf '\u%04x', $_ } 0 .. 31), "\n", '\n', "\r", '\r', "\t", '\t', '"', '\"', '\\', '\\\\');
my $UTF8   = '[\xC2-\xDF][\x80-\xBF]|(?:\xE0[\xA0-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]|\xED[\x80-\x9F])[\x80-\xBF]'
    . '|(?:\xF0[\x90-\xBF]|[\xF1-\xF3][\x80-\xBF]|\xF4[\x80-\x8F])[\x80-\xBF]{2}';    # compiled when it is used
my $IS_NUMBER = defined &builtin::created_as_number ? \&builtin::created_as_number : sub { $_[0] eq 0 + $_[0] };
my $IS_BOOL   = defined &builtin::is_bool           ? \&builtin::is_bool           : sub {0};

# How many bytes the value that is encoded may still take, counted as no more than it does take: one that is cut off for
# them, as what is shared may be, makes no record.
our $ROOM = MAX_BYTES;

# A scalar as a string, undef as null; cut at 8 KiB. Bytes are taken as UTF-8 if they hold any well-formed sequence
# of it, else as Latin-1. What still is not UTF-8 becomes U+FFFD.
sub json_text {
    my $text = $_[0] // return 'null';
    $text = eval {"$text"} // '<unprintable>' if ref $text;
    utf8::encode($text) unless utf8::valid($text);
    unless (length $text > MAX_TEXT_BYTES || $text =~ /[^ !#-\[\]-~]/) { $ROOM -= length $text; return qq("$text") }
    $text = substr $text, 0, MAX_TEXT_BYTES + 1;
    utf8::encode($text) if utf8::is_utf8($text) || $text =~ /[\x80-\xFF]/ && $text !~ /$UTF8/;
    if (length $text > MAX_TEXT_BYTES) {
        my $inside = substr($text, MAX_TEXT_BYTES, 1) =~ /[\x80-\xBF]/;
        $text = substr $text, 0, MAX_TEXT_BYTES;
        $text =~ s/[\xC0-\xFF][\x80-\xBF]*\z// if $inside;
    }
    $text =~ s{((?:[\x00-\x7F]++|$UTF8)++)|[\xC0-\xFF][\x80-\xBF]*|.}{$1 // "\xEF\xBF\xBD"}ge if $text =~ /[\x80-\xFF]/;
    $text =~ s/(["\\\x00-\x1F])/$ESCAPE{$1}/g;
    $ROOM -= length $text;
    return qq("$text");
}

# The members of an object, from (key, value, …), in that order.
sub json_members {
    my @members;
    while (my ($key, $value) = splice @_, 0, 2) { push @members, json_text($key // '') . ':' . json_value($value) }
    return join ',', @members;
}

# A value to be kept: encoded now, and taken as it is when it is met again.
sub json_kept { return bless \(my $json = json_value($_[0])), __PACKAGE__ }

# Any value; @outer are the containers that it is in.
sub json_value {
    my ($value, @outer) = @_;
    return 'null' unless defined $value;
    my $kind = ref $value or return _scalar($value);
    return $$value if $kind eq __PACKAGE__;
    return '"<cyclic>"' if grep { refaddr $_ == refaddr $value } @outer;
    return '"<depth>"'  if @outer >= MAX_DEPTH;
    local $ROOM = MAX_BYTES unless @outer;
    return '"<large>"' if $ROOM <= 0;
    push @outer, $value;
    return '{' . join(',', map { json_text($_) . ':' . json_value($value->{$_}, @outer) } _keys($value)) . '}'
        if $kind eq 'HASH';
    return _object($value, @outer) if $kind ne 'ARRAY';
    my $last = @$value > MAX_ITEMS ? MAX_ITEMS - 1 : $#$value;
    $ROOM -= 2 * ($last + 1);    # an item and what follows it
    return '[' . join(',', map { json_value($value->[$_], @outer) } 0 .. $last) . ']';
}

sub _keys {
    my $hash = shift;
    return sort keys %$hash if keys %$hash <= MAX_KEYS;
    my @keys = sort map { scalar each %$hash } 1 .. MAX_KEYS;
    keys %$hash;    # rewinds the iterator
    return @keys;
}

# What is a number to perl is one here. A string that looks like a number stays a string, as far as this perl can tell.
sub _scalar {
    my $value = $_[0];
    return json_text($value)           if utf8::is_utf8($value) || !length('' & $value);    # no number in it
    return json_number($value)         if $IS_NUMBER->($value);
    return $value ? 'true' : 'false'   if $IS_BOOL->($value);
    return json_text($value);
}

# A number in as many digits as it needs; beyond ±2**53, and where JSON has no number for it, a string.
sub json_number {
    my $number = 0 + $_[0];
    return $number != $number ? '"NaN"' : $number > 0 ? '"Infinity"' : '"-Infinity"' if $number - $number != 0;
    my $text = "$number";
    for (16, 17) { $text = sprintf "%.${_}g", $number if $text != $number }
    return abs $number > MAX_INTEGER && $text =~ /\A-?\d+\z/ ? qq("$text") : "$text";
}

# Booleans of the JSON modules, \1 and \0; dates in UTC; what knows its own JSON; else what it says of itself.
sub _object {
    my ($value, @outer) = @_;
    my $class = blessed $value;
    return eval {
        my $bool = $class ? $value->isa('JSON::PP::Boolean') : ref $value eq 'SCALAR' && $$value =~ /\A[01]\z/;
        return $$value ? 'true' : 'false' if $bool;
        return json_text(iso_time($value->epoch) . 'Z') if $class && $value->can('epoch') && $value->can('strftime');
        return json_value($value->TO_JSON, @outer) if $class && $value->can('TO_JSON');
        json_text($value);
    } // '"<unprintable>"';
}

# In UTC, to the second, without its zone.
sub iso_time {
    my ($s, $m, $h, $day, $month, $year) = gmtime $_[0];
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02d', $year + 1900, $month + 1, $day, $h, $m, $s;
}

1;
