import type { EnforcementAction, SovereignPolicySpec } from '../api/index.ts';

/** What one cluster gets of one policy: the spec as in Git without its placement, groups expanded. */
export interface CompiledPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Omit<SovereignPolicySpec, 'placement'>;
  readonly enforcementAction: EnforcementAction;
  /** Sorted, without duplicates. */
  readonly effectiveRegions: readonly string[];
  readonly sourcePath: string;
  /** sha256 (hex) over everything above. */
  readonly digest: string;
}

/** What one cluster gets, sorted by key. */
export interface CompiledCluster {
  readonly cluster: string;
  readonly policies: readonly CompiledPolicy[];
  /** sha256 (hex) over the policies' digests; what an agent acks. */
  readonly digest: string;
}
