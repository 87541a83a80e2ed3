import { compileFleet } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import type { Desired } from '../ledger/types.ts';

export interface Compiled {
  readonly desired: Desired;
  /** By cluster: the digest that an agent has to ack. */
  readonly digests: ReadonlyMap<string, string>;
}

/** Step ②: what a commit means for each registered cluster. Pure; the rules are those that agents compile by. */
export const compileDesired = (revision: string, set: PolicySet): Compiled => {
  const fleet = [...compileFleet(set)];
  return {
    desired: { revision, set, clusters: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.policies])) },
    digests: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.digest])),
  };
};
