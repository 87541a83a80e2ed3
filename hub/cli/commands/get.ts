import type { HubClient } from '../api-client.ts';
import { clusterColumns, eventColumns, policyColumns, violationColumns } from '../columns.ts';
import { commitColumns } from '../commit-columns.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { type Format, writeData, writeRows } from '../output.ts';
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

export const RESOURCES = ['policies', 'clusters', 'violations', 'events', 'commits', 'commit'] as const;
export type Resource = (typeof RESOURCES)[number];

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

/** `fso get`. @param name of what there is to be one of */
export const get = async (context: Context, resource: Resource, name: string | undefined, options: GetOptions): Promise<void> => {
  if ((resource === 'commit') !== (name !== undefined))
    throw new CliError(resource === 'commit' ? 'get commit needs the id of a commit, or its beginning' : `get ${resource} takes no name`);
  const hub = await context.connect();
  const { output } = options;
  const now = context.now();
  switch (resource) {
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
    case 'commit':
      parameters(options);
      return getCommit(context, name ?? '', output);
    case 'events':
      return writeRows(context, output, await hub.events(parameters(options, 'cluster', 'policy', 'limit')), eventColumns(now));
  }
};
