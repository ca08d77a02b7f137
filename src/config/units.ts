import { z } from 'zod';

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const SIZE = /^(\d+(?:\.\d+)?) ?([KkMmGgTt]?[Ii]?[Bb])$/;

/** Milliseconds of `500ms`, `1.5s`, `1m`, `2h` or `1d`; `undefined` where the text is none of these. */
export const parseDuration = (text: string): number | undefined => parse(DURATION, MILLISECONDS, text);

/** Bytes of `512B`, `64KiB` (1024) or `10MB` (1000), in any case; `undefined` where the text is none of these. */
export const parseSize = (text: string): number | undefined => parse(SIZE, BYTES, text);

function parse(form: RegExp, units: Readonly<Record<string, number>>, text: string): number | undefined {
  const [, digits, unit] = form.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units[unit.toLowerCase()];
  return factor === undefined ? undefined : Math.round(Number(digits) * factor);
}

/** The least and the greatest value, both written as in the configuration. */
export interface Bounds {
  readonly min?: string;
  readonly max?: string;
}

/** A duration in the configuration; comes out in milliseconds. Timers end at 24 days, so does the greatest. */
export const duration = ({ min = '1ms', max = '24d' }: Bounds = {}) =>
  quantity({
    title: 'duration',
    form: DURATION,
    bounds: { min, max },
    read: parseDuration,
    wanted: 'a duration such as 500ms, 5s, 1m, 2h or 1d',
    unit: 's',
  });

/** A size in the configuration; comes out in bytes. */
export const size = ({ min = '1B', max = '1024TiB' }: Bounds = {}) =>
  quantity({
    title: 'size',
    form: SIZE,
    bounds: { min, max },
    read: parseSize,
    wanted: 'a size such as 512B, 64KiB, 1MiB or 10MB',
    unit: 'MiB',
  });

interface Quantity {
  readonly title: string;
  readonly form: RegExp;
  readonly bounds: Required<Bounds>;
  readonly read: (text: string) => number | undefined;
  readonly wanted: string;
  readonly unit: string;
}

function quantity({ title, form, bounds, read, wanted, unit }: Quantity) {
  const { min, max } = bounds;
  const least = read(min) ?? 0;
  const greatest = read(max) ?? Number.MAX_SAFE_INTEGER;
  return z
    .string({
      error: ({ input }) =>
        typeof input === 'number' ? `expected ${wanted}; a number needs its unit, as in 5${unit}` : undefined,
    })
    .regex(form, { error: `expected ${wanted}` })
    .meta({ title })
    .transform((text, context) => {
      const value = read(text) ?? Number.NaN;
      if (value >= least && value <= greatest) return value;
      context.issues.push({ code: 'custom', message: `must be between ${min} and ${max}`, input: text });
      return z.NEVER;
    });
}
