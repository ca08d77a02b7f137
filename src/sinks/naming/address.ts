import type { Address, Target } from '../../deliver/sink.ts';
import { remember } from './remember.ts';
import type { Template } from './template.ts';

/** The address that a template gives; `keyOf` makes the target's key of a rendered name. */
export function templateAddress({ perMessage, render }: Template, keyOf: (name: string) => string): Address {
  const targetOf = remember([(name: string) => name], (name): Target => ({ key: keyOf(name) }));
  return { perMessage, target: (message) => targetOf(render(message)) };
}
