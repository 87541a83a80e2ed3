import { setTimeout as delay } from 'node:timers/promises';
import {
  beyondLines,
  compareFleets,
  type FleetState,
  type NotAnsweredReason,
  OWNER_COLUMNS,
  ownerRows,
  type Plan,
  type PlanRequest,
  type PlanRow,
  planNotes,
  planResult,
  planRows,
  planVerdict,
  sinceLines,
  unknownName,
  WAVE_COLUMNS,
  WORKLOAD_COLUMNS,
  waveRows,
  workloadRows,
} from '@fso/shared/effects';
import { planWaves } from '@fso/shared/rollout';
import { listText, messageOf } from '@fso/shared/text';
import type { HubClient } from '../../client/api-client.ts';
import { HubError } from '../../client/hub-requests.ts';
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { type Column, renderTable, writeData } from '../../render/output.ts';
import { withoutControls } from '../../render/text.ts';
import { readAcceptedPlan } from './accepted-plan.ts';
import { planMarkdown } from './plan-markdown.ts';
import { type PlanSide, problemLines, readCommit, readFolder } from './read-side.ts';

/** Options of `fso plan`. */
export interface PlanOptions {
  readonly output: 'table' | 'json' | 'markdown';
  readonly dir: string;
  readonly ref?: string;
  /** Branch that the hub reads itself, instead of files. */
  readonly branch?: string;
  /** Base to compare with. Default: `main`. */
  readonly base?: string;
  /** RFC 3339. */
  readonly at?: string;
  readonly cluster: readonly string[];
  readonly withoutCluster: readonly string[];
  readonly withoutRegion: readonly string[];
  readonly offline?: true;
  /** Whether agents that do not answer, or have FSO_PREVIEW=off, do not fail the plan. */
  readonly allowMissing?: true;
}

type Removal = Pick<FleetState, 'withoutClusters' | 'withoutRegions'>;

/** Command line option for each filter by name. */
const OPTIONS = { clusters: '--cluster', withoutClusters: '--without-cluster', withoutRegions: '--without-region' } as const;

/** @throws CliError for an unknown name */
const assertKnown = (unknown: ReturnType<typeof unknownName>): void => {
  if (unknown === undefined) return;
  const { part, name, known } = unknown;
  throw new CliError(`${OPTIONS[part]}: there is no ${name}; there are: ${known.length === 0 ? '-' : listText(known)}`);
};

const sideOf = ({ source, revision }: PlanSide, at: Date, removal: Removal): Plan['after'] => ({
  source,
  revision,
  at: at.toISOString(),
  withoutClusters: [...removal.withoutClusters],
  withoutRegions: [...removal.withoutRegions],
});

const readChange = ({ io }: Context, { dir, ref }: PlanOptions): PlanSide =>
  ref === undefined ? readFolder(dir) : readCommit(dir, ref, io.env);

const NOTHING_LOST: Removal = { withoutClusters: [], withoutRegions: [] };

const comparePolicies = (context: Context, options: PlanOptions): Plan => {
  const { dir, base = 'main', cluster, withoutCluster: withoutClusters, withoutRegion: withoutRegions } = options;
  const after = readChange(context, options);
  const before = readCommit(dir, base, context.io.env);
  assertKnown(unknownName({ clusters: cluster, withoutClusters, withoutRegions }, before.set, after.set));
  const now = context.now();
  const at = options.at === undefined ? now : new Date(options.at);
  const removal = { withoutClusters, withoutRegions };
  if (context.interactive) context.progress(`Comparing ${after.set.policies.length} policies on ${after.set.clusters.length} clusters\n`);
  const wanted = cluster.length === 0 ? undefined : cluster;
  const { effects, changed } = compareFleets(
    { set: before.set, atMs: now.getTime(), ...NOTHING_LOST },
    { set: after.set, atMs: at.getTime(), ...removal },
    wanted,
  );
  return {
    version: 1,
    id: null,
    result: planResult(effects),
    acceptance: null,
    before: sideOf(before, now, NOTHING_LOST),
    after: sideOf(after, at, removal),
    waves: planWaves({ before: before.set, after: after.set }, changed, wanted),
    branch: null,
    workloads: null,
    ...effects,
  };
};

/** Maximum time to wait for the retries of a plan, in all, in milliseconds. */
const MAX_WAIT_MS = 300_000;
/** Maximum number of requests for one plan. */
const MAX_ATTEMPTS = 5;

/** Wait that a busy hub asks for, in milliseconds; undefined for other errors. */
const retryAfterMs = (error: unknown): number | undefined =>
  error instanceof HubError && error.status === 429 ? error.retryAfterMs : undefined;

/**
 * Requests a plan. If the hub is busy, retries after the time that it names.
 *
 * @throws HubError
 */
const requestPlan = async ({ progress, server }: Context, client: HubClient, request: PlanRequest): Promise<Plan> => {
  let waitedMs = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.plan(request);
    } catch (error) {
      const waitMs = retryAfterMs(error) ?? Number.POSITIVE_INFINITY;
      waitedMs += waitMs;
      if (attempt === MAX_ATTEMPTS || waitedMs > MAX_WAIT_MS) throw error;
      progress(`The hub at ${server}: ${messageOf(error)} Asking again in ${Math.ceil(waitMs / 1000)} s.\n`);
      await delay(waitMs);
    }
  }
};

const NOT_READ: Plan['acceptance'] = { state: 'NotRead', plan: null, by: null, at: null, beyond: [] };

/** Change as it is sent, and additions to the plan that only this side knows. */
interface SentChange {
  readonly request: Pick<PlanRequest, 'branch' | 'files' | 'accept'>;
  readonly complete: (plan: Plan) => Plan;
}

/** Reads the change, unless the hub reads it. */
const readSentChange = async (context: Context, client: HubClient, options: PlanOptions): Promise<SentChange> => {
  const { branch, ref, dir } = options;
  if (branch !== undefined) return { request: { branch }, complete: (plan) => plan };
  const { files, source, revision } = readChange(context, options);
  const accept = ref === undefined ? undefined : await readAcceptedPlan(context, client, { folder: dir, ref });
  return {
    request: {
      files: Object.fromEntries(files.map(({ path, text }) => [path, text])),
      ...(typeof accept === 'string' ? { accept } : {}),
    },
    complete: (plan) => {
      const acceptance = accept === null && plan.result === 'Breaks' ? NOT_READ : plan.acceptance;
      return { ...plan, acceptance, after: { ...plan.after, source, revision } };
    },
  };
};

/** Lets the hub compare the change with its current commit and ask its clusters. */
const planAtHub = async (context: Context, options: PlanOptions): Promise<Plan> => {
  const { base, at, branch, cluster, withoutCluster, withoutRegion } = options;
  if (base !== undefined)
    throw new CliError(
      '--base is for comparing without a hub, which compares with the commit that it follows: leave it out, or add --offline',
    );
  const client = await context.connect();
  const change = await readSentChange(context, client, options);
  if (context.interactive) context.progress(`Asking the hub at ${context.server}\n`);
  const request = {
    ...change.request,
    ...(at === undefined ? {} : { at: new Date(at).toISOString() }),
    clusters: [...cluster],
    withoutClusters: [...withoutCluster],
    withoutRegions: [...withoutRegion],
  };
  try {
    return change.complete(await requestPlan(context, client, request));
  } catch (error) {
    throw (branch === undefined ? refusalOf(error, context.server) : branchRefusalOf(error, branch, context.server)) ?? error;
  }
};

/** Explains why the hub refuses a plan; undefined: like any other call. */
const refusalOf = (error: unknown, server: string): CliError | undefined => {
  if (!(error instanceof HubError)) return undefined;
  const { status, problem, message } = error;
  if (status === 404) return new CliError(`the hub at ${server} makes no plans, as it is older: --offline compares commits of Git alone`);
  const problems = problem?.problems ?? [];
  if (problems.length > 0) return new CliError(`the hub at ${server} refuses the files:${problemLines(problems)}`);
  return status === 413 ? new CliError(`the change is too large for a plan of the hub: ${problem?.detail ?? message}`) : undefined;
};

/** Explains why the hub refuses a plan of a branch; undefined: like any other call. */
const branchRefusalOf = (error: unknown, branch: string, server: string): CliError | undefined => {
  if (!(error instanceof HubError) || error.problem === undefined) return undefined;
  const { status, problem } = error;
  if (![400, 404, 409, 413, 503].includes(status)) return undefined;
  const reason = problem.detail ?? problem.title;
  return new CliError(`the hub at ${server} makes no plan of the branch ${branch}: ${reason}${problemLines(problem.problems ?? [])}`);
};

const COLUMNS = [
  { title: 'CLUSTERS', value: ({ clusters }: PlanRow) => clusters },
  { title: 'NAMESPACE', value: ({ namespace }: PlanRow) => namespace },
  { title: 'ACTION', value: ({ action }: PlanRow) => action },
  { title: 'CHANGE', value: ({ change }: PlanRow) => change },
  { title: 'BEFORE', value: ({ before }: PlanRow) => before },
  { title: 'AFTER', value: ({ after }: PlanRow) => after },
  { title: 'A POD THAT SHOWS IT', value: ({ pod }: PlanRow) => pod },
  { title: 'FIX', value: ({ fix }: PlanRow) => fix },
];

const writeTable = (context: Context, plan: Plan): void => {
  context.out(`${withoutControls(planVerdict(plan))}\n`);
  for (const line of [...beyondLines(plan, (text) => text, true), ...sinceLines(plan, (text) => text, true)])
    context.out(`${withoutControls(line)}\n`);
  const table = <T>(columns: readonly Column<T>[], rows: readonly T[]): void => {
    if (rows.length > 0) context.out(`\n${renderTable(columns, rows, context.paint)}`);
  };
  table(COLUMNS, planRows(plan));
  table(WORKLOAD_COLUMNS, workloadRows(plan.workloads));
  table(OWNER_COLUMNS, ownerRows(plan.workloads));
  table(WAVE_COLUMNS, waveRows(plan));
  if (plan.effects.length > 0) context.out('\n');
  for (const note of planNotes(plan, (text) => text)) context.progress(`${note}\n`);
};

/** Reasons that `--allow-missing` accepts. */
const AWAY: readonly NotAnsweredReason[] = ['NotConnected', 'NoAnswer', 'Off'];

/** Whether a plan passes. @param allowMissing whether agents may be missing if others answered */
const isFine = ({ result, workloads }: Plan, allowMissing: boolean): boolean => {
  if (result === 'NothingBreaks' || result === 'Accepted') return true;
  if (!allowMissing || workloads === null || workloads.clusters.length === 0) return false;
  return (
    result === 'NothingLookedAt' || (result === 'NotAllAnswered' && workloads.notAnswered.every(({ reason }) => AWAY.includes(reason)))
  );
};

/** Runs `fso plan`: predicts the effects of a change on the fleet. @returns the exit code */
export const plan = async (context: Context, options: PlanOptions): Promise<number> => {
  const { output, offline = options.branch === undefined && !context.isServerNamed, allowMissing = false } = options;
  const result = offline ? comparePolicies(context, options) : await planAtHub(context, options);
  if (output === 'json') await writeData(context, 'json', result);
  else if (output === 'markdown') context.out(planMarkdown(result));
  else writeTable(context, result);
  return isFine(result, allowMissing) ? EXIT.ok : EXIT.negative;
};
