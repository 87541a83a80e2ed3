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
 * Folder that a path counts under, `rollout` for a `rollout.yaml` at the root; undefined when the
 * path is none of ours.
 */
export const folderOf = (path: string): string | undefined => {
  const match = POLICY_PATH.exec(path);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
};

/**
 * Whether a file of the repository says something about policy: YAML under `policies/`,
 * `clusters/`, `regions/` or `rollout/`, or `rollout.yaml`. Upper and lower case are alike, so that
 * `Finance.YAML` is never silently left out.
 *
 * @param path relative to the repository's root, with `/`
 */
export const isPolicyPath = (path: string): boolean => folderOf(path) !== undefined;

/** The one name of a file with a PolicyScope. */
export const SCOPE_FILE = 'scope.yaml';

/**
 * Whether a name is read as that of a scope somewhere: those that are not {@link SCOPE_FILE} to the
 * letter are refused.
 */
export const isScopeName = (name: string): boolean => /^scope\.ya?ml$/i.test(name);

/** Folder of a file, without `/` at its end. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Last part of a path. */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/**
 * The file that registers a cluster, and the folder of `clusters/` that it may lie in instead. An
 * agent finds its own by its name alone.
 */
export interface RegistrationPlace {
  readonly file: string;
  /**
   * First two hex digits of the SHA-256 of the name: no folder has to be long, however many
   * clusters there are.
   */
  readonly folder: string;
}

/** Place of a cluster's registration. */
export const registrationPlace = (cluster: string): RegistrationPlace => ({ file: `${cluster}.yaml`, folder: sha256(cluster).slice(0, 2) });

/** The two paths at which a registration may stand; a repository has it at one of them. */
export const registrationPaths = (cluster: string): readonly [string, string] => {
  const { file, folder } = registrationPlace(cluster);
  return [`${FOLDERS.ManagedCluster}/${file}`, `${FOLDERS.ManagedCluster}/${folder}/${file}`];
};

const HASH_FOLDER = /^[0-9a-f]{2}$/i;

/**
 * Reason why a folder cannot have its name, if there is one. Agents look into few folders: what
 * they would refuse must be refused wherever it is, so that no commit is good for the hub and not
 * for all of them.
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
 * Names of folders that differ from another one's in case only: to a checkout on some systems they
 * are one, with one scope.
 */
export const twinsAmong = (folders: readonly string[]): readonly string[] => {
  const seen = new Set<string>();
  return folders.filter((name) => seen.size === seen.add(name.toLowerCase()).size);
};
