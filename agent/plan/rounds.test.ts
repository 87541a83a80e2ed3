import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FakeClock } from '@fso/shared/fake-clock';
import { createInformers, type KubeClient } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { ClusterView } from '../cache/index.ts';
import { injectionKinds, ServerDefaults, SettledDefinitions } from '../enforce/index.ts';
import { NOW } from '../enforce/testing/policies.ts';
import { capabilitiesOf } from './capabilities.ts';
import { type ClusterPlan, planCluster } from './plan.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A cluster of which nothing can be read. */
const unreadView = (signal: AbortSignal): ClusterView => {
  const client = { list: () => Promise.reject(new Error('no route to host')) } as unknown as KubeClient;
  const logger = { child: () => logger, info: () => undefined, warn: () => undefined, debug: () => undefined } as never;
  const factory = createInformers(client, { logger, absentRetryMs: 100 }, signal);
  return new ClusterView({ factory, kinds: injectionKinds('v1'), clock: new FakeClock() }, signal);
};

describe('rounds that follow one another', () => {
  it('keep the plan of the one before alone', async () => {
    const stop = new AbortController();
    const view = unreadView(stop.signal);
    const settings = {
      capabilities: capabilitiesOf('v1.36.0'),
      trust: { agent: '', binders: [], nodeLabelers: [], gatekeeperNamespace: 'gatekeeper-system' },
      definitions: [],
      defaults: new ServerDefaults(),
      settledDefinitions: new SettledDefinitions(),
      renewedAt: undefined,
    };
    const parts = {
      run: <T>(_part: unknown, work: () => T, otherwise: T): T => {
        try {
          return work();
        } catch {
          return otherwise;
        }
      },
    };
    let previous: ClusterPlan | undefined;
    const plans: WeakRef<ClusterPlan>[] = [];
    for (let round = 0; round < 5; round += 1) {
      previous = planCluster(view, settings, NOW, { previous, parts });
      plans.push(new WeakRef(previous));
      // A WeakRef holds its target until the end of the task that made it.
      await new Promise(setImmediate);
    }
    collect();
    expect(plans.map((plan) => plan.deref() !== undefined)).toEqual([false, false, false, false, true]);
    expect(previous?.isIndexed('finance')).toBe(false);
    stop.abort();
  });
});
