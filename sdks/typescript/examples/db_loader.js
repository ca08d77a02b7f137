// The brief's script: node db_loader.js FILE. Called by another program, it continues that one's trace and job.
import { init } from '../dist/esm/index.js';

const monitoring = init({ source: 'db-loader' });
await monitoring.ready();
monitoring.withSpan('load_data', () => {
  monitoring.logEvent('info', 'Data loaded', { file: process.argv[2] ?? 'orders.csv' });
  monitoring.logMetric('rows_loaded', 10_000, 'rows');
  monitoring.logResource({ cpu: 42.5, memory: 310 });
});
await monitoring.close();
