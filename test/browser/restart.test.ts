import { afterAll, beforeAll, describe, it } from 'vitest';
import { freePort } from '../../clusters/local/ports.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { expect } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

const TOKEN = 'static-token-0123456789';

let bench: HubHarness;
let hub: RunningHub;
let start: () => Promise<RunningHub>;
beforeAll(async () => {
  bench = await openHubHarness();
  await bench.repository.commit(basicRepository(), 'good');
  const listen = { host: '127.0.0.1', port: await freePort() };
  start = () => bench.startHub({ config: { apiToken: TOKEN, listen } });
  hub = await start();
});
afterAll(() => bench.close());

const dashboard = useDashboard(() => hub.url);

describe('a restart of the hub', () => {
  it('ends no session: the page reconnects and shows new data', async () => {
    const page = await dashboard.open('/policies', { token: TOKEN, allow: [/^console: Failed to load resource: net::ERR_/] });
    const live = page.getByText('Live', { exact: true });
    await expect(live).toBeVisible();
    await hub.stop();
    await expect(live).toBeHidden();
    await bench.repository.commit({ 'policies/new.yaml': policyFile('new') }, 'while the hub is away');
    hub = await start();
    await expect(live).toBeVisible();
    await expect(page.getByRole('link', { name: 'new', exact: true })).toBeVisible();
    await expect(page.getByRole('dialog')).toHaveCount(0);
  });
});
