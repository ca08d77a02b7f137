import { styleText } from 'node:util';

/** Roles that text plays in a line. */
export type Style = 'time' | 'source' | 'key' | 'label' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
/** Marks text, which must be safe to print, by its role. */
export type Paint = (style: Style, text: string) => string;

const FORMATS = {
  time: 'gray',
  source: 'bold',
  key: 'gray',
  label: 'cyan',
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'magenta',
} as const;

// Whether there are colours was decided by who asks for them, and not by what stdout is.
const ALWAYS = { validateStream: false };

/** ANSI colours. */
export const colours: Paint = (style, text) => styleText(FORMATS[style], text, ALWAYS);

/** No colours. */
export const plain: Paint = (_, text) => text;
