import { InvalidArgumentError, Option } from 'commander';

/** Which sidecar. */
export const URL_OPTION = new Option('--url <url>', "the running sidecar's HTTP address")
  .env('SIDECAR_URL')
  .argParser(addressOf)
  .default('http://127.0.0.1:17001');

/** What it asks for. */
export const TOKEN_OPTION = new Option(
  '--token <token>',
  'what the sidecar asks for; without it, that of http-token in its data_dir is used',
).env('SIDECAR_TOKEN');

/** For people or for programs. */
export const FORMAT_OPTION = new Option('--format <format>', 'of what is printed')
  .choices(['auto', 'human', 'json'])
  .default('auto');

/** An address of HTTP, which may lack its scheme. */
function addressOf(text: string): string {
  const address = text.includes('://') ? text : `http://${text}`;
  if (!/^https?:/.test(address) || !URL.canParse(address)) {
    throw new InvalidArgumentError('expected an address such as http://127.0.0.1:17001');
  }
  return address;
}

/** A whole number from 1. */
export function countOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a number from 1');
  return Number(text);
}
