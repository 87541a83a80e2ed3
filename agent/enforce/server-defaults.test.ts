import { describe, expect, it } from 'vitest';
import { keptFields, ServerDefaults } from './server-defaults.ts';

const KIND = 'ValidatingAdmissionPolicyBinding';
const NAME = 'fso-floor-pods-deny';
const object = (spec: Record<string, unknown>) => ({ metadata: { name: NAME }, spec });

describe('keptFields', () => {
  it('finds fields that a patch removes and its response still has, at any depth', () => {
    const patch = { policyName: NAME, paramRef: { name: 'a', namespace: null }, later: null, gone: null };
    const answer = { policyName: NAME, paramRef: { name: 'a', namespace: 'x' }, later: { mode: 'Safe' }, foreign: 'y' };
    expect(keptFields(patch, answer)).toEqual({ paramRef: { namespace: 'x' }, later: { mode: 'Safe' } });
    expect(keptFields(patch, { policyName: NAME, paramRef: { name: 'a' } })).toBeUndefined();
    expect(keptFields(patch, undefined)).toBeUndefined();
    expect(keptFields({ constructor: null }, {})).toBeUndefined();
  });
});

describe('ServerDefaults', () => {
  const defaults = new ServerDefaults();
  defaults.learn(`${KIND}/${NAME}`, { later: { mode: 'Safe' } });

  it('removes the defaults of the API server from an object', () => {
    expect(defaults.clear(KIND, [object({ policyName: NAME, later: { mode: 'Safe' } })])).toEqual([object({ policyName: NAME })]);
  });

  it('keeps other values and further fields', () => {
    const [changed, more] = [object({ later: { mode: 'Open' } }), object({ later: { mode: 'Safe', more: 1 } })];
    expect(defaults.clear(KIND, [changed, more])).toEqual([changed, object({ later: { more: 1 } })]);
  });

  it('returns the same object for the same object, so that a round costs nothing for it', () => {
    const [live, other] = [object({ later: { mode: 'Safe' } }), { metadata: { name: 'other' }, spec: { later: { mode: 'Safe' } } }];
    expect(defaults.clear(KIND, [live])[0]).toBe(defaults.clear(KIND, [live])[0]);
    expect(defaults.clear(KIND, [other])[0]).toBe(other);
  });
});
