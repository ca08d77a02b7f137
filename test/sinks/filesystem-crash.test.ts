import { spawn } from 'node:child_process';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { afterwards, batch, ids, openFiles, send, sinkContext, tempDir } from './support.ts';

const program = fileURLToPath(new URL('./programs/append.ts', import.meta.url));

/** Lets `writers` processes append for a while and kills them at once; how many messages each had accepted. */
async function killed(dir: string, writers: readonly string[], options = '{}'): Promise<Map<string, number>> {
  const accepted = new Map<string, number>();
  const children = writers.map((writer) => {
    const child = spawn(process.execPath, ['--import', 'jiti/register', program, dir, writer, options]);
    afterwards(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      accepted.set(writer, Number(text.split('\n').at(-2) ?? 0));
    });
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    return child;
  });
  const exits = children.map((child) => new Promise((resolve) => child.on('close', resolve)));
  const all = () => writers.every((writer) => (accepted.get(writer) ?? 0) > 30_000);
  while (!all() && children.every((child) => child.exitCode === null))
    await new Promise((next) => setTimeout(next, 5));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(exits);
  return accepted;
}

/** The messages in a folder's files by writer, and the lines that are none. */
async function readBack(dir: string) {
  const found = new Map<string, number[]>();
  const torn: string[] = [];
  for (const name of (await readdir(dir)).sort()) {
    if (name.endsWith('.tmp')) continue;
    const bytes = await readFile(join(dir, name));
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    expect(text === '' || text.endsWith('\n')).toBe(true);
    for (const line of text.split('\n').filter((line) => line !== '')) {
      try {
        const { writer, n } = JSON.parse(line);
        const ns = found.get(writer);
        if (ns === undefined) found.set(writer, [n]);
        else ns.push(n);
      } catch {
        torn.push(line);
      }
    }
  }
  return { found, torn };
}

/** How much of what was accepted is not there. */
function missing(
  found: ReadonlyMap<string, readonly number[]>,
  accepted: ReadonlyMap<string, number>,
): number {
  let lost = 0;
  for (const [writer, count] of accepted) {
    const ns = new Set(found.get(writer));
    for (let n = 0; n < count; n++) if (!ns.has(n)) lost++;
  }
  return lost;
}

test('kill -9 while writing: every accepted line is there, and the next run starts on a line of its own', async () => {
  const dir = await tempDir();
  const accepted = await killed(dir, ['a']);
  // Most kernels finish a write that has begun; this is what a power cut would leave.
  const path = join(dir, 'web.jsonl');
  const { length } = await readFile(path);
  await truncate(path, length - 7);
  const context = sinkContext();
  const sent = batch(3);
  await send(openFiles(dir, {}, context), sent);
  expect(context.lines).toMatchObject([{ level: 'warn' }]);
  const text = await readFile(path, 'utf8');
  expect(
    text
      .trimEnd()
      .split('\n')
      .slice(-3)
      .map((line) => JSON.parse(line).id),
  ).toEqual(ids(sent));
  const { found, torn } = await readBack(dir);
  expect(torn).toHaveLength(1);
  expect(missing(found, accepted)).toBeLessThanOrEqual(1);
}, 60_000);

test('kill -9 of two writers of one file that rotate and compress it: all is there but a line that is torn', async () => {
  const dir = await tempDir();
  const accepted = await killed(dir, ['a', 'b'], '{"rotate":{"max_bytes":"1MiB"}}');
  expect((await readdir(dir)).length).toBeGreaterThan(5);
  await send(openFiles(dir), batch());
  const { found, torn } = await readBack(dir);
  // A write that dies tears its own last line, to which the other writer may just be adding its first.
  expect(torn.length).toBeLessThanOrEqual(2);
  expect(missing(found, accepted)).toBeLessThanOrEqual(torn.length);
}, 60_000);
