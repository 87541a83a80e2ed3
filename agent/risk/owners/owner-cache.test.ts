import type { KubeObject } from '@fso/shared/api';
import type { ChangeHandler, Informer, InformerOptions, KindDescriptor } from '@fso/shared/kube';
import { beforeEach, describe, expect, it } from 'vitest';
import { OwnerCache } from './owner-cache.ts';
import { OWNER_KINDS } from './owner-kinds.ts';

interface Kind {
  readonly transform: (object: KubeObject) => KubeObject;
  readonly handlers: ChangeHandler<KubeObject>[];
  readonly objects: Map<string, KubeObject>;
  seenAtMs: number | undefined;
  failure: Informer<KubeObject>['failure'];
}

let kinds: Map<string, Kind>;
let nowMs: number;
let cache: OwnerCache;
beforeEach(() => {
  kinds = new Map();
  nowMs = 0;
  const informer = ({ kind }: KindDescriptor, { transform = (object) => object }: InformerOptions<KubeObject> = {}) => {
    const state: Kind = { transform, handlers: [], objects: new Map(), seenAtMs: 0, failure: undefined };
    kinds.set(kind, state);
    return Object.assign(state, { onChange: (handler: ChangeHandler<KubeObject>) => state.handlers.push(handler) });
  };
  cache = new OwnerCache({ factory: { informer } as never, clock: { monotonicMs: () => nowMs }, kindMs: 100, maxOwners: 3 });
});

/** An object as the API server has it now; undefined: it is gone. */
const show = (kind: string, key: string, fields: object | undefined): void => {
  const state = kinds.get(kind);
  const [namespace = '', name = ''] = key.split('/');
  const previous = state?.objects.get(key);
  const current = fields && state?.transform({ metadata: { name, namespace, uid: key }, ...fields } as KubeObject);
  if (current === undefined) state?.objects.delete(key);
  else state?.objects.set(key, current);
  for (const handler of state?.handlers ?? []) handler(key, current, previous);
};
const namesIn = (namespace: string) =>
  [...cache.ownersIn(namespace)].flatMap(([kind, owners]) => [...owners.keys()].map((name) => `${kind} ${name}`));
const template = (disk: string) => ({ spec: { template: { spec: { nodeSelector: { disk } } } } });

describe('the owners of a namespace', () => {
  it('are another object after each change of what their next pods follow from, and of nothing else', () => {
    show('Deployment', 'a/web', template('ssd'));
    const before = cache.ownersIn('a');
    let calls = 0;
    cache.subscribe(() => (calls += 1));
    show('Deployment', 'a/web', { ...template('ssd'), status: { readyReplicas: 3 } });
    expect([cache.ownersIn('a') === before, calls]).toEqual([true, 0]);
    show('Deployment', 'a/web', template('hdd'));
    expect([cache.ownersIn('a') === before, calls]).toEqual([false, 1]);
    show('Deployment', 'a/web', undefined);
    expect(namesIn('a')).toEqual([]);
  });

  it('are kept up to a number, and counted beyond', () => {
    for (const name of ['1', '2', '3', '4', '5']) show('CronJob', `a/${name}`, {});
    expect([namesIn('a').length, [...cache.leftOut]]).toEqual([3, [['a', 2]]]);
    show('CronJob', 'a/5', undefined);
    show('CronJob', 'a/1', undefined);
    show('CronJob', 'a/4', {});
    expect([namesIn('a'), [...cache.leftOut]]).toEqual([['CronJob 2', 'CronJob 3', 'CronJob 4'], []]);
  });

  it('take the room of the oldest ones of a namespace that has more, which are counted', () => {
    for (const name of ['1', '2', '3', '4']) show('CronJob', `many/${name}`, template('ssd'));
    const kept = kinds.get('CronJob')?.objects.get('many/1');
    show('Job', 'few/1', template('ssd'));
    expect([namesIn('many'), namesIn('few'), [...cache.leftOut]]).toEqual([['CronJob 2', 'CronJob 3'], ['Job 1'], [['many', 2]]]);
    // The informer keeps no more of it either.
    expect(kept).toEqual({ metadata: { name: '1', namespace: 'many' } });
    show('Job', 'few/2', template('ssd'));
    expect([namesIn('many').length, namesIn('few').length, [...cache.leftOut]]).toEqual([
      2,
      1,
      [
        ['many', 2],
        ['few', 1],
      ],
    ]);
    for (const name of ['1', '2', '3', '4']) show('CronJob', `many/${name}`, undefined);
    expect([namesIn('many'), [...cache.leftOut]]).toEqual([[], [['few', 1]]]);
  });
});

it('have no room for ever by a page of a list that failed', () => {
  const page = (key: string) => {
    const [namespace = '', name = ''] = key.split('/');
    return kinds.get('Job')?.transform({ metadata: { name, namespace, uid: key }, ...template('ssd') } as KubeObject);
  };
  for (const name of ['1', '2', '3']) page(`many/${name}`);
  show('Job', 'many/3', template('ssd'));
  expect(page('many/4')).toEqual({ metadata: { name: '4', namespace: 'many' } });
  nowMs = 5 * 60_000;
  page('many/2');
  // No later list shows the first one again.
  nowMs = 15 * 60_000;
  for (const name of ['4', '5', '6']) show('Job', `many/${name}`, template('ssd'));
  expect([namesIn('many'), [...cache.leftOut]]).toEqual([['Job 3', 'Job 4'], [['many', 2]]]);
  nowMs = 20 * 60_000;
  show('Job', 'many/7', template('ssd'));
  expect(namesIn('many')).toEqual(['Job 3', 'Job 4', 'Job 7']);
});

describe('what is not read', () => {
  it('names a kind that was never seen, is out of date, or may not be read', () => {
    expect(cache.problem).toBeUndefined();
    nowMs = 50;
    for (const kind of OWNER_KINDS) if (kind !== 'Job') Object.assign(kinds.get(kind) ?? {}, { seenAtMs: 50 });
    nowMs = 101;
    expect(cache.problem).toBe('not read now: jobs');
    Object.assign(kinds.get('Job') ?? {}, { failure: { cause: 'forbidden', message: 'no' } });
    expect(cache.problem).toBe('the agent may not read jobs: its ClusterRole is older than it is');
  });
});
