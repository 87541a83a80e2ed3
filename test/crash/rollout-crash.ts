import { statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { approvalTag } from '@fso/shared/rollout';
import { makeSigningKey, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubProcess } from '../harness/hub-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { startPostgres } from '../harness/postgres.ts';
import { API_TOKEN, type Rolled, type RolloutEnd, RolloutFleet, WAVES } from './rollout-fleet.ts';

/** State of the clusters of the first wave. */
export type Canary = 'connected' | 'away';

export interface RolloutCrashOptions {
  readonly database: 'embedded' | 'postgres';
  /**
   * State of the canary wave; default: `connected`. If it is away, the wave continues by a signed
   * tag alone, since its gates have no cluster to look at.
   */
  readonly canary?: Canary;
  /** Kills at each write whose number is a multiple of this. */
  readonly every: number;
  readonly log: (line: string) => void;
}

export interface RolloutCrashResult {
  /** Number of database commits from the start of the hub to the end of the rollout. */
  readonly writes: number;
  readonly kills: number;
  /** Number of kills after which the audit log has an approval twice. */
  readonly repeated: number;
}

const APPROVER = 'approver@example.com';
/**
 * Time after which waves no longer wait for a cluster. It starts when a hub becomes leader. On a
 * busy machine agents connect seconds after that, and no wave but the canary may halt.
 */
const UNREACHABLE: Readonly<Record<Canary, string>> = { connected: '5m', away: '6s' };
const strategyWith = (canary: Canary): string => `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: { name: careful }
spec:
  approvers: [${APPROVER}]
  unreachableAfter: ${UNREACHABLE[canary]}
  waves:
    - { name: canary, clusterSelector: { matchLabels: { stage: canary } }, soak: 1s, maxNewViolations: 0 }
    - { name: second, clusterSelector: { matchLabels: { stage: second } }, maxConcurrency: 1 }
`;
const LABELS = ['stage: canary', 'stage: second', ''];
const KILLING_HUB = join(import.meta.dirname, 'kill-at-commit.ts');
const REGIONS = ['eu-west-1', 'eu-central-1'];

/** Files of a commit. Each commit changes the policy of every cluster. */
const filesOf = (number: number, canary: Canary): Record<string, string> => ({
  ...Object.fromEntries(
    WAVES.flatMap((names, wave) => names.map((name) => [`clusters/${name}.yaml`, clusterFile(name, REGIONS, LABELS[wave])])),
  ),
  'rollout.yaml': strategyWith(canary),
  'policies/finance.yaml': policyFile('finance', [REGIONS[number % 2] ?? '']),
});

/** Whether a hub kills itself before or after the database has a write. */
type Side = 'before' | 'after';

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** Creates a key that signs commits, one that approves them, and a file with both. */
const makeSigners = async (folder: string) => {
  const [signer, approver] = [await makeSigningKey(join(folder, 'signer')), await makeSigningKey(join(folder, 'approver'))];
  if (signer === undefined || approver === undefined) throw new Error('there is no ssh-keygen');
  const allowedSigners = join(folder, 'allowed_signers');
  const line = `${APPROVER} ${await readFile(`${approver.file}.pub`, 'utf8')}`;
  await writeFile(allowedSigners, `${await readFile(signer.allowedSigners, 'utf8')}${line}`);
  return { signer, approver, allowedSigners };
};

/** Opens a fleet on an empty ledger. */
const openFleet = async (database: RolloutCrashOptions['database'], canary: Canary) => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-crash-rollout-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const gitUrl = git.url('policies.git');
  const { signer, approver, allowedSigners } = await makeSigners(folder);
  const repository = await openGitRepository(join(folder, 'work'), gitUrl, signer);
  const postgres = database === 'postgres' ? await startPostgres() : undefined;
  const server: Record<string, string> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
  const tokens = new Map(WAVES.flat().map((name) => [name, `token-of-${name}-0123456789`]));
  const env = { ...server, FSO_API_TOKEN: API_TOKEN, FSO_SIGNERS_FILE: allowedSigners };
  const settings = { name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens, env };
  const fleet = new RolloutFleet((command) => createHubProcess({ ...settings, ...(command && { command }) }), tokens);
  const counted = join(folder, 'writes');
  fleet.run();
  return {
    fleet,
    commit: async (): Promise<string> => {
      const files = filesOf(fleet.next, canary);
      const revision = await repository.commit(files, `commit ${fleet.next}`);
      fleet.add(revision, files);
      return revision;
    },
    approve: async (revision: string): Promise<void> => {
      const tag = approvalTag(revision, 'canary');
      await repository.git('-c', `user.signingKey=${approver.file}`, 'tag', '--sign', '--message', 'Approve', tag, revision);
      await repository.git('push', '--quiet', 'origin', `refs/tags/${tag}`);
    },
    /**
     * Rolls out the newest commit with a hub that kills itself at one of its writes; 0 for none.
     */
    roll: async (number: number, side: Side) => {
      const before = sizeOf(counted);
      const rolled = await fleet.roll([KILLING_HUB, String(number), side, counted]);
      return { ...rolled, writes: sizeOf(counted) - before };
    },
    close: async (): Promise<void> => {
      await fleet.stop();
      await postgres?.stop();
      await git.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/**
 * Whether a rollout ended like one without a kill. The audit log may have an approval twice if the
 * hub was killed before it had stored that the run continues.
 */
const isAsExpected = ({ end, isKilled }: Rolled, { known, approvals }: RolloutEnd): boolean =>
  isDeepStrictEqual(end.known, known) && end.approvals >= approvals && end.approvals <= (isKilled ? 2 * approvals : approvals);

/**
 * Rolls out one commit after another. In each rollout the hub is killed with -9 at another of its
 * writes, before and after the database has it. Compares the final state with that of a rollout
 * without a kill.
 *
 * @throws Error with the differences
 */
export const crashRollouts = async ({ database, canary = 'connected', every, log }: RolloutCrashOptions): Promise<RolloutCrashResult> => {
  const { fleet, commit, approve, roll, close } = await openFleet(database, canary);
  const rollNext = async (number: number, side: Side): Promise<Rolled & { readonly writes: number }> => {
    const revision = await commit();
    if (canary === 'away') await approve(revision);
    return roll(number, side);
  };
  try {
    await commit();
    await roll(0, 'before');
    if (canary === 'away') {
      await fleet.leave();
      const revision = await commit();
      await fleet.assertHeld();
      await approve(revision);
      await roll(0, 'before');
    }
    const { end: expected, writes } = await rollNext(0, 'before');
    if (expected.approvals !== Number(canary === 'away')) throw new Error(`the audit log has ${expected.approvals} approvals of a commit`);
    log(`${writes} writes from the start of the hub until the rollout has ended`);
    const numbers = Array.from({ length: Math.floor(writes / every) }, (_, at) => (at + 1) * every);
    let [kills, repeated] = [0, 0];
    for (const number of numbers) {
      const rolls = [await rollNext(number, 'before'), await rollNext(number, 'after')];
      const other = rolls.find((rolled) => !isAsExpected(rolled, expected));
      if (other !== undefined) throw new Error(`a kill at write ${number}: ${JSON.stringify([other.end, expected])}`);
      kills += rolls.filter(({ isKilled }) => isKilled).length;
      repeated += rolls.filter(({ end }) => end.approvals > expected.approvals).length;
      if (number % 10 === 0) log(`${kills} kills, up to write ${number} of ${writes}: every rollout ended equally`);
    }
    return { writes, kills, repeated };
  } finally {
    await close();
  }
};
