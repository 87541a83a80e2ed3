import type { ClusterView, SourceView, StatusView } from '@fso/shared/api';
import { isExpiring } from '@fso/shared/residency';
import { isProven, isTampered } from './cluster-entry.ts';
import type { Fleet } from './fleet-index.ts';
import { countPhase, noPhases, worstPhase } from './phases.ts';

const policyCounts = (fleet: Fleet, now: number): StatusView['policies'] => {
  const phases = noPhases();
  let expiring = 0;
  for (const { tally, head } of fleet.policies()) {
    countPhase(phases, worstPhase(tally.phases));
    if (isExpiring(head()?.expiryDate, now)) expiring += 1;
  }
  return { ...phases, expiring };
};

/** @param now for what depends on the time of day: ms since 1970 */
export const statusView = (fleet: Fleet, source: SourceView, { version, now }: { version: string; now: number }): StatusView => {
  const clusters = fleet.members();
  const inState = (state: ClusterView['connection']): number => clusters.filter(({ view }) => view.connection === state).length;
  return {
    version,
    source,
    clusters: {
      total: clusters.length,
      connected: inState('Connected'),
      disconnected: inState('Disconnected'),
      neverSeen: inState('NeverSeen'),
      inSync: clusters.filter(({ view }) => view.inSync).length,
      proven: clusters.filter(isProven).length,
      tampered: clusters.filter(isTampered).length,
    },
    policies: policyCounts(fleet, now),
    violations: clusters.reduce((sum, { violations }) => sum + violations, 0),
  };
};
