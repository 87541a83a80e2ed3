import type { ValidatingAdmissionPolicy } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { planAdoption } from './adoption.ts';
import { desiredGuard, planGuard } from './guard.ts';

const trust = {
  agent: 'system:serviceaccount:federated-sovereignty-system:fso-agent',
  binders: [],
  nodeLabelers: ['cloud'],
  gatekeeperNamespace: 'gatekeeper-system',
};
const { policies } = desiredGuard(trust);
const nameOf = ({ metadata }: ValidatingAdmissionPolicy): string => metadata.name;
const knowsAgent = (policy: ValidatingAdmissionPolicy): boolean => JSON.stringify(policy.spec).includes('"not-the-agent"');

describe('planAdoption', () => {
  it('leaves all other differences to the leader: settings, texts, changes of others, missing policies', () => {
    const others = desiredGuard({ ...trust, nodeLabelers: ['other'], gatekeeperNamespace: 'elsewhere' }).policies;
    expect(planGuard(others, [], trust).some(({ reason }) => reason === 'Drift')).toBe(true);
    expect(planAdoption(others, trust)).toEqual([]);
    expect(
      planAdoption(
        policies.map((policy) => ({ ...policy, spec: { ...policy.spec, failurePolicy: 'Ignore' } })),
        trust,
      ),
    ).toEqual([]);
    expect(planAdoption([], trust)).toEqual([]);
  });

  const ofAgent = `request.userInfo.username != "${trust.agent}"`;
  const withCondition = (of: (expression: string) => string): ValidatingAdmissionPolicy[] =>
    policies.filter(knowsAgent).map((policy) => {
      const [condition] = (policy.spec?.['matchConditions'] ?? []) as readonly { expression: string }[];
      const matchConditions = [{ name: 'not-the-agent', expression: of(condition?.expression ?? '') }];
      return { ...policy, spec: { ...policy.spec, matchConditions } };
    });

  it.each<[string, (expression: string) => string]>([
    ['exempts the agent from all of a guard', () => ofAgent],
    ['does not judge its marked dry runs', (expression) => expression.replace(/ \|\| \(request\.\?dryRun.*$/s, '')],
  ])('leaves the text of an older version, which %s, to the leader', (_, of) => {
    const older = withCondition(of);
    expect(JSON.stringify(older)).not.toContain('dryRun');
    expect(planAdoption(older, trust)).toEqual([]);
    expect(planAdoption(older, { ...trust, agent: 'other' })).toHaveLength(older.length);
  });

  it('writes the condition where it has the guard judge more of the agent than any version', () => {
    const judging = withCondition((expression) => `${expression} || (true)`);
    expect(planAdoption(judging, trust)).toHaveLength(judging.length);
  });

  it('changes only the name of the agent', () => {
    const others = desiredGuard({ ...trust, agent: 'other', nodeLabelers: ['other'] }).policies;
    const actions = planAdoption(others, trust);
    expect(actions.map(({ key }) => key)).toEqual(others.filter(knowsAgent).map((policy) => `ValidatingAdmissionPolicy/${nameOf(policy)}`));
    for (const action of actions) {
      const other = others.find((policy) => action.key.endsWith(nameOf(policy)));
      const wanted = policies.find((policy) => action.key.endsWith(nameOf(policy)));
      expect(action).toMatchObject({ type: 'patch', patch: { spec: { matchConditions: wanted?.spec?.['matchConditions'] } } });
      expect(action).toHaveProperty('patch.spec', { matchConditions: expect.any(Array) });
      expect(other?.spec?.['matchConditions']).not.toEqual(wanted?.spec?.['matchConditions']);
    }
  });

  it('adds the agent to a guard without it, and keeps foreign conditions', () => {
    const [first] = policies.filter(knowsAgent);
    const foreign = { name: 'mine', expression: 'true' };
    const [exemption] = (first?.spec?.['matchConditions'] ?? []) as readonly object[];
    const expression = expect.stringContaining(`request.userInfo.username != "${trust.agent}"`) as string;
    expect(exemption).toMatchObject({ name: 'not-the-agent', expression });
    const lost = { ...first, spec: { ...first?.spec, matchConditions: [foreign] } } as ValidatingAdmissionPolicy;
    expect(planAdoption([lost], trust)).toMatchObject([{ patch: { spec: { matchConditions: [exemption, foreign] } } }]);
  });

  it('leaves other policies alone', () => {
    expect(planAdoption([{ metadata: { name: 'fso-guard-foreign' } } as ValidatingAdmissionPolicy], trust)).toEqual([]);
  });
});
