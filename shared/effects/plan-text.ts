import { REGION_LABEL } from '../api/index.ts';
import { count, shortRevision } from '../runtime/text.ts';
import { acceptedText, acceptNote, type Quote, refusedText } from './acceptance/acceptance-text.ts';
import type { Effect, Plan } from './plan.ts';
import { workloadVerdict } from './workload-rows.ts';

/** Texts of a plan, which table, Markdown and dashboard share. */

/** A line of a plan: an effect in one namespace, or pattern of namespaces. */
export interface PlanRow {
  readonly clusters: string;
  readonly namespace: string;
  readonly action: string;
  readonly change: string;
  readonly before: string;
  readonly after: string;
  /** Text on a pod that shows the change, with its failing part. */
  readonly pod: string;
  /** The line that corrects the pod; empty if there is nothing to correct. */
  readonly fix: string;
}

const SHOWN = 5;

/** `a, b and 3 more` */
const some = (values: readonly string[]): string =>
  values.length <= SHOWN ? values.join(', ') : `${values.slice(0, SHOWN).join(', ')} and ${values.length - SHOWN} more`;

/** The regions of a rule in a table. @param rule null if there is none */
export const regionsText = (rule: Pick<NonNullable<Effect['before']>, 'regions'> | null): string => {
  if (rule === null) return 'any';
  return rule.regions.length === 0 ? 'none' : some(rule.regions);
};

const selectorText = ({ nodeSelector }: NonNullable<Effect['pending']>): string => {
  const region = nodeSelector[REGION_LABEL];
  return region === undefined ? 'a pod without a region' : `a pod with nodeSelector ${region}`;
};

/** Describes which nodes are left if some are lost. */
const leftText = ({ usable, elsewhere }: Effect): string => {
  if (usable === null) return '';
  if (usable.length > 0) return `; nodes are left in ${some(usable)}`;
  return `; no nodes are left here, ${elsewhere?.length ? `some in ${some(elsewhere)}` : 'nor elsewhere'}`;
};

const podText = (effect: Effect): string => {
  const { action, refused, admitted, pending } = effect;
  const refusal = { deny: 'refused', warn: 'warned of', dryrun: 'recorded' }[action];
  if (refused !== null) return `${refusal}: ${refused.reason}${leftText(effect)}`;
  if (pending !== null) return `stays pending: ${selectorText(pending)}${leftText(effect)}`;
  return admitted === null ? '' : `admitted: ${selectorText(admitted)}`;
};

/** The lines of a plan, breaking effects first. */
export const planRows = ({ effects }: Plan): readonly PlanRow[] =>
  effects.flatMap((effect) =>
    effect.namespaces.map(({ pattern }) => ({
      clusters: some(effect.clusters),
      namespace: pattern,
      action: effect.action,
      change: effect.verdict,
      before: regionsText(effect.before),
      after: regionsText(effect.after),
      pod: podText(effect),
      fix: effect.refused?.fix ?? '',
    })),
  );

/** A wave of a plan. */
interface WaveRow {
  readonly wave: string;
  readonly clusters: string;
  readonly change: string;
}

const changeText = ({ changed, isSkipped }: NonNullable<Plan['waves']>['waves'][number]): string => {
  if (isSkipped) return 'nothing: the wave is skipped';
  return changed === 0 ? 'nothing in these clusters' : `policies of ${count(changed, 'cluster')}`;
};

/** The waves of a plan, in order. */
export const waveRows = ({ waves }: Pick<Plan, 'waves'>): readonly WaveRow[] =>
  (waves?.waves ?? []).map((wave) => {
    const names = wave.names.slice(0, SHOWN);
    const more = wave.clusters > names.length ? ` and ${wave.clusters - names.length} more` : '';
    return {
      wave: wave.isImplicit ? `${wave.name}: the last, of clusters in no wave` : wave.name,
      clusters: `${names.join(', ')}${more}`,
      change: waves?.from === 'NextCommit' ? '' : changeText(wave),
    };
  });

/** Columns of the table of waves, for CLI and Markdown. */
export const WAVE_COLUMNS = [
  { title: 'WAVE', value: ({ wave }: WaveRow) => wave },
  { title: 'CLUSTERS', value: ({ clusters }: WaveRow) => clusters },
  { title: 'WHAT CHANGES', value: ({ change }: WaveRow) => change },
];

/** Sentence on the waves of a plan; empty if there is no strategy. */
export const wavesNote = ({ waves }: Pick<Plan, 'waves'>): string => {
  if (waves === null) return '';
  if (waves.from === 'NextCommit')
    return 'The change brings the first RolloutStrategy: it goes to every cluster at once, and commits after it go by its waves.';
  return 'The change goes by the waves of the commit before, as if every wave had that.';
};

/** The result for every possible pod, in one sentence. */
const possibleVerdict = (plan: Plan, quote: Quote): string => {
  const { result, effects, lookedAt } = plan;
  const breaking = effects.filter(({ breaks }) => breaks).length;
  const opening = effects.filter(({ action, admitted }) => action === 'deny' && admitted !== null).length;
  const opened = opening === 0 ? '' : ` ${opening} would admit pods that deny refuses now.`;
  switch (result) {
    case 'Breaks':
    case 'Accepted':
      return `Breaks${acceptedText(plan, quote)}: ${breaking} of ${count(effects.length, 'change')} would refuse pods that could run before, or leave them pending.${opened}`;
    case 'NotAllLookedAt':
      return 'Not all was looked at, so it is not known that nothing breaks.';
    case 'NotAllAnswered':
      return 'Not all clusters answered, so it is not known that nothing breaks.';
    case 'NothingLookedAt':
      return lookedAt.clusters === 0 || lookedAt.policies === 0
        ? 'Nothing was looked at: there are no clusters, or no policies.'
        : 'Nothing that runs was looked at: the clusters do not have the namespaces whose rules change.';
    case 'NothingBreaks':
      return effects.length === 0 ? 'Nothing changes.' : `Nothing breaks: ${count(effects.length, 'change')}.${opened}`;
  }
};

/** The result of a plan, for possible pods and for those that run. */
export const planVerdict = (plan: Plan, quote: Quote = (text) => text): string =>
  `${possibleVerdict(plan, quote)}${workloadVerdict(plan)}${refusedText(plan, quote)}`;

/**
 * Lines on the effects that the accepted plan does not have.
 *
 * @param hasOwners whether owners are named
 */
export const beyondLines = ({ acceptance }: Pick<Plan, 'acceptance'>, quote: Quote, hasOwners: boolean): readonly string[] =>
  (acceptance?.beyond ?? []).map(({ clusters, message, owners = [] }) => {
    const named = hasOwners && owners.length > 0 ? `: ${some(owners)}` : '';
    return `Beyond the plan: ${quote(some(clusters))}: ${quote(message)}${named}`;
  });

const sideText = ({ source, revision, at, withoutClusters, withoutRegions }: Plan['after'], quote: Quote): string =>
  [
    `${quote(source)}${revision === null ? '' : ` (${shortRevision(revision)})`}`,
    `on ${at.slice(0, 10)}`,
    ...(withoutClusters.length === 0 ? [] : [`without ${count(withoutClusters.length, 'cluster')} ${quote(some(withoutClusters))}`]),
    ...(withoutRegions.length === 0 ? [] : [`without ${count(withoutRegions.length, 'region')} ${quote(some(withoutRegions))}`]),
  ].join(' ');

/** Replaces all characters of a text of the hub that Markdown or a terminal may interpret. */
const plainText = (text: string): string => text.replaceAll(/[^\w ,.;:()=-]/g, ' ');

/** Makes one sentence for all clusters, as a comment on a pull request is bounded. */
const omittedNotes = (clusters: NonNullable<Plan['workloads']>['clusters'], quote: Quote): readonly string[] => {
  const partly = clusters.filter(({ coverage }) => coverage === 'Part');
  if (partly.length === 0) return [];
  const omitted = partly.reduce((sum, cluster) => sum + (cluster.omitted ?? 0), 0);
  const owners = partly.some((cluster) => cluster.omitted === null) ? 'Some owners' : count(omitted, 'owner');
  return [`${owners} in ${quote(some(partly.map(({ cluster }) => cluster)))} were not judged whole.`];
};

const workloadNotes = (workloads: Plan['workloads'], quote: Quote): readonly string[] => {
  if (workloads === null) return ['No cluster was asked which pods run: a pod that breaks is a possible one.'];
  return [
    ...workloads.notAnswered.map(({ clusters, message }) => `Not answered: ${quote(some(clusters))}: ${plainText(message)}.`),
    ...omittedNotes(workloads.clusters, quote),
  ];
};

/** Lines on what has changed since the previous plan of a branch. */
export const sinceLines = ({ branch }: Pick<Plan, 'branch'>, quote: Quote, hasOwners: boolean): readonly string[] => {
  const since = branch?.since;
  if (since === null || since === undefined) return [];
  const lineOf =
    (what: string) =>
    ({ clusters, message, owners = [] }: (typeof since.begins)[number]): string =>
      `${what}: ${quote(some(clusters))}: ${quote(message)}${hasOwners && owners.length > 0 ? `: ${some(owners)}` : ''}`;
  return [...since.begins.map(lineOf('New')), ...since.ends.map(lineOf('Gone'))];
};

/** Sentences on the branch that the hub read the change from. */
const branchNotes = ({ branch }: Plan, quote: Quote): readonly string[] => {
  if (branch === null) return [];
  const { ahead, behind, since } = branch;
  const place =
    ahead === null || behind === null
      ? []
      : [`The branch is ${count(ahead, 'commit')} ahead of the commit in force and ${behind} behind it.`];
  if (behind !== null && behind > 0) place.push('What it is behind reads as if it took that back: merge or rebase first.');
  if (since === null) return place;
  const compared = `Compared with its last plan ${quote(since.plan)} of ${since.at} (${shortRevision(since.revision)})`;
  const changes = since.begins.length + since.ends.length === 0 ? ': no effect is new or gone.' : '.';
  const unknown = since.unknown.length === 0 ? [] : [`Not compared whole with its last plan: ${quote(some(since.unknown))}.`];
  return [...place, `${compared}${changes}`, ...unknown];
};

/** Sentences on what was compared, and what was not. */
export const planNotes = (plan: Plan, quote: Quote): readonly string[] => {
  const { before, after, lookedAt, notLookedAt, workloads } = plan;
  return [
    `Compared: ${sideText(before, quote)} with ${sideText(after, quote)}.`,
    `Looked at ${count(lookedAt.clusters, 'cluster')} and ${count(lookedAt.policies, 'policy', 'policies')}; every namespace that is not listed keeps its rules.`,
    ...notLookedAt.map(({ clusters, reason }) => `Not looked at: ${quote(some(clusters))}: ${plainText(reason)}.`),
    ...workloadNotes(workloads, quote),
    ...[wavesNote(plan)].filter((note) => note !== ''),
    ...branchNotes(plan, quote),
    'Capacity, volumes and pod affinity are not looked at.',
    ...[acceptNote(plan, quote)].filter((note) => note !== ''),
  ];
};
