import { type ClusterEvent, policyKeyOf, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { EventRecorder, InvolvedObject } from '@fso/shared/kube';
import { createLogger } from '@fso/shared/runtime';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClusterView } from '../cache/index.ts';
import { createAgentMetrics } from '../metrics.ts';
import { type AgentSnapshot, EventSink, LiveObservatory, TamperLog } from '../observe/index.ts';
import type { ClusterPlan } from '../plan/index.ts';
import { WriteEvents } from './write-events.ts';
import { PRIORITIES, type Repair, type Write } from './write-pool.ts';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

const policy = (name: string, namespace = 'team'): SovereignPolicy => ({ metadata: { namespace, name } }) as SovereignPolicy;

/** WriteEvents over policies `team/p0`, `team/p1`, …, and others, with what it records. */
const setUp = (count: number, others: readonly SovereignPolicy[] = []) => {
  const stop = new AbortController();
  stops.push(stop);
  const clock = new FakeClock();
  const logger = createLogger({ name: 'test', level: 'silent' });
  const policies = new Map(Array.from({ length: count }, (_, index) => [`team/p${index}`, policy(`p${index}`)]));
  for (const other of others) policies.set(policyKeyOf(other), other);
  const recorded: string[] = [];
  const record = ({ kind, metadata }: InvolvedObject, { message }: { message: string }): Promise<void> => {
    recorded.push(`${kind}/${metadata.name}: ${message}`);
    return Promise.resolve();
  };
  const observatory = new LiveObservatory({ policies: new Map(), cluster: {} } as unknown as AgentSnapshot);
  const events: ClusterEvent[] = [];
  observatory.onEvent((event) => events.push(event));
  const sink = new EventSink({ record } as unknown as EventRecorder, observatory, { clock, logger, signal: stop.signal });
  const metrics = createAgentMetrics(new Registry(), 'test');
  const tampering = new TamperLog();
  const view = { livePolicies: () => [...policies.values()], livePolicy: (key: string) => policies.get(key) } as unknown as ClusterView;
  const commit = { revision: 'r1' };
  const writeEvents = new WriteEvents({ view, events: sink, metrics, logger, clock, tampering, revision: () => commit.revision });
  const conditionOf = (key: string): string | undefined => tampering.ofPolicy(key, clock.now())?.message;
  return { writeEvents, clock, commit, events, recorded, metrics, tampering, conditionOf };
};

const shared = (name: string): Repair => ({ key: `ValidatingAdmissionPolicy/${name}`, policies: 'all', trace: { what: 'deleted' } });
const DELETED = 'was deleted by someone else and put back';

describe('a repair of one policy’s object', () => {
  const repair: Repair = { key: 'Namespace/finance', policies: ['team/p0', 'team/gone'], trace: { what: 'changed', by: 'helm' } };

  it('is an event of the policy, and in its condition', async () => {
    const { writeEvents, events, recorded, metrics, conditionOf } = setUp(2);
    const message = 'Namespace/finance was changed by someone else (field manager helm) and put back';
    writeEvents.recordRepair({ ...repair, object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'finance' } } });
    expect(events).toMatchObject([{ severity: 'alert', reason: 'TamperingRepaired', policy: 'team/p0', message }]);
    await expect.poll(() => recorded).toEqual([`SovereignPolicy/p0: ${message}`, `Namespace/finance: ${message}`]);
    expect([conditionOf('team/p0'), conditionOf('team/p1')]).toEqual([message, undefined]);
    expect((await metrics.tampering.get()).values).toMatchObject([{ value: 1 }]);
  });

  it('is an event once a minute, and counted each time', async () => {
    const { writeEvents, clock, events, metrics } = setUp(1);
    for (let times = 0; times < 5; times += 1) writeEvents.recordRepair(repair);
    expect(events).toHaveLength(1);
    await clock.advance(60_000);
    writeEvents.recordRepair(repair);
    expect(events[1]?.message).toContain('(4 more times before that)');
    expect((await metrics.tampering.get()).values).toMatchObject([{ value: 6 }]);
  });
});

describe('a repair of an object that all policies rest on', () => {
  it('is an event of the cluster, and in the condition of every policy', () => {
    const { writeEvents, events, conditionOf } = setUp(12);
    writeEvents.recordRepair(shared('fso-floor-pods-deny'));
    expect(events).toEqual([expect.not.objectContaining({ policy: expect.anything() })]);
    expect(conditionOf('team/p11')).toBe(`ValidatingAdmissionPolicy/fso-floor-pods-deny ${DELETED}`);
  });

  it('causes no more status writes while two managers fight over it; the cluster shows the last repair', async () => {
    const { writeEvents, clock, tampering } = setUp(3);
    writeEvents.recordRepair(shared('a'));
    const told = tampering.ofPolicy('team/p2', clock.now());
    for (let round = 0; round < 9; round += 1) {
      await clock.advance(60_000);
      writeEvents.recordRepair({ ...shared('a'), trace: { what: 'changed', by: `helm-${round}` } });
    }
    expect(tampering.ofPolicy('team/p2', clock.now())).toBe(told);
    expect(tampering.ofCluster(clock.now())?.message).toContain('helm-8');
    await clock.advance(60_000);
    writeEvents.recordRepair(shared('a'));
    expect(tampering.ofPolicy('team/p2', clock.now())).not.toBe(told);
  });

  it('shows a repair of the next object at once', () => {
    const { writeEvents, conditionOf } = setUp(3);
    writeEvents.recordRepair(shared('a'));
    writeEvents.recordRepair(shared('b'));
    expect(conditionOf('team/p0')).toContain('ValidatingAdmissionPolicy/b');
  });
});

describe('a repair of a policy of the hub', () => {
  it.each([
    ['changed', { what: 'changed', by: 'kubectl-edit' }, 'was changed by someone else (field manager kubectl-edit) and put back'],
    ['forged', { what: 'forged' }, 'claimed to come from Git, which does not have it, and was deleted'],
  ] as const)('is an event of it, and in its condition, when it was %s', async (_what, trace, text) => {
    const { writeEvents, events, recorded, conditionOf } = setUp(0, [policy('zone', SYSTEM_NAMESPACE)]);
    writeEvents.recordRepair({ key: 'SovereignPolicy/zone', policies: ['zone'], trace });
    const message = `SovereignPolicy/zone ${text}`;
    expect(events).toMatchObject([{ severity: 'alert', reason: 'TamperingRepaired', policy: 'zone', message }]);
    await expect.poll(() => recorded).toEqual([`SovereignPolicy/zone: ${message}`]);
    expect(conditionOf('zone')).toBe(message);
  });

  it('is an event that names it where it does not exist yet', () => {
    const { writeEvents, events } = setUp(0);
    writeEvents.recordRepair({ key: 'SovereignPolicy/zone', policies: ['zone'], trace: { what: 'deleted' } });
    expect(events).toMatchObject([{ reason: 'TamperingRepaired', policy: 'zone', revision: 'r1' }]);
  });
});

it('raises one alert for each commit whose policies cannot be written, however many there are', () => {
  const { writeEvents, commit, events } = setUp(0);
  const fail = (failures: number): void => {
    for (const name of ['a', 'b']) {
      const write = { key: `SovereignPolicy/${name}`, policies: [name] } as unknown as Write;
      writeEvents.recordFailure(write, { key: write.key, policies: [name], error: 'no', failures }, new Error('no'));
    }
  };
  for (const failures of [1, 2, 3, 4]) fail(failures);
  const message = 'SovereignPolicy/a: no; trying again';
  const alert = { severity: 'alert', reason: 'PolicyWriteFailed', message };
  expect(events).toMatchObject([{ ...alert, revision: 'r1' }]);
  commit.revision = 'r2';
  for (const failures of [5, 6]) fail(failures);
  expect(events).toMatchObject([
    { ...alert, revision: 'r1' },
    { ...alert, revision: 'r2' },
  ]);
});

it('raises an alert at the third failure of a write: on its policies, else on the cluster', () => {
  const { writeEvents, events } = setUp(1);
  const fail = (policies: readonly string[], failures: number): void => {
    const write = { key: 'Namespace/finance', policies } as unknown as Write;
    writeEvents.recordFailure(write, { key: write.key, policies, error: 'no', failures }, new Error('no'));
  };
  for (const failures of [1, 2, 3, 4]) fail(['team/p0'], failures);
  expect(events).toMatchObject([{ reason: 'EnforcementFailed', policy: 'team/p0', message: 'Namespace/finance: no' }]);
  fail(['team/gone'], 3);
  expect(events[1]).not.toHaveProperty('policy');
});

it('raises no alert where a report cannot be written', async () => {
  const { writeEvents, events, metrics } = setUp(1);
  const write = { key: 'Report/finance/x', policies: [], priority: PRIORITIES.reports } as unknown as Write;
  for (const failures of [1, 2, 3])
    writeEvents.recordFailure(write, { key: write.key, policies: [], error: 'no', failures }, new Error('no'));
  expect(events).toEqual([]);
  expect((await metrics.writes.get()).values).toMatchObject([{ labels: { kind: 'Report', result: 'error' }, value: 3 }]);
});

it('raises the alert on a policy of the cluster before those of a namespace, however many there are', () => {
  const { writeEvents, events } = setUp(20, [policy('zone', SYSTEM_NAMESPACE)]);
  const policies = [...Array.from({ length: 20 }, (_, index) => `team/p${index}`), 'zone'];
  const write = { key: 'Namespace/team', policies } as unknown as Write;
  writeEvents.recordFailure(write, { key: write.key, policies, error: 'no', failures: 3 }, new Error('no'));
  expect(events).toHaveLength(10);
  expect(events.filter(({ severity }) => severity === 'alert')).toMatchObject([{ policy: 'zone' }]);
});

it('records once that a policy is gone, and only one that was being deleted', () => {
  const { writeEvents, events } = setUp(0);
  const round = (...policies: { key: string; deleting: boolean }[]): void =>
    writeEvents.recordDeletions({ policies } as unknown as ClusterPlan);
  round({ key: 'team/a', deleting: true }, { key: 'team/b', deleting: false });
  round();
  round();
  expect(events).toMatchObject([{ severity: 'info', reason: 'Released', policy: 'team/a' }]);
});
