import { compileFleet } from '@fso/shared/compile';
import { decodeFiles, type PolicySet, type SourceProblem } from '@fso/shared/decode';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { renderTable } from '../render/output.ts';
import { list, plain } from '../render/text.ts';
import { findSignersProblems, readPolicyFolder } from './policy-folder.ts';

interface ClusterCount {
  readonly name: string;
  readonly regions: readonly string[];
  readonly policies: number;
}

type Verdict =
  | { readonly ok: false; readonly problems: readonly SourceProblem[] }
  | {
      readonly ok: true;
      readonly counts: { readonly policies: number; readonly clusters: number; readonly regionGroups: number; readonly rollout: number };
      readonly clusters: readonly ClusterCount[];
    };

const accepted = (set: PolicySet): Verdict => {
  const fleet = compileFleet(set);
  return {
    ok: true,
    counts: {
      policies: set.policies.length,
      clusters: set.clusters.length,
      regionGroups: set.regionGroups.length,
      rollout: set.rollout === undefined ? 0 : 1,
    },
    clusters: set.clusters.map(({ document: { metadata, spec } }) => ({
      name: metadata.name,
      regions: spec.regions,
      policies: fleet.get(metadata.name)?.policies.length ?? 0,
    })),
  };
};

const judge = (folder: string): Verdict => {
  const { files, problems } = readPolicyFolder(folder);
  if (files.length === 0 && problems.length === 0) {
    throw new CliError(`no policy files in ${folder}: they are YAML under policies/, clusters/, regions/ and rollout/, or rollout.yaml`);
  }
  const decoded = decodeFiles(files);
  const all = [...problems, ...(decoded.ok ? [] : decoded.problems), ...findSignersProblems(folder)];
  return decoded.ok && all.length === 0 ? accepted(decoded.set) : { ok: false, problems: all };
};

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const writeProblems = (context: Context, problems: readonly SourceProblem[]): void => {
  for (const { path, line, column, reason } of problems) context.out(`${plain(path)}:${line}:${column}: ${plain(reason)}\n`);
  context.progress(`${plural(problems.length, 'problem')}\n`);
};

const writeSummary = (context: Context, { counts, clusters }: Extract<Verdict, { ok: true }>): void => {
  const parts = [
    plural(counts.policies, 'policy', 'policies'),
    plural(counts.clusters, 'cluster'),
    plural(counts.regionGroups, 'region group'),
    counts.rollout === 0 ? 'no rollout strategy' : 'a rollout strategy',
  ];
  context.out(`ok: ${parts.join(', ')}\n`);
  const columns = [
    { title: 'CLUSTER', value: ({ name }: ClusterCount) => name },
    { title: 'REGIONS', value: ({ regions }: ClusterCount) => list(regions) },
    { title: 'POLICIES', value: ({ policies }: ClusterCount) => String(policies) },
  ];
  if (clusters.length > 0) context.out(`\n${renderTable(columns, clusters, context.paint)}`);
};

/** `fso validate`: the hub's verdict on a commit of this folder. @returns the exit code */
export const validate = (context: Context, folder: string, options: { output: 'text' | 'json' }): number => {
  const verdict = judge(folder);
  if (options.output === 'json') context.out(`${JSON.stringify(verdict, null, 2)}\n`);
  else if (verdict.ok) writeSummary(context, verdict);
  else writeProblems(context, verdict.problems);
  return verdict.ok ? EXIT.ok : EXIT.negative;
};
