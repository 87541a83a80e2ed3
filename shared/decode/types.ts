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

/** Reason for which a commit, or a folder, was refused. */
export interface SourceProblem extends SourceLocation {
  readonly reason: string;
}

/** A document with the place in Git that it was read from. */
export interface Sourced<T> {
  readonly document: T;
  readonly source: SourceLocation;
}

/** Everything a commit says, decoded and cross-checked as one set. */
export interface PolicySet {
  readonly policies: readonly Sourced<SovereignPolicyDocument>[];
  readonly scopes: readonly Sourced<PolicyScopeDocument>[];
  readonly clusters: readonly Sourced<ManagedClusterDocument>[];
  readonly regionGroups: readonly Sourced<RegionGroupDocument>[];
  /** Catalogue of regions; undefined: their names stand for themselves alone. */
  readonly catalog: Sourced<RegionCatalogDocument> | undefined;
  readonly rollout: Sourced<RolloutStrategyDocument> | undefined;
}

/** All documents of a repository as one set, or every problem. */
export type DecodeResult =
  | { readonly ok: true; readonly set: PolicySet }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };

/** Bounds on what is read from a repository that is not trusted yet. */
export interface DecodeLimits {
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  /** Nested collections within a document. */
  readonly maxDepth: number;
  /** Entries of one collection: looking for duplicate keys takes time with the square of it. */
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
