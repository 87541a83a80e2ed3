import { expect, it } from 'vitest';
import { packagesLoadedBy, telemetryIn } from '../test/harness/loaded-packages.ts';

it('loads nothing for traces, which are off by default', async () => {
  const loaded = await packagesLoadedBy(new URL('./agent.ts', import.meta.url), new URL('./config.ts', import.meta.url));
  expect(loaded).toContain('ws');
  expect(telemetryIn(loaded)).toEqual([]);
});
