import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { laneShape } from '../src/config/backend.ts';
import type { BackendType } from '../src/config/backends.ts';
import { configJson, type JsonSchema, schemaOf } from '../src/config/json-schema.ts';

/** The types of backends in a folder of sinks: every file there whose default export describes one. */
export async function backendTypes(folder: string): Promise<Map<string, BackendType>> {
  const types = new Map<string, BackendType>();
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts')).sort();
  for (const file of files) {
    const { default: found } = await import(pathToFileURL(join(folder, file)).href);
    if (found?.options !== undefined && found?.overrides !== undefined)
      types.set(basename(file, '.ts'), found);
  }
  return types;
}

/** The reference page: every key of the configuration, out of its schema. */
export function configReference(types: ReadonlyMap<string, BackendType>): string {
  const { properties = {}, required = [] } = configJson(types);
  const { routing = {}, backends, ...sections } = properties;
  const scalars = Object.entries(sections).filter(([, schema]) => schema.properties === undefined);
  const maps = Object.entries(sections).filter(([, schema]) => schema.properties !== undefined);
  return [
    INTRODUCTION,
    '## Top level',
    table({ properties: { ...Object.fromEntries(scalars), routing, backends: backends ?? {} }, required }),
    ...maps.flatMap(([name, schema]) => [`## ${name}`, schema.description ?? '', table(schema)]),
    ROUTING,
    '### A rule',
    table(ruleOf(routing)),
    BACKENDS,
    table(
      schemaOf(
        z.strictObject({ type: z.enum([...types.keys()]).describe('Where the messages go.'), ...laneShape }),
      ),
    ),
    ...[...types].flatMap(([name, type]) => backendPart(name, type)),
  ]
    .map((part) => part.trim())
    .join('\n\n')
    .concat('\n');
}

function backendPart(name: string, { options, overrides }: BackendType): string[] {
  const overridden = schemaOf(overrides);
  const none = Object.keys(overridden.properties ?? {}).length === 0;
  const list = Object.keys(overridden.properties ?? {}).map((key) => `\`${key}\``);
  const note = none ? 'A rule can override nothing.' : `A rule's \`config\` can override ${list.join(', ')}.`;
  return [`### type: ${name}`, table(schemaOf(options)), note];
}

const ruleOf = (routing: JsonSchema): JsonSchema => {
  const list = routing.additionalProperties;
  const rule = (typeof list === 'object' && list.items) || {};
  const { config, ...properties } = rule.properties ?? {};
  const { anyOf, ...plain } = config ?? {};
  return { ...rule, properties: { ...properties, config: { ...plain, type: 'object' } } };
};

function table(schema: JsonSchema): string {
  const rows = rowsOf(schema, '').map((cells) => `| ${cells.join(' | ')} |`);
  return ['| key | type | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** Key, type, default and meaning of every property; those of a map inside follow with its name before theirs. */
function rowsOf({ properties = {}, required = [] }: JsonSchema, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([key, schema]) => {
    const name = `${prefix}${key}`;
    const preset = required.includes(key) ? 'required' : presetOf(schema);
    const row = [`\`${name}\``, escaped(typeOf(schema)), preset, escaped(schema.description ?? '')];
    return [row, ...(schema.properties === undefined ? [] : rowsOf(schema, `${name}.`))];
  });
}

function presetOf({ default: preset, properties }: JsonSchema): string {
  const isNothing =
    preset === undefined || (properties !== undefined && Object.keys(preset ?? {}).length === 0);
  return isNothing ? '' : `\`${typeof preset === 'string' ? preset : JSON.stringify(preset)}\``;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  object: 'map',
  array: 'list',
};

function typeOf(schema: JsonSchema): string {
  const { title, type, anyOf, items, additionalProperties } = schema;
  if (title === 'duration' || title === 'size') return title;
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (Array.isArray(type)) return type.map((one) => TYPES[one] ?? one).join(' or ');
  if (type === 'array' && items) return `list of ${typeOf(items)}`;
  if (
    type === 'object' &&
    typeof additionalProperties === 'object' &&
    additionalProperties.type === 'string'
  ) {
    return 'map of text';
  }
  return type === 'integer' || type === 'number' ? numberOf(schema) : (TYPES[type ?? ''] ?? 'any value');
}

function numberOf({ type, minimum, maximum }: JsonSchema): string {
  const name = type === 'integer' ? 'whole number' : 'number';
  if (minimum !== undefined && maximum !== undefined) return `${name}, ${minimum} to ${maximum}`;
  return minimum === undefined ? name : `${name} from ${minimum}`;
}

const escaped = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');

const INTRODUCTION = `# Configuration

<!-- Generated from the schema by scripts/generate-config-docs.ts: edit that, not this. -->

One YAML file says where the sidecar listens, which messages go where, and how. \`config/example.yaml\` shows every
feature, \`config/default.yaml\` is what \`npm start\` runs.

The first line \`# yaml-language-server: $schema=./sidecar.schema.json\` gives an editor completion and checks.
\`sidecar validate FILE\` checks a file and names every error with its line and column. Unknown keys are errors.

**Changes take effect when the file is saved.** A file with an error changes nothing: what ran before runs on, and the
log says what is wrong. Operators in the \`pipelines\` folder are watched too; SIGHUP reads everything again, the files
that the configuration refers to among them.

**Units.** Durations are written \`500ms\`, \`5s\`, \`1m\`, \`2h\`, \`1d\`; sizes \`512B\`, \`64KiB\`, \`1MiB\` (1024) or \`10MB\` (1000).

**References.** In any text value, \`\${NAME}\` is an environment variable, \`\${NAME:-default}\` has a default for one that is
unset or empty, and \`\${file:/run/secrets/password}\` is a file's text, without its last newline; relative to the
configuration file's folder. \`$$\` is a dollar sign. Where only a number or \`true\`/\`false\` is allowed, the text becomes
one. Inside \`{ }\` and \`[ ]\` YAML wants it in quotes. What a reference brought in is not shown where the configuration is, nor
in its errors: not in the log, not by the API. What a backend at work says may name its host, bucket, table or folder, but no
password and no key.

**The command line** sets a value after the file was read: \`--set tcp.port=0\`,
\`--set 'routing.queue-service[0].enabled=false'\`, \`--set 'backends["a.b"].type=console'\`. The value is YAML.

Anchors, aliases and merge keys (\`<<\`) work as in any YAML. Limits: 1 MiB, 64 levels, 100,000 values.`;

const ROUTING = `## routing

\`\`\`yaml
routing:
  queue-service:              # a source, by its name
    - backend: timescaledb
      filter:
        types: [metric, event]
  "web-*":                    # sources, by a glob
    - backend: files
  default:                    # sources without rules of their own
    - backend: files
  all:                        # every source, beside its own rules
    - backend: console
      filter: { min_level: error }
\`\`\`

A source has the rules under its exact name, or else those under the first glob that matches, or else \`default\`; and \`all\`
besides. A message goes to every rule whose filter it passes. What no rule takes is counted, not delivered.`;

const BACKENDS = `## backends

\`\`\`yaml
backends:
  timescaledb:                # a name of your choice, for rules
    type: postgres
    connection_string: "postgresql://user:\${PGPASSWORD}@localhost:5432/monitoring"
    retry: { max: 1m }
\`\`\`

A section holds what its type takes, and what every backend takes:`;
