import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NamespaceName, ResourceName } from './common.ts';
import { SYSTEM_NAMESPACE } from './names.ts';
import { PolicyKey, parsePolicyKey, policyKey } from './reports.ts';

/** Names as the API server takes them, the agent's namespace and names of namespaces among them. */
const segment = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,5}[a-z0-9])?$/);
const namespace = fc.oneof(fc.constant(SYSTEM_NAMESPACE), segment);
const name = fc.oneof(
  fc.constantFrom(SYSTEM_NAMESPACE, 'source', 'history'),
  segment,
  fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.')),
);

describe('policyKey', () => {
  it("leaves out the agent's namespace, and no other", () => {
    expect(policyKey({ namespace: SYSTEM_NAMESPACE, name: 'finance' })).toBe('finance');
    expect(policyKey({ namespace: 'team-a', name: 'finance' })).toBe('team-a/finance');
    expect(policyKey({ namespace: 'team-a', name: SYSTEM_NAMESPACE })).toBe(`team-a/${SYSTEM_NAMESPACE}`);
  });

  it('names exactly one policy, with any names of namespaces and policies', () => {
    fc.assert(
      fc.property(namespace, name, (inNamespace, called) => {
        const policy = { namespace: inNamespace, name: called };
        expect(NamespaceName.safeParse(inNamespace).success && ResourceName.safeParse(called).success).toBe(true);
        expect(parsePolicyKey(policyKey(policy))).toEqual(policy);
        expect(PolicyKey.safeParse(policyKey(policy)).success).toBe(true);
      }),
    );
  });
});

describe('parsePolicyKey', () => {
  it("reads the agent's namespace written out as the same policy", () => {
    expect(policyKey(parsePolicyKey(`${SYSTEM_NAMESPACE}/finance`))).toBe('finance');
  });
});
