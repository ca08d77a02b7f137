/** A strict reader of the Prometheus text format 0.0.4; throws where a scraper would, and where promtool would warn. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$|^[+-]?Inf$|^NaN$/;
const ESCAPES: Record<string, string> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

function unescaped(text: string, allowed: readonly string[]): string {
  return text.replace(/\\./gs, (pair) => {
    if (!allowed.includes(pair)) throw new Error(`bad escape ${JSON.stringify(pair)}`);
    return ESCAPES[pair]!;
  });
}

function parseLabels(text: string): [labels: Record<string, string>, rest: string] {
  const labels: Record<string, string> = Object.create(null);
  let rest = text.slice(1);
  while (!rest.startsWith('}')) {
    const name = LABEL_NAME.exec(rest)?.[0];
    if (name === undefined) throw new Error(`bad label name at ${rest}`);
    if (name in labels) throw new Error(`label ${name} twice in ${text}`);
    const quoted = /^="((?:[^"\\\n]|\\.)*)"/su.exec(rest.slice(name.length));
    if (quoted === null) throw new Error(`bad label value at ${rest}`);
    labels[name] = unescaped(quoted[1]!, ['\\\\', '\\"', '\\n']);
    rest = rest.slice(name.length + quoted[0].length);
    if (rest.startsWith(',')) rest = rest.slice(1);
    else if (!rest.startsWith('}')) throw new Error(`neither , nor } at ${rest}`);
  }
  return [labels, rest.slice(1)];
}

function parseSample(line: string): Sample {
  const name = METRIC_NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`bad metric name: ${line}`);
  const tail = line.slice(name.length);
  const [labels, rest] = tail.startsWith('{') ? parseLabels(tail) : [{}, tail];
  if (!rest.startsWith(' ') || !NUMBER.test(rest.slice(1))) throw new Error(`bad value: ${line}`);
  return { name, labels, value: Number(rest.slice(1).replace('Inf', 'Infinity')) };
}

function belongs(family: Family, name: string): boolean {
  if (family.type !== 'histogram') return name === family.name;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family.name + suffix);
}

function checkFamily(family: Family): void {
  const seen = new Set<string>();
  for (const sample of family.samples) {
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(key)) throw new Error(`series twice: ${key}`);
    seen.add(key);
    if (family.type === 'counter' && !(sample.value >= 0)) throw new Error(`counter below zero: ${key}`);
  }
  if (family.type === 'counter' && !family.name.endsWith('_total'))
    throw new Error(`${family.name}: no _total`);
}

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('no newline at the end');
  const families = new Map<string, Family & { samples: Sample[] }>();
  let help: [name: string, text: string] | undefined;
  let family: (Family & { samples: Sample[] }) | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name, words] = /^# HELP (\S+) (.+)$/su.exec(line) ?? [];
      if (name === undefined || words === undefined) throw new Error(`bad HELP: ${line}`);
      help = [name, unescaped(words, ['\\\\', '\\n'])];
    } else if (line.startsWith('# TYPE ')) {
      const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
      if (name === undefined || type === undefined) throw new Error(`bad TYPE: ${line}`);
      if (families.has(name)) throw new Error(`${name}: TYPE twice`);
      if (help?.[0] !== name) throw new Error(`${name}: TYPE without its HELP`);
      family = { name, help: help[1], type, samples: [] };
      families.set(name, family);
    } else {
      const sample = parseSample(line);
      if (family === undefined || !belongs(family, sample.name))
        throw new Error(`outside its family: ${line}`);
      family.samples.push(sample);
    }
  }
  families.forEach(checkFamily);
  return families;
}

/** The samples of a family; throws when there is no such family. */
export function samplesOf(text: string, name: string): readonly Sample[] {
  const family = parseExposition(text).get(name);
  if (family === undefined) throw new Error(`no metric ${name}`);
  return family.samples;
}

/** The sum of the samples whose labels include `labels`. */
export function sumOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  return samplesOf(text, name)
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
