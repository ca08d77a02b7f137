import { describe, expect, test } from '@jest/globals';
import type { Connection } from '../../src/ingest/connection.ts';
import { createClients } from '../../src/testing/clients.ts';

/** Clients, and what a listener would see of them. */
function connect() {
  const seen: string[] = [];
  const connections: Connection[] = [];
  const clients = createClients(() => 42);
  clients.connection$.subscribe({
    next: (connection) => {
      connections.push(connection);
      seen.push(`open ${connection.id} ${connection.remote}`);
      connection.chunk$.subscribe({
        next: (chunk) => seen.push(`${connection.id} ${chunk.toString()}`),
        complete: () => seen.push(`closed ${connection.id}`),
      });
    },
    complete: () => seen.push('done'),
  });
  const send = (source: string, line: string) => clients.send(source, line, () => seen.push(`read ${line}`));
  return { clients, seen, connections, send };
}

describe('clients', () => {
  test('one for each source, connected by its first message', () => {
    const { seen, send } = connect();
    send('a', '1');
    send('b', '2');
    send('a', '3');
    expect(seen).toEqual(['read 1', 'open 1 a', '1 1\n', 'read 2', 'open 2 b', '2 2\n', 'read 3', '1 3\n']);
  });

  test('at the end all close, then the listener', () => {
    const { clients, seen, send } = connect();
    send('a', '1');
    send('b', '2');
    seen.length = 0;
    clients.end();
    expect(seen).toEqual(['closed 1', 'closed 2', 'done']);
  });

  test('while reading is paused, messages wait; their order stays', () => {
    const { clients, seen, send } = connect();
    clients.pause(true);
    send('a', '1');
    send('b', '2');
    expect(seen).toEqual([]);
    clients.pause(false);
    expect(seen.filter((line) => line.startsWith('read'))).toEqual(['read 1', 'read 2']);
  });

  test('what is read may pause reading', () => {
    const seen: string[] = [];
    const clients = createClients(() => 0);
    clients.connection$.subscribe(({ chunk$ }) =>
      chunk$.subscribe((chunk) => {
        seen.push(chunk.toString());
        clients.pause(true);
      }),
    );
    for (const line of ['1', '2', '3']) clients.send('a', line, () => {});
    expect(seen).toEqual(['1\n']);
    clients.pause(false);
    expect(seen).toEqual(['1\n', '2\n']);
  });

  test('at the end what waits is read, paused or not', () => {
    const { clients, seen, send } = connect();
    clients.pause(true);
    send('a', '1');
    clients.end();
    expect(seen).toEqual(['read 1', 'open 1 a', '1 1\n', 'closed 1', 'done']);
  });

  test('a client that is refused connects anew for its next message', () => {
    const { seen, send, connections } = connect();
    send('a', '1');
    connections[0]?.refuse();
    send('a', '2');
    expect(seen.slice(-4)).toEqual(['closed 1', 'read 2', 'open 2 a', '2 2\n']);
    expect(connections[1]?.clockMs()).toBe(42);
  });
});
