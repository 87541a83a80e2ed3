import { FakeClock } from '@fso/shared/fake-clock';
import type { ReadFailure } from '@fso/shared/kube';
import { OBSERVED_KINDS, type ObservedKind, ROUND_PARTS } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { OBSERVATION_LIMITS } from './limits.ts';
import { ClusterObservation } from './observation.ts';
import { ObservationWatch } from './observer.ts';
import { RoundParts } from './round-parts.ts';

/** A cluster whose kinds are seen, and whose rounds run, unless a test says otherwise. */
const start = () => {
  const clock = new FakeClock();
  const heard = new Map<ObservedKind, number | undefined>(OBSERVED_KINDS.map((kind) => [kind, clock.monotonicMs()]));
  const failures = new Map<ObservedKind, ReadFailure>();
  const silent = new Set<ObservedKind>();
  const kinds = () => OBSERVED_KINDS.map((kind) => ({ kind, informer: { seenAtMs: heard.get(kind), failure: failures.get(kind) } }));
  let isLate = false;
  const parts = new RoundParts({ clock, onFailure: () => undefined });
  const observation = new ClusterObservation({ clock, limits: OBSERVATION_LIMITS, kinds, parts, pauses: { isLate: () => isLate } });
  const events: { reason: string; message: string }[] = [];
  let changes = 0;
  const watch = new ObservationWatch({
    clock,
    limits: OBSERVATION_LIMITS,
    observation,
    events: { ofCluster: (event) => events.push(event) },
    onChange: () => {
      changes += 1;
    },
  });
  let rounds: 'run' | 'fail' | 'stop' = 'run';
  const guard = (): void => {
    if (rounds === 'fail') throw new TypeError('pods.every is not a function');
  };
  const round = (): void => {
    parts.begin();
    for (const part of ROUND_PARTS) parts.run(part, part === 'guard' ? guard : () => undefined, undefined);
    parts.end();
  };
  const hear = (): void => {
    for (const kind of OBSERVED_KINDS) if (!silent.has(kind)) heard.set(kind, clock.monotonicMs());
  };
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await clock.advance(1_000);
      hear();
      if (rounds !== 'stop') round();
      watch.look();
    }
  };
  const set = (next: typeof rounds): void => {
    rounds = next;
  };
  const setLate = (late: boolean): void => {
    isLate = late;
  };
  return { clock, observation, watch, setLate, heard, failures, silent, events, pass, set, changes: () => changes };
};

describe('what an agent observes', () => {
  it('is current while kinds are seen and rounds run', async () => {
    const { observation, pass, events } = start();
    await pass(300);
    expect(observation.ages()).toEqual({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] });
    expect(observation.problems()('policies')).toBeUndefined();
    expect(events).toEqual([]);
  });

  it('is out of date where a kind was not seen for two minutes, with its name', async () => {
    const { observation, pass, silent, failures } = start();
    await pass(1);
    silent.add('Pod');
    failures.set('Pod', { cause: 'forbidden', message: 'pods is forbidden' });
    await pass(119);
    expect(observation.ages().outOfDate).toEqual([]);
    await pass(3);
    expect(observation.ages().outOfDate).toEqual(['Pod']);
    expect(observation.problems()('violations')).toBe('not observed: Pod cannot be read: pods is forbidden');
    expect(observation.problems()('guard')).toBeUndefined();
    silent.clear();
    await pass(1);
    expect(observation.ages().outOfDate).toEqual([]);
  });

  it('is out of date where a part of the rounds fails, or none is run', async () => {
    const { observation, pass, set } = start();
    await pass(1);
    set('fail');
    await pass(31);
    expect(observation.ages().outOfDate).toEqual(['guard']);
    expect(observation.problems()('guard')).toBe('not observed: the part guard of a round fails: pods.every is not a function');
    set('stop');
    await pass(40);
    expect(observation.ages().outOfDate).toContain('floor');
  });

  it('has one cause while the API server does not answer', async () => {
    const { observation, pass, silent, failures } = start();
    await pass(1);
    for (const kind of OBSERVED_KINDS) {
      silent.add(kind);
      failures.set(kind, { cause: 'unreachable', message: 'connect ECONNREFUSED' });
    }
    await pass(130);
    expect(observation.causes()).toEqual([{ id: 'APIServer', text: 'the API server is not reached' }]);
  });

  it('is unknown during a pause, and before anything was read', async () => {
    const { observation, pass, heard, setLate } = start();
    expect(observation.ages().outOfDate).toContain('floor');
    await pass(1);
    setLate(true);
    expect(observation.ages().outOfDate).toEqual(['Pause']);
    setLate(false);
    expect(observation.ages().outOfDate).toEqual([]);
    heard.set('Node', undefined);
    expect(observation.ages()).toMatchObject({ oldestKindMs: Number.POSITIVE_INFINITY, outOfDate: ['Node'] });
  });

  it('reports a change after a minute, once a cause, and recovery after another minute', async () => {
    const { pass, silent, events } = start();
    await pass(1);
    silent.add('Node');
    await pass(150);
    expect(events).toEqual([]);
    await pass(400);
    expect(events.map(({ reason }) => reason)).toEqual(['NotObserved']);
    expect(events[0]?.message).toContain('nothing is seen of Node');
    silent.clear();
    await pass(59);
    expect(events).toHaveLength(1);
    await pass(10);
    expect(events.map(({ reason }) => reason)).toEqual(['NotObserved', 'ObservedAgain']);
  });

  it('shows in the cluster after two minutes, and asks for a round then', async () => {
    const { pass, silent, watch, changes } = start();
    await pass(1);
    const before = changes();
    silent.add('Node');
    await pass(130);
    expect(changes()).toBe(before + 1);
    expect(watch.isShown).toBe(false);
    await pass(120);
    expect(watch.isShown).toBe(true);
    expect(changes()).toBe(before + 2);
    silent.clear();
    await pass(1);
    expect(watch.isShown).toBe(false);
  });
});
