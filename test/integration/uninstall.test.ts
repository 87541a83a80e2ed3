import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ANNOTATIONS, floorLabel, type KubeObject, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type KindDescriptor, type KubeClient, NAMESPACE_KIND, SERVICE_ACCOUNT_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { whoAmI } from '../../agent/bootstrap.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { createRandom, shuffled } from '../harness/random.ts';
import { documentedCommands } from '../harness/shell.ts';
import { ADMIN, AGENT_PROGRAM, GOVERNED, OWN, UninstallHarness } from '../harness/uninstall-harness.ts';
import type { Target } from '../harness/uninstall-view.ts';
import { eventually } from '../harness/waiting.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const CLUSTER_ROLES: KindDescriptor = { apiVersion: RBAC, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false };
const CLUSTER_ROLE_BINDINGS: KindDescriptor = {
  apiVersion: RBAC,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
};

/**
 * Orders of deletion that are tried. Each takes about ten seconds; FSO_TEST_ORDERS=20 tries more
 * than a run of all tests has time for.
 */
const ORDERS = Number(process.env['FSO_TEST_ORDERS'] ?? 2);

/** The removal of enforcement from a cluster whose agent was stopped. */
describe('fso-agent uninstall', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let harness: UninstallHarness;

  beforeAll(async () => {
    harness = await UninstallHarness.start('uninstall', signal);
    return () => harness.close();
  });

  describe('where no agent runs', () => {
    beforeAll(async () => {
      await harness.world.stopAgent(await harness.install());
    });

    it('is not done while fso-agent verify finds that a pod is refused', async () => {
      expect(await harness.verify()).toBe(0);
    });

    it("requires the caller's right to delete admission policies, which the agent lacks", async () => {
      const rules = [{ apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'patch'] }];
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'annotators' };
      const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'tenant' }];
      const metadata = { name: 'annotators' };
      await harness.admin.apply(CLUSTER_ROLES, { metadata, rules } as KubeObject, { fieldManager: 'test' }, signal);
      await harness.admin.apply(CLUSTER_ROLE_BINDINGS, { metadata, roleRef, subjects } as KubeObject, { fieldManager: 'test' }, signal);
      const tenant = await harness.as('tenant');
      const agentClient = harness.asAgent();
      for (const client of [tenant, agentClient]) {
        const refusal = await refusalOf(harness.run({ client }));
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
      expect(await request(harness.admin, { [key]: 'another' })).toContain(ONLY);
      expect(await request(harness.admin, { [key]: ADMIN }, GOVERNED)).toContain(ONLY);
      expect(await request(harness.admin, { [key]: ADMIN })).toBe('');
      expect(await request(tenant, { [key]: null })).toContain(ONLY);
      expect(await request(agentClient, { [key]: null })).toContain(ONLY);
      expect(await request(harness.admin, { [key]: null })).toBe('');
      expect(await harness.isRefused()).toBe(true);
    });

    it('lists its steps in a dry run, and changes nothing', async () => {
      const before = await harness.view.enforcing();
      const lines = await harness.run({ options: { dryRun: true } });
      expect(lines).toContain('  ValidatingAdmissionPolicyBinding fso-guard-namespaces');
      expect(lines).toContain(`  SovereignPolicy ${GOVERNED}/own`);
      expect(await harness.view.enforcing()).toEqual(before);
      expect((await harness.world.namespace(SYSTEM_NAMESPACE))?.metadata.annotations).not.toHaveProperty([
        ANNOTATIONS.uninstallRequestedBy,
      ]);
    });

    it('continues after an interruption at each of its steps', async () => {
      const titles: string[] = [];
      for (let step = 1; ; step += 1) {
        const interrupt = new AbortController();
        let lines = 0;
        const onLine = (line: string): void => {
          lines += 1;
          // Each run prints, before the steps that are left, that it asks the agents, and what came
          // of that.
          if (lines === 3) {
            titles.push(line);
            interrupt.abort(new Error('interrupted'));
          }
        };
        const outcome = await refusalOf(harness.run({ abort: interrupt.signal, onLine }));
        if (!interrupt.signal.aborted || titles.at(-1)?.startsWith('Nothing enforces') === true) break;
        expect(outcome).toBe('interrupted');
        expect(step).toBeLessThan(20);
      }
      expect(titles.length).toBeGreaterThan(8);
      expect(titles.at(-2)).toBe('clear the record of the installation: 1');
      await harness.expectRemoved();
      expect(await harness.verify()).toBe(1);
      expect((await harness.ownPolicy())?.status).toMatchObject({
        phase: 'Failed',
        message: expect.stringContaining(`${ADMIN} removed enforcement`),
        conditions: [
          { type: 'Ready', status: 'False', reason: 'Uninstalled' },
          { type: 'Stalled', status: 'True', reason: 'Uninstalled' },
        ],
      });
      expect(await harness.run()).toEqual(expect.not.arrayContaining([expect.stringMatching(/: \d+$/)]));
      await harness.view.clear(GOVERNED);
    });
  });

  it('leaves labels and policies, and lets everything be deleted: from the command line', async () => {
    await harness.world.stopAgent(await harness.install());
    await harness.world.applyPolicy('elsewhere', { targetNamespace: GOVERNED, allowedRegions: ['eu-west-1'] });
    await harness.admin.delete(SOVEREIGN_POLICY_KIND, OWN, signal);
    expect((await harness.ownPolicy())?.metadata.deletionTimestamp).toBeDefined();
    const kubeconfig = await harness.world.cluster.createUserKubeconfig(ADMIN, ['system:masters']);
    const command = async (...args: string[]) => {
      const env = { PATH: process.env['PATH'], KUBECONFIG: kubeconfig };
      const running = promisify(execFile)(process.execPath, [AGENT_PROGRAM, 'uninstall', ...args], { env });
      running.child.stdin?.end();
      return running.then(
        ({ stdout }) => ({ code: 0, text: stdout }),
        (error: { code: number; stderr: string }) => ({ code: error.code, text: error.stderr }),
      );
    };
    expect(await command()).toEqual({ code: 2, text: expect.stringContaining('confirm with --yes') });
    expect(await command('--wait', 'x')).toEqual({ code: 2, text: expect.stringContaining('--wait takes a number of seconds') });
    expect(await command('--help')).toEqual({ code: 0, text: expect.stringContaining('Exit status') });
    const commands = documentedCommands('docs/operate/upgrade.md', 'uninstall').replaceAll(
      'KUBECONFIG=… npm run -s fso-agent --',
      'fso-agent',
    );
    const text = await harness.shell.run(`${commands.trim()} --yes --wait 0`);
    expect(text).toContain('  no agent runs in this cluster: no hub was told');
    expect(text).toContain(`kubectl delete namespace ${SYSTEM_NAMESPACE}`);
    await harness.expectRemoved();
    expect(await harness.ownPolicy()).toBeUndefined();
    expect(await harness.world.policy('elsewhere')).toBeDefined();
    expect((await harness.world.namespace(GOVERNED))?.metadata.labels).toMatchObject({
      [floorLabel('deny')]: 'active',
      [LABELS.policyName]: 'own',
    });
    expect(await harness.world.tryPod(GOVERNED, 'us-east-1')).toBe('');
    // What the agent had by other means becomes the release's.
    await harness.shell.run(`helm install fso-agent deploy/charts/fso-agent -n ${SYSTEM_NAMESPACE} --set cluster=one --take-ownership`);
    await harness.shell.run(documentedCommands('docs/operate/upgrade.md', 'delete'));
    expect(await harness.world.namespace(SYSTEM_NAMESPACE)).toBeUndefined();
    await harness.view.clear(GOVERNED);
  });

  it('is done by the commands of the page alone where no program of this system can run', async () => {
    await harness.world.stopAgent(await harness.install());
    await harness.shell.run(documentedCommands('docs/operate/upgrade.md', 'without-agent'));
    await harness.expectRemoved();
    await harness.view.clear(GOVERNED);
  });

  it('cleans up after deletions in any order, and nothing holds a namespace', async () => {
    const random = createRandom(20);
    for (let order = 0; order < ORDERS; order += 1) {
      await harness.world.stopAgent(await harness.install());
      const targets: readonly Target[] = [
        ...(await harness.view.targets(GOVERNED)),
        { kind: CLUSTER_ROLES, ref: { name: 'fso-agent' } },
        { kind: CLUSTER_ROLE_BINDINGS, ref: { name: 'fso-agent' } },
        { kind: SERVICE_ACCOUNT_KIND, ref: { namespace: SYSTEM_NAMESPACE, name: 'fso-agent' } },
      ];
      // As long as the guard is there, it refuses many of them.
      for (const { kind, ref } of shuffled(targets, random)) await refusalOf(harness.admin.delete(kind, ref, signal));
      await harness.run();
      await harness.expectRemoved();
      await harness.view.clear(GOVERNED);
    }
  });
});
