/** The JSON Schema of a record, compiled. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Wire } from './fake-sidecar.ts';

const schema = JSON.parse(readFileSync(new URL('../message.schema.json', import.meta.url), 'utf8'));
const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  strictRequired: false,
  strictTypes: false,
  allowUnionTypes: true,
});
const isValid = ajv.compile(schema);

/** What is wrong with a record, as text; empty if nothing is. */
export function faultsOf(record: Wire): string {
  if (isValid(record)) return '';
  return (isValid.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('; ');
}
