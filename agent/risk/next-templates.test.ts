import type { KubeObject } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { nextTemplates } from './next-templates.ts';
import type { Owner, OwnerKind } from './owners/owner-kinds.ts';
import { reduceOwner } from './owners/reduce-owner.ts';

type Spec = Readonly<Record<string, unknown>>;

/** A pod template that a name tells from others. */
const template = (disk: string) => ({ metadata: { labels: { app: 'a' } }, spec: { nodeSelector: { disk }, containers: [] } });

const object = (kind: OwnerKind, name: string, fields: Spec, owner?: KubeObject & { kind: string }): Owner => {
  const controller = owner && [
    { apiVersion: 'x/v1', kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid, controller: true },
  ];
  const metadata = {
    name,
    namespace: 'a',
    uid: `${kind}-${name}`,
    ...(controller && { ownerReferences: controller }),
    ...(fields['metadata'] as object),
  };
  return reduceOwner(kind)({ ...fields, metadata } as unknown as KubeObject);
};
const of = (kind: string, name: string) => ({ kind, metadata: { name, uid: `${kind}-${name}` } });

/** The owners, each with the sources of its next pods and the disks that they ask for. */
const told = (...objects: readonly (readonly [OwnerKind, Owner])[]): readonly string[] => {
  const kinds = Map.groupBy(objects, ([kind]) => kind);
  const owners = new Map([...kinds].map(([kind, each]) => [kind, each.map(([, owner]) => owner)]));
  return nextTemplates(owners).map(
    ({ kind, owner, sources }) =>
      `${kind} ${owner.metadata.name}: ${sources.map(({ kind: from, template: asked }) => `${from} ${asked?.nodeSelector?.['disk']}`).join(', ')}`,
  );
};

const deployment = (fields: Spec = {}) =>
  ['Deployment', object('Deployment', 'd', { spec: { template: template('new'), ...fields } })] as const;
const replicaSet = (name: string, fields: Spec, revision = 1) =>
  [
    'ReplicaSet',
    object(
      'ReplicaSet',
      name,
      { metadata: { annotations: { 'deployment.kubernetes.io/revision': `${revision}` } }, spec: { template: template('old'), ...fields } },
      of('Deployment', 'd'),
    ),
  ] as const;

describe('the next pods of a Deployment', () => {
  it('are made of its own template, also without replicas', () => {
    expect(told(deployment(), replicaSet('r', { template: template('new') }))).toEqual(['Deployment d: Deployment new']);
    expect(told(deployment({ replicas: 0 }), replicaSet('r', { replicas: 0 }))).toEqual(['Deployment d: Deployment new']);
  });

  it('are also made of an older template while its ReplicaSet has replicas', () => {
    expect(told(deployment(), replicaSet('r', { replicas: 2 }))).toEqual(['Deployment d: Deployment new, ReplicaSet old']);
  });

  it('are made by its ReplicaSets alone while it is paused: those with replicas, or else the newest', () => {
    expect(told(deployment({ paused: true }), replicaSet('r', { replicas: 2 }))).toEqual(['Deployment d: ReplicaSet old']);
    const [first, second] = [replicaSet('r1', { replicas: 0 }, 1), replicaSet('r2', { replicas: 0, template: template('newest') }, 2)];
    expect(told(deployment({ paused: true, replicas: 0 }), first, second)).toEqual(['Deployment d: ReplicaSet newest']);
    expect(told(deployment({ paused: true }))).toEqual(['Deployment d: Deployment new']);
  });
});

describe('the next pods of a StatefulSet', () => {
  const revision = [
    'ControllerRevision',
    object('ControllerRevision', 's-1', { data: { spec: { template: template('old') } } }, of('StatefulSet', 's')),
  ] as const;
  const set = (spec: Spec) =>
    [
      'StatefulSet',
      object('StatefulSet', 's', { spec: { template: template('new'), ...spec }, status: { currentRevision: 's-1' } }),
    ] as const;
  const strategy = (partition: number, type = 'RollingUpdate') => ({ updateStrategy: { type, rollingUpdate: { partition } } });

  it('below its partition are made of the old revision, above it of its own template', () => {
    expect(told(set({ replicas: 3, ...strategy(2) }), revision)).toEqual(['StatefulSet s: ControllerRevision old, StatefulSet new']);
    expect(told(set({ replicas: 2, ...strategy(2) }), revision)).toEqual(['StatefulSet s: ControllerRevision old']);
  });

  it('are made of its own template without a partition, without the revision, and with the strategy OnDelete', () => {
    expect(told(set({ replicas: 3 }), revision)).toEqual(['StatefulSet s: StatefulSet new']);
    expect(told(set({ replicas: 1, ...strategy(2) }))).toEqual(['StatefulSet s: StatefulSet new']);
    expect(told(set({ replicas: 1, ...strategy(2, 'OnDelete') }), revision)).toEqual(['StatefulSet s: StatefulSet new']);
  });
});

describe('the next pods of other owners', () => {
  const cronJob = [
    'CronJob',
    object('CronJob', 'c', { spec: { suspend: true, jobTemplate: { spec: { template: template('new') } } } }),
  ] as const;
  const job = (name: string, fields: Spec, owner?: ReturnType<typeof of>) =>
    ['Job', object('Job', name, { spec: { template: template('old') }, ...fields }, owner)] as const;
  const finished = { status: { conditions: [{ type: 'Complete', status: 'True' }] } };

  it('are those of a CronJob, also of one that is suspended, with the Jobs of it that still run', () => {
    expect(told(cronJob)).toEqual(['CronJob c: CronJob new']);
    expect(told(cronJob, job('c-1', {}, of('CronJob', 'c')), job('c-2', finished, of('CronJob', 'c')))).toEqual([
      'CronJob c: CronJob new, Job old',
    ]);
  });

  it('are none of a Job that has finished', () => {
    expect(told(job('j', {}), job('done', finished))).toEqual(['Job j: Job old']);
  });

  it('are those of a bare ReplicaSet, and of one that something else controls while it has replicas', () => {
    const bare = ['ReplicaSet', object('ReplicaSet', 'bare', { spec: { replicas: 0, template: template('x') } })] as const;
    const ofRollout = (name: string, replicas: number) =>
      ['ReplicaSet', object('ReplicaSet', name, { spec: { replicas, template: template('y') } }, of('Rollout', 'r'))] as const;
    expect(told(bare, ofRollout('live', 1), ofRollout('past', 0))).toEqual([
      'ReplicaSet bare: ReplicaSet x',
      'ReplicaSet live: ReplicaSet y',
    ]);
  });

  it('do not count under a later owner of the same name', () => {
    const later = { kind: 'CronJob', metadata: { name: 'c', uid: 'another' } };
    expect(told(cronJob, job('j', {}, later))).toEqual(['CronJob c: CronJob new', 'Job j: Job old']);
  });
});
