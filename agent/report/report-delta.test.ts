import type { PolicyReport } from '@fso/shared/api';
import { isWhole } from '@fso/shared/status';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffReports } from './report-delta.ts';
import { byKey, replay, report } from './testing/reports.ts';

const states = fc.array(
  fc
    .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(2)), { selector: ([name]) => name })
    .map((all) => all.map(([name, violations]) => report(name, violations))),
  { maxLength: 12 },
);

describe('diffReports', () => {
  it('reproduces the snapshot when replayed, and is empty for equal snapshots', () => {
    fc.assert(
      fc.property(states, (all) => {
        let known: ReadonlyMap<string, PolicyReport> = new Map();
        for (const state of all) {
          const { named, removed } = diffReports(known, byKey(state));
          known = replay(known, { full: false, policies: [...named.values()].filter(isWhole), removed: [...removed] });
          expect(known).toEqual(byKey(state));
          expect(diffReports(known, byKey(state.map((each) => ({ ...each }))))).toEqual({ named: new Map(), removed: [] });
        }
      }),
    );
  });
});
