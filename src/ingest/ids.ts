const HEX3 = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, '0'));
const COUNTER_SIZE = 4096 * 4096;

/**
 * A generator of UUIDv7 (RFC 9562, section 6.2 method 1): 48 bits of time, a 24-bit counter within the
 * millisecond, 48 bits of this process. Ordered as handed out, also when the clock is set back.
 */
export function createIds(random: () => number): (nowMs: number) => string {
  const node = Array.from({ length: 4 }, () => HEX3[Math.floor(random() * 4096)]).join('');
  let timeMs = Number.NEGATIVE_INFINITY;
  let counter = 0;
  let time = '';
  return (nowMs) => {
    if (nowMs > timeMs || counter === COUNTER_SIZE) {
      timeMs = Math.max(nowMs, timeMs + 1);
      counter = 0;
      const hex = timeMs.toString(16).padStart(12, '0');
      time = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    }
    const id = `${time}${HEX3[counter >>> 12]}-8${HEX3[counter & 4095]}-${node}`;
    counter++;
    return id;
  };
}
