import { z } from 'zod';
import { laneShape } from './backend.ts';
import type { BackendType } from './backends.ts';
import { configSchema } from './schema.ts';

/** JSON Schema, as far as ours goes. */
export interface JsonSchema {
  $schema?: string;
  title?: string;
  description?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  pattern?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  $ref?: string;
  definitions?: Record<string, JsonSchema>;
}

/** What a schema takes, before its defaults. */
export function schemaOf(schema: z.ZodType): JsonSchema {
  const { $schema, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => dropSafeBounds(jsonSchema as JsonSchema),
  });
  return json as JsonSchema;
}

/** The bounds of exact integers say nothing to a person. */
function dropSafeBounds(schema: JsonSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
}

/** The configuration as the file spells it, with what each type of backend adds. */
export function configJson(types: ReadonlyMap<string, BackendType>): JsonSchema {
  const { properties = {}, ...whole } = schemaOf(configSchema);
  return {
    ...whole,
    properties: {
      ...properties,
      routing: withOverrides(properties.routing ?? {}, types),
      backends: { ...properties.backends, additionalProperties: backendsJson(types) },
    },
  };
}

function backendsJson(types: ReadonlyMap<string, BackendType>): JsonSchema {
  const lane = schemaOf(z.strictObject(laneShape));
  const sections = [...types].map(([type, { options }]): JsonSchema => {
    const own = schemaOf(options);
    return {
      title: type,
      type: 'object',
      properties: {
        type: { const: type, description: 'Where the messages go.' },
        ...own.properties,
        ...lane.properties,
      },
      required: ['type', ...(own.required ?? [])],
      additionalProperties: false,
    };
  });
  return { oneOf: sections };
}

/** Which overrides a rule takes depends on its backend, which JSON Schema cannot follow: any type's will do. */
function withOverrides(routing: JsonSchema, types: ReadonlyMap<string, BackendType>): JsonSchema {
  const rules = routing.additionalProperties as JsonSchema;
  const rule = rules.items ?? {};
  const { description, default: none } = rule.properties?.config ?? {};
  const config = {
    ...(description !== undefined && { description }),
    ...(none !== undefined && { default: none }),
    anyOf: [...types].map(([title, { overrides }]) => ({ title, ...schemaOf(overrides) })),
  };
  const items = { ...rule, properties: { ...rule.properties, config } };
  return { ...routing, additionalProperties: { ...rules, items } };
}

const REFERENCE: JsonSchema = { $ref: '#/definitions/reference' };

/** The JSON Schema for editors: `configJson`, with `${…}` allowed in every place. */
export function editorSchema(types: ReadonlyMap<string, BackendType>): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'monitoring-sidecar configuration',
    ...allowReferences(configJson(types)),
    definitions: { reference: { type: 'string', pattern: '\\$\\{[^}]+\\}' } },
  };
}

function allowReferences(schema: JsonSchema): JsonSchema {
  const inside = mapParts(schema);
  const scalar =
    ['integer', 'number', 'boolean'].includes(String(schema.type)) || schema.enum || schema.pattern;
  if (!scalar || schema.const !== undefined) return inside;
  const { title, description, default: preset, ...rest } = inside;
  const notes = { title, description, default: preset };
  const known = Object.entries(notes).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(known), anyOf: [rest, REFERENCE] };
}

/** The schema with `allowReferences` applied to what it is made of; names of keys take no references. */
function mapParts(schema: JsonSchema): JsonSchema {
  const { properties, additionalProperties, items, anyOf, oneOf } = schema;
  const mapped = Object.entries(properties ?? {}).map(([key, part]) => [key, allowReferences(part)] as const);
  return {
    ...schema,
    ...(properties && { properties: Object.fromEntries(mapped) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: allowReferences(additionalProperties),
    }),
    ...(items && { items: allowReferences(items) }),
    ...(anyOf && { anyOf: anyOf.map(allowReferences) }),
    ...(oneOf && { oneOf: oneOf.map(allowReferences) }),
  };
}
