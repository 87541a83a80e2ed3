import type { CommitActivity, CommitSummary } from '@fso/shared/api';

/** Progress of a commit through the nine steps. Pure. */

/** State of one of the nine steps. `unwatched` means that nothing records it. */
export type StepState = 'done' | 'current' | 'waiting' | 'failed' | 'unwatched';

/** Step of a commit, as its page shows it. */
export interface Step {
  readonly mark: string;
  readonly name: string;
  readonly state: StepState;
  /** Describes the step. */
  readonly what: string;
  /**
   * Milliseconds since the commit was noticed; null if not reached or not watched. For steps in
   * clusters, the time of the last cluster so far.
   */
  readonly atMs: number | null;
  /**
   * Milliseconds since all previous steps were done; 0 if they were still running. Null if unknown,
   * or for the first step.
   */
  readonly sinceMs: number | null;
  /** Counts of clusters, for steps that happen in clusters. */
  readonly clusters: { readonly done: number; readonly total: number; readonly firstMs: number | null } | null;
}

type ClusterStep = 'offered' | 'accepted' | 'written' | 'proven';

interface Raw {
  readonly name: string;
  readonly what: string;
  readonly atMs: number | null;
  readonly clusters: Step['clusters'];
  /** Whether the step is complete. */
  readonly isDone: boolean;
}

const MARKS = ['①', '②', '③', '④', '⑤', '⑥', '⑦', '⑧', '⑨'];

const msAfter = (time: string | null, noticed: string): number | null =>
  time === null ? null : Math.max(0, Date.parse(time) - Date.parse(noticed));

const hubStep = (name: string, what: string, atMs: number | null): Raw => ({ name, what, atMs, clusters: null, isDone: atMs !== null });

const timesOf = (activity: CommitActivity, step: ClusterStep): number[] =>
  activity.clusterSteps.flatMap((steps) => msAfter(steps[step], activity.noticed) ?? []);

const clusterStep = (activity: CommitActivity, name: string, { step, what }: { step: ClusterStep; what: string }): Raw => {
  const times = timesOf(activity, step);
  const total = activity.clusterSteps.length;
  // A disconnected cluster does not keep a commit from being enforced.
  const isDone = times.length > 0 && (times.length === total || activity.state === 'enforced');
  const clusters = { done: times.length, total, firstMs: times.length === 0 ? null : Math.min(...times) };
  return { name, what, atMs: times.length === 0 ? null : Math.max(...times), clusters, isDone };
};

const rawSteps = (activity: CommitActivity): Raw[] => {
  const { hub, noticed, enforced } = activity;
  return [
    hubStep('Source', 'Fetched; signature, ancestry and every document checked', msAfter(hub.judged, noticed)),
    hubStep('Compile', 'Computed the policies of each cluster', msAfter(hub.compiled, noticed)),
    hubStep('Release', 'Decided which clusters receive it', msAfter(hub.released, noticed)),
    clusterStep(activity, 'Delivery', { step: 'offered', what: 'Offered to the agents' }),
    clusterStep(activity, 'Intake', { step: 'accepted', what: 'Verified and accepted by the agents' }),
    clusterStep(activity, 'Enforce', { step: 'written', what: 'Objects written to the clusters' }),
    clusterStep(activity, 'Observe', { step: 'proven', what: 'Every policy proven by both locks' }),
    clusterStep(activity, 'Ledger', { step: 'proven', what: 'Proof reported to the hub; ⑦ and ⑧ arrive together' }),
    hubStep('Serve', 'Shown as enforced in every connected cluster', msAfter(enforced, noticed)),
  ];
};

/**
 * Whether a step was not recorded: the hub has no times for a commit that was in force when the
 * record began.
 */
const isUnwatched = ({ clusters, name, isDone }: Raw, { hub }: CommitActivity): boolean =>
  !isDone && clusters === null && name !== 'Serve' && hub.noticed === null;

const hasFailed = ({ name }: Raw, { state, clusters }: CommitActivity): boolean =>
  state === 'rejected' ? name === 'Source' : name === 'Intake' && clusters.refused > 0;

/** @param isReached whether the commit has passed the previous step */
const stateOf = (raw: Raw, isReached: boolean, activity: CommitActivity): StepState => {
  if (hasFailed(raw, activity)) return 'failed';
  if (raw.isDone) return 'done';
  if (isUnwatched(raw, activity)) return 'unwatched';
  return activity.state === 'inProgress' && (isReached || raw.atMs !== null) ? 'current' : 'waiting';
};

/** Returns the milliseconds since all previous steps were done. */
const sinceBefore = (raws: readonly Raw[], index: number): number | null => {
  const atMs = raws[index]?.atMs ?? null;
  const before = Math.max(0, ...raws.slice(0, index).flatMap((raw) => raw.atMs ?? []));
  return atMs === null || index === 0 ? null : Math.max(0, atMs - before);
};

/** Lists the nine steps of a commit, in order. */
export const stepsOf = (activity: CommitActivity): Step[] => {
  const raws = rawSteps(activity);
  return raws.map((raw, index): Step => {
    const previous = raws[index - 1];
    const isReached = previous === undefined || previous.isDone || isUnwatched(previous, activity);
    const { name, what, atMs, clusters } = raw;
    const state = stateOf(raw, isReached, activity);
    return { mark: MARKS[index] ?? '', name, state, what, atMs, sinceMs: sinceBefore(raws, index), clusters };
  });
};

/**
 * Finds the commit that came into force after another one.
 *
 * @param commits newest first
 * @returns undefined if it is not among them
 */
export const findSuccessor = (commits: readonly CommitSummary[], revision: string): CommitSummary | undefined => {
  const at = commits.findIndex(({ commit }) => commit.revision === revision);
  return commits.slice(0, Math.max(0, at)).findLast(({ state }) => state !== 'rejected');
};
