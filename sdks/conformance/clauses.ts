/** All clauses, in order of their numbers. */
import { ACKNOWLEDGEMENT } from './clauses/acknowledgement.ts';
import { CONFIGURATION } from './clauses/configuration.ts';
import { DATA } from './clauses/data.ts';
import { ENDING } from './clauses/ending.ts';
import { GOLDEN } from './clauses/golden.ts';
import { ORDER } from './clauses/order.ts';
import { PROCESS } from './clauses/process.ts';
import { RECONNECTION } from './clauses/reconnection.ts';
import { SAFETY } from './clauses/safety.ts';
import { SPANS } from './clauses/spans.ts';
import type { Clause } from './suite.ts';

const number = ({ id }: Clause) => Number(id.slice(1));

export const CLAUSES: readonly Clause[] = [
  ...SAFETY,
  ...ORDER,
  ...RECONNECTION,
  ...ENDING,
  ...ACKNOWLEDGEMENT,
  ...PROCESS,
  ...DATA,
  ...SPANS,
  ...CONFIGURATION,
  ...GOLDEN,
].sort((a, b) => number(a) - number(b));
