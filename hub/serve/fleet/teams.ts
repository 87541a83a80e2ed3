import { weakMemo } from '@fso/shared/runtime';
import type { Desired } from '../../ledger/index.ts';

/** Label `team` of the policies of a commit, by name; one without the label is absent. */
export const teamsOf: (desired: Desired) => ReadonlyMap<string, string> = weakMemo(
  ({ set }) =>
    new Map(
      set.policies.flatMap(({ document: { metadata } }) => {
        const team = metadata.labels?.['team'];
        return team === undefined ? [] : [[metadata.name, team] as const];
      }),
    ),
);
