import type { ManagedClusterDocument, RegionGroupDocument, RolloutStrategyDocument, SovereignPolicyDocument } from '../api/index.ts';

/** A file of the policy repository. `path` is relative to the repository's root, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Where a document stands. Lines and columns start at 1. */
export interface SourceLocation {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** Why a commit (or a folder) was refused. */
export interface SourceProblem extends SourceLocation {
  readonly reason: string;
}

export interface Sourced<T> {
  readonly document: T;
  readonly source: SourceLocation;
}

/** Everything a commit says, decoded and cross-checked as one set. */
export interface PolicySet {
  readonly policies: readonly Sourced<SovereignPolicyDocument>[];
  readonly clusters: readonly Sourced<ManagedClusterDocument>[];
  readonly regionGroups: readonly Sourced<RegionGroupDocument>[];
  readonly rollout: Sourced<RolloutStrategyDocument> | undefined;
}

export type DecodeResult =
  | { readonly ok: true; readonly set: PolicySet }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };
