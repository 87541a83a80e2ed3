import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FIELD_MANAGERS, REGION_LABEL } from '@fso/shared/api';
import { CONSTRAINT_TEMPLATE_KIND, GEO_RESIDENCY_KIND, type K8sGeoResidency, type KubeClient, POD_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { runAction } from '../../agent/apply/apply-action.ts';
import { constraintBody } from '../../agent/enforce/gatekeeper/constraint.ts';
import { isConstraintEnforced, isTemplateReady, planGatekeeper } from '../../agent/enforce/gatekeeper/gatekeeper.ts';
import { planGovernance } from '../../agent/enforce/governance.ts';
import { CANARY_NAME, NO_EXCEPTIONS } from '../../agent/enforce/index.ts';
import { policyOf } from '../../agent/enforce/testing/policies.ts';
import type { PolicyInput } from '../../agent/enforce/types.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { eventually, never as signal } from '../harness/waiting.ts';
import { useLockTwo } from './lock-two-harness.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const SCHEDULER = 'system:kube-scheduler';
const lockTwo = useLockTwo();

/** Lock 2 of some policies, without an agent and without lock 1, once it is in force. */
const installAlone = async (policies: readonly PolicyInput[]): Promise<readonly K8sGeoResidency[]> =>
  eventually(async () => {
    const template = await lockTwo.world.client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal);
    const served = template !== undefined && isTemplateReady(template);
    const constraints = served ? await lockTwo.world.client.list(GEO_RESIDENCY_KIND, {}, signal) : undefined;
    const governance = planGovernance(policies, [], new Date(), { constraints: constraints ?? [] });
    const actions = planGatekeeper({
      governance,
      template,
      constraints,
      gatekeeperServed: true,
      bindGate: { ...NO_EXCEPTIONS, binders: [SCHEDULER] },
    });
    for (const action of actions) await runAction(lockTwo.world.client, action, signal);
    return actions.length === 0 && constraints?.every(isConstraintEnforced) === true ? constraints : undefined;
  });

describe('lock 2 alone', () => {
  const NAMESPACE = 'alone';
  const ALONE = policyOf('alone', { targetNamespace: NAMESPACE, allowedRegions: EU });
  let scheduler: KubeClient;

  beforeAll(async () => {
    await lockTwo.world.makeNamespace(NAMESPACE);
    // From before the policy, and without a scheduler.
    const pod = {
      metadata: { namespace: NAMESPACE, name: 'waiting' },
      spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'i:1' }] },
    };
    await eventually(() => lockTwo.world.client.create(POD_KIND, pod, {}, signal));
    scheduler = await lockTwo.connect(SCHEDULER, []);
    await installAlone([ALONE]);
  });

  const bind = async (client: KubeClient, target: object, { legacy = false, metadata = {} } = {}): Promise<string> => {
    const path = `/api/v1/namespaces/${NAMESPACE}/${legacy ? 'bindings' : 'pods/waiting/binding'}`;
    const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'waiting', namespace: NAMESPACE, ...metadata }, target };
    return refusalOf(client.raw({ method: 'POST', path, body, query: { dryRun: 'All' } }, signal));
  };
  const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', name });
  const REFUSED = 'admission webhook "validation.gatekeeper.sh" denied the request: [geo-deny-';

  it('lets the scheduler bind only inside', async () => {
    expect(await bind(scheduler, node('eu-west-1-a'))).toBe('');
    const outside = await bind(scheduler, node('us-east-1-a'));
    expect(outside).toContain(REFUSED);
    expect(outside).toContain(
      'policy team/alone allows regions eu-central-1, eu-west-1 in namespace alone: node "us-east-1-a" is in region "us-east-1"; fix: bind the pod through the scheduler to a node of an allowed region',
    );
    expect(await bind(scheduler, node('nowhere'))).toContain('node "nowhere" has no known region');
  });

  it('ignores forged fields of a Binding', async () => {
    const spoofed = { labels: { [REGION_LABEL]: 'eu-west-1' } };
    expect(await bind(scheduler, node('us-east-1-a'), { metadata: spoofed })).toContain('is in region "us-east-1"');
    expect(await bind(lockTwo.world.client, node('eu-west-1-a'), { metadata: spoofed })).toContain('is not trusted to bind pods');
    expect(await bind(lockTwo.world.client, node('eu-west-1-a'), { legacy: true })).toContain(
      'the legacy bindings route bypasses the bind gate',
    );
    expect(await bind(scheduler, { apiVersion: 'v1', name: 'us-east-1-a' }, { metadata: spoofed })).not.toBe('');
    // A Binding without a namespace: the path names it.
    expect(await bind(scheduler, node('us-east-1-a'), { metadata: { namespace: undefined } })).toContain(REFUSED);
  });

  it('does not break the audit of Gatekeeper: a Binding cannot be listed', async () => {
    /**
     * Reads the time of the last audit, which is in whole seconds: an audit of the same second may
     * have been earlier.
     */
    const audited = async (): Promise<number> => {
      const constraints = await lockTwo.world.client.list(GEO_RESIDENCY_KIND, {}, signal);
      return Date.parse(constraints.find(({ spec }) => spec?.parameters?.regions?.length === 2)?.status?.auditTimestamp ?? '');
    };
    const before = Date.now();
    await eventually(async () => (await audited()) > before);
    const constraints = await lockTwo.world.client.list(GEO_RESIDENCY_KIND, {}, signal);
    const constraint = constraints.find(({ metadata }) => metadata.name !== CANARY_NAME);
    expect(constraint?.status).toMatchObject({ totalViolations: 1, violations: [{ kind: 'Pod', name: 'waiting' }] });
    expect(await readFile(join(lockTwo.cluster.logs, 'gatekeeper.log'), 'utf8')).not.toMatch(/"level":"error"[^\n]*[Bb]inding/);
  });

  it('takes apart what an earlier version put into one constraint, and keeps its name, while no pod passes', async () => {
    const OLDER = 'older';
    await lockTwo.world.makeNamespace(OLDER);
    const [us, eu] = ['us-east-1', 'eu-west-1'].map((region, index) =>
      policyOf(`p${index}`, { targetNamespace: OLDER, allowedRegions: [region] }),
    ) as [PolicyInput, PolicyInput];
    const entries = [us, eu].map(({ key, spec }) => ({ name: key, pattern: spec.targetNamespace }));
    const group = { regions: us.spec.allowedRegions, action: 'deny', excludedNamespaces: [], scoped: [], binders: [SCHEDULER] };
    const older = constraintBody(group, entries, 'geo-deny-0123456789');
    await lockTwo.world.client.apply(GEO_RESIDENCY_KIND, older, { fieldManager: FIELD_MANAGERS.gatekeeper }, signal);
    const tryIn = (region: string) => lockTwo.world.tryPod(OLDER, region);
    // As the second policy has it nowhere.
    await eventually(async () => (await tryIn('ap-south-1')) !== '' && (await tryIn('us-east-1')) === '');
    const outcomes: string[] = [];
    const settled = new AbortController();
    const trying = (async () => {
      while (!settled.signal.aborted) outcomes.push(await tryIn('ap-south-1'));
    })();
    const constraints = await installAlone([ALONE, us, eu]);
    settled.abort();
    await trying;
    expect(outcomes.filter((text) => text === '')).toEqual([]);
    const own = constraints.filter(({ spec }) => spec?.match?.namespaces?.includes(OLDER));
    expect(own.map(({ spec }) => [spec?.parameters?.regions, spec?.parameters?.policies])).toEqual(
      expect.arrayContaining([
        [['us-east-1'], [`${us.key} ${OLDER}`]],
        [['eu-west-1'], [`${eu.key} ${OLDER}`]],
      ]),
    );
    expect(own.map(({ metadata }) => metadata.name)).toEqual(
      expect.arrayContaining(['geo-deny-0123456789', expect.stringMatching(/^geo-deny-[0-9a-f]{32}$/)]),
    );
    expect(await tryIn('us-east-1')).toContain(eu.key);
  });
});
