import { CONDITIONS } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { KnownRisks } from '../risk/index.ts';
import { type ClusterFactsInput, clusterFacts } from './cluster-facts.ts';

const NOTHING = { nodes: 0, namespaces: 0, patterns: 0 };

/** Nodes that are judged, and the version of the catalogue; undefined: there is none. */
const placed = (nodes: readonly object[] = [], version?: string | null, provider?: string) => ({
  inForce: version === null ? undefined : { catalog: version === undefined ? undefined : { version }, provider },
  list: () => nodes,
});

const factsOf = (changes: Partial<ClusterFactsInput>) =>
  clusterFacts({
    view: {
      places: placed(),
      templates: { served: true },
      admissionPolicies: { list: () => [] },
    } as unknown as ClusterFactsInput['view'],
    capabilities: { kubernetesVersion: 'v1.36.3', floor: true },
    problems: { gatekeeper: undefined, guard: undefined },
    overflow: NOTHING,
    previous: { agentVersion: '1', kubernetesVersion: '', gatekeeper: { state: 'Ready' }, nodesByRegion: {}, conditions: [] },
    now: new Date(),
    ...changes,
  });
const readyOf = (type: string, changes: Partial<ClusterFactsInput>): [string, string, string] => {
  const { conditions } = factsOf(changes);
  const condition = conditions.find((known) => known.type === type);
  return [condition?.status ?? '', condition?.reason ?? '', condition?.message ?? ''];
};
const floorReady = (changes: Partial<ClusterFactsInput>): [string, string, string] => readyOf(CONDITIONS.floorReady, changes);

describe('clusterFacts', () => {
  it('counts the nodes of the 1,000 largest regions', () => {
    const regions = [...Array.from({ length: 1_000 }, (_, at) => `r${at}`), 'large', 'large'];
    const places = placed(regions.map((region) => ({ region })));
    const view = { places, templates: { served: true }, admissionPolicies: { list: () => [] } } as unknown as ClusterFactsInput['view'];
    const counted = Object.entries(factsOf({ view }).nodesByRegion);
    expect([counted.length, counted[0]]).toEqual([1_000, ['large', 2]]);
  });

  it('counts nodes by region, with any region label that a kubelet sets', () => {
    const regions = ['eu-west-1', 'constructor', 'toString', 'eu-west-1', undefined];
    const places = placed(regions.map((region) => ({ region })));
    const view = { places, templates: { served: true }, admissionPolicies: { list: () => [] } } as unknown as ClusterFactsInput['view'];
    expect(factsOf({ view }).nodesByRegion).toEqual({ 'eu-west-1': 2, constructor: 1, toString: 1, '': 1 });
  });

  it('names the nodes that contradict themselves, and counts those that cannot be checked', () => {
    const viewOf = (...parts: Parameters<typeof placed>) =>
      ({
        places: placed(...parts),
        templates: { served: true },
        admissionPolicies: { list: () => [] },
      }) as unknown as ClusterFactsInput['view'];
    const disputed = (...parts: Parameters<typeof placed>) => readyOf(CONDITIONS.nodesDisputed, { view: viewOf(...parts) });
    const liar = (name: string) => ({ name, verdict: 'disputed', reason: 'its zone is elsewhere' });
    const others = [{ verdict: 'confirmed' }, { verdict: 'unchecked' }, { verdict: 'unchecked' }];
    const counts = 'catalogue 7: 1 nodes confirmed, 2 cannot be checked';
    expect(disputed(others, '7')).toEqual(['False', 'NoDispute', counts]);
    const message = `1 nodes contradict themselves and are in no region: a: its zone is elsewhere; ${counts}`;
    expect(disputed([liar('a'), ...others], '7')).toEqual(['True', 'Disputed', message]);
    const many = Array.from({ length: 101 }, (_, index) => liar(`n${index}`));
    expect(disputed(many, '7')[2]).toContain('over 100: no pod is bound to any node of their regions: n0: its zone is elsewhere; n1');
    expect(disputed(many, '7')[2]).toContain('; and 81 more');
    // Nodes of another provider than the registration's are where they say, and named.
    const aws = { name: 'a', verdict: 'confirmed', provider: 'aws' };
    const differs = '1 nodes are not of aws, the provider of the registration: g: gcp; catalogue 7: 2 nodes confirmed, 0 cannot be checked';
    expect(disputed([aws, { ...aws, name: 'g', provider: 'gcp' }], '7', 'aws')).toEqual(['False', 'ProviderDiffers', differs]);
    expect(disputed([aws], '7', 'aws')[1]).toBe('NoDispute');
    // Without a catalogue there is no such condition.
    expect(disputed(others)).toEqual(['', '', '']);
    expect(disputed(others, null).slice(0, 2)).toEqual(['Unknown', 'NotObserved']);
    // They are in no region, and lack no label.
    expect(factsOf({ view: viewOf([liar('a'), { verdict: 'confirmed', region: 'eu-west-1' }], '7') }).nodesByRegion).toEqual({
      'eu-west-1': 1,
    });
  });

  it('shows whether the cluster can have lock 1', () => {
    expect(floorReady({})).toEqual(['True', 'Supported', '']);
    expect(floorReady({ capabilities: { kubernetesVersion: 'v1.29.0', floor: false } }).slice(0, 2)).toEqual(['False', 'Unavailable']);
  });

  it('shows the problem of the API server with an expression of lock 1, and with no other policy', () => {
    const policy = (name: string) => ({
      metadata: { name },
      status: { typeChecking: { expressionWarnings: [{ fieldRef: 'spec.validations[0].expression', warning: 'undefined field' }] } },
    });
    const view = (...policies: object[]) =>
      ({
        places: placed(),
        templates: { served: true },
        admissionPolicies: { list: () => policies },
      }) as unknown as ClusterFactsInput['view'];
    expect(floorReady({ view: view(policy('theirs')) })).toEqual(['True', 'Supported', '']);
    expect(floorReady({ view: view(policy('fso-floor-pods-deny')) })).toEqual([
      'False',
      'TypeChecking',
      'ValidatingAdmissionPolicy fso-floor-pods-deny: spec.validations[0].expression: undefined field',
    ]);
  });

  it('shows what keeps lock 1 from being in force, or from being known to be', () => {
    const none = { gatekeeper: undefined, guard: undefined };
    const [parameters, index, indexSilence] = ['not written', 'judges nothing', 'not answered'];
    expect(floorReady({ problems: { ...none, indexSilence } })).toEqual(['False', 'IndexUnproven', 'not answered']);
    expect(floorReady({ problems: { ...none, parameters, indexSilence } })).toEqual(['False', 'WriteFailed', 'not written; not answered']);
    expect(floorReady({ problems: { ...none, parameters, index } })).toEqual(['False', 'IndexOpen', 'judges nothing; not written']);
  });

  it('shows what does not fit into lock 1', () => {
    const [status, reason, message] = floorReady({ overflow: { nodes: 3, namespaces: 4, patterns: 1 } });
    expect([status, reason]).toEqual(['False', 'TooLarge']);
    for (const text of ['3 nodes', '4 namespaces', '1 globs']) expect(message).toContain(text);
    expect(floorReady({ overflow: { ...NOTHING, nodes: 2 } })[2]).not.toContain('namespaces');
  });

  it('shows that no risks are known apart from that not all of them are', () => {
    const risksKnown = (problem: KnownRisks['problem']) => readyOf(CONDITIONS.risksKnown, { risks: { problem } });
    expect(risksKnown(undefined)).toEqual(['True', 'Judged', '']);
    expect(risksKnown({ text: 'too many', isPartial: true })).toEqual(['False', 'NotAllJudged', 'too many']);
    expect(risksKnown({ text: 'no list', isPartial: false })).toEqual(['Unknown', 'NotRead', 'no list']);
  });

  it('shows that denials are not known apart from that not all of them are, and has none without lock 1', () => {
    const denialsKnown = (denials: ClusterFactsInput['denials'], floor = true) =>
      readyOf(CONDITIONS.denialsKnown, { denials, capabilities: { kubernetesVersion: 'v1.36.3', floor } });
    const cluster = { minutes: 60, pods: 3, recent: 0, bindings: 0, owners: 0, named: 0, denials: [] };
    expect(denialsKnown({ cluster, problem: undefined })).toEqual(['True', 'Counted', '']);
    expect(denialsKnown({ cluster, problem: { text: 'two servers', isPartial: true } })).toEqual(['False', 'Partial', 'two servers']);
    expect(denialsKnown({ cluster, problem: { text: 'no right', isPartial: false } })).toEqual(['Unknown', 'NotRead', 'no right']);
    expect(denialsKnown({ cluster, problem: undefined }, false).slice(0, 2)).toEqual(['False', 'Unavailable']);
    expect(factsOf({ denials: { cluster, problem: undefined } }).denials).toBe(cluster);
    expect(
      factsOf({ denials: { cluster, problem: undefined }, capabilities: { kubernetesVersion: 'v1.29.0', floor: false } }).denials,
    ).toBeUndefined();
  });

  it('shows a guard that is missing before one that is open or unproven, and knows nothing of one that is being proven', () => {
    const guardReady = (problems: Partial<ClusterFactsInput['problems']>) =>
      readyOf(CONDITIONS.guardReady, { problems: { gatekeeper: undefined, guard: undefined, ...problems } });
    expect(guardReady({})).toEqual(['True', 'InPlace', '']);
    const open = { reason: 'Open', message: 'guard x does not refuse' } as const;
    expect(guardReady({ guardProof: open })).toEqual(['False', 'Open', open.message]);
    expect(guardReady({ guardProof: { ...open, reason: 'Unproven' } })).toEqual(['False', 'Unproven', open.message]);
    expect(guardReady({ guardProof: { reason: 'Proving', message: 'not proven yet: x' } })).toEqual([
      'Unknown',
      'Proving',
      'not proven yet: x',
    ]);
    expect(guardReady({ guard: 'not in place', guardProof: open })).toEqual(['False', 'Missing', 'not in place']);
  });
});
