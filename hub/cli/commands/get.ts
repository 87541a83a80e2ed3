import type { HubClient } from '../client/api-client.ts';
import { checkName, findPolicy } from '../client/find-policy.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import type { Kind } from '../kinds.ts';
import { clusterColumns, eventColumns, policyColumns, violationColumns } from '../render/columns.ts';
import { commitColumns } from '../render/commit-columns.ts';
import { type Format, writeData, writeRows } from '../render/output.ts';
import { getCommit } from './get-commit.ts';

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
  readonly query?: string;
  readonly sort?: string;
  readonly limit?: number;
}

const optionOf = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The hub's parameters; `q` is what it calls `--query`. An option that narrows nothing here is not passed over in silence. */
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

/** For programs with every cluster's report; a table needs no more than their number. */
const getPolicies = async (context: Context, hub: HubClient, options: GetOptions): Promise<void> => {
  const query = parameters(options, ...POLICY_FILTERS);
  const { output } = options;
  if (output === 'json' || output === 'yaml') return writeData(context, output, await hub.policies(query));
  return writeRows(context, output, await hub.policySummaries(query), policyColumns());
};

const getPolicy = async (context: Context, hub: HubClient, given: string, output: Format): Promise<void> => {
  const policy = await findPolicy(context, given);
  if (output === 'json' || output === 'yaml') return writeData(context, output, policy);
  const summaries = await hub.policySummaries({ q: policy.name });
  const rows = summaries.filter(({ namespace, name }) => namespace === policy.namespace && name === policy.name);
  return writeRows(context, output, rows, policyColumns());
};

const getCluster = async (context: Context, hub: HubClient, name: string, output: Format): Promise<void> => {
  checkName(name);
  const cluster = await hub.cluster(name);
  if (output === 'json' || output === 'yaml') return writeData(context, output, cluster);
  return writeRows(context, output, [cluster], clusterColumns(context.now()));
};

/** One of what there is. */
const getOne = async (context: Context, kind: Kind, name: string, { output, ...filters }: GetOptions): Promise<void> => {
  parameters({ output, ...filters });
  const hub = await context.connect();
  switch (kind) {
    case 'policies':
      return getPolicy(context, hub, name, output);
    case 'clusters':
      return getCluster(context, hub, name, output);
    case 'commits':
      return getCommit(context, name, output);
    case 'violations':
    case 'events':
      throw new CliError(`get ${kind} takes no name`);
  }
};

const getAll = async (context: Context, kind: Kind, options: GetOptions): Promise<void> => {
  const hub = await context.connect();
  const { output } = options;
  const now = context.now();
  switch (kind) {
    case 'policies':
      return getPolicies(context, hub, options);
    case 'clusters':
      return writeRows(
        context,
        output,
        await hub.clusters(parameters(options, 'region', 'violating', 'query', 'sort')),
        clusterColumns(now),
      );
    case 'violations':
      return writeRows(context, output, await hub.violations(parameters(options, ...VIOLATION_FILTERS)), violationColumns(now));
    case 'commits':
      return writeRows(context, output, await hub.commits(parameters(options, 'limit')), commitColumns(now));
    case 'events':
      return writeRows(context, output, await hub.events(parameters(options, 'cluster', 'policy', 'limit')), eventColumns(now));
  }
};

/** `fso get`. @param name undefined: all of the kind */
export const get = (context: Context, kind: Kind, name: string | undefined, options: GetOptions): Promise<void> =>
  name === undefined ? getAll(context, kind, options) : getOne(context, kind, name, options);
