import type { Governance, NamespaceGovernance } from '../enforce/index.ts';

/** A namespace whose pods a policy refuses outside of some regions. */
export interface DeniedNamespace {
  readonly namespace: string;
  readonly deny: NonNullable<NamespaceGovernance['actions']['deny']>;
  /** Regions that placement injection gives to pods; none: it leaves them as they are. */
  readonly injected: readonly string[];
  /** Regions of each denying policy, in the order of `deny.policies`. */
  readonly regions: readonly (readonly string[])[];
}

const NO_REGIONS: readonly string[] = [];

/** Regions that a policy allows; undefined: that is not known. */
export type RegionsOf = (policy: string) => readonly string[] | undefined;

/** Regions of policies by what became of them. */
export const regionsByOutcome =
  (policies: Governance['policies']): RegionsOf =>
  (policy) => {
    const outcome = policies.get(policy);
    return outcome === undefined || outcome.kind === 'invalid' ? undefined : outcome.regions;
  };

/**
 * Finds the rule by which lock 1 refuses pods of a namespace.
 *
 * @param injects whether the API server injects placements where a namespace asks for it
 * @returns undefined: no policy denies there
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
