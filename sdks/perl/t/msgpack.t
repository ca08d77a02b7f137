# MessagePack out of the SDK's own JSON, and back.
use 5.016;
use strict;
use warnings;

use Test::More;
use Monitoring::SDK::JSON    qw(json_value);
use Monitoring::SDK::Msgpack qw(from_json next_value);

sub hex_of { return unpack 'H*', from_json(json_value($_[0])) }

my %LIKE = (
    0 => '00', 127 => '7f', 128 => 'ce00000080', 4_294_967_295 => 'ceffffffff', 4_294_967_296 => 'cf0000000100000000',
    9_007_199_254_740_991 => 'cf001fffffffffffff', -1 => 'ff', -32 => 'e0', -33 => 'd2ffffffdf', -2_147_483_648 => 'd280000000',
    -2_147_483_649 => 'd3ffffffff7fffffff', -9_007_199_254_740_991 => 'd3ffe0000000000001',
);
is hex_of(0 + $_), $LIKE{$_}, "the number $_" for sort keys %LIKE;
is hex_of(0.5),      'cb3fe0000000000000',           'a fraction';
is hex_of(undef),    'c0',                           'nothing';
is hex_of([\1, \0]), '92c3c2',                       'booleans in a list';
is hex_of({ a => { b => [] } }), '81a16181a16290',   'objects in objects';
is hex_of(qq(gr\x{fc}\x{df}e "q" \\ \n\x01)), 'b0' . unpack('H*', qq(gr\xc3\xbc\xc3\x9fe "q" \\ \n\x01)) =~ s/\A//r, 'text, its escapes undone';

for my $length (31, 32, 255, 256, 8000) {
    my $packed = from_json(json_value('x' x $length));
    is next_value(\$packed), 'x' x $length, "a text of $length bytes comes back";
}
my %record = (type => 'ack', data => { seq => 70_000, list => [1, -5, 2.5], big => { map { ("k$_" => $_) } 1 .. 40 } });
my $whole  = from_json(json_value(\%record));
my $bytes  = "$whole$whole";
is_deeply next_value(\$bytes), \%record, 'a record comes back';
is $bytes, $whole, 'and is taken from what was heard';
for my $length (0 .. length($whole) - 1) {
    my $part = substr $whole, 0, $length;
    eval { next_value(\$part) };
    $@ or BAIL_OUT("$length bytes were taken for a record");
}
pass 'a part of a record waits for the rest';

done_testing;
