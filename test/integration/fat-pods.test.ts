import { REGION_LABEL } from '@fso/shared/api';
import { POD_KIND, type Pod } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAgentProcess } from '../harness/agent-process.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { never } from '../harness/waiting.ts';

/**
 * Number of pods: 36 of them fill the memory of the agent below in a process that does nothing
 * else.
 */
const PODS = 48;
const AT_ONCE = 4;
/** A pod of about 1.2 MB. */
const fatPod = (index: number): Pod => {
  const junk = Array.from({ length: 55_000 }, (_, key) => [`k${index}-${key}`, 'xxxxxxxx'] as const);
  return {
    metadata: { name: `fat-${index}`, namespace: 'finance' },
    spec: {
      // A scheduler would have each written a second time, with the reason why no node fits.
      schedulerName: 'nobody',
      nodeSelector: { ...Object.fromEntries(junk), [REGION_LABEL]: 'eu-west-1' },
      containers: [{ name: 'main', image: 'app:1' }],
    },
  } as Pod;
};

/** Users who may create pods decide on their size. */
describe('pods of more than a megabyte each', () => {
  let world: ClusterHarness;

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'fat', gatekeeper: false }, never);
    await world.makeNamespace('finance');
    for (let index = 0; index < PODS; index += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, offset) =>
          world.client.raw(
            {
              method: 'POST',
              path: '/api/v1/namespaces/finance/pods',
              body: { ...fatPod(index + offset), apiVersion: 'v1', kind: POD_KIND.kind },
            },
            never,
          ),
        ),
      );
  });

  afterAll(async () => {
    await world?.close();
  });

  it('stop no agent, neither at its start nor while it runs', async () => {
    // On a busy machine these pods take longer to list than the lease of other tests lasts.
    const env = { NODE_OPTIONS: '--max-old-space-size=192', FSO_LEASE_DURATION_MS: '60000' };
    const agent = await startAgentProcess(world.cluster, { folder: world.folder, env });
    try {
      await world.applyPolicy('finance', { targetNamespace: 'finance', allowedRegions: ['eu-central-1'] });
      const { status } = await world.reaches('finance', 'Active');
      // Each of them requires a region that is not allowed.
      expect(status?.violations).toBe(PODS);
      expect((await fetch(`${agent.url}/healthz`)).ok).toBe(true);
    } finally {
      await agent.stop();
    }
  });
});
