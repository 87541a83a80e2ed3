import { type ClusterView, floorLabel, type ProblemView, REGION_LABEL, type SourceView } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  DEPLOYMENT_KIND,
  KubeApiError,
  type KubeClient,
  NAMESPACE_KIND,
  NODE_KIND,
  POD_KIND,
  type Pod,
} from '@fso/shared/kube';
import { until } from './programs.ts';
import { bothLocks, measureCommit } from './timeline.ts';
import type { DemoCluster, World } from './world.ts';

/**
 * Namespaces that the sample policies govern, by cluster. They belong to application teams, not to
 * the agent.
 */
const NAMESPACES: Readonly<Record<string, readonly string[]>> = {
  us: ['payments', 'customer-data', 'trading-options'],
  eu: ['finance', 'payroll', 'customer-data', 'trading-bonds'],
  apac: ['analytics', 'customer-data', 'trading-fx'],
};
/** File of the policy that the demo edits to show a change. */
export const CHANGED_POLICY = 'policies/customer-data.yaml';

const clusterOf = (world: World, name: string): DemoCluster => {
  const cluster = world.clusters.find((candidate) => candidate.name === name);
  if (!cluster) throw new Error(`no cluster ${name}`);
  return cluster;
};

const podSpec = (region?: string): Pod['spec'] => ({
  containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }],
  ...(region === undefined ? {} : { nodeSelector: { [REGION_LABEL]: region } }),
});

const createPod = (kube: KubeClient, ref: { namespace: string; name: string }, region: string | undefined, signal: AbortSignal) =>
  kube.create(POD_KIND, { apiVersion: 'v1', kind: 'Pod', metadata: { ...ref }, spec: podSpec(region) }, {}, signal);

/** Creates the namespaces that the sample policies govern. */
export async function createNamespaces(world: World, signal: AbortSignal): Promise<string> {
  for (const { name, kube } of world.clusters) {
    for (const namespace of NAMESPACES[name] ?? []) {
      await kube.apply(
        NAMESPACE_KIND,
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
        { fieldManager: 'fso-demo' },
        signal,
      );
    }
  }
  return world.clusters.map(({ name }) => `${name}: ${NAMESPACES[name]?.join(', ')}`).join('; ');
}

/**
 * Waits until every cluster is connected and has proven the commit in force. The hub's record alone
 * does not suffice, since a cluster may have disconnected.
 */
export async function everyClusterProven(world: World, signal: AbortSignal): Promise<string> {
  const look = async (): Promise<readonly ClusterView[] | undefined> => {
    world.assertRunning();
    const [source, clusters] = await Promise.all([world.hub.source(signal), world.hub.clusters({}, signal)]);
    const revision = source.revision?.revision;
    const done =
      clusters.length === world.clusters.length && clusters.every(({ inSync, provenRevision }) => inSync && provenRevision === revision);
    return revision !== undefined && done ? clusters : undefined;
  };
  const proven = await until('every cluster proves the commit', look, signal);
  await bothLocks(world, signal);
  const doubtful = proven.filter(({ report }) => world.signed && report?.verification !== 'verified').map(({ name }) => name);
  if (doubtful.length > 0) throw new Error(`the commit is signed, but not verified by ${doubtful.join(', ')}`);
  return proven.map(({ name, policies }) => `${name}: ${policies.active} of ${policies.total} policies active`).join(', ');
}

/** Checks that a compliant pod is admitted, scheduled in its region, and runs. */
export async function compliantPod(world: World, signal: AbortSignal): Promise<string> {
  const { kube } = clusterOf(world, 'eu');
  const ref = { namespace: 'finance', name: 'ledger' };
  await kube.delete(POD_KIND, ref, signal);
  const isGone = async (): Promise<true | undefined> => ((await kube.get(POD_KIND, ref, signal)) ? undefined : true);
  await until('the pod of an earlier run is gone', isGone, signal);
  await createPod(kube, ref, 'eu-west-1', signal);
  const running = async (): Promise<Pod | undefined> => {
    const current = await kube.get(POD_KIND, ref, signal);
    return current?.status?.phase === 'Running' ? current : undefined;
  };
  const pod = await until('the pod runs', running, signal);
  const nodeName = pod.spec.nodeName ?? '';
  const node = await kube.get(NODE_KIND, { name: nodeName }, signal);
  const region = node?.metadata.labels?.[REGION_LABEL];
  if (region !== 'eu-west-1') throw new Error(`the pod runs on ${nodeName} in ${region}`);
  return `finance/ledger runs on ${nodeName} in ${region}`;
}

/** Checks that a pod outside of the regions is refused, and that the refusal names the policy. */
export async function violatingPod(world: World, signal: AbortSignal): Promise<string> {
  const { kube } = clusterOf(world, 'eu');
  try {
    await createPod(kube, { namespace: 'finance', name: 'runaway' }, 'us-east-1', signal);
  } catch (error) {
    if (!(error instanceof KubeApiError)) throw error;
    if (!error.message.includes('finance-eu')) throw new Error(`refused, but not by the policy: ${error.message}`);
    return `refused:\n${error.message}`;
  }
  throw new Error('the pod was admitted');
}

/** Checks that a Deployment with violating pods is admitted with a warning. */
export async function warnedDeployment(world: World, signal: AbortSignal): Promise<string> {
  const { kube } = clusterOf(world, 'us');
  const ref = { namespace: 'customer-data', name: 'gateway' };
  await kube.delete(DEPLOYMENT_KIND, ref, signal);
  const labels = { app: 'gateway' };
  const { warnings } = await kube.create(
    DEPLOYMENT_KIND,
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: ref,
      spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec() } } as object,
    },
    {},
    signal,
  );
  const warning = warnings.find((text) => text.includes('policy customer-data'));
  if (warning === undefined) throw new Error(`no warning of the policy; warnings: ${warnings.join('; ') || 'none'}`);
  return `admitted with a warning:\n${warning}`;
}

/**
 * Checks that an administrator cannot remove the labels of a namespace, and that the guard that
 * refuses it is restored after its deletion and reported to the hub.
 */
export async function tamperingAnswered(world: World, signal: AbortSignal): Promise<string> {
  const { kube } = clusterOf(world, 'eu');
  const strip = { metadata: { labels: { [floorLabel('deny')]: null } } };
  const refusal = await refusalOf(kube.mergePatch(NAMESPACE_KIND, { name: 'finance' }, strip, signal));
  const started = performance.now();
  const guard = { name: 'fso-guard-namespaces' };
  await kube.delete(ADMISSION_POLICY_BINDING_KIND, guard, signal);
  const isBack = async (): Promise<true | undefined> => ((await kube.get(ADMISSION_POLICY_BINDING_KIND, guard, signal)) ? true : undefined);
  await until('the guard is back', isBack, signal);
  const backMs = Math.round(performance.now() - started);
  const isReported = async (): Promise<true | undefined> => ((await world.hub.status(signal)).clusters.tampered > 0 ? true : undefined);
  await until('the hub knows of the tampering', isReported, signal);
  return `the label stays:\n${refusal}\n${guard.name} was deleted, back after ${backMs} ms, and the hub knows`;
}

async function refusalOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
  } catch (error) {
    if (error instanceof KubeApiError) return error.message;
    throw error;
  }
  throw new Error('the change was admitted');
}

/**
 * Stops the hub, and checks that the clusters still enforce their policies. {@link hubBack} starts
 * it again.
 */
export async function withoutHub(world: World, signal: AbortSignal): Promise<string> {
  await world.stopHub();
  await violatingPod(world, signal);
  return 'hub stopped; the violating pod is still refused';
}

/** Starts the hub again, and waits until every cluster has proven the commit. */
export async function hubBack(world: World, signal: AbortSignal): Promise<string> {
  await world.startHub();
  return everyClusterProven(world, signal);
}

/**
 * Pushes a policy that the hub must refuse, checks that nothing changes, and reverts it.
 *
 * @returns the problems for which it was refused
 */
async function refusedCommit(
  world: World,
  policy: { text: string; push: typeof world.repository.commit },
  signal: AbortSignal,
): Promise<ProblemView[]> {
  const before = (await world.hub.source(signal)).revision?.revision;
  const revision = await policy.push({ 'policies/refused.yaml': policy.text }, 'Add a policy that is to be refused');
  const look = async (): Promise<SourceView | undefined> => {
    const source = await world.hub.source(signal);
    return source.rejected?.commit.revision === revision ? source : undefined;
  };
  const { rejected, revision: inForce } = await until('the commit is refused', look, signal);
  if (inForce?.revision !== before) throw new Error('the commit in force changed');
  const next = await world.repository.commit({ 'policies/refused.yaml': null }, 'Remove the policy that was refused');
  const isAccepted = async (): Promise<true | undefined> =>
    (await world.hub.source(signal)).revision?.revision === next ? true : undefined;
  await until('the next commit is taken', isAccepted, signal);
  await everyClusterProven(world, signal);
  return rejected?.problems ?? [];
}

const policyText = (spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata:\n  name: refused\nspec:\n${spec}`;

/**
 * Checks that a broken commit is refused as a whole, with file and line, and that the previous one
 * stays in force.
 */
export async function brokenCommit(world: World, signal: AbortSignal): Promise<string> {
  const text = policyText('  targetNamespace: x\n  allowedRegion: [eu-west-1]\n');
  const problems = await refusedCommit(world, { text, push: world.repository.commit }, signal);
  return ['refused:', ...problems.map(({ path, line, column, reason }) => `${path}:${line}:${column} ${reason}`)].join('\n');
}

/** Checks that an unsigned commit changes nothing. */
export async function unsignedCommit(world: World, signal: AbortSignal): Promise<string> {
  if (!world.signed) return 'skipped: there is no ssh-keygen to sign with';
  const { repository } = world;
  const push: typeof repository.commit = async (...change) => {
    await repository.git('config', 'commit.gpgSign', 'false');
    const revision = await repository.commit(...change);
    await repository.git('config', 'commit.gpgSign', 'true');
    return revision;
  };
  const text = policyText('  targetNamespace: x\n  allowedRegions: [eu-west-1]\n');
  const problems = await refusedCommit(world, { text, push }, signal);
  if (problems[0]?.code !== 'unsigned') throw new Error(`refused, but for another reason: ${problems[0]?.reason}`);
  return ['refused:', ...problems.map(({ code, reason }) => `${code}: ${reason}`)].join('\n');
}

/**
 * Commits and pushes a change of one policy that applies to every cluster. @returns the commit id
 */
export async function pushChange(world: World, round: number): Promise<string> {
  const file = await world.repository.git('show', `HEAD:${CHANGED_POLICY}`);
  // The regions alternate, so that every commit changes what the locks enforce.
  const regions =
    round % 2 === 0 ? ['ap-southeast-1', 'eu-central-1', 'us-east-1'] : ['ap-southeast-1', 'ap-northeast-1', 'eu-central-1', 'us-east-1'];
  const changed = file.replace(
    /allowedRegions:\n(\s+- .*\n?)+/,
    `allowedRegions:\n${regions.map((region) => `    - ${region}\n`).join('')}`,
  );
  return await world.repository.commit({ [CHANGED_POLICY]: `${changed.trimEnd()}\n` }, `Govern customer-data (${round})`);
}

/** Commits a change of one policy, and measures its progress. */
export async function followedCommit(world: World, round: number, signal: AbortSignal): Promise<{ ms: number; text: string }> {
  const timeline = await measureCommit(world, () => pushChange(world, round), signal);
  return { ms: timeline.provenMs, text: timeline.text };
}
