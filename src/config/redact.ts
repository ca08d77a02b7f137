import { isRecord } from './draft.ts';
import { MASK } from './interpolate.ts';
import { type Path, pathKey } from './path.ts';
import type { Config } from './schema.ts';

/** What must not be shown of a configuration. */
export interface Secrets {
  /** Texts as they may be shown, by `pathKey`. */
  readonly shown: ReadonlyMap<string, string>;
  /** Values that came out of `${…}`. */
  readonly values: readonly string[];
}

const NONE: Secrets = { shown: new Map(), values: [] };
const secretsOf = new WeakMap<Config, Secrets>();

/** Notes what `redact` has to hide of `config`. */
export const keepSecret = (config: Config, secrets: Secrets): void => void secretsOf.set(config, secrets);

/**
 * The configuration as the file spells it, defaults filled in and every secret masked as `***`: what came from
 * `${…}`, values of keys such as `password` and `token`, and passwords in URLs. For the log and the API.
 */
export function redact(config: Config): unknown {
  const backends = mapValues(config.backends, ({ options, ...lane }) => ({ ...lane, ...options }));
  const routing = mapValues(config.routing, (rules) =>
    rules.map((rule) => ({
      ...rule,
      operators: rule.operators.map(({ use, options }) => ({ use, ...options })),
    })),
  );
  return mask({ ...config, routing, backends }, [], secretsOf.get(config) ?? NONE, false);
}

const mapValues = <T, R>(map: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));

function mask(value: unknown, path: Path, secrets: Secrets, secret: boolean): unknown {
  if (Array.isArray(value)) return value.map((item, index) => mask(item, [...path, index], secrets, secret));
  if (isRecord(value)) {
    const entries = Object.entries(value).map(([key, inner]) => {
      const place = [...path, key];
      return [key, mask(inner, place, secrets, secret || isSecretKey(key) || pathKey(place) === TLS_KEY)];
    });
    return Object.fromEntries(entries);
  }
  const shown = secrets.shown.get(pathKey(path));
  if (shown !== undefined) return shown;
  if (typeof value === 'boolean' || value === null || value === undefined) return value;
  if (secret) return MASK;
  return typeof value === 'string' ? maskText(value, secrets.values) : value;
}

const TLS_KEY = pathKey(['tls', 'key']);
const SECRET_KEY =
  /(^|[_.-])(password|passwd|pass|passphrase|secret|token|credentials?|private[_-]?key|api[_-]?key|access[_-]?key)$/i;

/** Whether a key's value is a secret by its name. */
export const isSecretKey = (key: string): boolean => SECRET_KEY.test(key);

const URL_PASSWORD = /(:\/\/[^/?#\s:@]*:)([^/?#\s]*)(?=@)/g;
const PARAMETER = /\b(password|passwd|sslpassword|secret|token)=('[^']*'|[^&\s]+)/gi;
/** Shorter values stand in too many texts by chance. */
const SHORTEST = 4;

/** `text` with passwords in URLs and in parameters masked; all of it where it has one of the values. */
export function maskText(text: string, values: readonly string[]): string {
  if (values.some((value) => value.length >= SHORTEST && text.includes(value))) return MASK;
  return text.replace(URL_PASSWORD, `$1${MASK}`).replace(PARAMETER, `$1=${MASK}`);
}

/** Every secret that is written out in a configuration: values of secret keys, passwords in URLs. */
export function literalSecrets(value: unknown, secret = false): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => literalSecrets(item, secret));
  if (isRecord(value)) {
    return Object.entries(value).flatMap(([key, inner]) => literalSecrets(inner, secret || isSecretKey(key)));
  }
  if (typeof value !== 'string') return [];
  if (secret) return [value];
  return [...value.matchAll(URL_PASSWORD)].map((match) => match[2] ?? '');
}

/** `text` without any of the secrets, as they are or as JSON writes them. */
export function hide(text: string, secrets: readonly string[]): string {
  const longestFirst = secrets
    .filter((secret) => secret.length >= SHORTEST)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .sort((a, b) => b.length - a.length);
  return longestFirst.reduce((left, secret) => left.replaceAll(secret, MASK), text);
}
