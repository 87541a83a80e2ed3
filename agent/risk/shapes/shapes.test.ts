import { REGION_LABEL } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { beforeEach, describe, expect, it } from 'vitest';
import { packJson } from '../../config-map-store.ts';
import { namePattern } from './name-pattern.ts';
import { ShapeRecorder } from './shape-recorder.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let clock: FakeClock;
let injecting: Set<string>;
let recorder: ShapeRecorder;
/** Pods that the cache lacks. */
let lacking: Set<string>;
const hasPod = (key: string): boolean => !lacking.has(key);
const createRecorder = (maxBytes?: number): ShapeRecorder => {
  const made = new ShapeRecorder({
    clock,
    isInjecting: (namespace) => injecting.has(namespace),
    hasPod,
    ...(maxBytes !== undefined && { maxBytes }),
  });
  made.begin();
  return made;
};
beforeEach(() => {
  clock = new FakeClock();
  injecting = new Set();
  lacking = new Set();
  recorder = createRecorder();
});

interface PodOptions {
  readonly kind?: string;
  readonly owner?: string;
  readonly spec?: object;
  readonly phase?: string;
  readonly created?: string;
  /** Ends of containers; undefined: one that still runs. */
  readonly ends?: readonly (string | undefined)[];
}

const see = (key: string, { kind, owner = 'owner', spec = {}, phase = 'Running', created, ends = [] }: PodOptions = {}): void => {
  const [namespace = '', name = ''] = key.split('/');
  const ownerReferences = kind === undefined ? [] : [{ apiVersion: 'x/v1', kind, name: owner, uid: owner, controller: true }];
  recorder.see({
    metadata: { namespace, name, ownerReferences, ...(created !== undefined && { creationTimestamp: created }) },
    spec: { containers: [], nodeName: 'node-1', ...spec },
    status: {
      phase,
      containerStatuses: ends.map((end) => ({ state: end === undefined ? { running: {} } : { terminated: { finishedAt: end } } })),
    },
  });
};
const disk = (name: string) => ({ nodeSelector: { disk: name } });
const seen = (namespace = 'a') =>
  recorder
    .in(namespace)
    .apartFrom([])
    .map(({ kind, owner, sources, lastSeen }) => [`${kind} ${owner.metadata.name}`, sources.map(({ template }) => template), lastSeen]);

describe('the pattern of a name', () => {
  it.each([
    ['report-28471923', 'report-*'],
    ['build-x7k2p', 'build-*'],
    ['etl-2026-11-30-xkqvz', 'etl-*'],
    ['nightly-backup', 'nightly-backup'],
    ['3f2a9c1e-1b2c-4d5e-8f90-abcdef012345-task', '*-task'],
    ['db2-backup', 'db2-backup'],
  ])('%s has the pattern %s', (name, pattern) => {
    expect(namePattern(name)).toBe(pattern);
  });
});

describe('shapes of pods', () => {
  it('are of Jobs, of operators and without a controller, and not of what is judged by its own template', () => {
    see('a/build-x7k2p-abcde', { kind: 'Job', owner: 'build-x7k2p', spec: disk('ssd') });
    see('a/flow-1', { kind: 'Workflow', owner: 'flow-bcdfg' });
    see('a/runner-4711');
    for (const kind of ['ReplicaSet', 'StatefulSet', 'DaemonSet', 'ReplicationController', 'Node']) see(`a/${kind}`, { kind });
    expect(seen()).toEqual([
      ['Pod runner-*', [{}], undefined],
      ['Workflow flow-*', [{}], undefined],
      ['Job build-*', [{ nodeSelector: { disk: 'ssd' } }], undefined],
    ]);
  });

  it('stay for 14 days after their last pod, with the hour in which it was there', async () => {
    see('a/runner-1');
    await clock.advance(90 * 60_000);
    see('a/runner-1');
    recorder.gone('a/runner-1');
    expect(seen()).toEqual([['Pod runner-*', [{}], '2026-01-01T01:00:00.000Z']]);
    see('a/runner-2');
    expect(seen()[0]?.[2]).toBeUndefined();
    see('a/runner-2', { phase: 'Succeeded' });
    expect(seen()[0]?.[2]).toBe('2026-01-01T01:00:00.000Z');
    await clock.advance(14 * DAY_MS);
    recorder.expire();
    expect(seen()).toHaveLength(1);
    await clock.advance(HOUR_MS);
    recorder.expire();
    expect(seen()).toEqual([]);
  });

  it('have the hour in which a pod ended that is still there, and later ones once one is seen', async () => {
    await clock.advance(20 * DAY_MS);
    const [created, ends] = ['2026-01-15T00:10:00Z', ['2026-01-18T05:10:00Z', undefined, '2026-01-18T07:59:59Z', '1970-01-01T00:00:00Z']];
    const ended = () => see('a/runner-1', { phase: 'Succeeded', created, ends });
    ended();
    expect(seen()).toEqual([['Pod runner-*', [{}], '2026-01-18T07:00:00.000Z']]);
    see('a/runner-2', { phase: 'Failed', created: '2026-01-19T01:10:00Z', ends: ['1970-01-01T00:00:00Z'] });
    expect(seen()[0]?.[2]).toBe('2026-01-19T01:00:00.000Z');
    // As after a start or another list.
    for (const again of [ended, () => recorder.restore(recorder.stored()), ended]) again();
    expect(seen()[0]?.[2]).toBe('2026-01-19T01:00:00.000Z');
    see('a/runner-3');
    see('a/runner-3', { phase: 'Failed', created });
    expect(seen()[0]?.[2]).toBe('2026-01-21T00:00:00.000Z');
    ended();
    expect(seen()[0]?.[2]).toBe('2026-01-21T00:00:00.000Z');
    see('a/old-1', { phase: 'Succeeded', created: '2026-01-01T00:00:00Z' });
    expect(seen()).toHaveLength(1);
  });

  it('have no placement of the past because of a pod of it that ended days ago and is still there', async () => {
    await clock.advance(4 * DAY_MS);
    see('a/runner-2', { spec: disk('new') });
    see('a/runner-1', { spec: disk('old'), phase: 'Succeeded', ends: ['2026-01-02T00:00:00Z'] });
    expect(seen()[0]?.[1]).toEqual([disk('new')]);
  });

  it('do not run for ever by a pod that was deleted before the list was whole that showed it', async () => {
    see('a/runner-1');
    lacking.add('a/runner-1');
    recorder.expire();
    await clock.advance(14 * 60_000);
    // Another list shows it.
    see('a/runner-1');
    recorder.expire();
    await clock.advance(14 * 60_000);
    recorder.expire();
    expect(seen()[0]?.[2]).toBeUndefined();
    await clock.advance(60_000);
    recorder.expire();
    expect(seen()[0]?.[2]).toBe('2026-01-01T00:00:00.000Z');
  });

  it('have no placement of the past: one that others have followed for a day', async () => {
    see('a/runner-1', { spec: disk('old') });
    recorder.gone('a/runner-1');
    see('a/runner-2', { spec: disk('new') });
    expect(seen()[0]?.[1]).toEqual([disk('new'), disk('old')]);
    await clock.advance(DAY_MS + HOUR_MS);
    see('a/runner-3', { spec: disk('new') });
    expect(seen()[0]?.[1]).toEqual([disk('new')]);
  });

  it('are without what injection and admission add', () => {
    const injected = { key: REGION_LABEL, operator: 'In', values: ['eu-west-1'] };
    const affinity = (...terms: object[]) => ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
    });
    const own = { key: 'disk', operator: 'Exists' };
    const tolerations = [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }];
    injecting.add('b');
    for (const namespace of ['a', 'b']) {
      see(`${namespace}/one-1`, { spec: { ...affinity({ matchExpressions: [injected] }), tolerations } });
      see(`${namespace}/two-1`, { spec: affinity({ matchExpressions: [own, injected] }) });
    }
    expect(seen('a').map(([, templates]) => templates)).toEqual([
      [affinity({ matchExpressions: [own, injected] })],
      [affinity({ matchExpressions: [injected] })],
    ]);
    expect(seen('b').map(([, templates]) => templates)).toEqual([[affinity({ matchExpressions: [own] })], [{}]]);
  });

  it('are not judged for Jobs and CronJobs of their name that are there', () => {
    see('a/x', { kind: 'Job', owner: 'nightly-28471923' });
    see('a/y', { kind: 'Job', owner: 'build-x7k2p' });
    see('a/z', { kind: 'Job', owner: 'other-1' });
    const metadata = (name: string) => ({ name, namespace: 'a' });
    const job = { kind: 'Job', object: { metadata: metadata('build-zzzzz') }, template: {} } as const;
    const owners = [
      { kind: 'CronJob', owner: { metadata: metadata('nightly') }, sources: [] },
      { kind: 'Job', owner: job.object, sources: [job] },
    ];
    expect(
      recorder
        .in('a')
        .apartFrom(owners)
        .map(({ owner }) => owner.metadata.name),
    ).toEqual(['other-*']);
  });

  it('are also of pods that ask for more than is kept, without a placement', () => {
    const values = Array.from({ length: 100 }, (_, n) => `region-${n}-${'x'.repeat(20)}`);
    const nodeSelectorTerms = [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values }] }];
    const spec = { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
    see('a/runner-1', { spec });
    see('a/runner-2', { spec });
    expect(seen()).toEqual([['Pod runner-*', [undefined], undefined]]);
    recorder.gone('a/runner-1');
    recorder.gone('a/runner-2');
    expect(seen()).toEqual([['Pod runner-*', [undefined], '2026-01-01T00:00:00.000Z']]);
  });

  it('wait until it is known where placements are injected', () => {
    const early = new ShapeRecorder({ clock, isInjecting: () => injecting.has('a'), hasPod });
    recorder = early;
    see('a/runner-1', { spec: disk('ssd') });
    recorder.gone('a/runner-1');
    expect(seen()).toEqual([]);
    early.begin();
    expect(seen()).toEqual([['Pod runner-*', [disk('ssd')], '2026-01-01T00:00:00.000Z']]);
  });
});

describe('a tenant that tries thousands of placements', () => {
  it('forgets its own oldest ones, which are counted; those of others stay, within what a ConfigMap holds', async () => {
    for (let n = 0; n < 20; n += 1) see(`few/app-${n}`, { kind: 'Workflow', owner: `w${'x'.repeat(n)}`, spec: disk(`few-${n}`) });
    const before = recorder.versionIn('few');
    let seed = 7;
    const text = () => {
      seed = (Math.imul(seed, 48_271) >>> 0) % 2_147_483_647;
      return seed.toString(36);
    };
    for (let n = 0; n < 20_000; n += 1) {
      see(`many/p-${n}`, { spec: disk(Array.from({ length: 8 }, text).join('-')) });
      recorder.gone(`many/p-${n}`);
    }
    expect([recorder.in('few').apartFrom([]).length, recorder.versionIn('few') === before]).toEqual([20, true]);
    expect(recorder.forgotten).toMatchObject({ namespace: 'many' });
    const { shapes } = recorder.stored();
    expect(shapes.length + (recorder.forgotten?.count ?? 0)).toBe(20_020);
    const packed = await packJson(
      shapes.map(({ namespace, kind, name, lastSeen, template }) => [namespace, kind, name, lastSeen, template]),
    );
    expect(packed.length).toBeLessThan(700 * 1_024);
  });
});

describe('what is stored', () => {
  it('is the same until something changes, and comes back under another leader behind what that one has seen', async () => {
    see('a/runner-1', { spec: disk('ssd') });
    const before = recorder.stored();
    expect(recorder.stored()).toBe(before);
    recorder.gone('a/runner-1');
    see('a/other-1');
    const stored = recorder.stored();
    expect(stored).not.toBe(before);
    await clock.advance(2 * HOUR_MS);
    recorder = createRecorder();
    see('a/third-1');
    recorder.restore(stored);
    expect(seen()).toEqual([
      ['Pod third-*', [{}], undefined],
      ['Pod other-*', [{}], '2026-01-01T00:00:00.000Z'],
      ['Pod runner-*', [disk('ssd')], '2026-01-01T00:00:00.000Z'],
    ]);
  });
});
