import { CONDITIONS } from '@fso/shared/api';
import type { RunningAgent } from '../../agent/agent.ts';
import type { AgentSnapshot } from '../../agent/observe/index.ts';

/**
 * Statements of an agent about itself and its cluster at one moment. Only this file reads its
 * snapshot.
 */
export interface AgentSays {
  /** Kinds and parts of the round that it does not know any more. */
  readonly outOfDate: readonly string[];
  /** Claims that it makes now, and must not make where something is out of date. */
  readonly claims: readonly string[];
  /** Statements that are wrong whatever the agent knows. */
  readonly lies: readonly string[];
}

const { floorReady: FLOOR, guardReady: GUARD, observed: OBSERVED } = CONDITIONS;
const GATEKEEPER = 'Gatekeeper';
const CLAIMED_CONDITIONS: readonly string[] = [OBSERVED, FLOOR, GUARD];

/** Claims that rest on a kind, beside the claim to see everything. */
const RESTS_ON: Readonly<Record<string, readonly string[]>> = {
  SovereignPolicy: [FLOOR, GATEKEEPER],
  Namespace: [FLOOR, GATEKEEPER],
  FloorParameters: [FLOOR],
  ValidatingAdmissionPolicy: [FLOOR, GUARD],
  ValidatingAdmissionPolicyBinding: [FLOOR, GUARD],
  ConstraintTemplate: [GATEKEEPER],
  K8sGeoResidency: [GATEKEEPER],
  ValidatingWebhookConfiguration: [GATEKEEPER],
  CustomResourceDefinition: [FLOOR, GUARD],
  APIService: [FLOOR, GUARD],
};

/**
 * The policies of a snapshot go out with its ages: who reads both takes none of them for proven
 * while something is out of date.
 */
const policyClaims = ({ policies }: AgentSnapshot): string[] =>
  [...policies].flatMap(([key, { proven, report }]) => [
    ...(proven ? [`${key} is proven`] : []),
    ...(report.phase === 'Active' ? [`${key} is Active`] : []),
  ]);

const clusterClaims = ({ cluster }: AgentSnapshot): string[] => [
  ...cluster.conditions.filter(({ type, status }) => CLAIMED_CONDITIONS.includes(type) && status === 'True').map(({ type }) => type),
  ...(cluster.gatekeeper.state === 'Ready' ? [GATEKEEPER] : []),
];

/**
 * Returns the claims that may not be made while these are out of date; undefined: all may be made.
 */
const unsaidBy = (outOfDate: readonly string[], kind: string): readonly string[] | undefined => {
  if (outOfDate.length === 0) return undefined;
  return outOfDate.includes(kind) ? [OBSERVED, ...(RESTS_ON[kind] ?? [])] : [OBSERVED];
};

/** @param kind whose evidence is looked at: while it is out of date only what rests on it counts */
export const readAgent = ({ observatory }: RunningAgent, kind = ''): AgentSays => {
  const snapshot = observatory.snapshot();
  const { outOfDate } = observatory.ages();
  const unsaid = unsaidBy(outOfDate, kind);
  const cluster = clusterClaims(snapshot);
  return {
    outOfDate,
    claims: unsaid === undefined ? [...policyClaims(snapshot), ...cluster] : cluster.filter((claim) => unsaid.includes(claim)),
    // Gatekeeper is there in every case: who may not read it does not know that it is not.
    lies: snapshot.cluster.gatekeeper.state === 'Absent' ? ['Gatekeeper is Absent'] : [],
  };
};

const POLICIES = 3;

/**
 * Whether an agent makes all claims of a cluster where everything is in force: each policy is
 * proven and Active; the conditions; Gatekeeper.
 */
export const claimsEverything = ({ claims }: AgentSays): boolean => claims.length === 2 * POLICIES + CLAIMED_CONDITIONS.length + 1;
