import { compileFleet } from '@fso/shared/compile';
import { decodeFiles, type PolicySet, type SourceFile, type SourceProblem } from '@fso/shared/decode';
import { count } from '@fso/shared/text';
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { renderTable } from '../../render/output.ts';
import { list, withoutControls } from '../../render/text.ts';
import { policiesAt } from '../policy-files/git-commits.ts';
import { findSignersProblems, readPolicyFolder } from '../policy-files/policy-folder.ts';
import { move, planMoves } from '../policy-files/registrations.ts';
import { compareFleets, type PolicyChange } from './compare-fleets.ts';
import { regionWarnings, type ValidationWarning } from './region-warnings.ts';
import { type WaveClusters, wavesIn, waveWarnings } from './waves.ts';

interface ClusterCount {
  readonly name: string;
  readonly regions: readonly string[];
  readonly policies: number;
}

type ValidationResult =
  | { readonly ok: false; readonly problems: readonly SourceProblem[] }
  | {
      readonly ok: true;
      readonly counts: Readonly<Record<'policies' | 'scopes' | 'clusters' | 'regionGroups' | 'rollout', number>>;
      readonly clusters: readonly ClusterCount[];
      /** Clusters of each wave; undefined: there is no strategy. */
      readonly waves?: readonly WaveClusters[];
      readonly warnings: readonly ValidationWarning[];
      /** Changes since the base; undefined: no base was given. */
      readonly changes?: readonly PolicyChange[];
    };

/** Options of `fso validate`. */
export interface ValidateOptions {
  readonly output: 'text' | 'json';
  readonly base?: string;
  readonly fix?: boolean;
}

const accepted = (set: PolicySet, files: readonly SourceFile[], changes: readonly PolicyChange[] | undefined): ValidationResult => {
  const fleet = compileFleet(set);
  const unnamed = set.clusters.filter(({ document }) => document.spec.provider === undefined);
  const placed = new Set(unnamed.flatMap(({ document }) => fleet.get(document.metadata.name)?.policies.map(({ name }) => name) ?? []));
  const waves = wavesIn(set);
  return {
    ok: true,
    counts: {
      policies: set.policies.length,
      scopes: set.scopes.length,
      clusters: set.clusters.length,
      regionGroups: set.regionGroups.length,
      rollout: set.rollout === undefined ? 0 : 1,
    },
    clusters: set.clusters.map(({ document: { metadata, spec } }) => ({
      name: metadata.name,
      regions: spec.regions,
      policies: fleet.get(metadata.name)?.policies.length ?? 0,
    })),
    ...(waves && { waves }),
    warnings: [...regionWarnings(set, files, (policy) => placed.has(policy)), ...waveWarnings(set, waves ?? [])],
    ...(changes && { changes }),
  };
};

const validateFolder = (folder: string, base: string | undefined, env: NodeJS.ProcessEnv): ValidationResult => {
  const { files, problems } = readPolicyFolder(folder);
  if (files.length === 0 && problems.length === 0) {
    throw new CliError(`no policy files in ${folder}: they are YAML under policies/, clusters/, regions/ and rollout/, or rollout.yaml`);
  }
  const decoded = decodeFiles(files);
  const all = [...problems, ...(decoded.ok ? [] : decoded.problems), ...findSignersProblems(folder)];
  if (!decoded.ok || all.length > 0) return { ok: false, problems: all };
  return accepted(decoded.set, files, base === undefined ? undefined : compareFleets(policiesAt(folder, base, env), decoded.set));
};

const writeProblems = (context: Context, problems: readonly SourceProblem[]): void => {
  for (const { path, line, column, reason } of problems)
    context.out(`${withoutControls(path)}:${line}:${column}: ${withoutControls(reason)}\n`);
  context.progress(`${count(problems.length, 'problem')}\n`);
};

const NAMES_SHOWN = 5;
const some = (names: readonly string[]): string =>
  names.length <= NAMES_SHOWN ? list(names) : `${list(names.slice(0, NAMES_SHOWN))} and ${names.length - NAMES_SHOWN} more`;

const writeSummary = (context: Context, { counts, clusters, waves = [] }: Extract<ValidationResult, { ok: true }>): void => {
  const parts = [
    count(counts.policies, 'policy', 'policies'),
    ...(counts.scopes === 0 ? [] : [count(counts.scopes, 'scope')]),
    count(counts.clusters, 'cluster'),
    count(counts.regionGroups, 'region group'),
    counts.rollout === 0 ? 'no rollout strategy' : 'a rollout strategy',
  ];
  context.out(`ok: ${parts.join(', ')}\n`);
  const columns = [
    { title: 'CLUSTER', value: ({ name }: ClusterCount) => name },
    { title: 'REGIONS', value: ({ regions }: ClusterCount) => list(regions) },
    { title: 'POLICIES', value: ({ policies }: ClusterCount) => String(policies) },
  ];
  if (clusters.length > 0) context.out(`\n${renderTable(columns, clusters, context.paint)}`);
  const waveColumns = [
    { title: 'WAVE', value: ({ name }: WaveClusters) => name },
    { title: 'CLUSTERS', value: ({ clusters: members }: WaveClusters) => (members.length === 0 ? '-' : some(members)) },
  ];
  if (waves.length > 0) context.out(`\n${renderTable(waveColumns, waves, context.paint)}`);
};

const writeWarnings = (context: Context, warnings: readonly ValidationWarning[]): void => {
  if (warnings.length > 0) context.out('\n');
  for (const { path, line, column, type, reason } of warnings)
    context.out(`${withoutControls(path)}:${line}:${column}: warning ${type}: ${withoutControls(reason)}\n`);
};

const writeChanges = (context: Context, base: string, changes: readonly PolicyChange[]): void => {
  if (changes.length === 0) {
    context.out(`\nNo cluster gets anything else than at ${withoutControls(base)}.\n`);
    return;
  }
  const columns = [
    { title: 'CLUSTERS', value: ({ clusters }: PolicyChange) => some(clusters) },
    { title: 'GAIN', value: ({ gains }: PolicyChange) => some(gains) },
    { title: 'GET CHANGED', value: (change: PolicyChange) => some(change.changes) },
    { title: 'LOSE', value: ({ loses }: PolicyChange) => some(loses) },
  ];
  context.out(`\nSince ${withoutControls(base)}:\n\n${renderTable(columns, changes, context.paint)}`);
};

const fixRegistrations = (context: Context, folder: string): void => {
  const { files, problems } = readPolicyFolder(folder);
  // A link among the files could redirect writes. The result reports it first.
  if (problems.length > 0) return;
  const moves = planMoves(files);
  move(folder, moves);
  for (const { cluster, from, to } of moves.moved) context.progress(`cluster ${cluster}: ${from} -> ${to}\n`);
};

/**
 * Runs `fso validate`: prints the hub's result for a commit of this folder.
 *
 * @returns the exit code
 */
export const validate = (context: Context, folder: string, { output, base, fix = false }: ValidateOptions): number => {
  if (fix) fixRegistrations(context, folder);
  const result = validateFolder(folder, base, context.io.env);
  if (output === 'json') context.out(`${JSON.stringify(result, null, 2)}\n`);
  else if (result.ok) {
    writeSummary(context, result);
    writeWarnings(context, result.warnings);
  } else writeProblems(context, result.problems);
  if (result.ok && result.changes !== undefined && output === 'text') writeChanges(context, base ?? '', result.changes);
  return result.ok ? EXIT.ok : EXIT.negative;
};
