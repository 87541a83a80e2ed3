import type { PolicyChange, StreamEvent } from '@fso/shared/api';
import { keys } from '../../api/keys.ts';

/** Names a query, or all whose keys begin so. */
export type Key = readonly unknown[];

const policyKeys = ({ cluster, policies }: PolicyChange): readonly Key[] => [
  ['policies', 'list'],
  ['policies', 'cluster', ...(cluster === null ? [] : [cluster])],
  ...(policies === null ? [['policies', 'one']] : policies.map((policy) => keys.policies.one(policy))),
  keys.violations.all,
  keys.regions,
  keys.trend.all,
  // Only Git changes what a policy says.
  ...(cluster === null ? [keys.policyTexts.all] : []),
];

/** What an event makes old, short of what it brings itself. */
export const madeOld = (event: StreamEvent): readonly Key[] => {
  switch (event.event) {
    case 'status':
      return [keys.trend.all];
    case 'source':
      return [];
    case 'cluster':
      // Whether a cluster is connected is part of what its policies count as.
      return [['clusters', 'list'], ['policies', 'cluster', event.data.name], keys.regions, ['commits', 'one']];
    case 'policy':
      return policyKeys(event.data);
    case 'event':
      return [keys.events.all, keys.growing.allNewest];
    case 'commit':
      return [keys.commits.list, keys.commits.one(event.data.commit.revision), keys.growing.allNewest];
    case 'reset':
      // Every key begins with nothing.
      return [[]];
    default:
      return event satisfies never;
  }
};
