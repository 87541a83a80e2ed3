import type {
  ManagedClusterDocument,
  PolicyScopeDocument,
  RegionCatalogDocument,
  RegionGroupDocument,
  RolloutStrategyDocument,
  SovereignPolicyDocument,
} from '../api/index.ts';

/** A file of the policy repository. `path` is relative to the repository's root, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Position of a document. Lines and columns start at 1. */
export interface SourceLocation {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** Reason why a commit or a folder was refused. */
export interface SourceProblem extends SourceLocation {
  readonly reason: string;
}

/** A document with the place in Git that it was read from. */
export interface Sourced<T> {
  readonly document: T;
  readonly source: SourceLocation;
}

/** All documents of a commit, decoded and checked against each other. */
export interface PolicySet {
  readonly policies: readonly Sourced<SovereignPolicyDocument>[];
  readonly scopes: readonly Sourced<PolicyScopeDocument>[];
  readonly clusters: readonly Sourced<ManagedClusterDocument>[];
  readonly regionGroups: readonly Sourced<RegionGroupDocument>[];
  /** Catalogue of regions; without one, region names have no country and no provider. */
  readonly catalog: Sourced<RegionCatalogDocument> | undefined;
  readonly rollout: Sourced<RolloutStrategyDocument> | undefined;
}

/** All documents of a repository as one set, or every problem. */
export type DecodeResult =
  | { readonly ok: true; readonly set: PolicySet }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };

/** Limits for reading a repository that is not trusted yet. */
export interface DecodeLimits {
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  /** Nested collections within a document. */
  readonly maxDepth: number;
  /** Entries of one collection. The search for duplicate keys takes quadratic time. */
  readonly maxEntries: number;
  readonly maxDocumentsPerFile: number;
  readonly maxDocuments: number;
  /** Number of problems after which no more are listed or looked for. */
  readonly maxProblems: number;
}

/** Limits of a policy repository in production; tests set smaller ones. */
export const DEFAULT_LIMITS: DecodeLimits = {
  maxFiles: 20_000,
  maxFileBytes: 256 * 1024,
  maxDepth: 32,
  maxEntries: 2000,
  maxDocumentsPerFile: 1000,
  maxDocuments: 20_000,
  maxProblems: 100,
};
