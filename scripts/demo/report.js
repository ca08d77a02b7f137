// order-report: three queries at a time, each a span of its own.
import { setTimeout as pause } from 'node:timers/promises';
import { init } from '../../sdks/typescript/dist/esm/index.js';

const monitoring = init({ source: 'order-report' });
await monitoring.ready();
await monitoring.withSpan('report', async () => {
  const query = (region) =>
    monitoring.withSpan(`query ${region}`, async () => {
      const ms = 100 + Math.random() * 400;
      await pause(ms);
      monitoring.logMetric('query_ms', ms, 'ms', { region });
    });
  await Promise.all(['eu', 'us', 'apac'].map(query));
  monitoring.logEvent('info', 'Report written', { pages: 12 });
});
await monitoring.close();
