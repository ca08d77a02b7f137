const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/i;

/** Whether only programs on this machine can reach an address, as far as its text tells. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);
