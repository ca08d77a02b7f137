import type { Batch } from '../../batch.ts';
import type { MergeLimits } from '../../deliver/sink.ts';

/** How many bytes of JSON make an object of the wanted size, learnt target by target. */
export interface Sizing {
  /** What an object of this target may carry; `joining` is on its way into it. */
  limits(target: string, joining: Batch): MergeLimits;
  /** Says what became of bytes of JSON. */
  learn(target: string, bytes: number, compressedBytes: number): void;
}

export interface SizingOptions {
  /** Wanted size of an object, compressed. */
  readonly targetBytes: number;
  readonly maxMessages: number;
  /** Compresses a sample; resolves to its size. */
  readonly measure: (sample: readonly Batch[]) => Promise<number>;
}

/** What is known of targets that are alike. */
interface Kind {
  /** Compressed bytes a byte of JSON; 0: not known yet. */
  ratio: number;
  /** What was seen while nothing is known, and its bytes. */
  sample: Batch[];
  sampleBytes: number;
}

/** Telemetry compresses to a tenth or more. Only the first moments of a target go by it. */
const GUESS = 0.1;
/** Enough to tell the ratio of much more: several times what gzip looks back. */
const SAMPLE_BYTES = 512 * 1024;
/** Kinds remembered; past it the oldest is forgotten and learnt again. */
const MAX_KINDS = 2048;
/** How much the newest object counts. */
const WEIGHT = 0.5;

/** Targets that differ in digits only, as those of one source on two days, are of one kind. */
const kindOf = (target: string) => target.replace(/\d+/g, '0');

export function createSizing({ targetBytes, maxMessages, measure }: SizingOptions): Sizing {
  const kinds = new Map<string, Kind>();
  /** Less says too little of a whole object. */
  const enough = Math.min(SAMPLE_BYTES, targetBytes);

  const kindAt = (target: string): Kind => {
    const name = kindOf(target);
    let kind = kinds.get(name);
    if (kind === undefined) {
      kind = { ratio: 0, sample: [], sampleBytes: 0 };
      kinds.set(name, kind);
      for (const oldest of kinds.keys()) {
        if (kinds.size <= MAX_KINDS) break;
        kinds.delete(oldest);
      }
    }
    return kind;
  };

  const collect = (kind: Kind, batch: Batch) => {
    // Once full, it is being measured.
    if (kind.sampleBytes >= enough) return;
    kind.sample.push(batch);
    kind.sampleBytes += batch.bytes;
    if (kind.sampleBytes < enough) return;
    const { sample, sampleBytes } = kind;
    kind.sample = [];
    measure(sample).then(
      (compressedBytes) => {
        if (kind.ratio === 0) kind.ratio = compressedBytes / sampleBytes;
      },
      () => {
        kind.sampleBytes = 0;
      },
    );
  };

  return {
    limits: (target, joining) => {
      const kind = kindAt(target);
      if (kind.ratio === 0) collect(kind, joining);
      // An object ends with a whole batch: half of one more puts the wanted size in the middle of what comes out.
      const maxBytes = targetBytes / (kind.ratio || GUESS) + joining.bytes / 2;
      return { maxMessages, maxBytes };
    },
    learn: (target, bytes, compressedBytes) => {
      const kind = kindAt(target);
      // What was sent must not be held any longer.
      if (kind.sample.length > 0) {
        kind.sample = [];
        kind.sampleBytes = 0;
      }
      if (bytes < enough) return;
      const ratio = compressedBytes / bytes;
      kind.ratio = kind.ratio === 0 ? ratio : kind.ratio + WEIGHT * (ratio - kind.ratio);
    },
  };
}
