/** The brief's four sources. */
export const BRIEF_SOURCES = ['config-service', 'file-receiver', 'queue-service', 'db-loader'];

/** Names of `count` sources: the brief's four, or as many numbered ones. */
export function sourceNames(/** @type {number} */ count) {
  if (count <= BRIEF_SOURCES.length) return BRIEF_SOURCES.slice(0, count);
  return Array.from({ length: count }, (_, index) => `service-${String(index).padStart(6, '0')}`);
}

/** Bounds of a rendered line in bytes, its LF and an optional `ts_us` not counted. */
export const MIN_BYTES = 200;
export const MAX_BYTES = 260;

/** The first sequence number; all have ten digits, so that they can be overwritten in place. */
export const FIRST_SEQ = 1_000_000_001;

/** Sources that share traces, traces at a time if the sources are few, and traces of a job. */
const GROUP = 4;
const TRACES = 1000;
const TRACES_PER_JOB = 5;

/** Uniform in [0, 1), the same sequence for the same seed (mulberry32). */
export function createRandom(/** @type {number} */ seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const hex = (random, digits) =>
  Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
const pick = (random, values) => values[Math.floor(random() * values.length)];
const decimal = (random, limit) => Math.round(random() * limit * 100) / 100;

/**
 * Renders records of mixed types: 40 % events, 30 % metrics, 10 % each progress, resource and span. A trace is that of
 * four sources, as a job has few services; of 1,000 traces, or one for each four sources if these are more,
 * each is also named by one job in five; both ids hold eight characters of an epoch, so that they can be renewed.
 * @param {{ random: () => number, stamped: boolean, sources?: number, queues?: number }} options stamped: with `ts_us`;
 *   sources: how many there are in all; queues: how many values a tag of the metrics has, which makes each a series of its own
 * @returns {(source: string, isCritical: boolean) => string} one line, its LF included
 */
export function createRenderer({ random, stamped, sources = 1, queues = 1 }) {
  const groups = Math.ceil(sources / GROUP);
  const traces = Math.max(1, Math.floor(TRACES / groups));
  const jobs = Math.ceil(traces / TRACES_PER_JOB);
  const traceTails = Array.from({ length: groups * traces }, (_, index) => hex(createRandom(index + 1), 24));
  const stamp = stamped ? '"ts_us":1000000000000000,' : '';

  return (source, isCritical) => {
    const group = Math.floor(numberOf(source) / GROUP);
    const nth = Math.floor(random() * traces);
    const trace = group * traces + nth;
    const job = `job-00000000-${String(group * jobs + Math.floor(nth / TRACES_PER_JOB)).padStart(3, '0')}`;
    const type = isCritical ? 'event' : pickType(random());
    const hasTrace = type === 'span' || random() < 0.5;
    const hasJob = type === 'progress' || random() < 0.25;
    const ids = hasTrace ? `"trace_id":"00000000${traceTails[trace]}",` : '';
    const span = type === 'span' || (hasTrace && random() < 0.3) ? `"span_id":"${hex(random, 16)}",` : '';
    const millis = String(Math.floor(random() * 1000)).padStart(3, '0');
    const head = `{"source":"${source}","timestamp":"2025-10-20T10:30:45.${millis}Z","type":"${type}",`;
    const data = DATA[type](random, hasJob ? job : '', { isCritical, queues });
    return padded(random, `${head}${stamp}`, ids, span, `"data":{${data},"n":${FIRST_SEQ}}}\n`);
  };
}

/** The number that ends a numbered source's name; 0 for those of the examples. */
const numberOf = (source) => Number(/\d+$/.exec(source)?.[0] ?? 0);

function pickType(roll) {
  if (roll < 0.4) return 'event';
  if (roll < 0.7) return 'metric';
  return roll < 0.8 ? 'progress' : roll < 0.9 ? 'resource' : 'span';
}

/** Members of `data`; `~` marks where filling text may go. */
const DATA = {
  event: (random, job, { isCritical }) => {
    const level = isCritical ? 'error' : pick(random, ['info', 'info', 'info', 'debug', 'warn']);
    const context = job ? `"job_id":"${job}"` : `"attempt":${Math.ceil(random() * 5)}`;
    return `"level":"${level}","message":"${pick(random, MESSAGES)}~","context":{${context}}`;
  },
  metric: (random, job, { queues }) => {
    const tags = job ? `"job_id":"${job}"` : `"queue":"q${Math.floor(random() * queues)}"`;
    const name = pick(random, ['jobs_processed', 'rows_loaded', 'file_valid', 'queue_depth']);
    return `"name":"${name}","value":${decimal(random, 1000)},"unit":"count","tags":{${tags}},"about":"~"`;
  },
  progress: (random, job) => {
    const percent = Math.floor(random() * 101);
    return `"job_id":"${job}","percent":${percent},"status":"processing","message":"Loading rows~"`;
  },
  resource: (random) => {
    const figures = `"cpu":${decimal(random, 100)},"memory":${decimal(random, 4096)},"disk":${decimal(random, 90)}`;
    return `${figures},"network":${decimal(random, 9)},"pid":4242,"per":"process","unit_name":"loader~"`;
  },
  span: (random) => {
    const name = pick(random, ['process_job', 'load_data', 'validate_file']);
    return `"phase":"end","name":"${name}~","duration_us":${Math.ceil(random() * 1e6)},"status":"ok"`;
  },
};

const MESSAGES = [
  'Job dequeued',
  'File received',
  'Configuration read',
  'Rows inserted',
  'Connection opened',
  'Retrying',
];
const FILLING = ' for the nightly load of the accounts ledger, partition 2025-10, worker 7 of 12, pass one';

/** Joins the parts to a line of `MIN_BYTES` to `MAX_BYTES`: leaves out the span id if too long, fills if short. */
function padded(random, head, ids, span, data) {
  const stampBytes = head.includes('"ts_us"') ? 25 : 0;
  const bytes = (text) => text.length - stampBytes - 2; // without LF and `~`
  let line = `${head}${ids}${span}${data}`;
  if (bytes(line) > MAX_BYTES) line = `${head}${ids}${data}`;
  const wanted = MIN_BYTES + Math.floor(random() * (MAX_BYTES - MIN_BYTES + 1));
  const filling = FILLING.repeat(2).slice(0, Math.max(0, wanted - bytes(line)));
  line = line.replace('~', filling);
  const length = line.length - 1 - stampBytes;
  if (length < MIN_BYTES || length > MAX_BYTES) throw new Error(`rendered ${length} bytes: ${line}`);
  return line;
}
