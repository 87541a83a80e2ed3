import { describe, expect, it } from 'vitest';
import { LEASE_KIND, NODE_KIND, POD_KIND, SOVEREIGN_POLICY_KIND } from './kinds.ts';
import { collectionPath, keyOf, objectPath } from './paths.ts';

describe('paths', () => {
  it('knows the core group, other groups, scopes and subresources', () => {
    expect(collectionPath(POD_KIND)).toBe('/api/v1/pods');
    expect(collectionPath(LEASE_KIND, 'a')).toBe('/apis/coordination.k8s.io/v1/namespaces/a/leases');
    expect(objectPath(NODE_KIND, { name: 'n' })).toBe('/api/v1/nodes/n');
    expect(objectPath(SOVEREIGN_POLICY_KIND, { namespace: 'a', name: 'p' }, 'status')).toBe(
      '/apis/compliance.federated.io/v1/namespaces/a/sovereignpolicies/p/status',
    );
    expect(() => objectPath(POD_KIND, { name: 'p' })).toThrow('a namespace is needed');
  });

  it('makes keys with and without a namespace', () => {
    expect(keyOf({ name: 'name' })).toBe('name');
    expect(keyOf({ namespace: 'namespace', name: 'name' })).toBe('namespace/name');
  });
});
