// Module hooks: the file sink of the program under test is wrapped so that its sends are stamped.

const STAMPS = new URL('./stamp-sends.js', import.meta.url).href;

export async function load(url, context, nextLoad) {
  if (!url.endsWith('/dist/sinks/filesystem.js')) return nextLoad(url, context);
  const real = JSON.stringify(`${url}?real`);
  const source = `import real from ${real};
import { stamped } from ${JSON.stringify(STAMPS)};
export * from ${real};
export default stamped(real);`;
  return { format: 'module', source, shortCircuit: true };
}
