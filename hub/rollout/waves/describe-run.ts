import { type ClusterEvent, MAX_MESSAGE, ROLLOUT_CLUSTER_STATES, type RolloutView, type RolloutWaveView } from '@fso/shared/api';
import { approvalTag, immediateTag, OTHERS } from '@fso/shared/rollout';
import { truncate } from '@fso/shared/runtime';
import { awaitedApproval, awaitedText } from './approvals.ts';
import {
  changedIn,
  followIn,
  type Progress,
  type RolloutCluster,
  type RolloutInput,
  type UnseenApproval,
  type Wave,
  wavesOfRun,
} from './clusters.ts';
import { describeGates, MAX_NAMED_CLUSTERS } from './gates.ts';
import { type Halt, isUnderWay, type RolloutRun } from './run.ts';

/** Most clusters that a wave lists with their progress. */
const FOLLOWED = 100;

type ClusterState = RolloutWaveView['progress'][number]['state'];

const timeOf = (ms: number): string => new Date(ms).toISOString();

const stateOf = ({ halt, wave }: RolloutRun, isAtWork: boolean): RolloutWaveView['state'] => {
  if (isAtWork && halt !== null) return 'Halted';
  if (!isAtWork || wave === null) return 'Waiting';
  return wave.soakSince === null ? 'Moving' : 'Soaking';
};

/**
 * Approval that clusters of a wave wait for: as reported by the first cluster that names this wave,
 * else by the first one.
 */
const approvalOf = ({ revision }: RolloutRun, { name, members }: Wave, { clusters }: RolloutInput): RolloutWaveView['approval'] => {
  const held = members.flatMap((member) => clusters.get(member)?.held ?? []).filter((each) => each.revision === revision);
  const first = held.find(({ tag }) => tag === approvalTag(revision, name)) ?? held[0];
  if (first === undefined) return null;
  const { revision: _revision, ...approval } = first;
  return { clusters: held.length, ...approval };
};

const STATES: Readonly<Record<Progress, ClusterState>> = {
  proven: 'Proven',
  away: 'Unreachable',
  unlooked: 'LeftOut',
  refused: 'Refused',
  late: 'Late',
  moving: 'Moving',
};

const describeWave = (run: RolloutRun, wave: Wave, isAtWork: boolean, input: RolloutInput): RolloutWaveView => {
  const { number, name, members, soakMs } = wave;
  const revision = run.reached[number] ?? run.base.revision;
  const isFinished = revision === run.revision;
  // A finished wave is compared with the commit that every wave had before.
  const since = { ...run.base, revision: run.immediate?.from ?? run.base.revision };
  const changed = changedIn(isFinished ? { ...run, base: since, reached: [] } : run, wave, input);
  const moved = isFinished ? [] : followIn(run, wave, changed, input.now);
  const states = new Map(moved.map(({ cluster, progress }) => [cluster, STATES[progress]]));
  const isAway = (cluster: RolloutCluster): boolean => wave.isUnreachable(cluster, input.now) || states.get(cluster) === 'Unreachable';
  const stateIn = (cluster: RolloutCluster): ClusterState => {
    if (!cluster.isRegistered) return 'LeftOut';
    if (isFinished && cluster.proven === run.revision) return 'Proven';
    if (isAway(cluster)) return 'Unreachable';
    return states.get(cluster) ?? (isFinished ? 'Moving' : 'Waiting');
  };
  const soakSince = isAtWork ? (run.wave?.soakSince ?? null) : null;
  return {
    name,
    state: isFinished ? 'Finished' : stateOf(run, isAtWork),
    revision,
    clusters: members.length,
    changed: changed.length,
    moved: isFinished ? changed.length : moved.length,
    proven: changed.filter((cluster) => cluster.proven === run.revision).length,
    unreachable: changed
      .filter(isAway)
      .slice(0, MAX_NAMED_CLUSTERS)
      .map((cluster) => cluster.name),
    progress: changed
      .map((cluster) => ({ cluster: cluster.name, state: stateIn(cluster) }))
      .sort((a, b) => ROLLOUT_CLUSTER_STATES.indexOf(a.state) - ROLLOUT_CLUSTER_STATES.indexOf(b.state))
      .slice(0, FOLLOWED),
    gates: isFinished ? [] : describeGates(wave, moved),
    soaksUntil: soakSince === null ? null : timeOf(soakSince + soakMs),
    approval: approvalOf(run, wave, input),
  };
};

/** Describes how to pass the failed gate without a revert. */
const wayOn = (run: RolloutRun, halt: Halt, awaited: UnseenApproval | undefined): string => {
  if (awaited?.unneeded === null) return awaitedText(run, awaited);
  const why = awaited === undefined ? '' : `; no approval is asked for, as ${awaited.unneeded}`;
  return `\`fso rollout resume --halt ${timeOf(halt.since)}\`, which accepts what was found${why}`;
};

/**
 * Describes the failed gate of a run; null if none has failed.
 *
 * @param input undefined if it was not read yet
 * @param tagProblems reasons why the hub does not know tags of the commit
 */
export const describeHalt = (
  run: RolloutRun,
  input: RolloutInput | undefined,
  tagProblems: readonly string[] = [],
): RolloutView['halted'] => {
  const { halt, revision, base } = run;
  if (halt === null) return null;
  const awaited = awaitedApproval(run, input);
  return {
    ...halt,
    since: timeOf(halt.since),
    next: `\`git revert ${revision.slice(0, 12)}\` and push, which needs no soak; or ${wayOn(run, halt, awaited)}.`,
    approval:
      awaited?.unneeded === null
        ? {
            tag: approvalTag(revision, halt.wave),
            missing: awaited.missing,
            approvers: base.strategy.approvers ?? [],
            problems: [...awaited.problems, ...tagProblems],
          }
        : null,
  };
};

/** Describes whether the newest commit skips waves; null if it does not ask for that. */
const describeImmediate = (
  { revision, base, immediate }: RolloutRun,
  { newest }: RolloutInput,
  tagProblems: readonly string[],
): RolloutView['immediate'] => {
  const tag = immediateTag(revision);
  if (immediate !== undefined) {
    const { signer, taggedBy, since } = immediate;
    return { tag, signer, taggedBy, since: timeOf(since), missing: 0, approvers: [], problems: [] };
  }
  if (newest.immediate === undefined || newest.revision !== revision) return null;
  const { signer, approvers: taggedBy, missing, problems } = newest.immediate;
  const { approvers = [] } = base.strategy;
  return { tag, signer, taggedBy: [...taggedBy], since: null, missing, approvers, problems: [...problems, ...tagProblems] };
};

const overallState = ({ base, revision, halt, paused }: RolloutRun): RolloutView['state'] => {
  if (paused !== null) return 'Paused';
  if (halt !== null) return 'Halted';
  return base.revision === revision ? 'Finished' : 'Progressing';
};

/** Adds to the approval of a wave why the hub does not know its tags. */
const withProblems = ({ approval, ...wave }: RolloutWaveView, tagProblems: readonly string[]): RolloutWaveView => ({
  ...wave,
  approval: approval && { ...approval, problems: [...approval.problems, ...tagProblems] },
});

/** Describes a run. @param tagProblems reasons why the hub does not know tags of the commit */
export const describeRun = (run: RolloutRun, input: RolloutInput, tagProblems: readonly string[]): RolloutView => {
  const waves = wavesOfRun(run, input.clusters);
  const atWork = waves.find(({ number }) => run.reached[number] !== run.revision);
  return {
    revision: run.revision,
    state: overallState(run),
    base: run.base.revision,
    since: timeOf(run.since),
    waves: waves.map((wave) => withProblems(describeWave(run, wave, wave === atWork, input), tagProblems)),
    halted: describeHalt(run, input, tagProblems),
    paused: run.paused && { ...run.paused, since: timeOf(run.paused.since) },
    immediate: describeImmediate(run, input, tagProblems),
  };
};

/** View of a rollout without a run, or with one that cannot be read. */
export const describeWithoutRun = (state: 'Immediate' | 'NotRead' | 'Unreadable', revision: string | null): RolloutView => ({
  revision,
  state,
  base: null,
  since: null,
  waves: [],
  halted: null,
  paused: null,
  immediate: null,
});

/** The events that a change of a run brings. Pure. */
export const eventsOfRun = (before: RolloutRun | undefined, after: RolloutRun | undefined): readonly Omit<ClusterEvent, 'time'>[] => {
  const events: Omit<ClusterEvent, 'time'>[] = [];
  const { halt, revision } = after ?? {};
  if (halt && revision !== undefined && (before?.halt ?? null) === null) {
    const named = halt.clusters.length === 0 ? '' : ` (${halt.clusters.join(', ')})`;
    const message = truncate(`Wave ${halt.wave}: ${halt.problem}${named}. Later waves keep the commit that they have.`, MAX_MESSAGE);
    events.push({ severity: 'alert', reason: 'RolloutHalted', message, revision });
  }
  if (isUnderWay(before) && !isUnderWay(after)) {
    const finished = after?.revision ?? before?.revision;
    const message = 'Every wave has the commit.';
    events.push({ severity: 'info', reason: 'RolloutFinished', message, ...(finished !== undefined && { revision: finished }) });
  }
  return events;
};

/** End of a wave's work on a commit. `error`: the gate that had failed. Times in ms since 1970. */
export type WaveEnd = { readonly revision: string; readonly wave: string; readonly since: number; readonly until: number } & (
  | { readonly result: 'finished' | 'superseded' | 'immediate' }
  | { readonly error: string }
);

/** Returns the end of the wave at work after a change of a run; undefined if it continues. Pure. */
export const endOfWave = (
  before: RolloutRun | undefined,
  after: RolloutRun | undefined,
  { now, newest }: Pick<RolloutInput, 'now' | 'newest'>,
): WaveEnd | undefined => {
  if (before === undefined || before.wave === null) return undefined;
  const { revision, base, reached, wave, halt } = before;
  const number = reached.findIndex((each) => each !== revision);
  const work = { revision, wave: base.strategy.waves[number]?.name ?? OTHERS, since: wave.since, until: now };
  if (newest.revision !== revision) return halt === null ? { ...work, result: 'superseded' } : { ...work, error: halt.gate };
  if (after?.immediate !== undefined) return { ...work, result: 'immediate' };
  return after?.wave === null || after === undefined || after.reached[number] === revision ? { ...work, result: 'finished' } : undefined;
};
