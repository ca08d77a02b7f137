import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { formatIssue } from '../../src/config/issue.ts';
import { draft, isSameDraft } from '../../src/sidecar/draft.ts';
import { surroundings } from '../config/support.ts';
import { typesOf } from '../route/planned.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'draft-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const YAML = `
pipelines: .
routing:
  default:
    - backend: a
      operators: [OPERATOR]
backends:
  a: { type: rec }
`;
async function draftOf(yaml: string) {
  const drafted = await draft(yaml, join(dir, 'x.yaml'), {
    ...surroundings,
    sinks: typesOf(),
    shippedPipelines: join(dir, 'none'),
  });
  return 'errors' in drafted ? drafted.errors.map(formatIssue) : drafted;
}
const operator = (name: string, code: string) => writeFile(join(dir, `${name}.ts`), code);
const PASS = 'export default () => (message$: unknown) => message$;\n';

test('a draft has the operators that its rules name, from the folder beside the file', async () => {
  await operator('pass', PASS);
  const drafted = await draftOf(YAML.replace('OPERATOR', 'pass'));
  if (Array.isArray(drafted)) throw new Error(drafted.join('\n'));
  expect([...drafted.operators.keys()]).toEqual(['pass']);
});

test('an operator that is not there is an error with its place', async () => {
  const errors = await draftOf(YAML.replace('OPERATOR', 'missing'));
  expect(errors).toEqual([expect.stringContaining('x.yaml:6:19 routing.default[0].operators[0]')]);
});

test('a file that is no configuration is errors', async () => {
  expect(await draftOf('routing: 5')).toEqual(
    expect.arrayContaining([expect.stringContaining('x.yaml:1:10 routing')]),
  );
});

test('drafts are the same for the same configuration and the same code', async () => {
  await operator('edited', PASS);
  const yaml = YAML.replace('OPERATOR', 'edited');
  const [one, two] = [await draftOf(yaml), await draftOf(`${yaml}# a comment\n`)];
  const other = await draftOf(`${yaml}batch: { max_count: 7 }\n`);
  await operator('edited', `${PASS}// changed\n`);
  const changed = await draftOf(yaml);
  if (Array.isArray(one) || Array.isArray(two) || Array.isArray(other) || Array.isArray(changed))
    throw new Error('errors');
  expect([isSameDraft(one, two), isSameDraft(one, other), isSameDraft(one, changed)]).toEqual([
    true,
    false,
    false,
  ]);
});
