import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../api/index.ts';
import { podTemplateOf } from './placement.ts';

const pod = { nodeSelector: { a: 'b' } };
const object = (kind: string, spec: unknown): KubeObject => ({ kind, metadata: { name: 'x' }, spec }) as KubeObject;

describe('podTemplateOf', () => {
  it('takes the spec of a pod, with its owners', () => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'u', controller: true }];
    expect(podTemplateOf(object('Pod', pod))).toEqual(pod);
    expect(podTemplateOf({ ...object('Pod', pod), metadata: { name: 'x', ownerReferences } })).toEqual({ ...pod, ownerReferences });
  });

  it.each(['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'ReplicationController'])(
    'takes the template of a %s',
    (kind) => {
      expect(podTemplateOf(object(kind, { template: { spec: pod } }))).toEqual(pod);
    },
  );

  it('takes the nested template of a CronJob', () => {
    expect(podTemplateOf(object('CronJob', { jobTemplate: { spec: { template: { spec: pod } } } }))).toEqual(pod);
  });

  it('finds none in other kinds and in objects without a template', () => {
    expect(podTemplateOf(object('ConfigMap', { template: { spec: pod } }))).toBeUndefined();
    expect(podTemplateOf(object('Deployment', {}))).toBeUndefined();
  });
});
