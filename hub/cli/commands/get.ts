import { type CommitActivity, type PolicyView, type ProblemView, parsePolicyKey, policyKey, ResourceName } from '@fso/shared/api';
import { listText, notKeptText } from '@fso/shared/text';
import type { HubClient } from '../client/api-client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import {
  areDenialsUnknown,
  areRisksUnknown,
  branchColumns,
  clusterColumns,
  clusterStepColumns,
  commitColumns,
  denialColumns,
  elapsedText,
  eventColumns,
  issueColumns,
  planColumns,
  policyColumns,
  riskColumns,
  violationColumns,
} from '../render/columns.ts';
import { type Column, type Format, renderTable, writeData, writeFacts, writeRows } from '../render/output.ts';
import { list, withoutControls } from '../render/text.ts';

/**
 * Checks a name that a person typed.
 *
 * @throws CliError if no Kubernetes object can have it: in a URL it could be another path
 */
export const checkName = (name: string): void => {
  if (!ResourceName.safeParse(name).success) throw new CliError(`${JSON.stringify(name)} is not a name that a policy or cluster can have`);
};

/**
 * Parses the key of a policy.
 *
 * @param given `name`, or `namespace/name` of a policy outside of the agent's namespace
 * @throws CliError if no Kubernetes object can have the name
 */
export const readPolicyKey = (given: string): string => {
  const policy = parsePolicyKey(given);
  checkName(policy.namespace);
  checkName(policy.name);
  return policyKey(policy);
};

/** Reads a policy from the hub by its key. @param given as in {@link readPolicyKey} */
export const findPolicy = async (context: Context, given: string): Promise<PolicyView> =>
  (await context.connect()).policy(readPolicyKey(given));

/** Kinds of objects that can be listed. */
export type ListedKind =
  | 'policies'
  | 'clusters'
  | 'violations'
  | 'risks'
  | 'denials'
  | 'events'
  | 'commits'
  | 'issues'
  | 'plans'
  | 'branches';

/** Options of `fso get` for all kinds. */
export interface GetOptions {
  readonly output: Format;
  readonly cluster?: string;
  readonly phase?: string;
  readonly namespace?: string;
  readonly policy?: string;
  readonly region?: string;
  readonly action?: string;
  readonly managedBy?: string;
  readonly violating?: true;
  readonly expiring?: true;
  readonly kind?: string;
  readonly risk?: string;
  readonly query?: string;
  readonly sort?: string;
  readonly limit?: number;
}

const optionOf = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * Converts options to parameters of the hub, which calls `--query` `q`.
 *
 * @throws CliError for an option that the list does not support
 */
const parameters = <K extends Exclude<keyof GetOptions, 'output'>>(options: GetOptions, ...names: K[]) => {
  const known: readonly string[] = ['output', ...names];
  const foreign = Object.keys(options).filter((name) => !known.includes(name));
  if (foreign.length > 0) throw new CliError(`${foreign.map(optionOf).join(', ')}: not an option of this list; see fso get --help`);
  const given = names.flatMap((name) => (options[name] === undefined ? [] : [[name === 'query' ? 'q' : name, options[name]]]));
  return Object.fromEntries(given) as { [N in K as N extends 'query' ? 'q' : N]?: NonNullable<GetOptions[N]> };
};

const POLICY_FILTERS = [
  'cluster',
  'phase',
  'namespace',
  'region',
  'action',
  'managedBy',
  'violating',
  'expiring',
  'query',
  'sort',
] as const;
const VIOLATION_FILTERS = ['cluster', 'policy', 'namespace', 'region', 'action', 'kind', 'query', 'sort'] as const;

const RISK_FILTERS = ['cluster', 'policy', 'namespace', 'risk', 'kind', 'query', 'sort'] as const;

const getRisks = async (context: Context, hub: HubClient, options: GetOptions): Promise<void> => {
  await writeRows(context, options.output, await hub.risks(parameters(options, ...RISK_FILTERS)), riskColumns());
  const unknown = (await hub.clusters()).filter(areRisksUnknown).map(({ name }) => name);
  if (unknown.length > 0) context.progress(`Not all is known of: ${listText(unknown)}.\n`);
  context.progress('Capacity and volumes are not looked at.\n');
};

const DENIAL_FILTERS = ['cluster', 'policy', 'namespace', 'kind', 'query', 'sort'] as const;

const getDenials = async (context: Context, hub: HubClient, options: GetOptions): Promise<void> => {
  await writeRows(context, options.output, await hub.denials(parameters(options, ...DENIAL_FILTERS)), denialColumns(context.now()));
  for (const { key, total, unnamed } of await hub.denialGroups({ by: 'cluster' }))
    if (total !== null && (options.cluster ?? key) === key)
      context.progress(`Cluster ${key} refused ${total} pods within the hour, ${unnamed} of them without an owner.\n`);
  const unknown = (await hub.clusters()).filter(areDenialsUnknown).map(({ name }) => name);
  if (unknown.length > 0) context.progress(`Not all is known of: ${listText(unknown)}.\n`);
};

/** Lists policies. JSON and YAML contain the report of every cluster; a table needs only counts. */
const getPolicies = async (context: Context, hub: HubClient, options: GetOptions): Promise<void> => {
  const query = parameters(options, ...POLICY_FILTERS);
  const { output } = options;
  if (output === 'json' || output === 'yaml') return writeData(context, output, await hub.policies(query));
  await writeRows(context, output, await hub.policySummaries(query), policyColumns());
  await noteNotKept(context, hub, options.cluster);
};

/** Warns that the list of a cluster's policies is incomplete. */
const noteNotKept = async (context: Context, hub: HubClient, cluster: string | undefined): Promise<void> => {
  if (cluster === undefined) return;
  const notKept = (await hub.clusters({ q: cluster })).find(({ name }) => name === cluster)?.notKept ?? null;
  if (notKept !== null) context.progress(`${notKeptText(notKept)}\n`);
};

const getPolicy = async (context: Context, hub: HubClient, given: string, output: Format): Promise<void> => {
  const policy = await findPolicy(context, given);
  if (output === 'json' || output === 'yaml') return writeData(context, output, policy);
  const key = policyKey(policy);
  const rows = (await hub.policySummaries({ q: key })).filter((summary) => policyKey(summary) === key);
  return writeRows(context, output, rows, policyColumns());
};

const getCluster = async (context: Context, hub: HubClient, name: string, output: Format): Promise<void> => {
  checkName(name);
  const cluster = await hub.cluster(name);
  if (output === 'json' || output === 'yaml') return writeData(context, output, cluster);
  return writeRows(context, output, [cluster], clusterColumns(context.now()));
};

const FULL_ID = 40;
const MAX_COMMITS = 200;

const placeOf = ({ path, line, reason }: ProblemView): string => (path === undefined ? reason : `${path}:${line ?? 1}: ${reason}`);

const writeCommit = (context: Context, activity: CommitActivity): void => {
  const { commit, state, noticed, enforced, hub, changes, problems, clusterSteps } = activity;
  writeFacts(context, [
    ['Revision', commit.revision],
    ['Subject', commit.subject],
    ['Author', commit.author],
    ['State', state],
    ['Noticed', noticed],
    ...(['fetched', 'judged', 'compiled', 'released'] as const).map((step) => [step, elapsedText(noticed, hub[step])] as const),
    ['Enforced', elapsedText(noticed, enforced)],
    ['Added', list(changes.added)],
    ['Changed', list(changes.changed)],
    ['Removed', list(changes.removed)],
    ['Plan', activity.plan ?? undefined],
  ]);
  for (const problem of problems) context.out(`${withoutControls(placeOf(problem))}\n`);
  if (clusterSteps.length > 0) context.out(`\n${renderTable(clusterStepColumns(noticed), clusterSteps, context.paint)}`);
};

/** Runs `fso get commit`. @param given commit id, or a prefix of one that the hub remembers */
const getCommit = async (context: Context, hub: HubClient, given: string, output: Format): Promise<void> => {
  let revision = given;
  if (given.length < FULL_ID) {
    const found = (await hub.commits({ limit: MAX_COMMITS })).find(({ commit }) => commit.revision.startsWith(given));
    if (found === undefined) throw new CliError(`the hub does not know a commit ${given}`, EXIT.negative);
    ({ revision } = found.commit);
  }
  const activity = await hub.commit(revision);
  if (output === 'json' || output === 'yaml') return writeData(context, output, activity);
  writeCommit(context, activity);
};

const getPlan = async (context: Context, hub: HubClient, id: string, output: Format): Promise<void> => {
  // Any other text could lead to another path.
  if (!/^[0-9a-f]+$/.test(id)) throw new CliError(`${JSON.stringify(id)} is no id of a plan`);
  const plan = await hub.storedPlan(id);
  if (output === 'json' || output === 'yaml') return writeData(context, output, plan);
  (await import('./plan/stored-plan.ts')).writeStoredPlan(context, plan);
};

const ONE: Readonly<Partial<Record<ListedKind, (context: Context, hub: HubClient, name: string, output: Format) => Promise<void>>>> = {
  policies: getPolicy,
  clusters: getCluster,
  commits: getCommit,
  plans: getPlan,
};

/** Prints a single object. */
const getOne = async (context: Context, kind: ListedKind, name: string, { output, ...filters }: GetOptions): Promise<void> => {
  parameters({ output, ...filters });
  const write = ONE[kind];
  if (write === undefined) throw new CliError(`get ${kind} takes no name`);
  await write(context, await context.connect(), name, output);
};

const getIssues = async (context: Context, hub: HubClient, options: GetOptions): Promise<void> => {
  const { items, complete } = await hub.issues(parameters(options, 'cluster'));
  await writeRows(context, options.output, items, issueColumns(context.now()));
  if (!complete) context.progress('The hub has not read everything yet: there may be more.\n');
};

const getBranches = async (context: Context, hub: HubClient, options: GetOptions): Promise<void> => {
  parameters(options);
  const { items, total } = await hub.branches();
  await writeRows(context, options.output, items, branchColumns(context.now()));
  if (total > items.length) context.progress(`${total - items.length} more branches are not listed.\n`);
};

/** Creates a list that prints only its rows. */
const listing =
  <T>(read: (hub: HubClient, options: GetOptions) => Promise<readonly T[]>, columns: (now: Date) => readonly Column<T>[]) =>
  async (context: Context, hub: HubClient, options: GetOptions): Promise<void> =>
    writeRows(context, options.output, await read(hub, options), columns(context.now()));

const ALL: Readonly<Record<ListedKind, (context: Context, hub: HubClient, options: GetOptions) => Promise<void>>> = {
  policies: getPolicies,
  clusters: listing((hub, options) => hub.clusters(parameters(options, 'region', 'violating', 'query', 'sort')), clusterColumns),
  violations: listing((hub, options) => hub.violations(parameters(options, ...VIOLATION_FILTERS)), violationColumns),
  risks: getRisks,
  denials: getDenials,
  events: listing((hub, options) => hub.events(parameters(options, 'cluster', 'policy', 'limit')), eventColumns),
  commits: listing((hub, options) => hub.commits(parameters(options, 'limit')), commitColumns),
  issues: getIssues,
  plans: listing((hub, options) => hub.storedPlans(parameters(options, 'limit')), planColumns),
  branches: getBranches,
};

/** Runs `fso get`. @param name undefined: all objects of the kind */
export const get = async (context: Context, kind: ListedKind, name: string | undefined, options: GetOptions): Promise<void> =>
  name === undefined ? ALL[kind](context, await context.connect(), options) : getOne(context, kind, name, options);
