import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ANNOTATIONS, floorLabel, type KubeObject, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  SERVICE_ACCOUNT_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { whoAmI } from '../../agent/bootstrap.ts';
import { type UninstallOptions, uninstall } from '../../agent/uninstall/index.ts';
import { HELM_TOOL } from '../../clusters/build/modules.ts';
import { writeAgentKubeconfig } from '../../clusters/demo/agent-identity.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { createRandom, shuffled } from '../harness/random.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { type Target, UninstallView } from '../harness/uninstall-view.ts';
import { eventually, never } from '../harness/waiting.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'agent', 'main.ts');
const RBAC = 'rbac.authorization.k8s.io/v1';
const CLUSTER_ROLES: KindDescriptor = { apiVersion: RBAC, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false };
const CLUSTER_ROLE_BINDINGS: KindDescriptor = {
  apiVersion: RBAC,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
};
const GOVERNED = 'finance';
const OWN = { namespace: GOVERNED, name: 'own' };
/**
 * Number of orders to try. An order takes about ten seconds; FSO_TEST_ORDERS=20 tries more than a
 * run of all tests has time for.
 */
const ORDERS = Number(process.env['FSO_TEST_ORDERS'] ?? 2);
/** Users of this cluster whose names stand in what they do. */
const ADMIN = 'administrator';

/** The removal of enforcement from a cluster where an agent has, or had, the rights of deploy/agent/rbac.yaml. */
describe('fso-agent uninstall', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let world: ClusterHarness;
  let admin: KubeClient;
  let view: UninstallView;
  let shell: Shell;
  let agentKubeconfig: string;
  const clients: KubeClient[] = [];

  const as = async (user: string, groups: string[] = []): Promise<KubeClient> => {
    const client = openKubeClient({ kubeconfig: await world.cluster.createUserKubeconfig(user, groups) });
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'uninstall', gatekeeper: true }, signal);
    admin = await as(ADMIN, ['system:masters']);
    view = new UninstallView(admin);
    const kubeconfig = await world.cluster.createUserKubeconfig(ADMIN, ['system:masters']);
    shell = await Shell.open({ kubeconfig, folder: world.folder }, signal, { tools: [HELM_TOOL] });
    agentKubeconfig = join(world.folder, 'agent.kubeconfig');
    return async () => {
      await Promise.all(clients.map((client) => client.close()));
      await world.close();
    };
  });

  /** Starts an agent that enforces a local policy on a namespace that holds it. */
  const install = async (changes: Parameters<ClusterHarness['startAgent']>[1] = {}): Promise<RunningAgent> => {
    await eventually(() => writeAgentKubeconfig(world.kubeconfig, agentKubeconfig).then(() => true));
    const agent = await world.startAgent('installed', { kubeconfig: agentKubeconfig, ...changes });
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await eventually(() => world.makeNamespace(GOVERNED).then(() => true));
    const spec = { targetNamespace: GOVERNED, allowedRegions: ['eu-west-1'] };
    const policy = { metadata: OWN, spec } as unknown as KubeObject;
    await eventually(() => admin.apply(SOVEREIGN_POLICY_KIND as KindDescriptor, policy, { fieldManager: 'test', force: true }, signal));
    await eventually(async () => (await ownPolicy())?.status?.phase === 'Active');
    await eventually(async () => (await admin.list(GEO_RESIDENCY_KIND, {}, signal)).length > 1);
    await eventually(() => isRefused());
    return agent;
  };
  const ownPolicy = () => admin.get(SOVEREIGN_POLICY_KIND, OWN, signal);
  const isRefused = async (): Promise<boolean> =>
    (await world.tryDelete(admin, NAMESPACE_KIND, SYSTEM_NAMESPACE)).includes('run "fso-agent uninstall"');

  interface Run {
    readonly client?: KubeClient;
    readonly options?: Partial<UninstallOptions>;
    readonly abort?: AbortSignal;
    readonly onLine?: (line: string) => void;
  }
  /** @returns the lines that it printed */
  const run = async ({ client = admin, options, abort = never, onLine }: Run = {}): Promise<readonly string[]> => {
    const lines: string[] = [];
    const print = (line: string): void => {
      lines.push(line);
      onLine?.(line);
    };
    const io = { client, clock: systemClock, print, confirm: () => Promise.resolve(true) };
    await uninstall({ dryRun: false, waitMs: 0, ...options }, io, abort);
    return lines;
  };

  const expectRemoved = async (): Promise<void> => {
    expect(await view.enforcing()).toEqual([]);
    expect(await view.held()).toEqual([]);
  };

  /** Runs `fso-agent verify` with the rights of the agent. @returns the exit status */
  const verify = (): Promise<number> =>
    promisify(execFile)(process.execPath, [PROGRAM, 'verify'], { env: { PATH: process.env['PATH'], KUBECONFIG: agentKubeconfig } }).then(
      () => 0,
      ({ code }: { code: number }) => code,
    );

  describe('where no agent runs', () => {
    beforeAll(async () => {
      await world.stopAgent(await install());
    });

    it('is not done while fso-agent verify finds that a pod is refused', async () => {
      expect(await verify()).toBe(0);
    });

    it('needs the right of its caller to delete admission policies, which the agent has not', async () => {
      const rules = [{ apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'patch'] }];
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'annotators' };
      const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'tenant' }];
      const metadata = { name: 'annotators' };
      await admin.apply(CLUSTER_ROLES, { metadata, rules } as KubeObject, { fieldManager: 'test' }, signal);
      await admin.apply(CLUSTER_ROLE_BINDINGS, { metadata, roleRef, subjects } as KubeObject, { fieldManager: 'test' }, signal);
      const tenant = await as('tenant');
      const agentClient = openKubeClient({ kubeconfig: agentKubeconfig });
      clients.push(agentClient);
      for (const client of [tenant, agentClient]) {
        const refusal = await refusalOf(run({ client }));
        expect(refusal).toContain('may not remove enforcement from this cluster');
        expect(refusal).toContain('delete validatingadmissionpolicies.admissionregistration.k8s.io');
      }
      const request = (client: KubeClient, annotations: object, name = SYSTEM_NAMESPACE) =>
        refusalOf(client.mergePatch(NAMESPACE_KIND, { name }, { metadata: { annotations } }, signal));
      const ONLY = 'only users who may delete ValidatingAdmissionPolicies';
      const key = ANNOTATIONS.uninstallRequestedBy;
      await eventually(async () => (await request(tenant, { [key]: 'tenant' })).includes(ONLY));
      expect(await request(tenant, { [ANNOTATIONS.uninstallReport]: 'NoAgent' })).toContain(ONLY);
      expect(await request(agentClient, { [key]: await whoAmI(agentClient, signal) })).toContain(ONLY);
      expect(await request(admin, { [key]: 'another' })).toContain(ONLY);
      expect(await request(admin, { [key]: ADMIN }, GOVERNED)).toContain(ONLY);
      expect(await request(admin, { [key]: ADMIN })).toBe('');
      expect(await request(tenant, { [key]: null })).toContain(ONLY);
      expect(await request(agentClient, { [key]: null })).toContain(ONLY);
      expect(await request(admin, { [key]: null })).toBe('');
      expect(await isRefused()).toBe(true);
    });

    it('lists what it would do, and does nothing of it', async () => {
      const before = await view.enforcing();
      const lines = await run({ options: { dryRun: true } });
      expect(lines).toContain('  ValidatingAdmissionPolicyBinding fso-guard-namespaces');
      expect(lines).toContain(`  SovereignPolicy ${GOVERNED}/own`);
      expect(await view.enforcing()).toEqual(before);
      expect((await world.namespace(SYSTEM_NAMESPACE))?.metadata.annotations).not.toHaveProperty([ANNOTATIONS.uninstallRequestedBy]);
    });

    it('goes on after an interruption at each of its steps', async () => {
      const titles: string[] = [];
      for (let step = 1; ; step += 1) {
        const interrupt = new AbortController();
        let lines = 0;
        const onLine = (line: string): void => {
          lines += 1;
          // Each run prints, before the steps that are left, that it asks the agents, and what came of that.
          if (lines === 3) {
            titles.push(line);
            interrupt.abort(new Error('interrupted'));
          }
        };
        const outcome = await refusalOf(run({ abort: interrupt.signal, onLine }));
        if (!interrupt.signal.aborted || titles.at(-1)?.startsWith('Nothing enforces') === true) break;
        expect(outcome).toBe('interrupted');
        expect(step).toBeLessThan(20);
      }
      expect(titles.length).toBeGreaterThan(8);
      expect(titles.at(-2)).toBe('clear the record of the installation: 1');
      await expectRemoved();
      expect(await verify()).toBe(1);
      expect((await ownPolicy())?.status).toMatchObject({
        phase: 'Failed',
        message: expect.stringContaining(`${ADMIN} removed enforcement`),
        conditions: [
          { type: 'Ready', status: 'False', reason: 'Uninstalled' },
          { type: 'Stalled', status: 'True', reason: 'Uninstalled' },
        ],
      });
      expect(await run()).toEqual(expect.not.arrayContaining([expect.stringMatching(/: \d+$/)]));
      await view.clear(GOVERNED);
    });
  });

  it('leaves labels and policies, and lets everything be deleted: from the command line', async () => {
    await world.stopAgent(await install());
    await world.applyPolicy('elsewhere', { targetNamespace: GOVERNED, allowedRegions: ['eu-west-1'] });
    await admin.delete(SOVEREIGN_POLICY_KIND, OWN, signal);
    expect((await ownPolicy())?.metadata.deletionTimestamp).toBeDefined();
    const kubeconfig = await world.cluster.createUserKubeconfig(ADMIN, ['system:masters']);
    const command = async (...args: string[]) => {
      const env = { PATH: process.env['PATH'], KUBECONFIG: kubeconfig };
      const running = promisify(execFile)(process.execPath, [PROGRAM, 'uninstall', ...args], { env });
      running.child.stdin?.end();
      return running.then(
        ({ stdout }) => ({ code: 0, text: stdout }),
        (error: { code: number; stderr: string }) => ({ code: error.code, text: error.stderr }),
      );
    };
    expect(await command()).toEqual({ code: 2, text: expect.stringContaining('confirm with --yes') });
    expect(await command('--wait', 'x')).toEqual({ code: 2, text: expect.stringContaining('--wait takes a number of seconds') });
    expect(await command('--help')).toEqual({ code: 0, text: expect.stringContaining('Exit status') });
    const commands = documentedCommands('docs/operate/uninstall.md', 'uninstall').replaceAll(
      'KUBECONFIG=… npm run -s fso-agent --',
      'fso-agent',
    );
    const text = await shell.run(`${commands.trim()} --yes --wait 0`);
    expect(text).toContain('  no agent runs in this cluster: no hub was told');
    expect(text).toContain(`kubectl delete namespace ${SYSTEM_NAMESPACE}`);
    await expectRemoved();
    expect(await ownPolicy()).toBeUndefined();
    expect(await world.policy('elsewhere')).toBeDefined();
    expect((await world.namespace(GOVERNED))?.metadata.labels).toMatchObject({
      [floorLabel('deny')]: 'active',
      [LABELS.policyName]: 'own',
    });
    expect(await world.tryPod(GOVERNED, 'us-east-1')).toBe('');
    // What the agent had by other means becomes the release's.
    await shell.run(`helm install fso-agent deploy/charts/fso-agent -n ${SYSTEM_NAMESPACE} --set cluster=one --take-ownership`);
    await shell.run(documentedCommands('docs/operate/uninstall.md', 'delete'));
    expect(await world.namespace(SYSTEM_NAMESPACE)).toBeUndefined();
    await view.clear(GOVERNED);
  });

  it('is done by the commands of the page alone where no program of this system can run', async () => {
    await world.stopAgent(await install());
    await shell.run(documentedCommands('docs/operate/uninstall.md', 'without-agent'));
    await expectRemoved();
    await view.clear(GOVERNED);
  });

  describe('while agents run', () => {
    it('has the leader report to its hub first, ends all replicas, and keeps them from installing again until they may', async () => {
      const bench = await openHubHarness();
      await bench.repository.commit(basicRepository(), 'first');
      const hub = await bench.startHub();
      const changes = {
        cluster: 'eu',
        kubeconfig: agentKubeconfig,
        hub: { url: hub.agentUrl, token: TOKENS.get('eu') ?? '', enrolToken: undefined, ca: undefined },
      };
      const leader = await install(changes);
      const standby = await world.startAgent('standby', changes);
      await eventually(async () => (await fetch(`${standby.url}/readyz`)).ok);
      await eventually(async () => (await hub.ledger.cluster('eu'))?.connected);

      const reported: boolean[] = [];
      const lines = await run({
        options: { waitMs: 60_000 },
        onLine: (line) => {
          if (line.includes('its hub has the report')) reported.push(line !== '');
        },
      });
      expect(reported, lines.join('\n')).toEqual([true]);
      const events = await hub.ledger.events({ cluster: 'eu', limit: 100 });
      expect(events.find(({ reason }) => reason === 'Uninstalled')).toMatchObject({
        severity: 'alert',
        message: expect.stringContaining(`${ADMIN} removes enforcement`),
      });
      await expectRemoved();

      const problem = async ({ url }: RunningAgent): Promise<string> => (await fetch(`${url}/readyz`)).text();
      for (const agent of [leader, standby])
        await eventually(async () => (await problem(agent)).includes(`by ${ADMIN} with "fso-agent uninstall"`));
      await world.stopAgent(standby);
      const late = await world.startAgent('late', changes);
      await eventually(async () => (await problem(late)).includes('to install it again'));
      await expectRemoved();

      const taken = { metadata: { annotations: { [ANNOTATIONS.uninstallRequestedBy]: null } } };
      await admin.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, taken, signal);
      await eventually(async () => (await ownPolicy())?.status?.phase === 'Active');

      // A leader also reports a request that comes with an answer which is not its own.
      await eventually(async () => (await hub.ledger.cluster('eu'))?.connected);
      const answered = { annotations: { [ANNOTATIONS.uninstallRequestedBy]: ADMIN, [ANNOTATIONS.uninstallReport]: 'Reported' } };
      await admin.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, { metadata: answered }, signal);
      await eventually(async () => {
        const all = await hub.ledger.events({ cluster: 'eu', limit: 100 });
        return all.filter(({ reason }) => reason === 'Uninstalled').length === 2;
      });
      await Promise.all([leader, late].map((agent) => world.stopAgent(agent)));
      await run();
      await view.clear(GOVERNED);
      await bench.close();
    });

    it('has a leader report to its hub whose term begins only after the request', async () => {
      const bench = await openHubHarness();
      await bench.repository.commit(basicRepository(), 'first');
      const hub = await bench.startHub();
      await world.stopAgent(await install());
      // An earlier proof holds no longer for what changed since.
      await admin.mergePatch(SOVEREIGN_POLICY_KIND, OWN, { spec: { description: 'changed' } }, signal);
      const metadata = { annotations: { [ANNOTATIONS.uninstallRequestedBy]: ADMIN } };
      await admin.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, { metadata }, signal);
      const late = await world.startAgent('late', {
        cluster: 'eu',
        kubeconfig: agentKubeconfig,
        // What waits for the first round, which never comes, must not hold it up.
        openReports: true,
        hub: { url: hub.agentUrl, token: TOKENS.get('eu') ?? '', enrolToken: undefined, ca: undefined },
      });
      expect(await run({ options: { waitMs: 60_000 } })).toContain('  the agent has ended, and its hub has the report');
      const events = await hub.ledger.events({ cluster: 'eu', limit: 100 });
      expect(events.map(({ reason }) => reason)).toContain('Uninstalled');
      const { report, policies } = (await hub.ledger.cluster('eu')) ?? {};
      expect(report?.kubernetesVersion).not.toBe('unknown');
      expect(policies?.get(`${GOVERNED}/own`)?.enforcement.gatekeeper.state).toBe('Pending');
      // The hub's own policies are not written any more.
      expect((await admin.list(SOVEREIGN_POLICY_KIND, {}, signal)).map(({ metadata: { name } }) => name)).toEqual(['own']);
      await expectRemoved();
      await world.stopAgent(late);
      await view.clear(GOVERNED);
      await bench.close();
    });

    it('stops where an agent runs that does not answer', async () => {
      const agent = await install();
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases', namespaced: true };
      await world.stopAgent(agent);
      const asAgent = openKubeClient({ kubeconfig: agentKubeconfig });
      clients.push(asAgent);
      // An agent of a version that knows nothing of the request.
      const silence = new AbortController();
      const renewing = (async () => {
        while (!silence.signal.aborted) {
          const ref = { namespace: SYSTEM_NAMESPACE, name: 'fso-agent' };
          const live = (await asAgent.get(lease, ref, signal)) ?? expect.fail('no lease');
          const renewTime = new Date().toISOString().replace('Z', '000Z');
          const spec = { ...(live as KubeObject & { spec: object }).spec, holderIdentity: 'old', renewTime };
          const path = `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM_NAMESPACE}/leases/fso-agent`;
          await asAgent.raw({ method: 'PUT', path, body: { ...live, spec } }, signal);
          await systemClock.sleep(50, signal);
        }
      })();
      expect(await refusalOf(run({ options: { waitMs: 1_000 } }))).toContain('the agent old runs, and does not answer; stop it');
      silence.abort();
      await renewing;
      expect(await isRefused()).toBe(true);
      await run();
      await view.clear(GOVERNED);
    });
  });

  it('cleans up after deletions in any order, and nothing holds a namespace', async () => {
    const random = createRandom(20);
    for (let order = 0; order < ORDERS; order += 1) {
      await world.stopAgent(await install());
      const targets: readonly Target[] = [
        ...(await view.targets(GOVERNED)),
        { kind: CLUSTER_ROLES, ref: { name: 'fso-agent' } },
        { kind: CLUSTER_ROLE_BINDINGS, ref: { name: 'fso-agent' } },
        { kind: SERVICE_ACCOUNT_KIND, ref: { namespace: SYSTEM_NAMESPACE, name: 'fso-agent' } },
      ];
      // As long as the guard is there, it refuses many of them.
      for (const { kind, ref } of shuffled(targets, random)) await refusalOf(admin.delete(kind, ref, signal));
      await run();
      await expectRemoved();
      await view.clear(GOVERNED);
    }
  });
});
