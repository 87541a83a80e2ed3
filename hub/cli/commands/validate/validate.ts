import { execFileSync } from 'node:child_process';
import { type CompiledPolicy, compileFleet, digestOfPolicy } from '@fso/shared/compile';
import { decodeFiles, isPolicyPath, type PolicySet, type SourceFile, type SourceProblem } from '@fso/shared/decode';
import { byText, canonicalJson } from '@fso/shared/encoding';
import { messageOf } from '@fso/shared/text';
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { renderTable } from '../../render/output.ts';
import { list, plain } from '../../render/text.ts';
import { findSignersProblems, readPolicyFolder } from './policy-folder.ts';
import { afterMoves, move, planMoves } from './registrations.ts';

const MAX_BYTES = 512 * 1024 * 1024;

type Git = (args: readonly string[], input?: string) => Buffer;

/** Runs git in a folder. @throws CliError with its output */
const gitIn =
  (folder: string, revision: string): Git =>
  (args, input) => {
    try {
      return execFileSync('git', ['-C', folder, ...args], { input, maxBuffer: MAX_BYTES, stdio: ['pipe', 'pipe', 'pipe'] });
    } catch (error) {
      if (Reflect.get(Object(error), 'code') === 'ENOENT') throw new CliError('--base needs the program git, which is not in the PATH');
      const said = String(Reflect.get(Object(error), 'stderr') ?? '').trim();
      throw new CliError(`git cannot read the base ${revision}: ${said === '' ? messageOf(error) : said}`);
    }
  };

/**
 * Contents in the order of their ids, as `git cat-file --batch` writes them. @throws CliError where
 * one is not there
 */
const contentsOf = (answer: Buffer): readonly Buffer[] => {
  const contents: Buffer[] = [];
  for (let at = 0; at < answer.length; ) {
    const end = answer.indexOf('\n', at);
    const [id, type, size = ''] = answer.toString('latin1', at, end).split(' ');
    // As in a clone that has not fetched all.
    if (type !== 'blob') throw new CliError(`git cannot read the base: object ${id} is ${type}`);
    const next = end + 1 + Number(size);
    contents.push(answer.subarray(end + 1, next));
    at = next + 1;
  }
  return contents;
};

/**
 * The policy files of a commit in the Git repository that a folder is in, by their paths below it.
 * @throws CliError
 */
const filesAt = (folder: string, revision: string): readonly SourceFile[] => {
  const git = gitIn(folder, revision);
  const commit = git(['rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`])
    .toString()
    .trim();
  const entries = git(['ls-tree', '-r', '-z', commit])
    .toString()
    .split('\0')
    .flatMap((line) => {
      const [, id, path] = /^100\d{3} blob ([0-9a-f]+)\t(.+)$/s.exec(line) ?? [];
      return id === undefined || path === undefined || !isPolicyPath(path) ? [] : [{ id, path }];
    });
  const contents = contentsOf(git(['cat-file', '--batch'], entries.map(({ id }) => `${id}\n`).join('')));
  return entries.map(({ path }, index) => ({ path, text: contents[index]?.toString() ?? '' }));
};

/**
 * Policies of the base commit.
 *
 * @throws CliError where git cannot read it, or it is not valid itself
 */
const policiesAt = (folder: string, revision: string): PolicySet => {
  const files = filesAt(folder, revision);
  // As it would be after --fix: so the commit that moves registrations can be compared too.
  const decoded = decodeFiles(afterMoves(files, planMoves(files)));
  if (decoded.ok) return decoded.set;
  const [first] = decoded.problems;
  throw new CliError(`the base ${revision} is not valid itself: ${first?.path}:${first?.line}:${first?.column}: ${first?.reason}`);
};

/** Changes that are the same for some clusters: names of policies, sorted. */
interface PolicyChange {
  readonly clusters: readonly string[];
  readonly gains: readonly string[];
  readonly changes: readonly string[];
  readonly loses: readonly string[];
}

type Digests = ReadonlyMap<string, string>;

/** Digests of the contents of policies, by name: one that only moved is not changed. */
const digestsOf = (policies: readonly CompiledPolicy[] | undefined, known: Map<CompiledPolicy, string>): Digests =>
  new Map(
    (policies ?? []).map((policy) => {
      const digest = known.get(policy) ?? digestOfPolicy({ ...policy, sourcePath: '' });
      known.set(policy, digest);
      return [policy.name, digest];
    }),
  );

/**
 * Compares what each cluster gets of two commits, for whatever reason it differs; clusters with the
 * same changes share a row. Pure.
 */
const compareFleets = (before: PolicySet, after: PolicySet): readonly PolicyChange[] => {
  const [was, is] = [compileFleet(before), compileFleet(after)];
  const digests = new Map<CompiledPolicy, string>();
  const rows = new Map<string, { clusters: string[] } & Omit<PolicyChange, 'clusters'>>();
  for (const cluster of [...new Set([...was.keys(), ...is.keys()])].sort(byText)) {
    if (was.get(cluster)?.digest === is.get(cluster)?.digest) continue;
    const [had, has] = [digestsOf(was.get(cluster)?.policies, digests), digestsOf(is.get(cluster)?.policies, digests)];
    const change = {
      gains: [...has.keys()].filter((name) => !had.has(name)),
      changes: [...has.keys()].filter((name) => had.has(name) && had.get(name) !== has.get(name)),
      loses: [...had.keys()].filter((name) => !has.has(name)),
    };
    const key = canonicalJson(change);
    const row = rows.get(key) ?? { clusters: [], ...change };
    row.clusters.push(cluster);
    rows.set(key, row);
  }
  // A cluster that came or went without policies has nothing to show.
  return [...rows.values()].filter(({ gains, changes, loses }) => gains.length + changes.length + loses.length > 0);
};

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
      /** Changes since the base; absent: none was given. */
      readonly changes?: readonly PolicyChange[];
    };

export interface ValidateOptions {
  readonly output: 'text' | 'json';
  readonly base?: string;
  readonly fix?: boolean;
}

const accepted = (set: PolicySet, changes: readonly PolicyChange[] | undefined): ValidationResult => {
  const fleet = compileFleet(set);
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
    ...(changes && { changes }),
  };
};

const validateFolder = (folder: string, base: string | undefined): ValidationResult => {
  const { files, problems } = readPolicyFolder(folder);
  if (files.length === 0 && problems.length === 0) {
    throw new CliError(`no policy files in ${folder}: they are YAML under policies/, clusters/, regions/ and rollout/, or rollout.yaml`);
  }
  const decoded = decodeFiles(files);
  const all = [...problems, ...(decoded.ok ? [] : decoded.problems), ...findSignersProblems(folder)];
  if (!decoded.ok || all.length > 0) return { ok: false, problems: all };
  return accepted(decoded.set, base === undefined ? undefined : compareFleets(policiesAt(folder, base), decoded.set));
};

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const writeProblems = (context: Context, problems: readonly SourceProblem[]): void => {
  for (const { path, line, column, reason } of problems) context.out(`${plain(path)}:${line}:${column}: ${plain(reason)}\n`);
  context.progress(`${plural(problems.length, 'problem')}\n`);
};

const writeSummary = (context: Context, { counts, clusters }: Extract<ValidationResult, { ok: true }>): void => {
  const parts = [
    plural(counts.policies, 'policy', 'policies'),
    ...(counts.scopes === 0 ? [] : [plural(counts.scopes, 'scope')]),
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

const NAMES_SHOWN = 5;
const some = (names: readonly string[]): string =>
  names.length <= NAMES_SHOWN ? list(names) : `${list(names.slice(0, NAMES_SHOWN))} and ${names.length - NAMES_SHOWN} more`;

const writeChanges = (context: Context, base: string, changes: readonly PolicyChange[]): void => {
  if (changes.length === 0) {
    context.out(`\nNo cluster gets anything else than at ${plain(base)}.\n`);
    return;
  }
  const columns = [
    { title: 'CLUSTERS', value: ({ clusters }: PolicyChange) => some(clusters) },
    { title: 'GAIN', value: ({ gains }: PolicyChange) => some(gains) },
    { title: 'GET CHANGED', value: (change: PolicyChange) => some(change.changes) },
    { title: 'LOSE', value: ({ loses }: PolicyChange) => some(loses) },
  ];
  context.out(`\nSince ${plain(base)}:\n\n${renderTable(columns, changes, context.paint)}`);
};

const fixRegistrations = (context: Context, folder: string): void => {
  const { files, problems } = readPolicyFolder(folder);
  // A link among them would lead elsewhere: the result says so first.
  if (problems.length > 0) return;
  const moves = planMoves(files);
  move(folder, moves);
  for (const { cluster, from, to } of moves.moved) context.progress(`cluster ${cluster}: ${from} -> ${to}\n`);
};

/** `fso validate`: the hub's result on a commit of this folder. @returns the exit code */
export const validate = (context: Context, folder: string, { output, base, fix = false }: ValidateOptions): number => {
  if (fix) fixRegistrations(context, folder);
  const result = validateFolder(folder, base);
  if (output === 'json') context.out(`${JSON.stringify(result, null, 2)}\n`);
  else if (result.ok) writeSummary(context, result);
  else writeProblems(context, result.problems);
  if (result.ok && result.changes !== undefined && output === 'text') writeChanges(context, base ?? '', result.changes);
  return result.ok ? EXIT.ok : EXIT.negative;
};
