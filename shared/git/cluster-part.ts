import { MAX_MESSAGE, type ManagedClusterDocument } from '../api/index.ts';
import {
  type AloneDecoder,
  decodeAlone,
  isInScope,
  regionsOf,
  registrationPlace,
  type SourceFile,
  type SourceProblem,
} from '../decode/index.ts';
import type { Reason } from '../protocol/index.ts';
import type { RegionResolver } from '../regions/index.ts';
import { truncate } from '../runtime/index.ts';
import type { TreeEntry } from './objects.ts';

/** Facts about a cluster that a walk for it found. */
export interface ClusterPart {
  /** Path of its registration; null: it is not registered. */
  readonly registration: string | null;
  /** Folders whose scope excludes the cluster, sorted. Their content is unknown. */
  readonly outside: readonly string[];
}

/** Facts against which scopes are evaluated. */
export interface ClusterFacts {
  readonly registration: ManagedClusterDocument | undefined;
  readonly regions: RegionResolver;
}

/** Converts a {@link SourceProblem} to the form that agents and hubs exchange. */
export const reasonOf = ({ path, line, column, reason }: SourceProblem): Reason => ({
  path,
  line: Math.max(1, line),
  column: Math.max(1, column),
  message: truncate(reason, MAX_MESSAGE),
});

/**
 * Reads the facts against which scopes are evaluated.
 *
 * @param files includes the groups and the catalogue of regions, and the registration of one
 * cluster, if any
 */
export const readFacts = (
  files: readonly SourceFile[],
  decode: AloneDecoder,
): { readonly facts: ClusterFacts; readonly problems: readonly Reason[] } => {
  const { set, problems } = decode(files);
  return { facts: { registration: set.clusters[0]?.document, regions: regionsOf(set) }, problems: problems.map(reasonOf) };
};

/** Evaluates whether a cluster is in the scope of a file. */
export const scopeVerdict = (
  file: SourceFile,
  { registration, regions }: ClusterFacts,
): { readonly isInside: boolean; readonly problems: readonly Reason[] } => {
  const { set, problems } = decodeAlone([file]);
  const [scope] = set.scopes;
  return { isInside: scope !== undefined && isInScope(scope.document, registration, regions), problems: problems.map(reasonOf) };
};

/**
 * Whether a name equals another one, ignoring case, so that two readers of one commit cannot differ
 * over case.
 */
export const isNamed = (name: string, wanted: string): boolean => name.toLowerCase() === wanted;

/** Entries of a folder that may be meant as the registration of a cluster. */
export const registrationsAmong = (entries: readonly TreeEntry[], cluster: string): readonly TreeEntry[] =>
  entries.filter(({ name }) => isNamed(name, registrationPlace(cluster).file) || isNamed(name, `${cluster}.yml`));
