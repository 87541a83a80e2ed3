import type { ClusterEvent, RolloutView } from '@fso/shared/api';
import { changedIn, type RolloutCluster, type RolloutInput, type Wave, wavesOfRun } from './clusters.ts';
import { isUnderWay, moveOf, type RolloutRun } from './run.ts';

/** Clusters that a wave names. */
const NAMED = 20;

type WaveView = RolloutView['waves'][number];

const timeOf = (ms: number): string => new Date(ms).toISOString();

const stateOf = ({ halt, wave }: RolloutRun, isAtWork: boolean): WaveView['state'] => {
  if (isAtWork && halt !== null) return 'Halted';
  if (!isAtWork || wave === null) return 'Waiting';
  return wave.soakSince === null ? 'Moving' : 'Soaking';
};

/** The approval that clusters of a wave wait for, as the first of them reports it. */
const approvalOf = ({ revision }: RolloutRun, { members }: Wave, { clusters }: RolloutInput): WaveView['approval'] => {
  const held = members.flatMap((name) => clusters.get(name)?.held ?? []).filter((each) => each.revision === revision);
  const [first] = held;
  if (first === undefined) return null;
  const { revision: _revision, ...approval } = first;
  return { clusters: held.length, ...approval };
};

const describeWave = (run: RolloutRun, wave: Wave, isAtWork: boolean, input: RolloutInput): WaveView => {
  const { number, name, members, soakMs } = wave;
  const revision = run.reached[number] ?? run.base.revision;
  const changed = revision === run.revision ? [] : changedIn(run, wave, input);
  const moved = changed.filter((cluster) => moveOf(run, cluster.name)?.revision === run.revision);
  const isAway = (cluster: RolloutCluster): boolean => {
    const move = moved.includes(cluster) ? moveOf(run, cluster.name) : undefined;
    return wave.isUnreachable(cluster, input.now) || (move !== undefined && wave.follow(cluster, move, input.now).progress === 'away');
  };
  const soakSince = isAtWork ? (run.wave?.soakSince ?? null) : null;
  return {
    name,
    state: revision === run.revision ? 'Finished' : stateOf(run, isAtWork),
    revision,
    clusters: members.length,
    changed: changed.length,
    moved: moved.length,
    proven: moved.filter(({ proven }) => proven === run.revision).length,
    unreachable: changed
      .filter(isAway)
      .slice(0, NAMED)
      .map((cluster) => cluster.name),
    soaksUntil: soakSince === null ? null : timeOf(soakSince + soakMs),
    approval: approvalOf(run, wave, input),
  };
};

/** Describes the failed gate of a run; null: none has failed. */
export const describeHalt = ({ halt, revision }: RolloutRun): RolloutView['halted'] =>
  halt && {
    ...halt,
    since: timeOf(halt.since),
    next: `\`git revert ${revision.slice(0, 12)}\` and push, which needs no soak; or \`fso rollout resume --halt ${timeOf(halt.since)}\`, which accepts what was found.`,
  };

const overallState = ({ base, revision, halt, paused }: RolloutRun): RolloutView['state'] => {
  if (paused !== null) return 'Paused';
  if (halt !== null) return 'Halted';
  return base.revision === revision ? 'Finished' : 'Progressing';
};

/** Describes a run for people. */
export const describeRun = (run: RolloutRun, input: RolloutInput): RolloutView => {
  const waves = wavesOfRun(run, input.clusters);
  const atWork = waves.find(({ number }) => run.reached[number] !== run.revision);
  return {
    revision: run.revision,
    state: overallState(run),
    base: run.base.revision,
    since: timeOf(run.since),
    waves: waves.map((wave) => describeWave(run, wave, wave === atWork, input)),
    halted: describeHalt(run),
    paused: run.paused && { ...run.paused, since: timeOf(run.paused.since) },
  };
};

/** View without a run that can be described. */
export const describeWithoutRun = (state: 'Immediate' | 'NotRead' | 'Unreadable', revision: string | null): RolloutView => ({
  revision,
  state,
  base: null,
  since: null,
  waves: [],
  halted: null,
  paused: null,
});

/** The events that a change of a run brings. Pure. */
export const eventsOfRun = (before: RolloutRun | undefined, after: RolloutRun | undefined): readonly Omit<ClusterEvent, 'time'>[] => {
  const events: Omit<ClusterEvent, 'time'>[] = [];
  const { halt, revision } = after ?? {};
  if (halt && revision !== undefined && (before?.halt ?? null) === null) {
    const named = halt.clusters.length === 0 ? '' : ` (${halt.clusters.join(', ')})`;
    const message = `Wave ${halt.wave}: ${halt.problem}${named}. Later waves keep the commit that they have.`.slice(0, 4096);
    events.push({ severity: 'alert', reason: 'RolloutHalted', message, revision });
  }
  if (isUnderWay(before) && !isUnderWay(after)) {
    const finished = after?.revision ?? before?.revision;
    const message = 'Every wave has the commit.';
    events.push({ severity: 'info', reason: 'RolloutFinished', message, ...(finished !== undefined && { revision: finished }) });
  }
  return events;
};
