import { expect, test } from '@jest/globals';
import { redactText } from '../../src/config/redact-text.ts';

/** Written apart, for it is no template here. */
const REFERENCE = '$' + '{SIDECAR_TOKEN}';

test.each([
  ['a plain value', 'password: hunter2', 'password: ***'],
  ['a quoted one', "  api_key: 'hun''ter2' # why", '  api_key: *** # why'],
  ['in a list', '- token: hunter2', '- token: ***'],
  [
    'in a flow map',
    'auth: {user: me, password: hunter2, port: 1}',
    'auth: {user: me, password: ***, port: 1}',
  ],
  [
    'a quoted one in a flow map',
    'auth: {"password": "hun,t}er2", port: 1}',
    'auth: {"password": "***", port: 1}',
  ],
  ['with an anchor', 'secret: &x hunter2', 'secret: &x ***'],
  [
    'in a URL',
    'connection_string: postgresql://me:hunter2@db:5432/x',
    'connection_string: postgresql://me:***@db:5432/x',
  ],
  ['in parameters', 'dsn: host=db password=hunter2 x=y', 'dsn: host=db password=*** x=y'],
  ['a reference is none', `token: ${REFERENCE}`, `token: ${REFERENCE}`],
  ['a quoted reference is none', `token: "${REFERENCE}"`, `token: "${REFERENCE}"`],
  ['a part of it is a reference', `token: abc${REFERENCE}`, 'token: ***'],
  ['other keys', 'passwords_checked: yes\nport: 1', 'passwords_checked: yes\nport: 1'],
  ['on lines of its own', 'password: |\n  hun\n  ter2\nport: 1', 'password: |\n  ***\n  ***\nport: 1'],
  ['on the next line', 'a:\n  password:\n    hunter2\n  port: 1', 'a:\n  password:\n    ***\n  port: 1'],
  ['the same elsewhere', 'password: hunter2\nnote: it is hunter2', 'password: ***\nnote: it is ***'],
  [
    'a key in PEM',
    'tls:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    AAAA\n    -----END PRIVATE KEY-----\n  cert: a.pem',
    'tls:\n  key: |\n    ***\n    ***\n    ***\n  cert: a.pem',
  ],
  ['in what is no YAML', 'password: hunter2\n}{ : [', 'password: ***\n}{ : ['],
])('hides a secret: %s', (_, text, shown) => {
  expect(redactText(text)).toBe(shown);
});
