import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { ANNOTATIONS, CANARY_NAMESPACE, CONDITIONS, type KubeObject, NODES_PARAMETERS } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  FLOOR_PARAMETERS_KIND,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  objectPath,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { type GuardProbe, guardProbes } from '../../agent/enforce/index.ts';
import { refuserOf } from '../../agent/probe/index.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { startTcpProxy, type TcpProxy } from '../harness/tcp-proxy.ts';
import { eventually, printMs } from '../harness/waiting.ts';

interface Rule {
  /** Absent from a rule about paths. */
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}
interface ClusterRole extends KubeObject {
  readonly rules: readonly Rule[];
}
const ROLE_KIND: KindDescriptor<ClusterRole> = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
};
const ROLE = { name: 'fso-agent' };

const PROBES = [...guardProbes({ agent: '', binders: [], nodeLabelers: [], gatekeeperNamespace: '' })];
const MARK = { [ANNOTATIONS.guardProbe]: 'probe' };
const UNMARK = { [ANNOTATIONS.guardProbe]: null };
const DRY_RUN = { dryRun: 'All' };

/** An agent with the rights of deploy/agent/rbac.yaml, behind a proxy. */
describe('the proof of the guard', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let proxy: TcpProxy;
  let admin: KubeClient;
  let asAgent: KubeClient;
  let agent: RunningAgent;

  const guardReady = () => agent.observatory.snapshot().cluster.conditions.find(({ type }) => type === CONDITIONS.guardReady);
  const isReady = () => eventually(() => guardReady()?.status === 'True');
  const send = (client: KubeClient, { path, query, body, contentType }: GuardProbe): Promise<string> =>
    refusalOf(client.raw({ method: 'PATCH', path, query: { ...query, ...DRY_RUN }, body, contentType }, signal));
  /** The response to a change of an object's annotations. */
  const annotate = (client: KubeClient, [kind, name]: readonly [KindDescriptor, string], annotations: object, query = {}) => {
    const request = { method: 'PATCH', path: objectPath(kind, { name }), query, contentType: 'application/merge-patch+json' } as const;
    return refusalOf(client.raw({ ...request, body: { metadata: { annotations } } }, signal));
  };
  /** Takes rules from the agent's role. @returns what gives them back */
  const revoke = async (isTaken: (rule: Rule) => boolean): Promise<() => Promise<unknown>> => {
    const rules = (await admin.get(ROLE_KIND, ROLE, signal))?.rules ?? expect.fail('no role');
    const set = (next: readonly Rule[]) => admin.mergePatch(ROLE_KIND, ROLE, { rules: next }, signal);
    await set(rules.filter((rule) => rule.resources?.includes('validatingadmissionpolicies') !== true || !isTaken(rule)));
    return () => set(rules);
  };

  /** A binding that has its guard refuse nothing. */
  const narrow = (name: string) =>
    admin.mergePatch(ADMISSION_POLICY_BINDING_KIND, { name }, { spec: { validationActions: ['Audit'] } }, signal);

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-guard-proof-'));
    cluster = await startTestCluster({ name: 'guard-proof', stateDir: folder, regions: ['eu-west-1'], gatekeeper: false }, signal);
    world = new AgentHarness(cluster.kubeconfig, signal);
    admin = world.client;
    const direct = join(folder, 'agent.kubeconfig');
    await writeAgentKubeconfig(cluster.kubeconfig, direct);
    asAgent = openKubeClient({ kubeconfig: direct });
    const server = new URL(admin.server);
    proxy = await startTcpProxy({ host: server.hostname, port: Number(server.port) });
    const kubeconfig = join(folder, 'proxy.kubeconfig');
    const text = await readFile(direct, 'utf8');
    await writeFile(kubeconfig, text.replaceAll(`:${server.port}`, `:${proxy.port}`), { mode: 0o600 });
    agent = await world.startAgent('proof', { kubeconfig });
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    return async () => {
      await Promise.all([asAgent.close(), world.close()]);
      await proxy.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  it.each(PROBES)('sends for %s a dry run of the agent that only this guard refuses', async (guard, probe) => {
    await eventually(async () => refuserOf(await send(asAgent, probe)).policy === guard);
    const { metadata, ...others } = probe.body as KubeObject;
    const { [ANNOTATIONS.guardProbe]: _, ...annotations } = metadata.annotations ?? {};
    // Without the mark the agent is exempt.
    const unmarked = { ...probe, body: { ...others, metadata: { ...metadata, annotations } } };
    expect(await send(asAgent, unmarked)).toBe('');
  });

  it.each<readonly [KindDescriptor, string]>([
    [NAMESPACE_KIND, CANARY_NAMESPACE],
    [FLOOR_PARAMETERS_KIND, NODES_PARAMETERS],
  ])('refuses no write of the agent, with or without the mark: %#', async (...object) => {
    await eventually(async () => (await annotate(asAgent, object, MARK, DRY_RUN)).includes('fso-guard-'));
    expect(await annotate(asAgent, object, MARK)).toBe('');
    expect(await annotate(asAgent, object, UNMARK)).toBe('');
    expect(await annotate(asAgent, object, { 'compliance.gov/other': 'x' }, DRY_RUN)).toBe('');
    for (const query of [{}, DRY_RUN]) expect(await annotate(admin, object, MARK, query)).toContain('fso-guard-');
  });

  it('leaves all other requests of others alone', async () => {
    for (const query of [{}, DRY_RUN]) expect(await annotate(admin, [NAMESPACE_KIND, CANARY_NAMESPACE], { note: 'x' }, query)).toBe('');
    expect(await annotate(admin, [NAMESPACE_KIND, CANARY_NAMESPACE], { 'compliance.gov/other': 'x' }, DRY_RUN)).toContain('fso-guard-');
  });

  it('holds, and its expressions have the types of the API server', async () => {
    await isReady();
    expect(guardReady()).toMatchObject({ reason: 'InPlace', message: '' });
    for (const [guard] of PROBES) {
      const { status } = await eventually(async () => {
        const policy = await admin.get(ADMISSION_POLICY_KIND, { name: guard }, signal);
        return policy?.status?.typeChecking !== undefined && policy;
      });
      const warnings = status?.typeChecking?.expressionWarnings ?? [];
      expect(warnings.filter(({ fieldRef }) => fieldRef.includes('matchConditions'))).toEqual([]);
    }
    expect(await (await fetch(`${agent.url}/metrics`)).text()).toMatch(/fso_agent_oldest_proof_timestamp_seconds\{.*lock="guard"/);
  });

  it('is missing while a deleted binding cannot be put back', async () => {
    const allow = await revoke(({ resourceNames }) => resourceNames !== undefined);
    await admin.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-locks' }, signal);
    await eventually(() => guardReady()?.status === 'False');
    expect(guardReady()?.reason).toBe('Missing');
    await allow();
    await isReady();
  });

  it('is missing while a narrowed binding cannot be put back', async () => {
    const allow = await revoke(({ resourceNames }) => resourceNames !== undefined);
    await narrow('fso-guard-locks');
    await eventually(() => guardReady()?.reason === 'Missing');
    await allow();
    await isReady();
    await eventually(async () =>
      (await annotate(admin, [FLOOR_PARAMETERS_KIND, NODES_PARAMETERS], MARK, DRY_RUN)).includes('fso-guard-locks'),
    );
  });

  it('fails where a guard is open and can no longer be read', async () => {
    const allow = await revoke(({ verbs }) => verbs.includes('watch'));
    proxy.drop();
    const list = objectPath(ADMISSION_POLICY_BINDING_KIND, { name: '' });
    await eventually(async () => (await refusalOf(asAgent.raw({ method: 'GET', path: list }, signal))).includes('forbidden'));
    await admin.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal);
    const since = performance.now();
    await eventually(() => guardReady()?.reason === 'Open');
    printMs('a guard without binding, unread → reported as open', performance.now() - since);
    expect(guardReady()?.message).toContain('guard fso-guard-policies does not refuse what it must');
    await narrow('fso-guard-state');
    await eventually(() => guardReady()?.message.includes('guard fso-guard-state does not refuse what it must'));
    await allow();
    await isReady();
    expect(await admin.get(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal)).toBeDefined();
  });
});
