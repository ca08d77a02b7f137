/** Units of the members of a resource record that have one: protocol.md. */
export const RESOURCE_UNITS: ReadonlyMap<string, string> = new Map([
  ['cpu', '%'],
  ['memory', 'MB'],
  ['memory_mb', 'MB'],
  ['disk', 'MB'],
  ['network', 'MB'],
]);
