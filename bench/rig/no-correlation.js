// Loaded into the sidecar by NODE_OPTIONS=--import: its store of jobs and traces takes nothing, as if there were none.
import { register } from 'node:module';

register('./no-correlation-hooks.js', import.meta.url);
