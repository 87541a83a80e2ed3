import type { PlacementSpec } from '@fso/shared/residency';

/** A governed namespace: which policies allow which regions in it. */
export interface GovernedNamespace {
  readonly namespace: string;
  /** `namespace/name` of each policy. */
  readonly policies: readonly string[];
  /** Regions that all of the policies allow; sorted, each once. */
  readonly regions: readonly string[];
}

/** A question: may this pod be created in this namespace? */
export interface OracleCase {
  readonly governed: GovernedNamespace;
  readonly pod: PlacementSpec;
}

/**
 * An implementation of the residency decision, in the form that the oracle calls. There are three.
 */
export interface Implementation {
  readonly name: string;
  /** The whole text of the refusal of each case; undefined for an admitted pod. */
  answers(cases: readonly OracleCase[]): Promise<readonly (string | undefined)[]>;
}

/** A node that the matcher tries. */
export interface ModelNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface MatchResult {
  /** A node outside of the allowed regions, or without a region, that Kubernetes lets the pod run on. */
  readonly outside?: ModelNode;
  /** Whether Kubernetes lets the pod run on any node of an allowed region. */
  readonly inside: boolean;
  /** Number of nodes that the matcher tried. */
  readonly tried: number;
}

/** Kubernetes' own matcher. */
export interface Matcher {
  match(cases: readonly OracleCase[]): Promise<readonly MatchResult[]>;
}
