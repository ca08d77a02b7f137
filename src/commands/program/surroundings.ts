import type { Host } from '../host.ts';

/** `auto`: for people on a terminal, else for programs. */
export type Format = 'auto' | 'human' | 'json';

/** What the command line's commands get of the process. */
export interface Surroundings {
  /** To be called once, by the command that runs. */
  createHost(format: Format): Host;
  /** Whether what is printed is for people. */
  isHuman(format: Format): boolean;
  /** Whether standard output is a terminal, and one with colours. */
  readonly isTerminal: boolean;
  readonly hasColours: boolean;
  /** Ends the process with this code, once all is printed. */
  exitWith(code: Promise<number>): Promise<void>;
}
