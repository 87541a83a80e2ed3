import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { until } from '../../clusters/demo/programs.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { lagOf, readHubView } from '../upgrade/hub-view.ts';
import { UpgradeCluster } from '../upgrade/upgrade-cluster.ts';
import { UpgradeHub } from '../upgrade/upgrade-hub.ts';
import type { Version } from '../upgrade/versions.ts';
import { CoveredProgram, type RanFunctions } from './covered-program.ts';

/** Functions that one program ran in two times of the same length. */
export interface ProgramRun {
  readonly program: 'hub' | 'agent';
  readonly atRest: RanFunctions;
  readonly withCommit: RanFunctions;
}

export interface MeasureOptions {
  readonly version: Version;
  /** Length of each of the two times, in seconds. */
  readonly seconds: number;
  readonly log: (line: string) => void;
}

const REGIONS = ['eu-west-1', 'us-east-1'];
const FIRST = { 'clusters/one.yaml': clusterFile('one', REGIONS), 'policies/finance.yaml': policyFile('finance') };
const COMMITTED = { 'policies/payroll.yaml': policyFile('payroll') };

const pidOf = (pid: number | undefined): number => {
  if (pid === undefined) throw new Error('the program does not run');
  return pid;
};

/**
 * Starts a repository, a hub, and a cluster with its agent, and reads what hub and agent run while
 * nothing happens and while one policy is committed and then read from the API.
 */
export const measure = async ({ version, seconds, log }: MeasureOptions, signal: AbortSignal): Promise<readonly ProgramRun[]> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-policy-way-'));
  await using ends = new AsyncDisposableStack();
  ends.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const git = ends.adopt(await startGitServer({ root: join(folder, 'repositories') }), (server) => server.stop());
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  let revision = await repository.commit(FIRST, 'first');

  const hubCounts = new CoveredProgram(version.root, join(folder, 'coverage-hub'));
  const agentCounts = new CoveredProgram(version.root, join(folder, 'coverage-agent'));
  const opened = await UpgradeHub.open(join(folder, 'hub'), git.url('policies.git'), hubCounts.env);
  const hub = ends.adopt(opened, (one) => one.stop());
  await hub.start(version, signal);
  const started = await UpgradeCluster.start({ name: 'one', folder, regions: REGIONS }, signal);
  const cluster = ends.adopt(started, (one) => one.close());
  await cluster.makeNamespaces(['finance', 'payroll'], signal);
  const token = await hub.enrolmentToken('one', signal);
  await cluster.startAgent(version, { FSO_HUB_URL: hub.agentUrl, FSO_ENROLL_TOKEN: token, ...agentCounts.env }, signal);

  const untilInForce = async (): Promise<void> => {
    const inForce = async (): Promise<true> => {
      hub.assertRunning();
      cluster.assertRunning();
      const [lag] = [...(await cluster.waitingPolicies(signal)), ...lagOf(await readHubView(hub, signal), revision)];
      if (lag !== undefined) throw new Error(lag);
      return true;
    };
    await until('the commit is in force', inForce, signal);
  };
  const take = async () => ({
    hub: await hubCounts.take(pidOf(hub.pid), signal),
    agent: await agentCounts.take(pidOf(cluster.agentPid), signal),
  });
  const rest = (): Promise<void> => delay(seconds * 1000, undefined, { signal });

  await untilInForce();
  log(`in force; resting twice ${seconds} s`);
  await rest();
  await take();
  await rest();
  const atRest = await take();
  log('committing one policy');
  const end = rest();
  revision = await repository.commit(COMMITTED, 'one policy');
  await untilInForce();
  await end;
  const withCommit = await take();
  return (['hub', 'agent'] as const).map((program) => ({ program, atRest: atRest[program], withCommit: withCommit[program] }));
};
