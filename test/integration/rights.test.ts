import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_VIOLATIONS, type KubeObject, REGION_LABEL, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONFIG_MAP_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  type KindDescriptor,
  type KubeClient,
  LEASE_KIND,
  NAMESPACE_KIND,
  POD_KIND,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { eventually } from '../harness/waiting.ts';
import { itKeepsReports } from './kept-reports.ts';

const MUTATING: KindDescriptor = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  namespaced: false,
};

/** An agent with only the rights of deploy/agent/rbac.yaml. */
describe('an agent with only its own rights', () => {
  const stop = new AbortController();
  let cluster: LocalCluster;
  let world: AgentHarness;
  let asAgent: KubeClient;
  let kubeconfig: string;
  let agent: RunningAgent;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-rights-'));
    cluster = await startTestCluster(
      { name: 'rights', stateDir: folder, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true },
      stop.signal,
    );
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    kubeconfig = join(folder, 'agent.kubeconfig');
    await writeAgentKubeconfig(cluster.kubeconfig, kubeconfig);
    asAgent = openKubeClient({ kubeconfig });
    return async () => {
      await asAgent.close();
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  const apply = (kind: KindDescriptor, name: string, namespace?: string): Promise<string> => {
    const body: KubeObject = { metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
    return refusalOf(asAgent.apply(kind, body, { fieldManager: 'test', force: true }, stop.signal));
  };

  it('installs everything in an empty cluster, and proves both locks', async () => {
    agent = await world.startAgent('first', { kubeconfig });
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await world.makeNamespace('finance');
    await world.applyPolicy('finance-eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], placementInjection: true });
    await world.reaches('finance-eu', 'Active');
    await eventually(async () => (await world.conditionOf('finance-eu', 'GatekeeperReady'))?.status === 'True');
    await eventually(async () => (await world.conditionOf('finance-eu', 'PlacementInjection'))?.status === 'True');
    await eventually(async () => (await world.policy('finance-eu'))?.status?.constraintCreated);
  });

  it.each<[ours: string, kind: KindDescriptor]>([
    ['fso-floor-pods-deny', ADMISSION_POLICY_KIND],
    ['fso-floor-pods-deny', ADMISSION_POLICY_BINDING_KIND],
    ['fso-placement-injection', MUTATING],
    ['k8sgeoresidency', CONSTRAINT_TEMPLATE_KIND],
    ['fso-nodes', FLOOR_PARAMETERS_KIND],
    ['sovereignpolicies.compliance.federated.io', CRD_KIND],
    [SYSTEM_NAMESPACE, NAMESPACE_KIND],
  ])('writes no object but %s and its other own objects', async (ours, kind) => {
    expect(await apply(kind, 'foreign')).toContain('forbidden');
    // A plain create has no name in its path.
    expect(await refusalOf(asAgent.create(kind, { metadata: { name: ours } }, { dryRun: true }, stop.signal))).toContain('forbidden');
    if (kind !== NAMESPACE_KIND) expect(await refusalOf(asAgent.delete(kind, { name: 'foreign' }, stop.signal))).toContain('forbidden');
  });

  it('reads and writes only its own lease and state', async () => {
    expect(await apply(CONFIG_MAP_KIND, 'foreign', SYSTEM_NAMESPACE)).toContain('forbidden');
    expect(await refusalOf(asAgent.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: 'kube-root-ca.crt' }, stop.signal))).toContain(
      'forbidden',
    );
    expect(await refusalOf(asAgent.get(LEASE_KIND, { namespace: SYSTEM_NAMESPACE, name: 'foreign' }, stop.signal))).toContain('forbidden');
  });

  it('knows the start of a violation at its next start', async () => {
    await world.makeNamespace('old');
    const pod = {
      metadata: { namespace: 'old', name: 'stray' },
      spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector: { [REGION_LABEL]: 'us-east-1' } },
    };
    await world.client.create(POD_KIND, pod as KubeObject, {}, stop.signal);
    await world.applyPolicy('old-eu', { targetNamespace: 'old', allowedRegions: ['eu-west-1'] });
    const since = (from: RunningAgent): Promise<string> =>
      eventually(() => from.observatory.snapshot().policies.get('default/old-eu')?.report.violationSamples[0]?.since);
    const first = await since(agent);
    const ref = { namespace: SYSTEM_NAMESPACE, name: AGENT_VIOLATIONS };
    await eventually(() => world.client.get(CONFIG_MAP_KIND, ref, stop.signal));

    await world.stopAgent(agent);
    agent = await world.startAgent('second', { kubeconfig });
    expect(await since(agent)).toBe(first);

    await world.client.delete(POD_KIND, { namespace: 'old', name: 'stray' }, stop.signal);
    await eventually(() => agent.observatory.snapshot().policies.get('default/old-eu')?.report.violations === 0);
    await world.stopAgent(agent);
  });

  describe('that keeps reports for tools that read openreports.io', () => {
    itKeepsReports(
      () => world,
      () => kubeconfig,
      async () => {
        const shell = await Shell.open({ kubeconfig: cluster.kubeconfig, folder: dirname(kubeconfig) }, stop.signal);
        return shell.run(documentedCommands('docs/operate/monitor.md', 'read'));
      },
    );
  });
});
