import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../../dist/ui', import.meta.url)),
    emptyOutDir: true,
    // The page's policy allows no data: fonts or scripts, and every asset has its own name.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
