import { ANNOTATIONS, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { ADMIN, GOVERNED, OWN, UninstallHarness } from '../harness/uninstall-harness.ts';
import { eventually } from '../harness/waiting.ts';

/** The removal of enforcement from a cluster where agents run. */
describe('fso-agent uninstall', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let harness: UninstallHarness;

  beforeAll(async () => {
    harness = await UninstallHarness.start('uninstall-running', signal);
    return () => harness.close();
  });

  describe('while agents run', () => {
    it('has the leader report to its hub first, ends all replicas, and keeps them from installing again until they may', async () => {
      const bench = await openHubHarness();
      await bench.repository.commit(basicRepository(), 'first');
      const hub = await bench.startHub();
      const changes = {
        cluster: 'eu',
        kubeconfig: harness.agentKubeconfig,
        hub: { url: hub.agentUrl, token: TOKENS.get('eu') ?? '', enrolToken: undefined, ca: undefined },
      };
      const leader = await harness.install(changes);
      const standby = await harness.world.startAgent('standby', changes);
      await eventually(async () => (await fetch(`${standby.url}/readyz`)).ok);
      await eventually(async () => (await hub.ledger.cluster('eu'))?.connected);

      const reported: boolean[] = [];
      const lines = await harness.run({
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
      await harness.expectRemoved();

      const problem = async ({ url }: RunningAgent): Promise<string> => (await fetch(`${url}/readyz`)).text();
      for (const agent of [leader, standby])
        await eventually(async () => (await problem(agent)).includes(`by ${ADMIN} with "fso-agent uninstall"`));
      await harness.world.stopAgent(standby);
      const late = await harness.world.startAgent('late', changes);
      await eventually(async () => (await problem(late)).includes('to install it again'));
      await harness.expectRemoved();

      const taken = { metadata: { annotations: { [ANNOTATIONS.uninstallRequestedBy]: null } } };
      await harness.admin.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, taken, signal);
      await eventually(async () => (await harness.ownPolicy())?.status?.phase === 'Active');

      // A leader also reports a request that comes with an answer which is not its own.
      await eventually(async () => (await hub.ledger.cluster('eu'))?.connected);
      const answered = { annotations: { [ANNOTATIONS.uninstallRequestedBy]: ADMIN, [ANNOTATIONS.uninstallReport]: 'Reported' } };
      await harness.admin.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, { metadata: answered }, signal);
      await eventually(async () => {
        const all = await hub.ledger.events({ cluster: 'eu', limit: 100 });
        return all.filter(({ reason }) => reason === 'Uninstalled').length === 2;
      });
      await Promise.all([leader, late].map((agent) => harness.world.stopAgent(agent)));
      await harness.run();
      await harness.view.clear(GOVERNED);
      await bench.close();
    });

    it('has a leader report to its hub whose term begins only after the request', async () => {
      const bench = await openHubHarness();
      await bench.repository.commit(basicRepository(), 'first');
      const hub = await bench.startHub();
      await harness.world.stopAgent(await harness.install());
      // An earlier proof holds no longer for what changed since.
      await harness.admin.mergePatch(SOVEREIGN_POLICY_KIND, OWN, { spec: { description: 'changed' } }, signal);
      const metadata = { annotations: { [ANNOTATIONS.uninstallRequestedBy]: ADMIN } };
      await harness.admin.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, { metadata }, signal);
      const late = await harness.world.startAgent('late', {
        cluster: 'eu',
        kubeconfig: harness.agentKubeconfig,
        // What waits for the first round, which never comes, must not hold it up.
        openReports: true,
        hub: { url: hub.agentUrl, token: TOKENS.get('eu') ?? '', enrolToken: undefined, ca: undefined },
      });
      expect(await harness.run({ options: { waitMs: 60_000 } })).toContain('  the agent has ended, and its hub has the report');
      const events = await hub.ledger.events({ cluster: 'eu', limit: 100 });
      expect(events.map(({ reason }) => reason)).toContain('Uninstalled');
      const { report, policies } = (await hub.ledger.cluster('eu')) ?? {};
      expect(report?.kubernetesVersion).not.toBe('unknown');
      expect(policies?.get(`${GOVERNED}/own`)?.enforcement.gatekeeper.state).toBe('Pending');
      // The hub's own policies are not written any more.
      expect((await harness.admin.list(SOVEREIGN_POLICY_KIND, {}, signal)).map(({ metadata: { name } }) => name)).toEqual(['own']);
      await harness.expectRemoved();
      await harness.world.stopAgent(late);
      await harness.view.clear(GOVERNED);
      await bench.close();
    });

    it('stops where an agent runs that does not answer', async () => {
      const agent = await harness.install();
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases', namespaced: true };
      await harness.world.stopAgent(agent);
      const asAgent = harness.asAgent();
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
      expect(await refusalOf(harness.run({ options: { waitMs: 1_000 } }))).toContain('the agent old runs, and does not answer; stop it');
      silence.abort();
      await renewing;
      expect(await harness.isRefused()).toBe(true);
      await harness.run();
      await harness.view.clear(GOVERNED);
    });
  });
});
