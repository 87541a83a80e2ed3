import { FLOOR_ACTIONS, type FloorAction } from '../api/index.ts';

/** Parts of a policy on a namespace that its combination with other policies depends on. */
export interface CombinablePolicy {
  /** Unique among those that are combined. */
  readonly key: string;
  /**
   * Actions that it takes part in: its own, or those that a `custom` policy scopes to the API
   * server.
   */
  readonly actions: readonly FloorAction[];
  readonly regions: readonly string[];
}

/** Policies of one action, and what they allow together. */
export interface CombinedAction<P extends CombinablePolicy = CombinablePolicy> {
  readonly action: FloorAction;
  /**
   * Regions that all of them allow: sorted, without duplicates. If empty, nothing may run, which is
   * a conflict.
   */
  readonly regions: readonly string[];
  /** Sorted by key, never empty. */
  readonly policies: readonly P[];
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const intersect = (lists: readonly (readonly string[])[]): readonly string[] => {
  const [first = [], ...others] = lists.map((regions) => new Set(regions));
  return [...first].filter((region) => others.every((other) => other.has(region))).sort(compare);
};

/**
 * Combines the policies of one namespace. The regions of policies with the same action are
 * intersected. Policies of other actions do not count for an action, so that a dryrun policy never
 * blocks. The order of `policies` does not matter.
 *
 * @returns the actions that govern, strongest first
 */
export const combinePolicies = <P extends CombinablePolicy>(policies: readonly P[]): readonly CombinedAction<P>[] =>
  FLOOR_ACTIONS.flatMap((action): readonly CombinedAction<P>[] => {
    const taking = policies.filter(({ actions }) => actions.includes(action)).sort((a, b) => compare(a.key, b.key));
    return taking.length === 0 ? [] : [{ action, regions: intersect(taking.map(({ regions }) => regions)), policies: taking }];
  });
