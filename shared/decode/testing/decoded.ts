import { stringify } from 'yaml';
import type {
  ManagedClusterDocument,
  Placement,
  RegionCatalogSpec,
  RegionGroupDocument,
  SovereignPolicySpecInput,
} from '../../api/index.ts';
import { CATALOG_PATH } from '../../api/index.ts';
import { decodeFiles } from '../decode.ts';
import type { PolicySet, SourceFile, SourceProblem } from '../types.ts';

/** Builders of policy files for tests. */

const file = (folder: string, kind: string, metadata: object, spec: object): SourceFile => ({
  path: `${folder}/${String(Reflect.get(metadata, 'name'))}.yaml`,
  text: stringify({ apiVersion: 'compliance.federated.io/v1', kind, metadata, spec }, { aliasDuplicateObjects: false }),
});

/** Builds the file of a SovereignPolicy. Default: it targets the namespace of its name. */
export const policyFile = (name: string, spec: Partial<SovereignPolicySpecInput> = {}): SourceFile =>
  file('policies', 'SovereignPolicy', { name }, { targetNamespace: name, allowedRegions: ['eu-west-1'], ...spec });

/** Builds the file of a ManagedCluster. */
export const clusterFile = (
  name: string,
  regions: ManagedClusterDocument['spec']['regions'],
  labels: Record<string, string> = {},
  provider?: string,
): SourceFile => file('clusters', 'ManagedCluster', { name, labels }, { regions, ...(provider === undefined ? {} : { provider }) });

/** Builds the file of a RegionGroup. */
export const groupFile = (
  name: string,
  regions: RegionGroupDocument['spec']['regions'],
  exclude?: RegionGroupDocument['spec']['exclude'],
): SourceFile => file('regions', 'RegionGroup', { name }, { regions, ...(exclude === undefined ? {} : { exclude }) });

/** The catalogue of a repository. */
export const catalogFile = (spec: RegionCatalogSpec): SourceFile => ({
  ...file('regions', 'RegionCatalog', { name: 'regions' }, spec),
  path: CATALOG_PATH,
});

/** @param folder folder that the scope applies to */
export const scopeFile = (folder: string, placement: Placement): SourceFile => ({
  ...file('policies', 'PolicyScope', { name: folder.toLowerCase().replaceAll('/', '-') }, { placement }),
  path: `${folder}/scope.yaml`,
});

/** Decodes a set. @throws Error if there are problems */
export const setOf = (...files: readonly SourceFile[]): PolicySet => {
  const result = decodeFiles(files);
  if (!result.ok) throw new Error(problemLines(result.problems).join('\n'));
  return result.set;
};

/** `path:line:column: reason` of each problem. */
export const problemLines = (problems: readonly SourceProblem[]): readonly string[] =>
  problems.map(({ path, line, column, reason }) => `${path}:${line}:${column}: ${reason}`);

/** Decodes files and returns their problems as lines. */
export const problemsOf = (...files: readonly SourceFile[]): readonly string[] => {
  const result = decodeFiles(files);
  return result.ok ? [] : problemLines(result.problems);
};
