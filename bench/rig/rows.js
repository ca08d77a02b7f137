import { createRandom, createRenderer, sourceNames } from './records.js';

const BATCH_MESSAGES = 100;
const SOURCES = 4;

const load = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);

/**
 * Batches of 100 messages of four sources in turn, as the flow makes them of the generator's records; ids and times are
 * new in each, so that no row is there twice.
 * @param {number} messages
 */
export async function renderBatches(messages) {
  const [{ createScan }, { createIds }, { createMessage }, { createBatch }] = await Promise.all(
    ['ingest/scan.js', 'ingest/ids.js', 'message.js', 'batch.js'].map(load),
  );
  const random = createRandom(1);
  const render = createRenderer({ random, stamped: false });
  const scan = createScan();
  const ids = createIds(random);
  const sources = sourceNames(SOURCES);
  const toMessage = (source) => {
    const nowMs = Date.now();
    const text = render(source, false)
      .trimEnd()
      .replace('2025-10-20T10:30:45.123Z', new Date(nowMs).toISOString());
    const bytes = Buffer.from(text);
    scan.load(bytes, nowMs);
    const { jobIdLifted, hasHost, hasTags, from, to, value, flags, ...fields } = scan.read(0, bytes.length);
    const tail = `${jobIdLifted ? `,"job_id":${JSON.stringify(fields.jobId)}` : ''},"host":"bench"`;
    return createMessage({
      ...fields,
      id: ids.next(nowMs),
      head: text.slice(0, -1),
      tail,
      parsed: undefined,
    });
  };
  return Array.from({ length: Math.ceil(messages / BATCH_MESSAGES) }, (_, nth) => {
    const batch = Array.from({ length: BATCH_MESSAGES }, () => toMessage(sources[nth % SOURCES]));
    const bytes = batch.reduce((sum, message) => sum + message.bytes, 0);
    return createBatch(batch, bytes, 'count');
  });
}
