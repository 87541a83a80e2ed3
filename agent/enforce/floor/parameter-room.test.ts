import { type FloorParameters, regionsOfEntry } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { appliedParameters, type ParameterRound, planParameters } from '../testing/parameters.ts';
import { namespaceOf, ownPolicyOf, policyOf } from '../testing/policies.ts';

const plan = (round: ParameterRound, bindGate: 'label' | 'list' = 'list') => planParameters({ ...round, bindGate });
const applied = (round: ParameterRound, bindGate?: 'label' | 'list') => appliedParameters(plan(round, bindGate));

const indices = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const named = (index: number): string => `team-payments-${String(index).padStart(6, '0')}`;
/** Regions of a group of countries, of all large providers. */
const GROUP = indices(70).map((index) => `eu-region-of-a-provider-${index}`);
const ofHub = { managedBy: 'hub', revision: 'c'.repeat(40) } as const;

describe('10,000 nodes, and 5,000 namespaces whose policies all allow one group', () => {
  const policies = indices(5_000).map((index) =>
    policyOf(`p${named(index)}`, { targetNamespace: named(index), allowedRegions: GROUP }, ofHub),
  );
  const namespaces = indices(5_000).map((index) => namespaceOf(named(index)));
  const nodes = indices(10_000).map((index) => ({
    name: `ip-10-0-${index}.eu-west-1.compute.internal`,
    region: 'eu-west-1',
    labelled: 'eu-west-1',
  }));
  const round = { policies, namespaces, nodes };

  it.each(['label', 'list'] as const)('fit by %s, with the list of regions once', (bindGate) => {
    expect(plan(round, bindGate).overflow).toEqual({ nodes: 0, namespaces: 0, patterns: 0 });
    const observed = applied(round, bindGate);
    for (const object of observed) expect(JSON.stringify(object).length).toBeLessThan(1_400_000);
    const spec = observed[1]?.spec ?? {};
    expect(Object.values(spec.lists ?? {})).toEqual([GROUP.toSorted().join(',')]);
    const entries = Object.entries(spec.namespaces ?? {}).filter(([name]) => name !== 'fso-canary');
    expect(new Set(entries.map(([, entry]) => regionsOfEntry(spec, entry)))).toEqual(new Set([GROUP.toSorted().join(',')]));
    expect(plan({ ...round, observed }, bindGate).actions).toEqual([]);
    expect(plan({ ...round, observed }, bindGate).covers(named(7))).toBe(true);
  });

  it('cover no namespace by a list that someone changed, and repair it', () => {
    const [first, second] = applied(round);
    const lists = { '=0': 'us-east-1' };
    const changed = [first, { ...second, spec: { ...second?.spec, lists } }] as FloorParameters[];
    expect(plan({ ...round, observed: changed }).covers(named(7))).toBe(false);
    expect(plan({ ...round, observed: changed }).actions.map(({ key }) => key)).toEqual(['FloorParameters/fso-namespaces']);
  });

  it('keep their room beside any number of policies in namespaces', () => {
    const own = indices(5_000).map((index) => {
      const target = `own-${index}`;
      return ownPolicyOf('mine', { targetNamespace: target, allowedRegions: indices(90).map((n) => `r-${index >> 1}-${n}`) });
    });
    const more = {
      ...round,
      policies: [...policies, ...own],
      namespaces: [...namespaces, ...own.map((each) => namespaceOf(each.namespace))],
    };
    const index = applied(more)[1]?.spec;
    expect(Object.keys(index?.namespaces ?? {}).filter((name) => name.startsWith('team-'))).toHaveLength(5_000);
    expect(Object.keys(index?.lists ?? {})).toHaveLength(1);
  });
});

it('gives each namespace a list of its own where they fit', () => {
  const policies = [policyOf('all', { targetNamespace: '*', allowedRegions: ['eu-central-1', 'eu-west-1'] })];
  const spec = applied({ policies, namespaces: indices(10).map((index) => namespaceOf(named(index))) })[1]?.spec;
  expect(spec?.lists).toEqual({});
  expect(spec?.namespaces?.[named(3)]?.regions).toBe('eu-central-1,eu-west-1');
});

describe('nodes with a wrong label', () => {
  const liars = indices(3).map((index) => ({ name: `zz-${index}`, region: undefined, labelled: 'eu-west-1' }));
  const istanbul = { name: 'zz-tr', region: 'eu-central-1-ist-1a', labelled: 'eu-central-1' };

  it('are listed under their place, before all others', () => {
    const others = indices(10_000).map((index) => ({ name: `n${index}`, region: 'eu-west-1', labelled: 'eu-west-1' }));
    const round = { nodes: [...others, ...liars, istanbul] };
    const { nodes } = applied(round)[0]?.spec ?? {};
    expect([nodes?.['zz-0'], nodes?.['zz-2'], nodes?.['zz-tr']]).toEqual(['', '', 'eu-central-1-ist-1a']);
    expect(plan(round).overflow.nodes).toBe(4);
  });

  it('bring regions in which no node counts, and zones, into both objects, without delay', () => {
    const round = { nodes: [istanbul], exceptions: { disputedRegions: ['eu-west-1'], zones: ['eu-central-1-ist-1a'] } };
    const observed = applied({ nodes: [istanbul] });
    expect(plan({ ...round, observed }).actions.map(({ key, reason }) => [key, reason])).toEqual([
      ['FloorParameters/fso-nodes', 'Update'],
      ['FloorParameters/fso-namespaces', 'Update'],
    ]);
    for (const { spec } of applied(round)) expect(spec).toMatchObject({ disputedRegions: ['eu-west-1'], zones: ['eu-central-1-ist-1a'] });
    expect(plan({ ...round, observed: applied(round) }).actions).toEqual([]);
    // Someone took them out.
    const emptied = applied(round).map((object) => ({ ...object, spec: { ...object.spec, zones: [] } }));
    expect(plan({ ...round, observed: emptied }).actions).toHaveLength(2);
  });
});
