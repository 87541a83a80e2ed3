import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { until } from '../../clusters/demo/programs.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { AdmissionProbe } from './admission-probe.ts';
import { type HubView, lagOf, readHubView } from './hub-view.ts';
import { UpgradeCluster } from './upgrade-cluster.ts';
import { UpgradeHub } from './upgrade-hub.ts';
import { checkOut, removeCheckout, type Version } from './versions.ts';

const CLUSTERS = ['one', 'two'];
const REGIONS = ['eu-west-1', 'us-east-1'];
const NAMESPACES = ['finance', 'payroll', 'trading', 'analytics'];
const PAYROLL = 'policies/payroll.yaml';

/** The second deny policy, which the commits between the steps change. */
const payroll = (regions: readonly string[]): string => `${policyFile('payroll', regions)}  placementInjection: true\n`;

const FILES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(CLUSTERS.map((name) => [`clusters/${name}.yaml`, clusterFile(name, REGIONS)])),
  'policies/finance.yaml': policyFile('finance'),
  'policies/trading.yaml': `${policyFile('trading')}  enforcementAction: warn\n`,
  'policies/analytics.yaml': `${policyFile('analytics')}  enforcementAction: dryrun\n`,
  [PAYROLL]: payroll(['eu-west-1']),
};

/** A repository, a hub and two clusters with agents, all in the old version at first. */
export interface World {
  readonly old: Version;
  readonly hub: UpgradeHub;
  readonly clusters: readonly UpgradeCluster[];
  readonly probes: readonly AdmissionProbe[];
  /** Commits other regions for one policy, or its first ones again. */
  commit(change: 'widen' | 'restore'): Promise<void>;
  startAgent(cluster: UpgradeCluster, version: Version): Promise<void>;
  /**
   * Waits until every cluster is connected and has the newest commit in force; of those that the
   * hub refuses, until they have it in force.
   */
  untilInForce(refused?: readonly string[]): Promise<HubView>;
  /** A folder that is not there yet. */
  folder(name: string): string;
}

interface WorldOptions {
  readonly from: string;
  readonly log: (line: string) => void;
}

type CleanUp = (end: () => Promise<unknown>) => void;

const openRepository = async (folder: string, cleanUp: CleanUp): Promise<GitRepository & { readonly url: string }> => {
  const git = await startGitServer({ root: join(folder, 'repositories') });
  cleanUp(() => git.stop());
  await git.create('policies.git');
  const url = git.url('policies.git');
  return { ...(await openGitRepository(join(folder, 'work'), url)), url };
};

const startClusters = async (folder: string, cleanUp: CleanUp, signal: AbortSignal): Promise<UpgradeCluster[]> => {
  const clusters: UpgradeCluster[] = [];
  for (const name of CLUSTERS) {
    const cluster = await UpgradeCluster.start({ name, folder, regions: REGIONS }, signal);
    cleanUp(() => cluster.close());
    await cluster.makeNamespaces(NAMESPACES, signal);
    clusters.push(cluster);
  }
  return clusters;
};

const probeOf = ({ name, client }: UpgradeCluster): AdmissionProbe =>
  new AdmissionProbe(client, { cluster: name, namespace: 'finance', allowedRegion: 'eu-west-1', otherRegion: 'us-east-1' });

const openWorld = async (
  folder: string,
  { from, log }: WorldOptions,
  { cleanUp, signal }: { cleanUp: CleanUp; signal: AbortSignal },
): Promise<World> => {
  const root = join(folder, 'old');
  cleanUp(() => removeCheckout(root));
  log(`checking out ${from}`);
  const old = await checkOut(from, root, signal);
  const repository = await openRepository(folder, cleanUp);
  let revision = await repository.commit(FILES, 'first');
  const hub = await UpgradeHub.open(join(folder, 'hub'), repository.url);
  cleanUp(() => hub.stop());
  log('starting two clusters');
  const clusters = await startClusters(folder, cleanUp, signal);
  const probes = clusters.map(probeOf);
  cleanUp(() => Promise.all(probes.map((probe) => probe.stop())));
  const tokens = new Map<string, string>();

  const inForce = async (refused: readonly string[]): Promise<HubView> => {
    hub.assertRunning();
    for (const cluster of clusters) cluster.assertRunning();
    const view = await readHubView(hub, signal);
    const waiting = await Promise.all(clusters.map((cluster) => cluster.waitingPolicies(signal)));
    const missing = [...lagOf(view, revision, refused), ...waiting.flat()];
    if (missing.length > 0) throw new Error(missing.join('; '));
    return view;
  };
  return {
    old,
    hub,
    clusters,
    probes,
    commit: async (change) => {
      const regions = change === 'widen' ? REGIONS : ['eu-west-1'];
      revision = await repository.commit({ [PAYROLL]: payroll(regions) }, change);
    },
    startAgent: async (cluster, version) => {
      // Spent once the agent has enrolled, and left in its settings, as in a manifest.
      const token = tokens.get(cluster.name) ?? (await hub.enrolmentToken(cluster.name, signal));
      tokens.set(cluster.name, token);
      await cluster.startAgent(version, { FSO_HUB_URL: hub.agentUrl, FSO_ENROLL_TOKEN: token }, signal);
    },
    untilInForce: (refused = []) => until(`${revision.slice(0, 12)} is in force in every cluster`, () => inForce(refused), signal),
    folder: (name) => join(folder, name),
  };
};

/** Opens a world, does something in it, and ends all that was started, whatever happened. */
export const withWorld = async <T>(options: WorldOptions, use: (world: World) => Promise<T>, signal: AbortSignal): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-upgrade-'));
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  try {
    return await use(await openWorld(folder, options, { cleanUp: (end) => void ends.unshift(end), signal }));
  } finally {
    // The next one may still depend on what a failed one left, and is tried all the same.
    const failures: unknown[] = [];
    for (const end of ends) await end().catch((error: unknown) => failures.push(error));
    for (const failure of failures) console.error(failure);
  }
};
