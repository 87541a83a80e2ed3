import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { REGION_LABEL } from '@fso/shared/api';
import { Plan } from '@fso/shared/effects';
import { CONFIG_MAP_KIND } from '@fso/shared/kube';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { accepted, type HubHarness, openHubHarness, TOKENS, takeOffer } from '../harness/hub-harness.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import type { StreamClient } from '../harness/stream-client.ts';
import { eventually } from '../harness/waiting.ts';
import { specOf } from '../restart/workload.ts';
import { WorkloadCluster } from '../restart/workload-cluster.ts';

const ADMIN = 'static-token-0123456789';
/** A text of the change that nobody may keep. */
const SECRET = 'planted-text-5b1c';
const PLANTED = Array.from({ length: 50 }, (_, at) => `planted-${at}`);
const BOTH = ['eu-west-1', 'eu-central-1'];

/** A control plane with its agent as a process, a hub, and a cluster whose agent is a script. */
describe('a plan of what runs', () => {
  const stop = new AbortController();
  const { signal } = stop;
  const logged: string[] = [];
  let world: ClusterHarness;
  let bench: HubHarness;
  let hub: RunningHub;
  let agent: AgentProcess;
  let script: StreamClient;
  let change: string;

  const fso = (token: string, ...args: string[]) => runFso(['plan', '--dir', change, ...args], { FSO_SERVER: hub.url, FSO_TOKEN: token });
  const planAs = async (token: string, ...args: string[]) => {
    const { code, out, err } = await fso(token, ...args, '-o', 'json');
    expect(err).toBe('');
    return { code, plan: Plan.parse(JSON.parse(out)) };
  };
  /** A token of a viewer of the policies of one namespace. */
  const viewerOf = async (namespace: string): Promise<string> => {
    const body = JSON.stringify({ name: namespace, role: 'viewer', policies: { targetNamespaces: [namespace] } });
    const headers = { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'application/json' };
    const response = await fetch(`${hub.url}/api/v1/tokens`, { method: 'POST', headers, body });
    return ((await response.json()) as { token: string }).token;
  };
  const dryRuns = async (): Promise<number> => {
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    const counts = metrics.matchAll(/^fso_agent_template_dry_runs_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const answerScript = async (): Promise<void> => {
    for (;;) {
      const frame = await Promise.race([script.next('preview'), script.closed]);
      if ('code' in frame) return;
      const none = { now: 0, after: 0, begins: 0, ends: 0 };
      const lookedAt = { namespaces: 1, owners: 1, pods: 1 };
      const answer = { state: 'Answered' as const, observedAt: new Date().toISOString(), lookedAt, omitted: 0 };
      script.send({ type: 'previewed', id: frame.id, answer: { ...answer, outside: none, refused: none, pending: none } });
    }
  };

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'plan', gatekeeper: false }, signal);
    const workloads = new WorkloadCluster(world.client, signal);
    for (const namespace of ['finance', 'hr']) await world.makeNamespace(namespace);
    const inBoth = {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: BOTH }] }],
        },
      },
    };
    for (const name of PLANTED)
      await workloads.create(
        { kind: 'Deployment', namespace: 'finance', name },
        specOf('Deployment', { name, placement: { affinity: inBoth } }),
      );
    bench = await openHubHarness();
    const files = {
      'clusters/eu.yaml': clusterFile('eu', BOTH),
      'clusters/us.yaml': clusterFile('us', ['us-east-1']),
      'policies/finance.yaml': policyFile('finance', BOTH),
      'policies/hr.yaml': policyFile('hr', BOTH),
    };
    const revision = await bench.repository.commit(files, 'first');
    hub = await bench.startHub({
      config: { apiToken: ADMIN },
      deps: { logger: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }) },
    });
    await accepted(hub, revision);
    script = await bench.agent(hub, 'us');
    await takeOffer(script, hub, 'us');
    void answerScript();
    agent = await startAgentProcess(world.cluster, {
      folder: world.folder,
      env: { FSO_CLUSTER: 'eu', FSO_HUB_URL: hub.agentUrl, FSO_HUB_TOKEN: TOKENS.get('eu') ?? '', FSO_PREVIEW: 'names' },
    });
    // Each question counts: the agent is asked once it has an answer.
    await eventually(async () => (await hub.ledger.cluster('eu'))?.report?.provenRevision === revision);
    change = join(bench.folder, 'change');
    const changed = { ...files, 'policies/finance.yaml': `${policyFile('finance', ['eu-west-1'])}  description: ${SECRET}\n` };
    for (const [path, text] of Object.entries(changed)) {
      await mkdir(dirname(join(change, path)), { recursive: true });
      await writeFile(join(change, path), text);
    }
  });
  afterAll(async () => {
    process.kill(agent.pid, 'SIGCONT');
    await agent.stop('SIGKILL');
    await world.close();
    await bench.close();
    stop.abort();
  });

  it('names the owners that the change would refuse, by the answer of their agent', async () => {
    const { code, plan } = await planAs(ADMIN);
    expect(plan.workloads?.notAnswered).toEqual([]);
    expect([code, plan.result]).toEqual([1, 'Breaks']);
    const [eu, us] = plan.workloads?.clusters ?? [];
    expect([eu?.cluster, us?.cluster]).toEqual(['eu', 'us']);
    expect(eu).toMatchObject({ lookedAt: { owners: 50 }, refused: { now: 0, after: 50, begins: 50, ends: 0 } });
    expect(new Set(eu?.refused.owners?.map(({ name }) => name))).toEqual(new Set(PLANTED));
    expect(eu?.refused.owners?.[0]).toMatchObject({ kind: 'Deployment', namespace: 'finance', policies: ['finance'] });
  });

  it('accepts a stored plan that a commit names, and refuses what goes beyond it', async () => {
    // Dry runs show one next pod after the other, and the agent answers 30 questions an hour.
    let made = -1;
    const { id } = await eventually(async () => {
      const now = await dryRuns();
      if (now < made + 20) return undefined;
      made = now;
      const { plan } = await planAs(ADMIN);
      return plan.workloads?.clusters.every(({ coverage }) => coverage === 'Whole') && plan;
    });
    const work = join(bench.folder, 'work');
    const commit = async (message: string, ...policies: string[]): Promise<Plan> => {
      for (const name of policies) await writeFile(join(work, `policies/${name}.yaml`), policyFile(name, ['eu-west-1']));
      await bench.repository.git('commit', '--quiet', '--all', '--allow-empty', '--message', message);
      const env = { FSO_SERVER: hub.url, FSO_TOKEN: ADMIN };
      const { code, out } = await runFso(['plan', '--dir', work, '--ref', 'change', '-o', 'json'], env);
      const plan = Plan.parse(JSON.parse(out));
      expect(code).toBe(plan.result === 'Accepted' ? 0 : 1);
      return plan;
    };
    await bench.repository.git('checkout', '--quiet', '-b', 'change');
    expect((await commit('tighten', 'finance')).acceptance).toBeNull();
    expect(await commit(`accept\n\nAccept-Effects: ${id}`)).toMatchObject({
      ...{ result: 'Accepted', acceptance: { state: 'Accepted', plan: id, by: 'local', beyond: [] } },
    });
    expect((await commit('more', 'hr')).acceptance).toMatchObject({
      state: 'Beyond',
      beyond: [{ clusters: ['eu', 'us'], message: 'namespace hr: deny tightened' }],
    });
    await bench.repository.git('checkout', '--quiet', 'main');
  });

  it('shows none of the names to a viewer of another namespace, nor in a comment', async () => {
    const hr = await fso(await viewerOf('hr'), '-o', 'json');
    expect(Plan.parse(JSON.parse(hr.out))).toMatchObject({ effects: [], workloads: { clusters: [], notAnswered: [] } });
    const own = (await planAs(await viewerOf('finance'))).plan.workloads?.clusters[0];
    expect([own?.refused.owners?.length, own?.refused.now, own?.lookedAt]).toEqual([50, null, null]);
    const markdown = await fso(ADMIN, '-o', 'markdown');
    expect(markdown.out).toContain('| `eu` | `0` | `50 (+50)` |');
    for (const text of [hr.out, hr.err, markdown.out]) expect(text).not.toContain('planted-');
  });

  it('leaves the texts of the change nowhere', async () => {
    const inFiles = async (folder: string): Promise<string[]> => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      const found = await Promise.all(paths.map(async (path) => ((await readFile(path)).includes(SECRET) ? [path] : [])));
      return found.flat();
    };
    // A branch with the same texts, in its message and in a path as well.
    const work = bench.repository.folder;
    await bench.repository.git('checkout', '--quiet', '-B', 'planted', 'main');
    await mkdir(join(work, 'policies', SECRET), { recursive: true });
    await writeFile(join(work, 'policies', SECRET, 'new.yaml'), `# ${SECRET}\n${policyFile('new', ['eu-west-1'])}`);
    await copyFile(join(change, 'policies/finance.yaml'), join(work, 'policies/finance.yaml'));
    await bench.repository.git('add', '--all');
    await bench.repository.git('commit', '--quiet', '--message', SECRET);
    await bench.repository.git('push', '--quiet', 'origin', 'HEAD:refs/heads/planted');
    const env = { FSO_SERVER: hub.url, FSO_TOKEN: ADMIN };
    const plan = Plan.parse(JSON.parse((await runFso(['plan', '--branch', 'planted', '-o', 'json'], env)).out));
    expect(plan.workloads?.clusters.map(({ cluster }) => cluster)).toEqual(['eu', 'us']);
    expect(plan.workloads?.clusters[0]).toMatchObject({ refused: { begins: 50 } });
    expect(hub.ledger.records.list('plan')).toContainEqual(expect.objectContaining({ summary: expect.objectContaining({ id: plan.id }) }));
    await bench.repository.git('checkout', '--quiet', 'main');
    expect(await inFiles(join(bench.folder, 'hub'))).toEqual([]);
    expect(logged.join('')).not.toContain(SECRET);
    expect(await readFile(join(world.folder, 'agent-plan.log'), 'utf8')).not.toContain(SECRET);
    expect(JSON.stringify(await world.client.list(CONFIG_MAP_KIND, {}, signal))).not.toContain(SECRET);
    // The search finds what is kept.
    expect(await inFiles(join(bench.folder, 'change'))).toEqual([join(change, 'policies/finance.yaml')]);
  });

  it('names an agent that is stopped, and fails', async () => {
    process.kill(agent.pid, 'SIGSTOP');
    const { code, plan } = await planAs(ADMIN);
    expect(code).toBe(1);
    expect(plan.workloads?.clusters.map(({ cluster }) => cluster)).toEqual(['us']);
    expect(plan.workloads?.notAnswered).toEqual([expect.objectContaining({ clusters: ['eu'], reason: 'NoAnswer' })]);
  });
});
