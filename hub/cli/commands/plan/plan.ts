import type { PolicySet } from '@fso/shared/decode';
import { type Effects, effectsOf, type FleetState, type Plan, planResult } from '@fso/shared/effects';
import { byText } from '@fso/shared/encoding';
import { listText } from '@fso/shared/text';
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { renderTable, writeData } from '../../render/output.ts';
import { planMarkdown } from './plan-markdown.ts';
import { type PlanRow, planNotes, planRows, planVerdict } from './plan-text.ts';
import { type PlanSide, readCommit, readFolder } from './read-side.ts';

export interface PlanOptions {
  readonly output: 'table' | 'json' | 'markdown';
  readonly dir: string;
  readonly ref?: string;
  readonly base: string;
  /** RFC 3339. */
  readonly at?: string;
  readonly cluster: readonly string[];
  readonly withoutCluster: readonly string[];
  readonly withoutRegion: readonly string[];
}

type Removal = Pick<FleetState, 'withoutClusters' | 'withoutRegions'>;

const clustersOf = ({ clusters }: PolicySet): readonly string[] => clusters.map(({ document }) => document.metadata.name);

/** @throws CliError for a name that is not there: a plan without it would look at nothing */
const checkNames = (option: string, given: readonly string[], known: readonly string[]): void => {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new CliError(
    `${option}: there is no ${unknown}; there are: ${known.length === 0 ? '-' : listText([...new Set(known)].sort(byText))}`,
  );
};

const sideOf = ({ source, revision }: PlanSide, at: Date, removal: Removal): Plan['after'] => ({
  source,
  revision,
  at: at.toISOString(),
  withoutClusters: [...removal.withoutClusters],
  withoutRegions: [...removal.withoutRegions],
});

const NOTHING_LOST: Removal = { withoutClusters: [], withoutRegions: [] };

const comparePolicies = (context: Context, options: PlanOptions): Plan => {
  const { dir, ref, base, cluster, withoutCluster: withoutClusters, withoutRegion: withoutRegions } = options;
  const after = ref === undefined ? readFolder(dir) : readCommit(dir, ref);
  const before = readCommit(dir, base);
  checkNames('--cluster', cluster, [...clustersOf(before.set), ...clustersOf(after.set)]);
  checkNames('--without-cluster', withoutClusters, clustersOf(after.set));
  checkNames(
    '--without-region',
    withoutRegions,
    after.set.clusters.flatMap(({ document }) => document.spec.regions),
  );
  const now = context.now();
  const at = options.at === undefined ? now : new Date(options.at);
  const removal = { withoutClusters, withoutRegions };
  if (context.interactive) context.progress(`Comparing ${after.set.policies.length} policies on ${after.set.clusters.length} clusters\n`);
  const effects: Effects = effectsOf(
    { set: before.set, atMs: now.getTime(), ...NOTHING_LOST },
    { set: after.set, atMs: at.getTime(), ...removal },
    cluster.length === 0 ? undefined : cluster,
  );
  return {
    version: 1,
    result: planResult(effects),
    before: sideOf(before, now, NOTHING_LOST),
    after: sideOf(after, at, removal),
    workloads: null,
    ...effects,
  };
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
  context.out(`${planVerdict(plan)}\n`);
  const rows = planRows(plan);
  if (rows.length > 0) context.out(`\n${renderTable(COLUMNS, rows, context.paint)}\n`);
  for (const note of planNotes(plan, (text) => text)) context.progress(`${note}\n`);
};

/** `fso plan`: what a change does to the fleet. @returns the exit code */
export const plan = async (context: Context, options: PlanOptions): Promise<number> => {
  const result = comparePolicies(context, options);
  if (options.output === 'json') await writeData(context, 'json', result);
  else if (options.output === 'markdown') context.out(planMarkdown(result));
  else writeTable(context, result);
  return result.result === 'NothingBreaks' ? EXIT.ok : EXIT.negative;
};
