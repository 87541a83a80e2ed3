import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PolicyReport } from '../api/index.ts';
import { digestOfReports } from './report-digest.ts';

const TIME = '2026-01-01T00:00:00Z';
const lock = { state: 'Enforced', since: TIME } as const;
const report = (name: string, violations: number): PolicyReport => ({
  namespace: 'fso-system',
  name,
  managedBy: 'hub',
  targetNamespace: name,
  enforcementAction: 'deny',
  effectiveRegions: ['eu-west-1'],
  namespaces: [name],
  phase: 'Active',
  message: '',
  constraintCreated: true,
  enforcement: { admission: lock, gatekeeper: lock, binding: lock },
  violations,
  violationSamples: [],
  conditions: [],
  lastUpdated: TIME,
});
const reports = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,6}$/), fc.nat(9)), { selector: ([name]) => name })
  .map((all) => all.map(([name, violations]) => report(name, violations)));

describe('digest of reports', () => {
  it('does not depend on the order of reports or fields, nor on the way over the wire', () => {
    fc.assert(
      fc.property(reports, fc.infiniteStream(fc.nat()), (all, keys) => {
        const shuffled = all.map((each) => ({ each, at: keys.next().value ?? 0 })).sort((left, right) => left.at - right.at);
        const received = shuffled.map(({ each }) => {
          const turned = Object.fromEntries(Object.entries(each).reverse());
          return PolicyReport.parse(JSON.parse(JSON.stringify(turned)));
        });
        expect(digestOfReports(received)).toBe(digestOfReports(all));
      }),
    );
  });

  it('changes with every report', () => {
    fc.assert(
      fc.property(reports, (all) => {
        const [first, ...rest] = all;
        fc.pre(first !== undefined);
        if (first === undefined) return;
        const digest = digestOfReports(all);
        expect(digestOfReports(rest)).not.toBe(digest);
        expect(digestOfReports([{ ...first, violations: first.violations + 1 }, ...rest])).not.toBe(digest);
      }),
    );
  });
});
