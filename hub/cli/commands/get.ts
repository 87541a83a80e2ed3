import { clusterColumns, eventColumns, policyColumns, violationColumns } from '../columns.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { type Format, writeRows } from '../output.ts';

export interface GetOptions {
  readonly output: Format;
  readonly cluster?: string;
  readonly phase?: string;
  readonly namespace?: string;
  readonly policy?: string;
  readonly query?: string;
  readonly limit?: number;
}

export const RESOURCES = ['policies', 'clusters', 'violations', 'events'] as const;
export type Resource = (typeof RESOURCES)[number];

/** The hub's parameters; `q` is what it calls `--query`. An option that narrows nothing here is not passed over in silence. */
const parameters = <K extends Exclude<keyof GetOptions, 'output'>>(options: GetOptions, ...names: K[]) => {
  const known: readonly string[] = ['output', ...names];
  const foreign = Object.keys(options).filter((name) => !known.includes(name));
  if (foreign.length > 0)
    throw new CliError(`${foreign.map((name) => `--${name}`).join(', ')}: not an option of this list; see fso get --help`);
  const given = names.flatMap((name) => (options[name] === undefined ? [] : [[name === 'query' ? 'q' : name, options[name]]]));
  return Object.fromEntries(given) as { [N in K as N extends 'query' ? 'q' : N]?: NonNullable<GetOptions[N]> };
};

/** `fso get` */
export const get = async (context: Context, resource: Resource, options: GetOptions): Promise<void> => {
  const hub = await context.connect();
  const { output } = options;
  const now = context.now();
  switch (resource) {
    case 'policies':
      return writeRows(context, output, await hub.policies(parameters(options, 'cluster', 'phase', 'namespace', 'query')), policyColumns());
    case 'clusters':
      return writeRows(context, output, await hub.clusters(parameters(options, 'query')), clusterColumns(now));
    case 'violations':
      return writeRows(
        context,
        output,
        await hub.violations(parameters(options, 'cluster', 'policy', 'namespace', 'query')),
        violationColumns(now),
      );
    case 'events':
      return writeRows(context, output, await hub.events(parameters(options, 'cluster', 'policy', 'limit')), eventColumns(now));
  }
};
