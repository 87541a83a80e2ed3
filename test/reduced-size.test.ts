import { readFileSync } from 'node:fs';
import { type KubeObject, REGION_LABEL, type SovereignPolicy } from '@fso/shared/api';
import type { K8sGeoResidency } from '@fso/shared/kube';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { reduceNode } from '../agent/cache/nodes/reduce-node.ts';
import { type Pod, reduceConstraint, reduceNamespace, reducePod } from '../agent/cache/reduce.ts';
import { reducePolicy } from '../agent/cache/reduce-policy.ts';
import type { StructuralSchema } from './harness/schema-values.ts';

/**
 * Tests of the memory that users of one namespace can make the agent hold: an object has up to 1.5
 * MB, and there may be hundreds of them.
 */

interface Definition {
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: StructuralSchema } }[] };
}

const crd = parse(readFileSync(new URL('../crds/sovereignpolicies.yaml', import.meta.url), 'utf8')) as Definition;
const { spec: SPEC = {} } = crd.spec.versions[0]?.schema.openAPIV3Schema.properties ?? {};

/** Bytes that etcd takes where there is no other bound. */
const ETCD_BYTES = 1_500_000;
const WHOLE_MAP = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`example.com/k${index}`, 'x'.repeat(50)]));

/** The largest value that a schema admits. */
const largest = (
  schema: StructuralSchema & { readonly additionalProperties?: StructuralSchema; readonly maxProperties?: number },
): unknown => {
  if (schema.enum !== undefined) return schema.enum.toSorted((a, b) => b.length - a.length)[0];
  if (schema.type === 'string') return 'a'.repeat(Math.min(schema.maxLength ?? ETCD_BYTES, ETCD_BYTES));
  if (schema.type === 'array') return Array.from({ length: schema.maxItems ?? 10_000 }, () => largest(schema.items ?? {}));
  if (schema.type !== 'object') return true;
  if (schema.properties === undefined) return WHOLE_MAP;
  return Object.fromEntries(Object.entries(schema.properties).map(([name, child]) => [name, largest(child)]));
};

const LARGEST_SPEC = largest(SPEC) as Readonly<Record<string, unknown>>;
const managedFields = [{ manager: 'kubectl', fieldsV1: { 'f:metadata': { 'f:labels': WHOLE_MAP }, 'f:spec': WHOLE_MAP } }];
const LARGEST_METADATA: Readonly<Record<string, unknown>> = {
  labels: { ...WHOLE_MAP, 'compliance.gov/revision': 'x'.repeat(63) },
  annotations: { ...WHOLE_MAP, 'compliance.gov/revision': 'x'.repeat(250_000) },
  finalizers: Array.from({ length: 4_000 }, (_, index) => `${'a'.repeat(253)}/${'b'.repeat(50)}${index}`),
  ownerReferences: Array.from({ length: 2_000 }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'x'.repeat(253),
    uid: `${index}`,
  })),
  managedFields,
  generateName: 'x'.repeat(253),
  deletionTimestamp: '2026-01-01T00:00:00Z',
};

const fieldsOf = (fields: Readonly<Record<string, unknown>>): fc.Arbitrary<object> =>
  fc.subarray(Object.keys(fields)).map((names) => Object.fromEntries(names.map((name) => [name, fields[name]])));
const NAMED = { name: 'n'.repeat(253), namespace: 'team-a', uid: '0'.repeat(36), resourceVersion: '123456789', generation: 7 };
const metadata = fieldsOf(LARGEST_METADATA).map((fields) => ({ ...fields, ...NAMED }));

const sizeOf = (object: unknown): number => Buffer.byteLength(JSON.stringify(object));

describe('the agent keeps', () => {
  it('less than 40 KB of any SovereignPolicy that the CRD admits, but for the status that it writes', () => {
    expect(sizeOf(LARGEST_SPEC)).toBeGreaterThan(ETCD_BYTES);
    fc.assert(
      fc.property(metadata, fieldsOf(LARGEST_SPEC), (named, spec) => {
        expect(sizeOf(reducePolicy({ metadata: named, spec } as unknown as SovereignPolicy))).toBeLessThan(40_000);
      }),
      { numRuns: 100 },
    );
  });

  it('less than 12 KB of a policy that is being deleted', () => {
    const deleted = { ...LARGEST_METADATA, ...NAMED };
    const status = { message: 'x'.repeat(30_000) };
    expect(sizeOf(reducePolicy({ metadata: deleted, spec: LARGEST_SPEC, status } as unknown as SovereignPolicy))).toBeLessThan(12_000);
  });

  it('less than 64 KB of any pod', () => {
    const operators = fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt');
    const sizes = fc.constantFrom(0, 1, 5, 249, 250, 499, 500, 10_000);
    const requirements = fc.tuple(fc.constantFrom(REGION_LABEL, 'disk'), operators, sizes, sizes).map(([key, operator, values, count]) =>
      Array.from({ length: Math.min(count, 1_000) }, () => ({
        key,
        operator,
        values: Array.from({ length: Math.min(values, 10_000 / Math.max(1, count)) }, (_, index) => `${index}`.padStart(200, 'r')),
      })),
    );
    const terms = fc
      .tuple(requirements, fc.constantFrom(1, 2, 100, 101))
      .map(([matchExpressions, count]) => Array.from({ length: count }, () => ({ matchExpressions })));
    fc.assert(
      fc.property(metadata, terms, fc.boolean(), (named, nodeSelectorTerms, isSelecting) => {
        const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
        const nodeSelector = isSelecting ? { ...WHOLE_MAP, [REGION_LABEL]: 'x'.repeat(100_000) } : {};
        const spec = { affinity: { nodeAffinity }, nodeSelector, containers: [WHOLE_MAP] };
        const status = { phase: 'Pending', message: 'x'.repeat(100_000) };
        expect(sizeOf(reducePod({ metadata: named, spec, status } as unknown as Pod))).toBeLessThan(64_000);
      }),
      { numRuns: 40 },
    );
  });

  it('less than 1 KB of a constraint of others, and 200 KB of the status of one of its own', () => {
    const text = 'x'.repeat(20_000);
    const error = { code: text, message: text, location: text };
    const errors = Array.from({ length: 10 }, () => error);
    const pod = { id: text, enforced: false, observedGeneration: 7, constraintUID: text, operations: [text, 'webhook'], errors };
    const theirs = { metadata: { ...LARGEST_METADATA, ...NAMED }, spec: { parameters: { regions: [text] }, ...WHOLE_MAP } };
    const reduced = (name: string, pods: number) => {
      const status = { byPod: Array.from({ length: pods }, () => pod), violations: [WHOLE_MAP] };
      return reduceConstraint({ ...theirs, metadata: { ...theirs.metadata, name }, status } as unknown as K8sGeoResidency);
    };
    expect(sizeOf(reduced('n'.repeat(253), 100))).toBeLessThan(1_000);
    for (const pods of [1, 100, 200]) expect(sizeOf(reduced('geo-canary', pods).status)).toBeLessThan(200_000);
  });

  it('less than 1 KB of any node, and 1 KB of a namespace beside what this system wrote into it', () => {
    fc.assert(
      fc.property(metadata, (named) => {
        const object = { metadata: named, spec: WHOLE_MAP, status: WHOLE_MAP } as unknown as KubeObject;
        expect(sizeOf(reduceNode(object))).toBeLessThan(1_000);
        expect(sizeOf(reduceNamespace(object))).toBeLessThan(1_000);
      }),
      { numRuns: 50 },
    );
  });
});
