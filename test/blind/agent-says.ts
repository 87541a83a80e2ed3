import { CONDITIONS } from '@fso/shared/api';
import type { RunningAgent } from '../../agent/agent.ts';
import type { AgentSnapshot } from '../../agent/observe/index.ts';

/** What an agent says of itself and of its cluster at one moment: the one place that reads its snapshot. */
export interface AgentSays {
  /** Kinds and parts of the round that it does not know any more. */
  readonly outOfDate: readonly string[];
  /** What it claims to hold now, though it must not where something is out of date. */
  readonly claims: readonly string[];
  /** What is wrong whatever it knows. */
  readonly lies: readonly string[];
}

const { floorReady: FLOOR, guardReady: GUARD, observed: OBSERVED } = CONDITIONS;
const GATEKEEPER = 'Gatekeeper';
const CLAIMED_CONDITIONS: readonly string[] = [OBSERVED, FLOOR, GUARD];

/** What rests on a kind, beside the claim to see everything. */
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

/** The policies of a snapshot go out with its ages: who reads both takes none of them for proven while something is out of date. */
const policyClaims = ({ policies }: AgentSnapshot): string[] =>
  [...policies].flatMap(([key, { proven, report }]) => [
    ...(proven ? [`${key} is proven`] : []),
    ...(report.phase === 'Active' ? [`${key} is Active`] : []),
  ]);

const clusterClaims = ({ cluster }: AgentSnapshot): string[] => [
  ...cluster.conditions.filter(({ type, status }) => CLAIMED_CONDITIONS.includes(type) && status === 'True').map(({ type }) => type),
  ...(cluster.gatekeeper.state === 'Ready' ? [GATEKEEPER] : []),
];

/** What may not be claimed while these are out of date. undefined: anything may. */
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

/** All that an agent claims of a cluster where everything is in force: of each policy that it is proven and Active; the conditions; Gatekeeper. */
export const claimsEverything = ({ claims }: AgentSays): boolean => claims.length === 2 * POLICIES + CLAIMED_CONDITIONS.length + 1;
