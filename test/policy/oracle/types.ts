import type { PlacementSpec } from '@fso/shared/residency';

/** A governed namespace: which policies allow which regions in it. */
export interface Governed {
  readonly namespace: string;
  /** `namespace/name` of each policy. */
  readonly policies: readonly string[];
  /** What all of the policies allow; sorted, each once. */
  readonly regions: readonly string[];
}

/** One question: may this pod be created in this namespace? */
export interface OracleCase {
  readonly governed: Governed;
  readonly pod: PlacementSpec;
}

/** One of the three implementations of the residency decision, as the oracle asks it. */
export interface Implementation {
  readonly name: string;
  /** For each case the whole text of the refusal; undefined for a pod that is admitted. */
  answers(cases: readonly OracleCase[]): Promise<readonly (string | undefined)[]>;
}

/** A node as the matcher tries it. */
export interface ModelNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface MatchResult {
  /** A node outside of the allowed regions, or without a region, that Kubernetes lets the pod run on. */
  readonly outside?: ModelNode;
  /** Whether Kubernetes lets the pod run on any node of an allowed region. */
  readonly inside: boolean;
  /** Nodes that the matcher was asked about. */
  readonly tried: number;
}

/** Kubernetes' own matcher. */
export interface Matcher {
  match(cases: readonly OracleCase[]): Promise<readonly MatchResult[]>;
}
