import { expect, it } from 'vitest';
import { useSimulatedWorld } from '../harness/suite.ts';

const world = useSimulatedWorld();

it('the simulated fleet is large enough, and has every kind of issue', async () => {
  const status = await world().client.status();
  expect(status.policies.total).toBeGreaterThanOrEqual(1000);
  expect(status.clusters).toMatchObject({ total: 500, disconnected: 12, neverSeen: 12 });
  expect(status.clusters.inSync).toBeLessThan(status.clusters.connected);
  expect(status.clusters.tampered).toBeGreaterThan(0);
  expect(status.policies.failed).toBeGreaterThan(0);
  expect(status.policies.expired).toBeGreaterThan(0);
  expect(status.policies.expiring).toBeGreaterThan(0);
  expect(status.source.rejected?.problems.length).toBeGreaterThan(0);
  expect(status.violations).toBeGreaterThan(10_000);
});
