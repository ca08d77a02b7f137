// What was sent, what the sidecar owes of it, and whether a backend got it.

/** The numbers of each source count from 0. */
export interface Ledger {
  /** Takes the next `count` numbers of a source; the first of them. */
  send(source: string, count: number): number;
  /** Notes that the sidecar has made numbers `from` to `to - 1` of a source durable. */
  owe(source: string, from: number, to: number): void;
  sent(): number;
  owed(): number;
  /** Compares with what a backend has, in its order. */
  judge(found: readonly Found[]): Judgement;
}

/** A record that a backend has. */
export interface Found {
  readonly source: string;
  readonly n: number;
}

/** What a backend has of what it should have. */
export interface Judgement {
  /** Owed, and not there: the first ones, as `source n`. */
  readonly missing: readonly string[];
  /** There, and never sent. */
  readonly foreign: number;
  readonly duplicated: number;
  /** First seen after a later one of their source. */
  readonly disordered: number;
}

interface Account {
  sent: number;
  readonly owed: Set<number>;
}

/** An empty ledger. */
export function createLedger(): Ledger {
  const accounts = new Map<string, Account>();
  const accountOf = (source: string): Account => {
    const account = accounts.get(source) ?? { sent: 0, owed: new Set() };
    accounts.set(source, account);
    return account;
  };
  const total = (of: (account: Account) => number) =>
    [...accounts.values()].reduce((sum, account) => sum + of(account), 0);

  return {
    send: (source, count) => {
      const account = accountOf(source);
      account.sent += count;
      return account.sent - count;
    },
    owe: (source, from, to) => {
      const { sent, owed } = accountOf(source);
      if (to > sent) throw new Error(`${source}: ${to} records are durable, ${sent} were sent`);
      for (let n = from; n < to; n++) owed.add(n);
    },
    sent: () => total(({ sent }) => sent),
    owed: () => total(({ owed }) => owed.size),
    judge: (found) => {
      const seen = new Map([...accounts.keys()].map((source) => [source, new Set<number>()]));
      const last = new Map<string, number>();
      let [foreign, duplicated, disordered] = [0, 0, 0];
      for (const { source, n } of found) {
        const account = accounts.get(source);
        const numbers = seen.get(source);
        if (account === undefined || numbers === undefined || !(n >= 0 && n < account.sent)) foreign++;
        else if (numbers.has(n)) duplicated++;
        else {
          numbers.add(n);
          if (n < (last.get(source) ?? 0)) disordered++;
          last.set(source, n);
        }
      }
      const missing = [...accounts].flatMap(([source, { owed }]) =>
        [...owed].filter((n) => !seen.get(source)!.has(n)).map((n) => `${source} ${n}`),
      );
      return { missing, foreign, duplicated, disordered };
    },
  };
}
