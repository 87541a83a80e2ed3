import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { API_VERSION, ENROLMENT_SECRET, type KubeObject, type SovereignPolicyStatus, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, EVENT_KIND, SECRET_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import type { PolicyInput, PolicyOutcome } from '../../agent/enforce/index.ts';
import type { LockFacts } from '../../agent/status/locks.ts';
import { planStatus, type StatusInput } from '../../agent/status/plan-status.ts';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { judgeStatuses, type ToolStatus } from '../harness/gitops-tools.ts';
import { openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { eventually, never } from '../harness/waiting.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const ENFORCED: LockFacts = { state: 'Enforced' };
const LOCKS = { admission: ENFORCED, gatekeeper: ENFORCED, binding: ENFORCED, constraintCreated: true };
const REGIONS = ['eu-west-1'];
const GOVERNING: PolicyOutcome = { kind: 'governing', regions: REGIONS, namespaces: ['finance'], conflicts: [] };
const POLICY: PolicyInput = {
  key: 'default/finance',
  namespace: 'default',
  name: 'finance',
  managedBy: 'local',
  revision: undefined,
  generation: 3,
  deleting: false,
  spec: { targetNamespace: 'finance', allowedRegions: REGIONS, enforcementAction: 'deny' },
};

const policyWith = (status: SovereignPolicyStatus | undefined, generation = POLICY.generation): KubeObject =>
  ({
    apiVersion: API_VERSION,
    kind: 'SovereignPolicy',
    metadata: { namespace: 'default', name: 'finance', generation },
    spec: POLICY.spec,
    ...(status && { status }),
  }) as KubeObject;

const statusOf = (changes: Partial<StatusInput>): SovereignPolicyStatus =>
  planStatus({
    policy: POLICY,
    outcome: GOVERNING,
    previous: undefined,
    locks: LOCKS,
    observed: { violations: 0 },
    now: NOW,
    ...changes,
  });

const lockOne = (admission: LockFacts): SovereignPolicyStatus => statusOf({ locks: { ...LOCKS, admission } });
const TAMPERING = { violations: 0, tampering: { time: NOW.toISOString(), message: 'Namespace/finance was changed' } };
const AWAITING: PolicyOutcome = { kind: 'namespaceMissing', regions: REGIONS, message: 'namespace finance does not exist', isAbsent: true };
const EXPIRED: PolicyOutcome = { kind: 'expired', regions: REGIONS, expiredAt: NOW.toISOString() };

const judged = (kstatus: string, health: string, message: RegExp): ToolStatus => ({
  kstatus,
  health,
  message: expect.stringMatching(message) as string,
});

describe('kstatus, and Argo CD with deploy/argo-cd/health.lua', () => {
  it.each<[string, KubeObject, ToolStatus]>([
    ['wait for the agent', policyWith({ observedGeneration: -1 }), judged('InProgress', 'Progressing', /^Waiting for the agent/)],
    ['wait for the agent after a change', policyWith(statusOf({}), 4), judged('InProgress', 'Progressing', /^Waiting for the agent/)],
    [
      'wait while it is Pending',
      policyWith(lockOne({ state: 'Pending', message: 'unproven' })),
      judged('InProgress', 'Progressing', /^unproven$/),
    ],
    [
      'wait for a namespace that does not exist',
      policyWith(statusOf({ outcome: AWAITING })),
      judged('InProgress', 'Progressing', /does not exist$/),
    ],
    [
      'wait for that of a policy of the hub',
      policyWith(statusOf({ policy: { ...POLICY, managedBy: 'hub' }, outcome: AWAITING })),
      judged('InProgress', 'Progressing', /does not exist$/),
    ],
    ['are content with Active', policyWith(statusOf({})), judged('Current', 'Healthy', /^deny: pods of finance may run in eu-west-1/)],
    [
      'take Failed for that',
      policyWith(lockOne({ state: 'Degraded', message: 'lock 1 is open' })),
      judged('Failed', 'Degraded', /^lock 1 is open$/),
    ],
    ['take Expired for the end', policyWith(statusOf({ outcome: EXPIRED })), judged('Failed', 'Suspended', /^expired at /)],
    [
      'show tampering, which is no lack of enforcement',
      policyWith(statusOf({ observed: TAMPERING })),
      judged('Current', 'Degraded', /was changed$/),
    ],
    [
      'show why a policy fails before that',
      policyWith(statusOf({ observed: TAMPERING, outcome: { kind: 'invalid', message: 'no such region' } })),
      judged('Failed', 'Degraded', /^no such region$/),
    ],
  ])('%s', async (_, policy, judgement) => {
    expect(await judgeStatuses([policy], never)).toEqual([judgement]);
  });
});

describe('in a cluster', () => {
  let cluster: ClusterHarness;
  let shell: Shell;
  const stop = new AbortController();

  beforeAll(async () => {
    cluster = await ClusterHarness.start({ name: 'gitops', gatekeeper: false }, never);
    shell = await Shell.open(cluster, stop.signal);
    return () => {
      stop.abort();
      return cluster.close();
    };
  });

  it('kubectl waits for a policy until it is proven, also for one that no agent has seen yet', async () => {
    const first = await cluster.startAgent('first');
    await eventually(async () => (await fetch(`${first.url}/readyz`)).ok);
    await cluster.stopAgent(first);
    await cluster.makeNamespace('finance');
    const unseen = await cluster.applyPolicy('finance', { targetNamespace: 'finance', allowedRegions: REGIONS });
    expect(await judgeStatuses([unseen], never)).toMatchObject([{ kstatus: 'InProgress', health: 'Progressing' }]);
    const waiting = shell.run(documentedCommands('docs/operate/gitops.md', 'wait').replace(/--timeout=\w+/, '--timeout=-1s'));
    const second = await cluster.startAgent('second');
    expect(await waiting).toContain('sovereignpolicy.compliance.federated.io/finance condition met');
    const proven = await cluster.reaches('finance', 'Active');
    expect(await judgeStatuses([proven], never)).toMatchObject([{ kstatus: 'Current', health: 'Healthy' }]);
    expect(proven.status?.conditions?.map(({ type }) => type)).not.toContain('Reconciling');
    await cluster.stopAgent(second);
  });

  it('an agent that Git installs waits for its token, needs it once, and enrols again with a new one, without a restart', async () => {
    const bench = await openHubHarness();
    await bench.repository.commit(basicRepository(), 'first');
    const apiToken = 'api-token-0123456789';
    const hub = await bench.startHub({ config: { identity: { ca: undefined, hostnames: [] }, apiToken } });
    const mount = join(cluster.folder, 'token');
    const start = (identity: string): Promise<RunningAgent> =>
      cluster.startAgent(identity, {
        cluster: 'eu',
        hub: { url: hub.agentUrl, token: undefined, enrolToken: undefined, enrolTokenFile: mount, ca: undefined },
      });
    /** Puts the content of the Secret where the chart mounts it, as the kubelet does. */
    const mountSecret = async (): Promise<void> => {
      const secret = await cluster.client.get(SECRET_KIND, { namespace: SYSTEM_NAMESPACE, name: ENROLMENT_SECRET }, never);
      await (secret === undefined ? rm(mount) : writeFile(mount, Buffer.from(secret.data?.['token'] ?? '', 'base64')));
    };
    const applyToken = async (): Promise<void> => {
      const commands = documentedCommands('docs/operate/gitops.md', 'token');
      await shell.run(`export FSO_SERVER=${hub.url} FSO_TOKEN=${apiToken}\n${commands}`);
      await mountSecret();
    };
    const isConnected = async (connected: boolean): Promise<unknown> =>
      eventually(async () => ((await hub.ledger.cluster('eu'))?.connected ?? false) === connected);

    const agent = await start('before');
    await eventually(async () =>
      (await cluster.client.list(EVENT_KIND, { namespace: SYSTEM_NAMESPACE }, never)).some(({ message }) =>
        message.includes('neither an identity nor a token'),
      ),
    );
    await applyToken();
    await isConnected(true);
    await shell.run(`kubectl -n ${SYSTEM_NAMESPACE} delete secret ${ENROLMENT_SECRET}`);
    await mountSecret();
    await cluster.stopAgent(agent);
    await isConnected(false);
    const restarted = await start('after');
    await isConnected(true);
    await runFso(['clusters', 'revoke', 'eu', '--yes'], { FSO_SERVER: hub.url, FSO_TOKEN: apiToken });
    await isConnected(false);
    await applyToken();
    await isConnected(true);
    await cluster.stopAgent(restarted);
    await bench.close();
  });

  it('docs/operate/gitops.md puts the health check into the settings of Argo CD, and leaves the others alone', async () => {
    await cluster.makeNamespace('argocd');
    const place = { name: 'argocd-cm', namespace: 'argocd' };
    const settings = { metadata: place, data: { url: 'https://argocd.example.com' } };
    await cluster.client.apply(CONFIG_MAP_KIND, settings, { fieldManager: 'argocd' }, never);
    for (const _ of ['first', 'again']) await shell.run(documentedCommands('docs/operate/gitops.md', 'health'));
    expect(await cluster.client.get(CONFIG_MAP_KIND, place, never)).toMatchObject({
      data: {
        url: 'https://argocd.example.com',
        'resource.customizations.health.compliance.federated.io_SovereignPolicy': expect.stringContaining('Healthy'),
      },
    });
  });
});
