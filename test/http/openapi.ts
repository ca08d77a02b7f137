// docs/openapi.yaml as tests use it: answers are checked against it, and what it does not describe is a fault.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse } from 'yaml';
import { ROOT } from '../processes.ts';

type Tree = Record<string, unknown>;

interface Operation {
  readonly operationId: string;
  readonly responses: Record<string, Tree>;
}

export const DOCUMENT = parse(readFileSync(join(ROOT, 'docs', 'openapi.yaml'), 'utf8')) as {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, Tree & { examples?: readonly unknown[] }>;
    readonly responses: Record<string, Tree>;
  };
};

/** Parts of others, which add to what they have. */
const PARTS = ['StoryBase', 'StoryDetails', 'JobIds', 'JobChildren', 'TraceIds'];

/** A copy in which objects have the described fields only. */
function closed(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => closed(item));
  if (typeof value !== 'object' || value === null) return value;
  const tree = value as Tree;
  const copy = Object.fromEntries(Object.entries(tree).map(([key, inner]) => [key, closed(inner, key)]));
  const isObject = tree.type === 'object' && 'properties' in tree;
  const isClosed = (isObject || 'allOf' in tree) && !PARTS.includes(name);
  return isClosed ? { ...copy, unevaluatedProperties: false } : copy;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema({ $id: 'api', components: closed(DOCUMENT.components) as Tree });

/** What of `value` is not as the schema of this name says. */
export function faultsOf(schema: string, value: unknown): readonly string[] {
  return faultsAt(`api#/components/schemas/${schema}`, value);
}

function faultsAt(ref: string, value: unknown): readonly string[] {
  const validate = ajv.getSchema(ref) ?? ajv.compile({ $ref: ref });
  validate(value);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** What of an answer is not as the document says of the path, such as `/api/v1/jobs/{id}`. */
export function answerFaults(path: string, method: string, status: number, body: unknown): readonly string[] {
  const described = DOCUMENT.paths[path]?.[method]?.responses[String(status)];
  if (described === undefined) return [`${method} ${path} ${status} is not described`];
  const { $ref } = described as { $ref?: string };
  const response = $ref === undefined ? described : DOCUMENT.components.responses[$ref.split('/').at(-1)!]!;
  const { schema } = (response.content as Record<string, { schema: Tree }>)['application/json']!;
  if (typeof schema.$ref === 'string') return faultsAt(`api${schema.$ref}`, body);
  const choices = schema.oneOf as readonly { $ref: string }[];
  const all = choices.map((choice) => faultsAt(`api${choice.$ref}`, body));
  return all.some((faults) => faults.length === 0) ? [] : all.flat();
}

/** Examples of schemas, by name. */
export const EXAMPLES = Object.entries(DOCUMENT.components.schemas).flatMap(([name, { examples = [] }]) =>
  examples.map((example) => [name, example] as const),
);

/** Operations as `method /path` in the server's spelling. */
export const OPERATIONS = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
);
