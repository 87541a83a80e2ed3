import { ANNOTATIONS, type KubeObject, LABELS } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planGovernance } from '../enforce/index.ts';
import { NOW, namespaceOf, policyOf } from '../enforce/testing/policies.ts';
import { decoderOf, MalformedNameError, SHAPES } from './decode.ts';
import { reduceNode } from './nodes/reduce-node.ts';
import {
  reduceAdmissionPolicy,
  reduceApiService,
  reduceConstraint,
  reduceDefinition,
  reduceNamespace,
  reduceParameters,
  reducePod,
  reduceTemplate,
} from './reduce.ts';
import { reducePolicy } from './reduce-policy.ts';

const READERS = {
  reducePolicy,
  reduceNamespace,
  reduceNode,
  reducePod,
  reduceDefinition,
  reduceApiService,
  reduceAdmissionPolicy,
  reduceParameters,
  reduceTemplate,
  reduceConstraint,
} as unknown as Readonly<Record<string, (object: KubeObject) => KubeObject & { malformed?: string }>>;

const read = (reader: string, object: KubeObject): KubeObject & { malformed?: string } => {
  const found = READERS[reader];
  if (found === undefined) throw new Error(reader);
  return found(object);
};

const META = { name: 'x', namespace: 'team', uid: 'u', resourceVersion: '1', generation: 3 };
const anyMetadata = fc.dictionary(
  fc.constantFrom('labels', 'annotations', 'managedFields', 'ownerReferences', 'generation', 'uid', 'deletionTimestamp', 'finalizers'),
  fc.jsonValue(),
);

describe('the decoder of the cache', () => {
  it.each(Object.keys(READERS))('%s takes any fields of an object with a name', (reader) => {
    fc.assert(
      fc.property(anyMetadata, fc.jsonValue(), fc.jsonValue(), (metadata, spec, status) => {
        const object = read(reader, { metadata: { ...META, ...metadata }, spec, status } as unknown as KubeObject);
        expect(object.metadata.name).toBe('x');
        for (const values of [object.metadata.labels, object.metadata.annotations])
          for (const value of Object.values(values ?? {})) expect(typeof value).toBe('string');
      }),
    );
  });

  it('refuses an object without an identity', () => {
    for (const metadata of [undefined, null, 5, {}, { name: 5 }, { name: '' }, { name: 'x', namespace: {} }])
      expect(() => decoderOf(SHAPES.namespace)({ metadata } as unknown as KubeObject)).toThrow(MalformedNameError);
  });

  it('keeps fields that fit unchanged, and reports the others', () => {
    const metadata = { name: META.name, labels: { [LABELS.component]: 'constraint' } };
    const pods = { metadata, status: { byPod: {} }, spec: { match: { namespaces: ['a'] } } } as unknown as KubeObject;
    expect(read('reduceConstraint', pods)).toEqual({
      metadata,
      spec: { match: { namespaces: ['a'] } },
      malformed: expect.stringContaining('status.byPod'),
    });
    const good = { metadata: { ...META, labels: { [LABELS.component]: 'template' } } } as KubeObject;
    expect(read('reduceTemplate', good)).toBe(good);
  });

  it('counts a node whose labels cannot be read as one without a region', () => {
    const node = { metadata: { ...META, labels: { 'topology.kubernetes.io/region': 5 } } } as unknown as KubeObject;
    const reduced = read('reduceNode', node);
    expect(reduced.metadata.labels).toBeUndefined();
    expect(reduced.malformed).toContain('metadata.labels');
  });

  it('counts a namespace with an odd deletion time as there', () => {
    const namespace = { metadata: { ...META, deletionTimestamp: [], annotations: { [ANNOTATIONS.revision]: 7 } } } as unknown as KubeObject;
    expect(read('reduceNamespace', namespace).metadata).not.toHaveProperty('deletionTimestamp');
  });
});

describe('a policy that cannot be read', () => {
  const finance = policyOf('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
  const other = policyOf('other', { targetNamespace: 'other', allowedRegions: ['us-east-1'] });
  const namespaces = ['finance', 'other'].map((name) => namespaceOf(name));
  const unreadable = { ...finance, problem: 'spec.allowedRegions: expected array', lastEnforced: [finance.spec] };

  it('keeps what it last enforced, and is Failed', () => {
    const before = planGovernance([finance, other], namespaces, NOW);
    const after = planGovernance([unreadable, other], namespaces, NOW, { previous: before });
    expect(after.namespaces).toEqual(before.namespaces);
    expect(after.constraints.map(({ body }) => body)).toEqual(before.constraints.map(({ body }) => body));
    expect(after.policies.get(finance.key)).toMatchObject({ kind: 'invalid', message: expect.stringContaining('stays in force') });
    expect(after.policies.get(other.key)).toEqual(before.policies.get(other.key));
  });

  it('enforces nothing where it never did', () => {
    const after = planGovernance([{ ...unreadable, lastEnforced: [] }, other], namespaces, NOW);
    expect([...after.namespaces.keys()]).toEqual(['other']);
    expect(after.policies.get(finance.key)).toMatchObject({ kind: 'invalid', message: expect.stringContaining('nothing is enforced') });
  });
});
