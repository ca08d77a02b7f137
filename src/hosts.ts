const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/i;
const ANY = /^(0\.0\.0\.0|::)$/;

/** Whether only programs on this machine can reach an address, as far as its text tells. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** Whether only one of two listeners can be open; those with port 0 have a free one each. */
export const clash = (a: Place, b: Place): boolean =>
  a.port === b.port &&
  a.port !== 0 &&
  (ANY.test(a.host) || ANY.test(b.host) || bare(a.host) === bare(b.host));

interface Place {
  readonly host: string;
  readonly port: number;
}

const bare = (host: string): string => host.toLowerCase().replace('localhost', '127.0.0.1');
