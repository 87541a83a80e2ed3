import type {
  ManagedClusterDocument,
  PolicyScopeDocument,
  RegionCatalogDocument,
  RegionGroupDocument,
  RolloutStrategyDocument,
  SovereignPolicyDocument,
} from '../api/index.ts';
import { sha256 } from '../encoding/index.ts';

/** A document of a policy repository, of any kind. */
export type PolicyDocument =
  | SovereignPolicyDocument
  | PolicyScopeDocument
  | ManagedClusterDocument
  | RegionCatalogDocument
  | RegionGroupDocument
  | RolloutStrategyDocument;
/** Kind of a document of a policy repository. */
export type DocumentKind = PolicyDocument['kind'];

/** Folder of each kind at the root of the policy repository. */
export const FOLDERS: Readonly<Record<DocumentKind, string>> = {
  SovereignPolicy: 'policies',
  PolicyScope: 'policies',
  ManagedCluster: 'clusters',
  RegionCatalog: 'regions',
  RegionGroup: 'regions',
  RolloutStrategy: 'rollout',
};

const POLICY_PATH = /^(?:(policies|clusters|regions|rollout)\/.+|(rollout))\.ya?ml$/i;

/**
 * Top-level folder that a path belongs to, `rollout` for a `rollout.yaml` at the root. Undefined if
 * the file is not policy.
 */
export const folderOf = (path: string): string | undefined => {
  const match = POLICY_PATH.exec(path);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
};

/**
 * Whether a file of the repository is policy: YAML under `policies/`, `clusters/`, `regions/` or
 * `rollout/`, or `rollout.yaml`. Case is ignored, so that `Finance.YAML` is never silently left
 * out.
 *
 * @param path relative to the repository's root, with `/`
 */
export const isPolicyPath = (path: string): boolean => folderOf(path) !== undefined;

/** Required name of a file with a PolicyScope. */
export const SCOPE_FILE = 'scope.yaml';

/**
 * Whether a file name can be taken for that of a scope. All such names but {@link SCOPE_FILE} are
 * refused.
 */
export const isScopeName = (name: string): boolean => /^scope\.ya?ml$/i.test(name);

/** Folder of a file, without `/` at its end. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Last part of a path. */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/**
 * File that registers a cluster, and the subfolder of `clusters/` that may contain it instead. An
 * agent derives both from the name of its cluster.
 */
export interface RegistrationPlace {
  readonly file: string;
  /**
   * First two hex digits of the SHA-256 of the name. They keep each folder small, however many
   * clusters there are.
   */
  readonly folder: string;
}

/** Returns the place of a cluster's registration. */
export const registrationPlace = (cluster: string): RegistrationPlace => ({ file: `${cluster}.yaml`, folder: sha256(cluster).slice(0, 2) });

/** Returns the two allowed paths of a registration. A repository uses one of them. */
export const registrationPaths = (cluster: string): readonly [string, string] => {
  const { file, folder } = registrationPlace(cluster);
  return [`${FOLDERS.ManagedCluster}/${file}`, `${FOLDERS.ManagedCluster}/${folder}/${file}`];
};

const HASH_FOLDER = /^[0-9a-f]{2}$/i;

/**
 * Reason why a folder may not have its name; undefined if it may. An agent reads only a few
 * folders. What it would refuse there is refused everywhere, so that no commit is valid for the hub
 * and invalid for some agents.
 */
export const folderProblem = (path: string): string | undefined => {
  const top = path.split('/', 1)[0] ?? '';
  if (top.toLowerCase() === FOLDERS.SovereignPolicy && isScopeName(nameOf(path)) && path !== top)
    return `a scope is one plain file with the name ${SCOPE_FILE}`;
  if (top.toLowerCase() !== FOLDERS.ManagedCluster) return undefined;
  return path === top
    ? unless(top === FOLDERS.ManagedCluster, `must be ${FOLDERS.ManagedCluster}/`)
    : registrationFolderProblem(nameOf(path));
};

const unless = (isRight: boolean, problem: string): string | undefined => (isRight ? undefined : problem);

const registrationFolderProblem = (name: string): string | undefined => {
  if (/\.ya?ml$/i.test(name)) return 'is a folder with the name of a file';
  return unless(!HASH_FOLDER.test(name) || name === name.toLowerCase(), 'must be in lower case');
};

/**
 * Finds folder names that differ from another one only in case. Some file systems check them out as
 * one folder, with one scope.
 */
export const twinsAmong = (folders: readonly string[]): readonly string[] => {
  const seen = new Set<string>();
  return folders.filter((name) => seen.size === seen.add(name.toLowerCase()).size);
};
