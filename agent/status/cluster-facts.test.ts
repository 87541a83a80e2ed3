import { CONDITIONS } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { type ClusterFactsInput, clusterFacts } from './cluster-facts.ts';

const NOTHING = { nodes: 0, namespaces: 0, patterns: 0 };

const floorReady = (changes: Partial<ClusterFactsInput>): [string, string, string] => {
  const { conditions } = clusterFacts({
    view: {
      nodes: { list: () => [] },
      templates: { served: true },
      admissionPolicies: { list: () => [] },
    } as unknown as ClusterFactsInput['view'],
    gatekeeperProblem: undefined,
    tampering: undefined,
    agentVersion: '1',
    kubernetesVersion: 'v1.36.3',
    floor: true,
    guardProblem: undefined,
    overflow: NOTHING,
    previous: { agentVersion: '1', kubernetesVersion: '', gatekeeper: { state: 'Ready' }, nodesByRegion: {}, conditions: [] },
    now: new Date(),
    ...changes,
  });
  const condition = conditions.find(({ type }) => type === CONDITIONS.floorReady);
  return [condition?.status ?? '', condition?.reason ?? '', condition?.message ?? ''];
};

describe('clusterFacts', () => {
  it('says whether lock 1 is whole', () => {
    expect(floorReady({})).toEqual(['True', 'Supported', '']);
    expect(floorReady({ floor: false }).slice(0, 2)).toEqual(['False', 'Unavailable']);
  });

  it('says what the API server has against an expression of lock 1, and of nobody else', () => {
    const policy = (name: string) => ({
      metadata: { name },
      status: { typeChecking: { expressionWarnings: [{ fieldRef: 'spec.validations[0].expression', warning: 'undefined field' }] } },
    });
    const view = (...policies: object[]) =>
      ({
        nodes: { list: () => [] },
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

  it('says what lock 1 has no room for', () => {
    const [status, reason, message] = floorReady({ overflow: { nodes: 3, namespaces: 4, patterns: 1 } });
    expect([status, reason]).toEqual(['False', 'TooLarge']);
    for (const text of ['3 nodes', '4 namespaces', '1 globs']) expect(message).toContain(text);
    expect(floorReady({ overflow: { ...NOTHING, nodes: 2 } })[2]).not.toContain('namespaces');
  });
});
