import { CONDITIONS } from '@fso/shared/api';
import type { RunningAgent } from '../../agent/agent.ts';
import type { AgentSnapshot } from '../../agent/observe/index.ts';

/** What an agent says of itself and of its cluster at one moment: the one place that reads its snapshot. */
export interface AgentSays {
  /** Kinds and parts of the round that it does not know any more. */
  readonly outOfDate: readonly string[];
  /** What it claims to hold now. */
  readonly claims: readonly string[];
  /** What is wrong whatever it knows. */
  readonly lies: readonly string[];
}

/** Until agents say it themselves nothing is out of date. */
const outOfDateIn = (snapshot: AgentSnapshot & { readonly outOfDate?: readonly string[] }): readonly string[] => snapshot.outOfDate ?? [];

const LOCK_CONDITIONS: readonly string[] = [CONDITIONS.floorReady, CONDITIONS.guardReady];

const policyClaims = ({ policies }: AgentSnapshot): string[] =>
  [...policies].flatMap(([key, { proven, report }]) => [
    ...(proven ? [`${key} is proven`] : []),
    ...(report.phase === 'Active' ? [`${key} is Active`] : []),
  ]);

const clusterClaims = ({ cluster }: AgentSnapshot): string[] => [
  ...cluster.conditions.filter(({ type, status }) => LOCK_CONDITIONS.includes(type) && status === 'True').map(({ type }) => type),
  ...(cluster.gatekeeper.state === 'Ready' ? ['Gatekeeper is Ready'] : []),
];

export const readAgent = ({ observatory }: RunningAgent): AgentSays => {
  const snapshot = observatory.snapshot();
  return {
    outOfDate: outOfDateIn(snapshot),
    claims: [...policyClaims(snapshot), ...clusterClaims(snapshot)],
    // Gatekeeper is there in every case: who may not read it does not know that it is not.
    lies: snapshot.cluster.gatekeeper.state === 'Absent' ? ['Gatekeeper is Absent'] : [],
  };
};

/** All that an agent claims of a cluster where everything is in force. */
export const FULL_CLAIMS = { policies: 3, conditions: LOCK_CONDITIONS.length } as const;

export const claimsEverything = ({ claims }: AgentSays): boolean =>
  // Of each policy that it is proven and Active; both conditions; Gatekeeper.
  claims.length === 2 * FULL_CLAIMS.policies + FULL_CLAIMS.conditions + 1;
