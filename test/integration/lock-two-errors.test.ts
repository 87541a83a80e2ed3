import { CONDITIONS, REGION_LABEL } from '@fso/shared/api';
import { CONSTRAINT_TEMPLATE_KIND, CRD_KIND, GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { TEMPLATE_CRD } from '../harness/template-crd.ts';
import { eventually } from '../harness/waiting.ts';

const NAMESPACE = 'broken';

/** The texts about a broken Gatekeeper or a broken object of lock 2: the test simulates Gatekeeper on a real control plane. */
describe('the reported problem of lock 2', () => {
  const { signal } = new AbortController();
  let world: ClusterHarness;
  let agent: RunningAgent;

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'errors', gatekeeper: false }, signal);
    agent = await world.startAgent('first', { gatekeeperGraceMs: 100 });
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await world.makeNamespace(NAMESPACE);
    await world.applyPolicy(NAMESPACE, { targetNamespace: NAMESPACE, allowedRegions: ['eu-west-1'] });
    await world.reaches(NAMESPACE, 'Active');
  });

  afterAll(async () => {
    await world.close();
  });

  /** Checks the message of lock 2, and that lock 1 holds and the policy is in force. */
  const expectProblem = async (text: string): Promise<void> => {
    await eventually(async () => (await world.conditionOf(NAMESPACE, CONDITIONS.gatekeeperReady))?.message.includes(text));
    expect(await world.conditionOf(NAMESPACE, CONDITIONS.gatekeeperReady)).toMatchObject({ status: 'False' });
    const { status } = await world.reaches(NAMESPACE, 'Active');
    expect(status?.message).toContain(`lock 1 only: ${text}`);
    expect(status?.enforcement?.admission.state).toBe('Enforced');
    expect(await world.tryPod(NAMESPACE)).toContain(`default/${NAMESPACE}`);
  };

  /** Status of the template by a Gatekeeper pod. */
  const answer = async (errors: object[]): Promise<void> => {
    const template = await eventually(() => world.client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal));
    const { generation, uid } = template.metadata;
    const byPod = [{ id: 'played', observedGeneration: generation, templateUID: uid, operations: ['webhook'], errors }];
    await world.client.raw(
      {
        method: 'PATCH',
        path: `/apis/templates.gatekeeper.sh/v1/constrainttemplates/${GEO_RESIDENCY_KIND.plural}/status`,
        body: { status: { created: errors.length === 0, byPod } },
        contentType: 'application/merge-patch+json',
      },
      signal,
    );
  };

  it('is a missing Gatekeeper', () => expectProblem('Gatekeeper is not installed'));

  it('is a template that no pod loads', async () => {
    await world.client.create(CRD_KIND, TEMPLATE_CRD, {}, signal);
    await expectProblem('no Gatekeeper pod has loaded ConstraintTemplate k8sgeoresidency');
    expect(agent.observatory.snapshot().cluster.gatekeeper).toMatchObject({ state: 'NotReady' });
  });

  it('is a template that does not compile', async () => {
    await answer([{ code: 'rego_compile_error', message: 'var x is unsafe', location: 'rule:7' }]);
    await expectProblem('ConstraintTemplate k8sgeoresidency: rego_compile_error var x is unsafe at rule:7');
  });

  it('is a kind that is never served', async () => {
    await answer([]);
    await expectProblem('Gatekeeper has loaded ConstraintTemplate k8sgeoresidency, but K8sGeoResidency is not served');
  });
});

describe('a pod that exceeds the cost limit of the API server', () => {
  const { signal } = new AbortController();
  let world: ClusterHarness;

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'cost', gatekeeper: false }, signal);
    const agent = await world.startAgent('first');
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    for (const name of ['costly', 'free']) await world.makeNamespace(name);
    await world.applyPolicy('costly', { targetNamespace: 'costly', allowedRegions: ['eu-west-1'] });
    await world.reaches('costly', 'Active');
  });

  afterAll(async () => {
    await world.close();
  });

  const many = <T>(item: T): T[] => Array.from({ length: 24_000 }, () => item);
  const exists = { key: 'a', operator: 'Exists' };
  /**
   * Affinities that would each exceed the budget of one expression if they were evaluated; well
   * below the 3 MiB of a request.
   */
  const MONSTERS = {
    terms: many({ matchExpressions: [exists] }),
    requirements: [{ matchExpressions: many(exists) }],
    fields: [{ matchFields: many({ key: 'metadata.name', operator: 'In', values: ['a'] }) }],
    regions: [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: many('eu-west-1') }] }],
  };

  const tryMonster = async (namespace: string, monster: keyof typeof MONSTERS): Promise<string> => {
    const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: MONSTERS[monster] } };
    const spec = { containers: [{ name: 'main', image: 'app:1' }], affinity: { nodeAffinity: required } };
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'monster', namespace }, spec };
    const path = `/api/v1/namespaces/${namespace}/pods`;
    return refusalOf(world.client.raw({ method: 'POST', path, body, query: { dryRun: 'All' } }, signal));
  };

  it.each(['terms', 'requirements', 'fields', 'regions'] as const)(
    'is refused with a reason in governed namespaces, and only there: %s',
    async (monster) => {
      const refused = await tryMonster('costly', monster);
      expect(refused).toContain("ValidatingAdmissionPolicy 'fso-floor-pods-deny'");
      expect(refused).toContain(
        'policy default/costly allows regions eu-west-1 in namespace costly: the required node affinity is too large to be judged',
      );
      await eventually(async () => (await tryMonster('free', monster)) === '');
    },
  );

  it('does not affect other pods', async () => {
    expect(await world.tryPod('costly', 'eu-west-1')).toBe('');
    expect(await world.tryPod('costly')).toContain('default/costly');
    await world.reaches('costly', 'Active');
  });
});
