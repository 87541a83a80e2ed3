import type { RegionConflict } from '@fso/shared/api';
import { indexCatalog } from '@fso/shared/regions';
import { describe, expect, it } from 'vitest';
import { region, TEST_CATALOG } from '../../shared/regions/testing/catalogue.ts';
import { planGovernance } from './governance.ts';
import { NOW, namespaceOf, policyOf } from './testing/policies.ts';
import { ANY_PROVIDER, NO_PROVIDERS, type PolicyInput, type PresentProviders } from './types.ts';

const NAMESPACES = [namespaceOf('finance')];
const CONFLICT: RegionConflict = { providers: ['alibaba', 'aws'], regions: ['eu-west-1'] };

const withProviders = (...providers: string[]): PresentProviders => ({ ...NO_PROVIDERS, providers: new Set(providers) });
const ofHub = (regionConflicts: RegionConflict[], allowedRegions = ['eu-central-1', 'eu-west-1']): PolicyInput => {
  const policy = policyOf('eu', { targetNamespace: 'finance', allowedRegions }, { managedBy: 'hub' });
  return { ...policy, spec: { ...policy.spec, regionConflicts } };
};
const planned = (policy: PolicyInput, providers: PresentProviders, now = NOW) => {
  const governance = planGovernance([policy], NAMESPACES, now, { providers });
  return { governance, outcome: governance.policies.get(policy.key), deny: governance.namespaces.get('finance')?.actions.deny?.regions };
};

describe('a region that providers of the cluster mean differently', () => {
  it('is outside for both locks where all of these providers are', () => {
    const { governance, outcome, deny } = planned(ofHub([CONFLICT]), withProviders('aws', 'alibaba'));
    expect(deny).toEqual(['eu-central-1']);
    expect(governance.constraints.map(({ body }) => body)).toMatchObject([{ spec: { parameters: { regions: ['eu-central-1'] } } }]);
    expect(outcome).toMatchObject({ kind: 'governing', regions: ['eu-central-1'], leftOut: [CONFLICT] });
  });

  it('is inside where one of them is not, and outside where nothing is known of them', () => {
    expect(planned(ofHub([CONFLICT]), withProviders('aws', 'gcp')).deny).toEqual(['eu-central-1', 'eu-west-1']);
    expect(planned(ofHub([CONFLICT]), ANY_PROVIDER).deny).toEqual(['eu-central-1']);
  });

  it('leaves nothing to run where no other is allowed', () => {
    const { outcome, deny } = planned(ofHub([CONFLICT], ['eu-west-1']), withProviders('aws', 'alibaba'));
    expect(deny).toEqual([]);
    expect(outcome).toMatchObject({ kind: 'governing', regions: [], conflicts: ['finance'] });
  });

  it('is outside for a policy that was applied in the cluster, too', () => {
    const local = policyOf('mine', { targetNamespace: 'finance', allowedRegions: ['eu-central-1', 'eu-west-1'] });
    const ambiguous = new Map([['eu-west-1', ['alibaba', 'aws', 'ibm']]]);
    const { outcome, deny } = planned(local, { ...withProviders('aws', 'alibaba', 'ibm'), ambiguous });
    expect(deny).toEqual(['eu-central-1']);
    expect(outcome).toMatchObject({ leftOut: [{ providers: ['alibaba', 'aws'], regions: ['eu-west-1'] }] });
  });

  it('comes back once the nodes of a provider are gone', () => {
    const policy = ofHub([CONFLICT]);
    const before = planGovernance([policy], NAMESPACES, NOW, { providers: withProviders('aws', 'alibaba') });
    const after = planGovernance([policy], NAMESPACES, NOW, { previous: before, providers: withProviders('aws') });
    expect(after.namespaces.get('finance')?.actions.deny?.regions).toEqual(['eu-central-1', 'eu-west-1']);
    expect(after.policies.get(policy.key)).toMatchObject({ leftOut: [] });
  });

  it('costs no new plan while the same are left out', () => {
    const policy = ofHub([CONFLICT]);
    const before = planGovernance([policy], NAMESPACES, NOW, { providers: withProviders('aws', 'alibaba') });
    const after = planGovernance([policy], NAMESPACES, NOW, { previous: before, providers: withProviders('aws', 'alibaba', 'gcp') });
    expect(after.policies.get(policy.key)).toBe(before.policies.get(policy.key));
    expect(after.namespaces.get('finance')).toBe(before.namespaces.get('finance'));
    expect(after.constraints[0]).toBe(before.constraints[0]);
  });
});

describe('a region that a provider reads as a place outside', () => {
  const OUTSIDE: RegionConflict = { providers: ['alibaba'], regions: ['eu-central-1', 'eu-west-1'] };
  const catalog = indexCatalog({ ...TEST_CATALOG, regions: [...TEST_CATALOG.regions, region('ibm/eu-west-1', 'GB')] });
  const reached = (conflicts: RegionConflict[], present: Partial<PresentProviders>, ...providers: string[]) => {
    const { outcome, deny } = planned(ofHub(conflicts, ['eu-central-1', 'eu-north-1', 'eu-west-1']), {
      ...withProviders(...providers),
      catalog,
      ...present,
    });
    expect(deny).toEqual(['eu-north-1']);
    return outcome !== undefined && 'leftOut' in outcome ? outcome.leftOut : undefined;
  };

  it('is outside and not ambiguous where all nodes are of this provider, or of others that have no such region', () => {
    expect(reached([OUTSIDE], {}, 'alibaba')).toEqual([]);
    expect(reached([OUTSIDE], {}, 'alibaba', 'azure')).toEqual([]);
    expect(reached([OUTSIDE, { ...OUTSIDE, providers: ['ibm'] }], {}, 'alibaba', 'ibm')).toEqual([]);
  });

  it('is ambiguous where nodes of another provider, or of none that is known, may mean a place inside', () => {
    expect(reached([OUTSIDE], {}, 'alibaba', 'aws')).toEqual([OUTSIDE]);
    // The catalogue knows nothing of its regions.
    expect(reached([OUTSIDE], {}, 'alibaba', 'own')).toEqual([OUTSIDE]);
    expect(reached([OUTSIDE], { unnamed: new Set(['eu-west-1']) }, 'alibaba')).toEqual([{ ...OUTSIDE, regions: ['eu-west-1'] }]);
    expect(reached([OUTSIDE], { catalog: undefined }, 'alibaba')).toEqual([OUTSIDE]);
    expect(reached([OUTSIDE], ANY_PROVIDER)).toEqual([OUTSIDE]);
    const both = { providers: ['alibaba', 'ibm'], regions: OUTSIDE.regions };
    expect(reached([both], {}, 'alibaba', 'ibm')).toEqual([both]);
  });

  it('becomes ambiguous with the first node of another provider', () => {
    const policy = ofHub([OUTSIDE]);
    const alone = { ...withProviders('alibaba'), catalog };
    const before = planGovernance([policy], NAMESPACES, NOW, { providers: alone });
    expect(before.policies.get(policy.key)).toMatchObject({ regions: [], leftOut: [] });
    const providers = { ...alone, providers: new Set(['alibaba', 'aws']) };
    const after = planGovernance([policy], NAMESPACES, NOW, { previous: before, providers });
    expect(after.policies.get(policy.key)).toMatchObject({ regions: [], leftOut: [OUTSIDE] });
  });
});

describe('a region that ends', () => {
  const END: RegionConflict = { providers: [], regions: ['eu-west-1'], from: '2026-01-20' };
  const on = (day: string) => new Date(`${day}T00:00:00Z`);

  it('is inside until its day, and outside from then on', () => {
    expect(planned(ofHub([END]), NO_PROVIDERS, new Date(on('2026-01-20').getTime() - 1)).deny).toEqual(['eu-central-1', 'eu-west-1']);
    expect(planned(ofHub([END]), NO_PROVIDERS, on('2026-01-20')).deny).toEqual(['eu-central-1']);
  });

  it('ends only where the provider that closes it is', () => {
    const policy = ofHub([{ ...END, providers: ['alibaba'] }, CONFLICT]);
    expect(planned(policy, withProviders('aws')).outcome).toMatchObject({ ends: undefined });
    const ends = [{ ...END, providers: ['alibaba'] }];
    expect(planned(policy, withProviders('alibaba')).outcome).toMatchObject({ ends });
    const before = planned(policy, withProviders('aws')).governance;
    const after = planGovernance([policy], NAMESPACES, NOW, { previous: before, providers: withProviders('alibaba') });
    expect(after.policies.get(policy.key)).toMatchObject({ kind: 'governing', ends });
  });

  it('has the next plan made when it ends, and when that is announced', () => {
    const nextAfter = (day: string) =>
      planned(ofHub([END]), NO_PROVIDERS, on(day))
        .governance.nextChangeAt?.toISOString()
        .slice(0, 10);
    expect(['2026-01-01', '2026-01-06', '2026-01-13', '2026-01-19', '2026-01-20'].map(nextAfter)).toEqual([
      '2026-01-06',
      '2026-01-13',
      '2026-01-19',
      '2026-01-20',
      undefined,
    ]);
  });
});

it('names regions only, where no repository looks up anything else', () => {
  for (const reference of ['group:eu', 'aws/eu-west-1', 'country:DE', 'partition:aws-eusc']) {
    const policy = policyOf('mine', { targetNamespace: 'finance', allowedRegions: [reference] });
    expect(planned(policy, NO_PROVIDERS).outcome).toMatchObject({ kind: 'invalid', message: expect.stringContaining(reference) });
  }
});
