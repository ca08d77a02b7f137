/** Writes config/sidecar.schema.json and docs/configuration.md: `npx jiti scripts/generate-config-docs.ts`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { editorSchema } from '../src/config/json-schema.ts';
import { backendTypes, configReference } from './config-reference.ts';

const root = join(import.meta.dirname, '..');
const types = await backendTypes(join(root, 'src/sinks'));
await mkdir(join(root, 'docs'), { recursive: true });
await writeFile(
  join(root, 'config/sidecar.schema.json'),
  `${JSON.stringify(editorSchema(types), null, 2)}\n`,
);
await writeFile(join(root, 'docs/configuration.md'), configReference(types));
