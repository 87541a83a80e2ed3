import { type EnforcementAction, isUnlisted, type PolicyView, policyKey } from '@fso/shared/api';
import { combinePolicies, decideResidency, type PodPlacement, type ResidencyDecision } from '@fso/shared/residency';
import type { Workload } from './workloads.ts';

/** Rule that several policies form together. */
export interface RegionRule {
  readonly action: EnforcementAction;
  /** Keys of the policies; empty for typed regions. */
  readonly policies: readonly string[];
  readonly regions: readonly string[];
}

interface GoverningPolicy {
  /** See policyKey. */
  readonly key: string;
  readonly action: EnforcementAction;
  readonly regions: readonly string[];
}

/** Decision of one rule about a pod. */
export interface RuleDecision {
  readonly rule: RegionRule;
  readonly decision: ResidencyDecision;
}

/**
 * Combines the policies of a namespace as agents do, the strongest action first. The hub does not
 * know the scoped actions of a custom policy, so each custom policy is a rule of its own, after the
 * others.
 */
export const combine = (policies: readonly GoverningPolicy[]): readonly RegionRule[] => {
  const plain = policies.flatMap(({ action, ...policy }) => (action === 'custom' ? [] : [{ ...policy, actions: [action] }]));
  const together = combinePolicies(plain).map(
    (combined): RegionRule => ({ ...combined, policies: combined.policies.map(({ key }) => key) }),
  );
  const alone = policies
    .filter(({ action }) => action === 'custom')
    .map(({ key, action, regions }): RegionRule => ({ action, policies: [key], regions }));
  return [...together, ...alone];
};

/** Decides on a pod by each rule, as both locks do. */
export const decide = (placement: PodPlacement, rules: readonly RegionRule[]): readonly RuleDecision[] =>
  rules.map((rule) => ({ rule, decision: decideResidency(placement, rule.regions) }));

/** Policies that govern a namespace of a cluster, as the agent there last reported them. */
export interface NamespaceGovernance {
  readonly governing: readonly GoverningPolicy[];
  /**
   * Policies for the cluster that are not reported yet, so it is unknown whether they govern the
   * namespace.
   */
  readonly unreported: readonly string[];
  /** Policies that have expired and no longer govern. */
  readonly expired: readonly string[];
  /** Whether the cluster is connected; if not, this is the last known state. */
  readonly fresh: boolean;
}

/** @returns why it is unknown what governs the namespace; undefined if it is known */
export const gapsOf = ({ fresh, unreported }: Pick<NamespaceGovernance, 'fresh' | 'unreported'>): string | undefined => {
  if (!fresh) return 'the cluster is not connected, not observed or does not exist';
  return unreported.length === 0 ? undefined : 'the cluster has not reported every policy that applies to it';
};

/**
 * @param isConnected state of the cluster at the hub; the cluster may have no policies that reveal
 * it
 */
export const governanceOf = (
  policies: readonly PolicyView[],
  { cluster, namespace, isConnected }: { readonly cluster: string; readonly namespace: string; readonly isConnected: boolean },
): NamespaceGovernance => {
  const rows = policies.flatMap((policy) =>
    policy.clusters.filter((row) => row.cluster === cluster).map((row) => ({ key: policyKey(policy), row })),
  );
  return {
    governing: rows.flatMap(({ key, row: { report } }) =>
      report !== null && report.phase !== 'Expired' && report.namespaces.includes(namespace)
        ? [{ key, action: report.enforcementAction, regions: report.effectiveRegions }]
        : [],
    ),
    unreported: rows.flatMap(({ key, row }) => (row.report === null || isUnlisted(row.report) ? [key] : [])),
    expired: rows.flatMap(({ key, row: { report } }) =>
      report?.phase === 'Expired' && (report.targetNamespace === namespace || report.namespaces.includes(namespace)) ? [key] : [],
    ),
    fresh: isConnected && rows.every(({ row }) => row.fresh),
  };
};

interface Outcome {
  readonly level: 'success' | 'danger' | 'warning' | 'info';
  /** Consequence in one sentence. */
  readonly text: string;
  /** The strongest rule that the workload violates. */
  readonly failed: RuleDecision | undefined;
}

const OF_POD: Readonly<Record<EnforcementAction, Omit<Outcome, 'failed'>>> = {
  deny: { level: 'danger', text: 'Not admitted: the pod is refused.' },
  warn: { level: 'warning', text: 'Admitted with a warning, and reported as a violation.' },
  dryrun: { level: 'warning', text: 'Admitted, and reported as a violation.' },
  custom: { level: 'warning', text: 'Outside the allowed regions: the consequence depends on the scoped actions of the policy.' },
};

/**
 * Outcome for a DaemonSet: its controller assigns a node to each pod, and lock 1 decides at
 * binding.
 */
const HELD_AT_NODES: Omit<Outcome, 'failed'> = {
  level: 'warning',
  text: 'Accepted with a warning: its pods run on nodes in allowed regions, and stay pending on others.',
};

/**
 * Describes the consequence for a workload. Both locks only warn about the workload itself, and
 * decide on its pods.
 */
const templateText = (action: EnforcementAction, kind: string): string => {
  if (action === 'deny') return `Not admitted: the ${kind} is accepted with a warning, but each of its pods is refused.`;
  return `${kind} and pods: ${OF_POD[action].text.charAt(0).toLowerCase()}${OF_POD[action].text.slice(1)}`;
};

/** @param gaps why it is unknown what governs the workload; undefined if it is known */
const admittedOutcome = (isGoverned: boolean, gaps: string | undefined): Outcome => {
  if (gaps !== undefined) return { level: 'warning', text: `Unknown: ${gaps}. The known policies admit it.`, failed: undefined };
  return isGoverned
    ? { level: 'success', text: 'Admitted: it can run in allowed regions only.', failed: undefined }
    : { level: 'info', text: 'Admitted: no policy governs it.', failed: undefined };
};

/**
 * Returns the outcome for a workload, by the strongest action that it violates. While it is unknown
 * what governs the workload, it does not count as admitted.
 *
 * @param decisions strongest first
 * @param gaps as for {@link admittedOutcome}
 */
export const outcomeOf = (decisions: readonly RuleDecision[], { kind }: Pick<Workload, 'kind'>, gaps?: string): Outcome => {
  const failed = decisions.find(({ decision }) => !decision.admitted);
  if (failed === undefined) return admittedOutcome(decisions.length > 0, gaps);
  const { action } = failed.rule;
  const isHeldAtNodes = kind === 'DaemonSet' && action === 'deny';
  const { level, text } = isHeldAtNodes ? HELD_AT_NODES : OF_POD[action];
  const sentence = kind === 'Pod' || isHeldAtNodes ? text : templateText(action, kind);
  return {
    level,
    text: gaps === undefined ? sentence : `By the known policies: ${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`,
    failed,
  };
};
