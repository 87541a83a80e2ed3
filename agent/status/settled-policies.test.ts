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

  it('knows a policy as long as all that it follows from is the same', () => {
    settled.begin({ outage: undefined, indexed: new Set(['finance']) });
    expect(settled.find('team/a', [outcome, true])).toBe(snapshot);
    expect(settled.find('team/b', [outcome, true])).toBeUndefined();
  });

  it('has it judged where something of its own is another object, more or less', () => {
    expect(settled.find('team/a', [{ ...outcome }, true])).toBeUndefined();
    expect(settled.find('team/a', [outcome, false])).toBeUndefined();
    expect(settled.find('team/a', [outcome])).toBeUndefined();
    expect(settled.find('team/a', [outcome, true, undefined])).toBeUndefined();
  });

  it('has all judged where something differs that all follow from', () => {
    settled.begin({ outage: undefined, indexed: new Set(['payments']) });
    expect(settled.find('team/a', [outcome, true])).toBeUndefined();
  });

  it('forgets', () => {
    settled.keep('team/b', [outcome], snapshot);
    settled.retain(new Set(['team/b']));
    expect(settled.find('team/a', [outcome, true])).toBeUndefined();
    settled.forget('team/b');
    expect(settled.find('team/b', [outcome])).toBeUndefined();
  });
});
