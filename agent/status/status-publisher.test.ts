import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyChange } from './testing/cluster-changes.ts';
import { ClusterModel } from './testing/cluster-model.ts';
import { PublisherHarness } from './testing/publisher-harness.ts';

/** The snapshot, with the answer of its function in its place. */
const contentOf = ({ observatory }: PublisherHarness) => {
  const { locate, ...snapshot } = observatory.snapshot();
  return { ...snapshot, processing: locate?.() };
};

describe('StatusPublisher', () => {
  it('shows in the cluster when it is not observed and when it is again, with an unchanged report', async () => {
    const model = new ClusterModel();
    const publisher = new PublisherHarness(model, false);
    const settle = async (): Promise<void> => {
      for (let round = 0; round < 5; round += 1) {
        model.write(await publisher.publish());
        await model.clock.advance(2_000);
      }
    };
    await settle();
    const before = publisher.observatory.snapshot().policies;
    const phases = (): unknown[] => [...model.live.values()].map(({ status }) => status?.phase);
    const wasActive = phases();
    expect(wasActive).toContain('Active');
    model.isUnobserved = true;
    await settle();
    expect(phases()).not.toContain('Active');
    for (const { status } of model.live.values()) {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      if (status?.phase === 'Pending') expect(ready).toMatchObject({ status: 'Unknown', reason: 'NotObserved' });
      expect(Object.values(status?.enforcement ?? {}).map(({ state }) => state)).not.toContain('Enforced');
    }
    expect(publisher.observatory.snapshot().policies).toEqual(before);
    model.isUnobserved = false;
    await settle();
    expect(phases()).toEqual(wasActive);
  });

  it('dates its reports, and returns the same object while the content is the same', async () => {
    const model = new ClusterModel();
    const publisher = new PublisherHarness(model, false);
    const next = async () => {
      await publisher.publish();
      return publisher.observatory.snapshot();
    };
    const first = await next();
    expect(first).toMatchObject({
      asOf: model.clock.now(),
      profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
    });
    await model.clock.advance(10_000);
    const second = await next();
    expect(second.asOf).toEqual(model.clock.now());
    expect(second.profile).toBe(first.profile);
    model.gatekeeperServed = false;
    expect((await next()).profile).toEqual({ ...first.profile, gatekeeper: false });
  });

  it('reports the same as a publisher that judges every policy in every round', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyChange, { maxLength: 2 }), { minLength: 3, maxLength: 12 }), async (rounds) => {
        const model = new ClusterModel();
        const [remembering, forgetful] = [new PublisherHarness(model, false), new PublisherHarness(model, true)] as const;
        for (const changes of rounds) {
          for (const { apply } of changes) await apply(model, [remembering, forgetful]);
          const written = await remembering.publish();
          expect(written).toEqual(await forgetful.publish());
          expect(contentOf(remembering)).toEqual(contentOf(forgetful));
          expect(remembering.events).toEqual(forgetful.events);
          model.write(written);
        }
      }),
      { numRuns: 600 },
    );
  });
});
