import { setTimeout as delay } from 'node:timers/promises';
import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import { type KindDescriptor, objectPath } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import nodeSettings from '../../../node-settings.json' with { type: 'json' };
import { type AgentProcess, startAgentProcess } from '../../harness/agent-process.ts';
import { makePods, type OneCluster, withOneCluster } from '../cluster/one-cluster.ts';
import { enforcePolicies, policiesSettled } from '../cluster/policy-watch.ts';
import { between, clusterPrograms, readUsage, type Usage } from '../commit/usage.ts';
import { besideAim, printRows, seconds, writeFigures } from '../figures.ts';
import { memoryOf } from '../memory-of.ts';
import { makeNamespaces } from '../namespaces.ts';
import { readCount, readOptions } from '../options.ts';
import { regionSet } from '../regions.ts';
import { makeAgentProgram } from './agent-program.ts';

const DEPLOYMENT: KindDescriptor = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespaced: true };
const CRON_JOB: KindDescriptor = { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs', namespaced: true };
const IN_FLIGHT = 16;
const LOOK_MS = 2_000;
const MIB = 1024 * 1024;
/** Number of the tenant's CronJobs whose placements change. */
const OF_TENANT = 100;

interface Settings {
  readonly policies: number;
  readonly pods: number;
  readonly owners: number;
  readonly placements: number;
  readonly minutes: number;
  readonly heap: number;
}

/** Creates a Deployment without pods. */
const deployment = (name: string, namespace: string, nodeSelector: Readonly<Record<string, string>>) =>
  ({
    metadata: { name, namespace },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { nodeSelector, containers: [{ name: 'main', image: 'app:1' }] } },
    },
  }) as unknown as KubeObject;

/**
 * Returns the node selector of an owner. A third of the owners each is valid, would be refused, or
 * would stay pending.
 */
const selectorOf = (index: number, region: string): Readonly<Record<string, string>> => {
  if (index % 3 === 0) return { disk: `d-${index}` };
  return index % 3 === 1 ? { [REGION_LABEL]: region } : { [REGION_LABEL]: region, disk: `d-${index}` };
};

const makeOwners = async ({ world: { client, signal } }: OneCluster, namespaces: readonly string[], count: number): Promise<void> => {
  await mapConcurrently(Array.from({ length: count }), IN_FLIGHT, async (_item, index) => {
    const at = index % namespaces.length;
    const selector = selectorOf(index, regionSet(at)[0] ?? '');
    await client.create(DEPLOYMENT, deployment(`owner-${index}`, namespaces[at] ?? '', selector), {}, signal);
  });
};

/** Creates a CronJob that never starts, so that no controller acts on it. */
const cronJob = (name: string, namespace: string) =>
  ({
    metadata: { name, namespace },
    spec: {
      schedule: '0 0 1 1 *',
      suspend: true,
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'app:1' }] } } } },
    },
  }) as unknown as KubeObject;

/** Changes the placements of a tenant's CronJobs continuously, none of them twice. */
const tryPlacements = async ({ world: { client, signal } }: OneCluster, namespace: string, count: number): Promise<void> => {
  const names = Array.from({ length: OF_TENANT }, (_, index) => `tenant-${index}`);
  for (const name of names) await client.create(CRON_JOB, cronJob(name, namespace), {}, signal);
  await mapConcurrently(Array.from({ length: count }), IN_FLIGHT, async (_item, index) => {
    const path = objectPath(CRON_JOB, { namespace, name: names[index % names.length] ?? '' });
    const step = { op: 'add', path: '/spec/jobTemplate/spec/template/spec/nodeSelector', value: { placement: `p-${index}` } };
    await client.raw({ method: 'PATCH', path, body: [step], contentType: 'application/json-patch+json' }, signal);
  });
};

interface Phase {
  readonly usage: Usage;
  /** Highest resident memory in MiB. */
  readonly rss: number;
}

/** Measures the agent until a work is done. */
const during = async (work: Promise<unknown>, agent: AgentProcess, usage: () => Promise<Usage>): Promise<Phase> => {
  const before = await usage();
  let isDone = false;
  let rss = 0;
  const done = work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    agent.assertRunning();
    rss = Math.max(rss, memoryOf(agent.pid).reduce((sum, each) => sum + each.rss, 0) / MIB);
    await Promise.race([done, delay(LOOK_MS)]);
  }
  await done;
  return { usage: between(before, await usage()), rss: Math.round(rss) };
};

const DRY_RUNS = 'POST pods, dry run';

const rowsOf = (name: string, { usage, rss }: Phase): Readonly<Record<string, string>> => ({
  [`${name}: it took`]: seconds(usage.at),
  [`${name}: memory of the agent, RSS, the highest`]: besideAim(`${rss} MiB`, '200 MiB'),
  [`${name}: CPU of the agent`]: besideAim(`${((100 * (usage.cpuMs.get('agent') ?? 0)) / usage.at).toFixed(2)} % of a core`, 'at rest 2 %'),
  [`${name}: dry runs of pods a second, all proofs`]: besideAim(
    ((1000 * (usage.requests.get(DRY_RUNS) ?? 0)) / usage.at).toFixed(2),
    'at most 2',
  ),
});

const measure = async (one: OneCluster, settings: Settings, signal: AbortSignal): Promise<Record<string, string>> => {
  const { world, cluster, folder } = one;
  const namespaces = await makeNamespaces(world, 'bench-', settings.policies);
  await makePods(world, namespaces, settings.pods);
  await makeOwners(one, namespaces, settings.owners);
  const options = `${nodeSettings.NODE_OPTIONS} --max-old-space-size=${settings.heap}`;
  const program = await makeAgentProgram(folder);
  const agent = await startAgentProcess(cluster, { folder, program, env: { NODE_OPTIONS: options } });
  try {
    await enforcePolicies(world, namespaces);
    const programs = new Map([['agent', [agent.pid]], ...clusterPrograms(folder, ['bench'])]);
    const usage = () => readUsage(programs, [cluster.kubeconfig]);
    const measured = (work: Promise<unknown>): Promise<Phase> => during(work, agent, usage);
    const rest = (minutes: number) => delay(minutes * 60_000, undefined, { signal });
    // Owners are confirmed one by one, within the budget of dry runs, and each changes a status.
    const settling = await measured(policiesSettled(world));
    const idle = await measured(rest(settings.minutes));
    const [namespace = ''] = namespaces;
    const busy = await measured(tryPlacements(one, namespace, settings.placements));
    const after = await measured(rest(1));
    return {
      ...rowsOf('until no status changes', settling),
      ...rowsOf('at rest', idle),
      ...rowsOf('placements', busy),
      ...rowsOf('a minute after', after),
    };
  } finally {
    await agent.stop();
  }
};

/**
 * Measures the cost of judging owners for an agent, built like its image, at rest and while a
 * tenant tries placements.
 */
export const risks = async (args: string[], signal: AbortSignal): Promise<void> => {
  const values = readOptions(args, {
    policies: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '5000' },
    owners: { type: 'string', default: '5000' },
    placements: { type: 'string', default: '100000' },
    minutes: { type: 'string', default: '3' },
    heap: { type: 'string', default: '256' },
    json: { type: 'string' },
  });
  const { json, ...counts } = values;
  const settings = Object.fromEntries(Object.entries(counts).map(([name, text]) => [name, readCount(name, text)])) as unknown as Settings;
  const rows = await withOneCluster(signal, (one) => measure(one, settings, signal));
  const { policies, pods, owners, placements } = settings;
  printRows(`${policies} policies, ${pods} pods, ${owners} owners without pods, ${placements} placements of a tenant`, rows);
  await writeFigures(json, { settings, rows });
};
