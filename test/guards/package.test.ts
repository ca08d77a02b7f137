import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ROOT } from '../processes.ts';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { dev?: boolean; optional?: boolean; resolved?: string }>;
};

const isRepository = existsSync(join(ROOT, '.git'));
const tracked = isRepository
  ? execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
      .split('\0')
      .filter((path) => path !== '' && existsSync(join(ROOT, path)))
  : [];

test('the lock names no registry', () => {
  const resolved = Object.entries(lock.packages).filter(([, one]) => one.resolved?.startsWith('http'));
  expect(resolved.map(([path]) => path)).toEqual([]);
});

const PERMISSIVE = [
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'Unlicense',
];

test('every dependency that is shipped has a permissive licence', () => {
  const wrong = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && existsSync(join(ROOT, path, 'package.json')))
    .map(
      ([path]) =>
        [
          path,
          (JSON.parse(read(join(path, 'package.json'))) as { license?: string }).license ?? 'none',
        ] as const,
    )
    .filter(
      ([, licence]) =>
        !licence
          .replace(/[()]/g, '')
          .split(' OR ')
          .some((one) => PERMISSIVE.includes(one)),
    );
  expect(wrong).toEqual([]);
});

test('no file names a path of the machine that it was written on', () => {
  const here = [ROOT.replace(/\/$/, ''), dirname(ROOT.replace(/\/$/, ''))].filter(
    (path) => path.split('/').length > 2,
  );
  const home = homedir() === '/root' ? [] : [homedir()];
  const wrong = tracked.filter((path) =>
    [...here, ...home].some((machine) => read(path).includes(`${machine}/`)),
  );
  expect(wrong).toEqual([]);
});

test('the documents mention only files that exist', () => {
  const documents = tracked.filter((path) => path.endsWith('.md') && !path.startsWith('sdks/'));
  const wrong = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(path), target)))
      .map((target) => `${path} → ${target}`),
  );
  expect(wrong).toEqual([]);
});
