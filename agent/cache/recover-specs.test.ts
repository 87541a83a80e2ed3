import { FLOOR_ACTIONS, floorPoliciesAnnotation, floorRegionsAnnotation } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { type Constraint, planGovernance } from '../enforce/index.ts';
import { NOW, namespaceOf, policyOf } from '../enforce/testing/policies.ts';
import { recoverSpecs } from './recover-specs.ts';

const NOTHING = { constraints: [], namespaces: [], parameters: [] };

describe('the enforced spec of a policy', () => {
  const glob = policyOf('teams', { targetNamespace: 'team-*', allowedRegions: ['eu-west-1'], excludedNamespaces: ['team-x'] });
  const { constraints } = planGovernance([glob], [namespaceOf('team-a')], NOW);

  it('is read from its constraint, and enforces the same', () => {
    const state = { ...NOTHING, constraints: constraints.map(({ body }) => body as Constraint) };
    const specs = recoverSpecs(glob.key, state);
    expect(specs).toHaveLength(1);
    const again = planGovernance([{ ...glob, problem: 'gone', lastEnforced: specs }], [namespaceOf('team-a')], NOW);
    expect(again.constraints.map(({ body }) => body)).toEqual(constraints.map(({ body }) => body));
  });

  it('is read from annotations and the index where there is no constraint', () => {
    const annotations = { [floorPoliciesAnnotation('deny')]: `a,${glob.key}`, [floorRegionsAnnotation('deny')]: 'eu-west-1' };
    const namespaces = [{ metadata: { name: 'team-a', annotations } }];
    const parameters = [
      { metadata: { name: 'fso-namespaces' }, spec: { namespaces: { late: { regions: '', policies: glob.key, revisions: '-' } } } },
    ];
    expect(recoverSpecs(glob.key, { ...NOTHING, namespaces, parameters })).toEqual([
      { targetNamespace: 'team-a', allowedRegions: ['eu-west-1'], enforcementAction: FLOOR_ACTIONS[0] },
      { targetNamespace: 'late', allowedRegions: [], enforcementAction: 'deny' },
    ]);
  });

  it('keeps a glob of the index, with the regions of its namespaces', () => {
    const annotations = { [floorPoliciesAnnotation('deny')]: glob.key, [floorRegionsAnnotation('deny')]: 'eu-west-1' };
    const patterns = [{ pattern: 'team-*', excluded: ['team-x'], policies: glob.key }];
    const state = {
      ...NOTHING,
      namespaces: [{ metadata: { name: 'team-a', annotations } }],
      parameters: [{ metadata: { name: 'fso-namespaces' }, spec: { patterns } }],
    };
    expect(recoverSpecs(glob.key, state)).toContainEqual({
      targetNamespace: 'team-*',
      allowedRegions: ['eu-west-1'],
      enforcementAction: 'deny',
      excludedNamespaces: ['team-x'],
    });
  });

  it('is absent where nothing enforces it', () => {
    expect(recoverSpecs('team/unknown', { ...NOTHING, constraints: constraints.map(({ body }) => body as Constraint) })).toEqual([]);
  });
});
