import type { EnforcementAction, PolicyView } from '@fso/shared/api';
import { combinePolicies, decideResidency, type PodPlacement, type ResidencyDecision } from '@fso/shared/residency';

/** Policies that are judged as one: what they allow together. */
export interface Ruling {
  readonly action: EnforcementAction;
  /** namespace/name; empty for regions that were typed. */
  readonly policies: readonly string[];
  readonly regions: readonly string[];
}

interface GoverningPolicy {
  /** namespace/name */
  readonly key: string;
  readonly action: EnforcementAction;
  readonly regions: readonly string[];
}

export interface Verdict {
  readonly ruling: Ruling;
  readonly decision: ResidencyDecision;
}

/**
 * Policies of one namespace as agents combine them. What a custom policy does where depends on its scoped actions, which the hub
 * does not know, so each stands alone, after the others. Strongest first.
 */
export const combine = (policies: readonly GoverningPolicy[]): readonly Ruling[] => {
  const plain = policies.flatMap(({ action, ...policy }) => (action === 'custom' ? [] : [{ ...policy, actions: [action] }]));
  const together = combinePolicies(plain).map((combined): Ruling => ({ ...combined, policies: combined.policies.map(({ key }) => key) }));
  const alone = policies
    .filter(({ action }) => action === 'custom')
    .map(({ key, action, regions }): Ruling => ({ action, policies: [key], regions }));
  return [...together, ...alone];
};

export const judge = (placement: PodPlacement, rulings: readonly Ruling[]): readonly Verdict[] =>
  rulings.map((ruling) => ({ ruling, decision: decideResidency(placement, ruling.regions) }));

/** What governs a namespace of a cluster, as the agent there last reported it. */
export interface NamespaceGovernance {
  readonly governing: readonly GoverningPolicy[];
  /** Meant for the cluster, nothing reported yet: whether they govern the namespace is not known. */
  readonly unreported: readonly string[];
  /** Have expired there: they govern nothing any more. */
  readonly expired: readonly string[];
  /** Whether the cluster is connected: otherwise this is what was last known. */
  readonly fresh: boolean;
}

/** @returns why it is not known what governs the namespace; undefined: it is */
export const gapsOf = ({ fresh, unreported }: Pick<NamespaceGovernance, 'fresh' | 'unreported'>): string | undefined => {
  if (!fresh) return 'the cluster is not connected, or there is none of this name';
  return unreported.length === 0 ? undefined : 'the cluster has not reported every policy that is meant for it';
};

/** @param isConnected as the hub says of the cluster, which may have no policies to tell it by */
export const governanceOf = (
  policies: readonly PolicyView[],
  { cluster, namespace, isConnected }: { readonly cluster: string; readonly namespace: string; readonly isConnected: boolean },
): NamespaceGovernance => {
  const rows = policies.flatMap(({ namespace: home, name, clusters }) =>
    clusters.filter((row) => row.cluster === cluster).map((row) => ({ key: `${home}/${name}`, row })),
  );
  return {
    governing: rows.flatMap(({ key, row: { report } }) =>
      report !== null && report.phase !== 'Expired' && report.namespaces.includes(namespace)
        ? [{ key, action: report.enforcementAction, regions: report.effectiveRegions }]
        : [],
    ),
    unreported: rows.flatMap(({ key, row }) => (row.report === null ? [key] : [])),
    expired: rows.flatMap(({ key, row: { report } }) =>
      report?.phase === 'Expired' && (report.targetNamespace === namespace || report.namespaces.includes(namespace)) ? [key] : [],
    ),
    fresh: isConnected && rows.every(({ row }) => row.fresh),
  };
};
