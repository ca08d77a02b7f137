// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the configuration writes references
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { interpolate } from '../../src/config/interpolate.ts';

const env = { NAME: 'value', EMPTY: '', DOLLARS: '${NAME} $$ $& $1', UNSET: undefined };
const files: Record<string, string> = {
  '/run/secrets/pw': 'hunter2\n',
  '/crlf': 'x\r\n',
  '/two': 'a\n\n',
  '/pem': 'a\nb\n',
};
const readFile = (path: string) => {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error('ENOENT: open'), { code: 'ENOENT' });
  return text;
};
const run = (text: string) => interpolate(text, { env, readFile });

describe('references are replaced', () => {
  test.each([
    ['plain', 'plain'],
    ['${NAME}', 'value'],
    ['a${NAME}b${NAME}', 'avaluebvalue'],
    ['${NAME:-other}', 'value'],
    ['${MISSING:-other}', 'other'],
    ['${UNSET:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${EMPTY}', ''],
    ['${MISSING:-}', ''],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['${MISSING:-line\nline}', 'line\nline'],
    ['${file:/run/secrets/pw}', 'hunter2'],
    ['${file:/crlf}', 'x'],
    ['${file:/two}', 'a\n'],
    ['${file:/pem}', 'a\nb'],
    ['$$', '$'],
    ['$${NAME}', '${NAME}'],
    ['$$$$', '$$'],
    ['$', '$'],
    ['5$ and $NAME', '5$ and $NAME'],
    ['^a+$', '^a+$'],
    ['{source}', '{source}'],
  ])('%j gives %j', (text, result) => {
    expect(run(text).text).toBe(result);
    expect(run(text).problems).toEqual([]);
  });

  test('what was put in is not looked at again', () => {
    expect(run('${DOLLARS}').text).toBe('${NAME} $$ $& $1');
  });
});

describe('what may be shown', () => {
  test('has *** for every value, but what the file itself says', () => {
    expect(run('u:${NAME}@${MISSING:-host}/$$${file:/run/secrets/pw}').shown).toBe('u:***@host/$***');
    expect(run('u:${NAME}').secrets).toEqual(['value']);
    expect(run('${MISSING:-host}').secrets).toEqual([]);
  });
});

describe('a bad reference is a problem that says what to write', () => {
  test.each([
    ['${MISSING}', 'the environment variable MISSING is not set; set it, or write ${MISSING:-default}'],
    ['${UNSET}', 'the environment variable UNSET is not set; set it, or write ${UNSET:-default}'],
    ['${file:/nope}', 'cannot read /nope: no such file'],
    [
      'a ${NAME',
      '"${" without "}"; write ${NAME}, ${NAME:-default} or ${file:/path}, or $$ for a dollar sign',
    ],
    [
      '${}',
      '"${}" is no reference; write ${NAME}, ${NAME:-default} or ${file:/path}, or $$ for a dollar sign',
    ],
    [
      '${A B}',
      '"${A B}" is no reference; write ${NAME}, ${NAME:-default} or ${file:/path}, or $$ for a dollar sign',
    ],
    [
      '${NAME:-${EMPTY}}',
      '"${NAME:-${EMPTY}" is no reference; write ${NAME}, ${NAME:-default} or ${file:/path}, or $$ for a dollar sign',
    ],
  ])('%j', (text, problem) => expect(run(text).problems).toEqual([problem]));

  test('all of them at once', () => {
    expect(run('${A} ${B} ${NAME}').problems).toHaveLength(2);
  });

  test.each(['constructor', '__proto__', 'toString'])('%s is not a variable by accident', (name) =>
    expect(run(`\${${name}}`).problems).toHaveLength(1),
  );
});

test('the replaced text is the shown one wherever no secret is in it', () => {
  const part = fc.constantFrom('${NAME}', '${MISSING:-d}', '$$', '$', 'a', '{', '}', '${', '${file:/pem}');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const { text, shown, secrets } = run(parts.join(''));
      expect(secrets.reduce((left, secret) => left.replace(secret, '***'), text)).toBe(shown);
    }),
  );
});

test('half a megabyte of "${" takes no time', () => {
  expect(run('${'.repeat(1 << 18)).problems).toHaveLength(1);
  expect(run('$$'.repeat(1 << 18)).text).toHaveLength(1 << 18);
});
