import { describe, expect, it } from 'vitest';
import { API_VERSION, type RegionCatalogSpec } from '../api/index.ts';
import type { PolicySet } from '../decode/index.ts';
import { TEST_CATALOG } from '../regions/testing/catalogue.ts';
import { effectsOf } from './effects.ts';
import { type Effects, planResult } from './plan.ts';
import { cluster, fleet, policy, scope } from './testing/policy-sets.ts';

const EU = ['eu-west-1', 'eu-central-1'];

/** `cluster,cluster pattern,pattern action verdict` */
const lines = ({ effects }: Effects): readonly string[] =>
  effects.map(
    ({ clusters, namespaces, action, verdict }) =>
      `${clusters.join()} ${namespaces.map(({ pattern }) => pattern).join()} ${action} ${verdict}`,
  );

const finance = policy('finance', { targetNamespace: 'finance', allowedRegions: EU });

describe('effectsOf', () => {
  it('sees no effect of a policy that others of the same namespace make moot', () => {
    const wide = policy('wide', { targetNamespace: '*', allowedRegions: [...EU, 'us-east-1'] });
    const result = effectsOf(fleet([finance, wide]), fleet([finance]));
    expect(lines(result)).toEqual(['eu,us * deny disappears']);
    expect(planResult(result)).toBe('NothingBreaks');
  });

  it('distinguishes exclusions and closer names', () => {
    const all = (excludedNamespaces: string[]) =>
      policy('all', { targetNamespace: 'team-*', allowedRegions: ['eu-west-1'], excludedNamespaces });
    const other = policy('other', { targetNamespace: 'team-a', allowedRegions: ['us-east-1'], enforcementAction: 'warn' });
    expect(lines(effectsOf(fleet([all([]), other]), fleet([all(['*-dev', 'team-b']), other])))).toEqual([
      'eu,us team-*-dev,team-b deny disappears',
    ]);
  });

  it('joins clusters with the same effect though their other policies differ', () => {
    const local = policy('local', { targetNamespace: 'local', allowedRegions: EU, placement: { clusterNames: ['us'] } });
    const tight = policy('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
    expect(lines(effectsOf(fleet([finance, local]), fleet([tight, local])))).toEqual(['eu,us finance deny tightened']);
  });

  it('follows a scope that moves a policy between clusters', () => {
    const scoped = policy('part', { targetNamespace: 'part', allowedRegions: EU }, 'policies/part');
    const before = fleet([scoped], { scopes: [scope('part', ['eu'])] });
    const after = fleet([scoped], { scopes: [scope('part', ['us'])] });
    expect(lines(effectsOf(before, after))).toEqual(['us part deny appears', 'eu part deny disappears']);
    expect(lines(effectsOf(before, after, ['eu']))).toEqual(['eu part deny disappears']);
  });

  it('shows that placement injection lets pods without a region in, and keeps them waiting where it has no nodes', () => {
    const injecting = policy('finance', { targetNamespace: 'finance', allowedRegions: EU, placementInjection: true });
    const { effects } = effectsOf(fleet([finance]), fleet([injecting]), ['eu']);
    expect(effects).toMatchObject([{ verdict: 'loosened', breaks: false, refused: null, admitted: { nodeSelector: {} } }]);
    expect(effects[0]?.admitted?.nodeSelector).toEqual({});
    expect(effectsOf(fleet([]), fleet([injecting]), ['us']).effects).toMatchObject([
      { verdict: 'appears', breaks: true, refused: { pod: { nodeSelector: expect.anything() } }, pending: {}, elsewhere: ['eu'] },
    ]);
  });

  it('names a conflict as a rule without regions', () => {
    const us = policy('us', { targetNamespace: 'finance', allowedRegions: ['us-east-1'] });
    expect(effectsOf(fleet([finance]), fleet([finance, us]), ['eu']).effects).toMatchObject([
      { verdict: 'tightened', breaks: true, after: { regions: [], policies: ['finance', 'us'] }, usable: [], elsewhere: [] },
    ]);
  });

  it('follows a catalogue, and a member of a group that leaves it at a date', () => {
    const catalogOf = (groups: RegionCatalogSpec['groups']): NonNullable<PolicySet['catalog']> => ({
      document: { apiVersion: API_VERSION, kind: 'RegionCatalog', metadata: { name: 'regions' }, spec: { ...TEST_CATALOG, groups } },
      source: { path: 'regions/catalog.yaml', line: 1, column: 1 },
    });
    const leaving = catalogOf([
      { name: 'eu', members: ['country:DE', 'country:IE'], terms: [{ member: 'country:IE', until: '2027-01-01' }] },
    ]);
    const eu = policy('finance', { targetNamespace: 'finance', allowedRegions: ['group:eu'] });
    const [now, then] = [{ catalog: leaving }, { catalog: leaving, atMs: Date.parse('2027-01-01T00:00:00Z') }];
    expect(lines(effectsOf(fleet([eu], now), fleet([eu], now)))).toEqual([]);
    expect(effectsOf(fleet([eu], now), fleet([eu], then), ['eu']).effects).toMatchObject([
      { verdict: 'tightened', breaks: true, refused: { pod: { nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } } } },
    ]);
    const wider = catalogOf([{ name: 'eu', members: ['country:DE', 'country:IE', 'country:US'] }]);
    expect(lines(effectsOf(fleet([eu], now), fleet([eu], { catalog: wider })))).toEqual(['eu,us finance deny loosened']);
  });

  it('does not call it fine where nodes of one provider would lose a region, and the registration names none', () => {
    const catalog: PolicySet['catalog'] = {
      document: { apiVersion: API_VERSION, kind: 'RegionCatalog', metadata: { name: 'regions' }, spec: TEST_CATALOG },
      source: { path: 'regions/catalog.yaml', line: 1, column: 1 },
    };
    const aws = cluster('aws', ['eu-west-1']);
    const named = { ...aws, document: { ...aws.document, spec: { ...aws.document.spec, provider: 'aws' } } };
    const change = { catalog, clusters: [named, cluster('eu', ['eu-west-1']), cluster('us', ['us-east-1'])] };
    const reading = (region: string, name = 'finance', enforcementAction: 'deny' | 'warn' = 'deny') =>
      policy(name, { targetNamespace: 'finance', allowedRegions: [region, 'us-east-1'], enforcementAction });
    const [bare, closer] = [fleet([reading('eu-west-1')], change), fleet([reading('aws/eu-west-1')], change)];
    const result = effectsOf(bare, closer);
    expect(result.effects).toEqual([]);
    expect(result.notLookedAt).toEqual([{ clusters: ['eu'], reason: expect.stringContaining('provider of the nodes') }]);
    expect(planResult(result)).toBe('NotAllLookedAt');
    // Another policy beside it takes as much away, and one that only warns nothing.
    const beside = fleet([reading('eu-west-1'), reading('aws/eu-west-1', 'other')], change);
    expect(effectsOf(bare, beside).notLookedAt).toMatchObject([{ clusters: ['eu'] }]);
    const warning = fleet([reading('eu-west-1'), reading('aws/eu-west-1', 'other', 'warn')], change);
    expect(planResult(effectsOf(closer, bare))).toBe('NothingBreaks');
    expect(planResult(effectsOf(bare, warning))).toBe('NothingBreaks');
  });

  it('counts neither warnings nor records as broken', () => {
    const [warn, dryrun] = (['warn', 'dryrun'] as const).map((enforcementAction) =>
      policy(enforcementAction, { targetNamespace: '*', allowedRegions: ['eu-west-1'], enforcementAction }),
    );
    const result = effectsOf(fleet([]), fleet([warn, dryrun].flatMap((each) => each ?? [])));
    expect(lines(result)).toEqual(['eu,us * warn appears', 'eu,us * dryrun appears']);
    expect(planResult(result)).toBe('NothingBreaks');
  });

  it('finds other clusters for what a lost one ran, by the rules there', () => {
    const clusters = [cluster('a', EU), cluster('b', ['eu-central-1']), cluster('c', ['eu-west-1']), cluster('d', ['us-east-1'])];
    const only = policy('west', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], placement: { clusterNames: ['b', 'c'] } });
    const before = fleet([finance, only], { clusters });
    const after = fleet([finance, only], { clusters, withoutClusters: ['a'] });
    expect(effectsOf(before, after).effects).toMatchObject([
      { clusters: ['a'], verdict: 'unchanged', breaks: true, pending: expect.anything(), usable: [], elsewhere: ['c'] },
    ]);
  });

  it('looks at nothing without clusters, and never calls that fine', () => {
    const empty = effectsOf(fleet([finance], { clusters: [] }), fleet([], { clusters: [] }));
    expect([empty.lookedAt.clusters, planResult(empty)]).toEqual([0, 'NothingLookedAt']);
    expect(planResult(effectsOf(fleet([]), fleet([])))).toBe('NothingLookedAt');
    const taken = [...'abcdefghijklmnopqrstuvwxyz0123456789'].map((letter) => `*${letter}*`);
    const many = policy('many', { targetNamespace: '*', allowedRegions: EU, excludedNamespaces: taken, enforcementAction: 'warn' });
    const result = effectsOf(fleet([]), fleet([many]));
    expect([result.notLookedAt.map(({ clusters }) => clusters), planResult(result)]).toEqual([[['eu', 'us']], 'NotAllLookedAt']);
  });
});
