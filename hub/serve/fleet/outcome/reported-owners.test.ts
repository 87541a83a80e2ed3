import { CONDITIONS, type PolicyReport, type Risk } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterRecord, clusterReport, policyReport, TIME } from '../../testing/fleet.ts';
import type { ClusterEntry } from '../cluster-entry.ts';
import { FleetIndex } from '../fleet-index.ts';
import { countOutsideWhere, countRisksWhere, hasUnjudged } from './reported-owners.ts';

const riskOf = (namespace: string, name: string, risk: Risk['risk'] = 'Refused'): Risk => ({
  ...{ risk, kind: 'Deployment', namespace, name, reason: 'r', fix: 'f', confirmation: 'Confirmed' as const },
});

/** Owners of a policy. @param named how many of them are named */
const atRisk = (policy: string, owners: readonly Risk[], named = owners.length, more: Partial<PolicyReport> = {}): PolicyReport => {
  const refused = owners.filter(({ risk }) => risk === 'Refused').length;
  const risks = { refused, pending: owners.length - refused, unconfirmed: 0, mended: 0, named: owners.slice(0, named) };
  return policyReport(policy, { namespaces: [policy], risks, ...more });
};

const entryOf = (...reports: readonly PolicyReport[]): ClusterEntry => {
  const index = new FleetIndex();
  index.update({ desired: null, clusters: [clusterRecord('eu', reports, { report: clusterReport() })] });
  return index.cluster('eu') ?? expect.fail('no cluster');
};

const refusedIn = (isChanged: (namespace: string) => boolean | undefined, ...reports: readonly PolicyReport[]) => {
  const { from, to, named } = countRisksWhere(entryOf(...reports), 'Refused', isChanged);
  return [from, to, [...named].toSorted(byText)];
};

describe('the owners that a cluster reports', () => {
  const everywhere = () => true;
  const finance = [riskOf('finance', 'api'), riskOf('finance', 'web'), riskOf('finance', 'cron', 'Pending')];

  it('are counted by class in the namespaces of a plan', () => {
    const hr = atRisk('hr', [riskOf('hr', 'api')]);
    expect(refusedIn((namespace) => namespace === 'finance', atRisk('finance', finance), hr)).toEqual([
      ...[2, 2, ['Deployment finance/api', 'Deployment finance/web']],
    ]);
    expect(countRisksWhere(entryOf(atRisk('finance', finance)), 'Pending', everywhere)).toMatchObject({ from: 1, to: 1 });
    expect(refusedIn(() => false, atRisk('finance', finance), hr)).toEqual([0, 0, []]);
  });

  it('are counted in full where not all are named', () => {
    const many = Array.from({ length: 50 }, (_, at) => riskOf('finance', `a${at}`));
    const [from, to, named] = refusedIn(everywhere, atRisk('finance', many, 20));
    expect([from, to, named]).toEqual([50, 50, expect.toSatisfy((each: string[]) => each.length === 20)]);
  });

  it('lie between bounds where policies share namespaces and do not name all', () => {
    const many = Array.from({ length: 30 }, (_, at) => riskOf('finance', `a${at}`));
    const other = atRisk('all', many, 0, { namespaces: ['finance', 'hr'] });
    expect(refusedIn(everywhere, atRisk('finance', many, 20), other).slice(0, 2)).toEqual([30, 60]);
    expect(refusedIn((namespace) => namespace === 'finance', other).slice(0, 2)).toEqual([0, 30]);
  });

  it('may be there where the meaning of a pattern is not known any more', () => {
    expect(refusedIn(() => undefined, atRisk('finance', finance))).toEqual([0, 2, expect.anything()]);
  });

  it('may be mended by a webhook until a dry run shows their pods', () => {
    const untried = { refused: 2, pending: 0, untried: 1, unconfirmed: 2, mended: 0, named: finance.slice(0, 2) };
    expect(refusedIn(everywhere, atRisk('finance', finance, 3, { risks: untried })).slice(0, 2)).toEqual([1, 2]);
  });

  it('lie within the bounds of any policies, and are exact for policies without a common namespace', () => {
    const namespaces = ['a', 'b', 'c', 'd'];
    const anyOwners = fc.uniqueArray(fc.tuple(fc.constantFrom(...namespaces), fc.integer({ min: 0, max: 30 })), { selector: String });
    const anyPolicies = fc.array(fc.record({ of: fc.subarray(namespaces, { minLength: 1 }), named: fc.integer({ min: 0, max: 40 }) }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(anyOwners, anyPolicies, fc.subarray(namespaces), (owners, policies, changed) => {
        const reports = policies.map(({ of, named }, at) => {
          const own = owners.filter(([namespace]) => of.includes(namespace)).map(([namespace, name]) => riskOf(namespace, `n${name}`));
          return atRisk(`p${at}`, own, named, { namespaces: of });
        });
        const governed = new Set(policies.flatMap(({ of }) => of));
        const truth = owners.filter(([namespace]) => governed.has(namespace) && changed.includes(namespace)).length;
        const { from, to } = countRisksWhere(entryOf(...reports), 'Refused', (namespace) => changed.includes(namespace));
        expect(from).toBeLessThanOrEqual(truth);
        expect(to).toBeGreaterThanOrEqual(truth);
        const isApart = policies.reduce((sum, { of }) => sum + of.length, 0) === governed.size;
        const isWithin = policies.every(({ of }) => of.every((each) => changed.includes(each)));
        if (isApart && isWithin) expect([from, to]).toEqual([truth, truth]);
      }),
    );
  });

  it('are as many as the pods outside at most, and one at least where such a pod runs', () => {
    const pod = { kind: 'Pod', namespace: 'finance', reason: 'outside', since: TIME };
    const violating = (...pods: readonly PolicyReport['violationSamples'][number][]) =>
      entryOf(policyReport('finance', { namespaces: ['finance'], violations: 3, violationSamples: [...pods] }));
    expect(countOutsideWhere(violating({ ...pod, name: 'a', node: 'n' }), everywhere)).toEqual({ from: 1, to: 3 });
    expect(countOutsideWhere(violating({ ...pod, name: 'a' }), everywhere)).toEqual({ from: 0, to: 2 });
    const warns = policyReport('finance', { namespaces: ['finance'], violations: 3, enforcementAction: 'warn' });
    expect(countOutsideWhere(entryOf(warns), everywhere)).toEqual({ from: 0, to: 0 });
  });

  it('are of no use where a policy is not judged as the commit has it, or is not known', () => {
    expect(hasUnjudged(entryOf(atRisk('finance', finance)))).toBe(false);
    expect(hasUnjudged(entryOf(atRisk('finance', finance, 3, { targetNamespace: '' })))).toBe(true);
    const other = { type: CONDITIONS.ready, status: 'False' as const, reason: 'OtherContent', message: '' };
    expect(hasUnjudged(entryOf(policyReport('finance', { conditions: [other] })))).toBe(true);
  });
});
