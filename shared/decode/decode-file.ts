import type { z } from 'zod';
import {
  CATALOG_PATH,
  ManagedClusterDocument,
  PolicyScopeDocument,
  RegionCatalogDocument,
  RegionGroupDocument,
  RolloutStrategyDocument,
  SovereignPolicyDocument,
} from '../api/index.ts';
import { checkDocument } from './checks/check-document.ts';
import { valueProblems } from './issue-text.ts';
import { type DocumentKind, FOLDERS, folderOf, isScopeName, nameOf, type PolicyDocument, registrationPaths, SCOPE_FILE } from './paths.ts';
import type { DecodeLimits, Sourced, SourceFile, SourceLocation, SourceProblem } from './types.ts';
import { readYamlFile, type ValuePath, type YamlDocument } from './yaml/yaml-file.ts';

/** Decoded document that can locate its parts in its file. */
export interface DecodedDocument extends Sourced<PolicyDocument> {
  locate(path: ValuePath, part?: 'key' | 'value'): SourceLocation;
}

/** Documents and problems of one file. If there are problems, documents may be missing. */
export interface DecodedFile {
  readonly documents: readonly DecodedDocument[];
  readonly problems: readonly SourceProblem[];
}

const SCHEMAS: Readonly<Record<DocumentKind, z.ZodType<PolicyDocument>>> = {
  SovereignPolicy: SovereignPolicyDocument,
  PolicyScope: PolicyScopeDocument,
  ManagedCluster: ManagedClusterDocument,
  RegionCatalog: RegionCatalogDocument,
  RegionGroup: RegionGroupDocument,
  RolloutStrategy: RolloutStrategyDocument,
};

/**
 * Decodes one file, and checks what needs no other file. The result depends only on path, text and
 * limits.
 */
export const decodeFile = (file: SourceFile, limits: DecodeLimits): DecodedFile => {
  const { documents, problems } = readYamlFile(file, limits);
  const locator = createLocator(file, limits);
  const decoded = documents.map((yaml) => decodeDocument(yaml, file.path, locator));
  return {
    documents: decoded.flatMap(({ document }) => document ?? []),
    problems: [
      ...problems,
      ...decoded.flatMap((each) => each.problems),
      ...(problems.length === 0 ? fileProblems(file.path, documents) : []),
    ],
  };
};

interface DecodedOne {
  readonly document?: DecodedDocument;
  readonly problems: readonly SourceProblem[];
}

const decodeDocument = (yaml: YamlDocument, filePath: string, locator: Locator): DecodedOne => {
  const kind = kindOf(yaml.value);
  if (kind === undefined) return { problems: [{ ...yaml.locate(['kind']), reason: unknownKind(yaml.value) }] };
  const schema = SCHEMAS[kind];
  const parsed = schema.safeParse(yaml.value);
  const problems = [
    ...folderProblems(yaml, filePath, kind),
    ...(parsed.success ? checkDocument(parsed.data) : valueProblems(schema, yaml.value, parsed.error.issues)).map(
      ({ path, part, reason }): SourceProblem => ({ ...yaml.locate(path, part), reason }),
    ),
  ];
  if (!parsed.success || problems.length > 0) return { problems };
  return { problems, document: { document: parsed.data, source: yaml.locate([]), locate: locator(yaml.index) } };
};

const kindOf = (value: unknown): DocumentKind | undefined => {
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined;
  return typeof kind === 'string' && Object.hasOwn(SCHEMAS, kind) ? (kind as DocumentKind) : undefined;
};

const unknownKind = (value: unknown): string => {
  const known = Object.keys(SCHEMAS).join(', ');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `the document must be a map with a kind: ${known}`;
  const kind: unknown = Reflect.get(value, 'kind');
  return kind === undefined ? `kind is required, one of ${known}` : `kind must be one of ${known}, is ${JSON.stringify(kind)}`;
};

/** Required place of a document; undefined if it is there already. */
const placeOf = (path: string, kind: DocumentKind, value: unknown): string | undefined => {
  switch (kind) {
    case 'PolicyScope':
      return isScope(path) ? undefined : `in a file ${SCOPE_FILE} of the folder below policies/ that it is for`;
    case 'RegionCatalog':
      return path === CATALOG_PATH ? undefined : `in ${CATALOG_PATH}`;
    case 'ManagedCluster':
      return registrationPlaceOf(path, nameIn(value));
    default:
      return inFolderOf(path, kind);
  }
};

const inFolderOf = (path: string, kind: DocumentKind): string | undefined =>
  folderOf(path) === FOLDERS[kind] ? undefined : `in ${FOLDERS[kind]}/`;

const registrationPlaceOf = (path: string, name: string | undefined): string | undefined => {
  if (name === undefined) return inFolderOf(path, 'ManagedCluster');
  const paths = registrationPaths(name);
  return paths.includes(path) ? undefined : `alone in ${paths.join(' or ')}`;
};

const folderProblems = (yaml: YamlDocument, path: string, kind: DocumentKind): readonly SourceProblem[] => {
  const place = placeOf(path, kind, yaml.value);
  return place === undefined ? [] : [{ ...yaml.locate(['kind']), reason: `a ${kind} belongs ${place}` }];
};

const nameIn = (value: unknown): string | undefined => {
  const metadata: unknown = Reflect.get(Object(value), 'metadata');
  const name: unknown = Reflect.get(Object(metadata), 'name');
  return typeof name === 'string' ? name : undefined;
};

const isScope = (path: string): boolean => folderOf(path) === FOLDERS.PolicyScope && isScopeName(nameOf(path));

/** Kind of the single document that a path requires; undefined if it requires none. */
const onlyKindOf = (path: string): DocumentKind | undefined => {
  if (isScope(path)) return 'PolicyScope';
  return folderOf(path) === FOLDERS.ManagedCluster ? 'ManagedCluster' : undefined;
};

/**
 * Checks a file whose path makes it a scope or a registration. An agent that skipped an invalid one
 * could see the rules of other clusters, or lose those of its own.
 */
const fileProblems = (path: string, documents: readonly YamlDocument[]): readonly SourceProblem[] => {
  const at = (reason: string): readonly SourceProblem[] => [{ path, line: 1, column: 1, reason }];
  const kind = onlyKindOf(path);
  if (kind === undefined) return [];
  if (kind === 'PolicyScope' && nameOf(path) !== SCOPE_FILE) return at(`a PolicyScope stands in a file with the name ${SCOPE_FILE}`);
  const [first, second] = documents;
  const isOne = second === undefined && first !== undefined && kindOf(first.value) === kind;
  return isOne ? [] : at(`the file has one document, a ${kind}`);
};

type Locator = (index: number) => DecodedDocument['locate'];

/**
 * Creates a locator that parses the file again when a position is needed. Positions are only needed
 * if documents contradict each other, so no syntax trees stay in memory.
 */
const createLocator = (file: SourceFile, limits: DecodeLimits): Locator => {
  let documents: ReadonlyMap<number, YamlDocument> | undefined;
  return (index) => (path, part) => {
    documents ??= new Map(readYamlFile(file, limits).documents.map((document) => [document.index, document]));
    return documents.get(index)?.locate(path, part) ?? { path: file.path, line: 1, column: 1 };
  };
};
