/** All clauses, in order of their numbers. */
import { CONFIGURATION } from './clauses/configuration.ts';
import { DATA } from './clauses/data.ts';
import { DELIVERY } from './clauses/delivery.ts';
import { GOLDEN } from './clauses/golden.ts';
import { PROCESS } from './clauses/process.ts';
import { SAFETY } from './clauses/safety.ts';
import { SPANS } from './clauses/spans.ts';
import type { Clause } from './suite.ts';

const number = ({ id }: Clause) => Number(id.slice(1));

export const CLAUSES: readonly Clause[] = [
  ...SAFETY,
  ...DELIVERY,
  ...PROCESS,
  ...DATA,
  ...SPANS,
  ...CONFIGURATION,
  ...GOLDEN,
].sort((a, b) => number(a) - number(b));
