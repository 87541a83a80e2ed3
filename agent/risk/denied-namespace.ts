import type { Governance, NamespaceGovernance } from '../enforce/index.ts';

/** Namespace whose pods a policy refuses outside certain regions. */
export interface DeniedNamespace {
  readonly namespace: string;
  readonly deny: NonNullable<NamespaceGovernance['actions']['deny']>;
  /** Regions that placement injection adds to pods; empty without injection. */
  readonly injected: readonly string[];
  /** Regions of each denying policy, in the order of `deny.policies`. */
  readonly regions: readonly (readonly string[])[];
}

const NO_REGIONS: readonly string[] = [];

/** Regions that a policy allows; undefined if unknown. */
export type RegionsOf = (policy: string) => readonly string[] | undefined;

/** Reads the regions of policies from their outcomes. */
export const regionsByOutcome =
  (policies: Governance['policies']): RegionsOf =>
  (policy) => {
    const outcome = policies.get(policy);
    return outcome === undefined || outcome.kind === 'invalid' ? undefined : outcome.regions;
  };

/**
 * Finds the rule by which lock 1 refuses pods of a namespace.
 *
 * @param injects whether the API server injects placements in namespaces that ask for it
 * @returns undefined if no policy denies there
 */
export const deniedNamespace = (
  { namespace, injection, actions: { deny } }: NamespaceGovernance,
  regionsOf: RegionsOf,
  injects: boolean,
): DeniedNamespace | undefined => {
  if (deny === undefined) return undefined;
  const regions = deny.policies.map((policy) => regionsOf(policy) ?? deny.regions);
  return { namespace, deny, injected: injection && injects ? deny.regions : NO_REGIONS, regions };
};
