import { beforeEach, describe, expect, it } from 'vitest';
import { NO_VIOLATIONS, type PolicySnapshot } from '../observe/index.ts';
import { SettledPolicies } from './settled-policies.ts';

const snapshot = { proven: true, violations: NO_VIOLATIONS.namespaces } as unknown as PolicySnapshot;
const outcome = { kind: 'governing' };

describe('SettledPolicies', () => {
  let settled: SettledPolicies;

  beforeEach(() => {
    settled = new SettledPolicies();
    settled.begin({ outage: undefined, indexed: new Set(['finance']) });
    settled.keep('team/a', [outcome, true], snapshot);
  });

  it('keeps a policy as long as all its inputs are the same objects', () => {
    settled.begin({ outage: undefined, indexed: new Set(['finance']) });
    expect(settled.find('team/a', [outcome, true])).toBe(snapshot);
    expect(settled.find('team/b', [outcome, true])).toBeUndefined();
  });

  it('judges it again where an input of its own was replaced, added or removed', () => {
    expect(settled.find('team/a', [{ ...outcome }, true])).toBeUndefined();
    expect(settled.find('team/a', [outcome, false])).toBeUndefined();
    expect(settled.find('team/a', [outcome])).toBeUndefined();
    expect(settled.find('team/a', [outcome, true, undefined])).toBeUndefined();
  });

  it('judges all again where a shared input was replaced', () => {
    settled.begin({ outage: undefined, indexed: new Set(['payments']) });
    expect(settled.find('team/a', [outcome, true])).toBeUndefined();
  });

  it('drops removed policies', () => {
    settled.keep('team/b', [outcome], snapshot);
    settled.retain(new Set(['team/b']));
    expect(settled.find('team/a', [outcome, true])).toBeUndefined();
    settled.forget('team/b');
    expect(settled.find('team/b', [outcome])).toBeUndefined();
  });
});
