import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

/** Kernel clock ticks a second, as /proc shows them to programs: 100 on every Linux architecture Node runs on. */
const TICKS = 100;
const PAGE_KIB = 1024;

function read(/** @type {string} */ path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // the process or thread ended meanwhile
  }
}

/** `pid` and all of its living descendants: a program may run its work in children. */
export function familyOf(/** @type {number} */ pid) {
  /** @type {number[]} */
  const family = [pid];
  for (const member of family) {
    for (const task of listTasks(member)) {
      const children = read(`/proc/${member}/task/${task}/children`).split(' ').filter(Boolean);
      family.push(...children.map(Number));
    }
  }
  return family;
}

function listTasks(/** @type {number} */ pid) {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** CPU seconds (user and system, all threads, 10 ms resolution) that `pid` and its descendants have used. */
export function cpuSeconds(/** @type {number} */ pid) {
  return sum(familyOf(pid), (member) => {
    const fields = read(`/proc/${member}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
  });
}

/** Resident bytes of `pid` and its descendants, now. */
export const rssBytes = (/** @type {number} */ pid) =>
  sum(familyOf(pid), (member) => statusBytes(member, 'VmRSS'));

/** The greatest number of resident bytes that `pid` and its descendants, each, ever had. */
export const peakRssBytes = (/** @type {number} */ pid) =>
  sum(familyOf(pid), (member) => statusBytes(member, 'VmHWM'));

function statusBytes(/** @type {number} */ pid, /** @type {string} */ field) {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(read(`/proc/${pid}/status`));
  return Number(found?.[1] ?? 0) * PAGE_KIB;
}

function sum(/** @type {readonly number[]} */ family, /** @type {(pid: number) => number} */ of) {
  return family.reduce((total, member) => total + of(member), 0);
}

/** CPU seconds since boot that anybody used, on all cores, with those the hypervisor took away. */
export function machineCpu() {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    /^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1]?.split(' ').map(Number) ?? [];
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

/** What a reader must know of the machine to judge a figure. */
export function machineLine() {
  const [cpu] = cpus();
  const load = loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');
  return `${cpus().length} × ${cpu?.model ?? 'unknown CPU'}, Node ${process.version}, load ${load} before`;
}
