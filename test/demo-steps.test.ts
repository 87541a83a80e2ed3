import { everyClusterProven, type World } from '@fso/clusters/demo';
import { createHubClient } from '@fso/hub/client';
import { expect, it } from 'vitest';
import { fillLedger, startApiHarness } from '../hub/serve/testing/api-harness.ts';
import { never } from './harness/waiting.ts';

it('waits after a restart of the hub until the clusters are connected again', async () => {
  await using server = await startApiHarness();
  await fillLedger(server.ledger);
  for (const cluster of ['eu', 'us']) await server.ledger.setConnected(cluster, false);
  let looks = 0;
  const world: Pick<World, 'hub' | 'clusters' | 'signed' | 'assertRunning'> = {
    hub: createHubClient({ server: server.url }),
    clusters: ['eu', 'us'].map((name) => ({ name })) as unknown as World['clusters'],
    signed: false,
    assertRunning: () => {
      looks += 1;
    },
  };
  let said: string | undefined;
  const proven = everyClusterProven(world as World, never).then((text) => {
    said = text;
  });
  await expect.poll(() => looks > 2 || said !== undefined).toBe(true);
  expect(said).toBeUndefined();
  for (const cluster of ['eu', 'us']) await server.ledger.setConnected(cluster, true);
  await proven;
  expect(said).toBe('eu: 2 of 2 policies active, us: 1 of 1 policies active');
});
