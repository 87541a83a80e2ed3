import type { CommitActivity } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import PendingIcon from '@patternfly/react-icons/dist/esm/icons/pending-icon';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo } from 'react';
import { ClusterLink } from '../../components/links.tsx';
import { type Look, StateLabel } from '../../components/state-label.tsx';
import { LocalTable } from '../../components/tables/data-table.tsx';
import type { Column } from '../../components/tables/virtual-table.tsx';
import { Heading, ProblemList } from '../../components/text.tsx';
import type { Filter } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { formatDuration } from '../../lib/time.ts';
import {
  type ClusterProgress,
  countPositions,
  filterProgress,
  measureProgress,
  type Position,
  type Stage,
  sortProgress,
} from './cluster-progress.ts';

const POSITION_WORDS: Readonly<Record<Position, string>> = {
  refused: 'Refused',
  offer: '④ Not yet offered',
  accept: '⑤ Not yet accepted',
  write: '⑥ Not yet written',
  prove: '⑦ Not yet proven',
  proven: 'Proven',
};

const LOOKS: Readonly<Record<Position, Omit<Look, 'text'>>> = {
  refused: { icon: BanIcon, color: 'red', title: 'Its agent refused the commit and keeps the last good one' },
  offer: { icon: PendingIcon, color: 'grey', title: 'Not connected, or waiting for its wave' },
  accept: { icon: HourglassHalfIcon, color: 'blue', title: 'Offered; the agent has not yet verified and accepted it' },
  write: { icon: HourglassHalfIcon, color: 'blue', title: 'Accepted; not every object is in the cluster yet' },
  prove: { icon: HourglassHalfIcon, color: 'blue', title: 'Written; not every policy is proven by both locks yet' },
  proven: { icon: CheckCircleIcon, color: 'green', title: 'Both locks have proven every policy' },
};

/** Label of the step that a cluster waits at, or of its final state. */
const PositionLabel = ({ place }: { readonly place: Position }) => <StateLabel look={{ text: POSITION_WORDS[place], ...LOOKS[place] }} />;

const STAGES: readonly Stage[] = ['offered', 'accepted', 'written', 'proven'];

const Cluster = ({ way: { cluster, refused } }: { readonly way: ClusterProgress }) => (
  <>
    <ClusterLink cluster={cluster} />
    {refused === null ? null : <ProblemList problems={refused.reasons} />}
  </>
);

const Took = ({ ms }: { readonly ms: number | null }) =>
  ms === null ? <span className="fso-muted">–</span> : <span className="fso-number">{formatDuration(ms)}</span>;

const restMs = ({ legs, totalMs }: ClusterProgress): number => (totalMs ?? 0) - STAGES.reduce((sum, leg) => sum + (legs[leg] ?? 0), 0);

/** Durations of the legs in sequence, on a bar that the slowest cluster fills. */
const Total = ({ way, slowestMs }: { readonly way: ClusterProgress; readonly slowestMs: number }) => (
  <>
    <Took ms={way.totalMs} />
    {way.totalMs === null ? null : (
      <span className="fso-bar" aria-hidden>
        {STAGES.map((leg) => (
          <span
            key={leg}
            className={`fso-bar-part fso-leg-${leg}`}
            style={{ inlineSize: `${(100 * (way.legs[leg] ?? 0)) / slowestMs}%` }}
          />
        ))}
        <span className="fso-bar-part fso-leg-refused" style={{ inlineSize: `${(100 * restMs(way)) / slowestMs}%` }} />
      </span>
    )}
  </>
);

const stageColumn = (title: string, leg: Stage): Column<ClusterProgress> => ({
  title,
  sort: leg,
  cell: ({ legs }) => <Took ms={legs[leg]} />,
});

/** @param ways clusters that the bars are compared with */
const progressColumns = (ways: readonly ClusterProgress[]): readonly Column<ClusterProgress>[] => {
  const slowestMs = Math.max(1, ...ways.map(({ totalMs }) => totalMs ?? 0));
  return [
    { title: 'Cluster', sort: 'cluster', width: 20, cell: (way) => <Cluster way={way} /> },
    { title: 'Position', sort: 'at', width: 20, cell: ({ place }) => <PositionLabel place={place} /> },
    stageColumn('Offered', 'offered'),
    stageColumn('Accepted', 'accepted'),
    stageColumn('Written', 'written'),
    stageColumn('Proven', 'proven'),
    { title: 'Total', sort: 'total', width: 15, cell: (way) => <Total way={way} slowestMs={slowestMs} /> },
  ];
};

const route = getRouteApi('/shell/activity/$revision');

/** Slowest first. Clusters that are not done come before all others. */
const SLOWEST = '-total';

const filterOf = (ways: readonly ClusterProgress[]): Filter => ({
  name: 'at',
  label: 'Position',
  options: countPositions(ways).map((at) => ({ value: at.place, text: `${POSITION_WORDS[at.place]} (${formatNumber(at.count)})` })),
});

/** Progress of each cluster, with the time of each stage. */
export const ClusterProgressTable = ({ activity }: { readonly activity: CommitActivity }) => {
  const { q, at, sort = SLOWEST } = route.useSearch();
  const ways = useMemo(() => activity.clusterSteps.map((steps) => measureProgress(steps, activity.noticed)), [activity]);
  const rows = useMemo(() => sortProgress(filterProgress(ways, { q, at }), sort), [ways, q, at, sort]);
  const columns = useMemo(() => progressColumns(ways), [ways]);
  return (
    <>
      <Heading level={2}>In each cluster</Heading>
      <LocalTable
        toolbar={{ search: 'Search clusters', filters: [filterOf(ways)] }}
        table={{ label: 'Clusters of the commit', rows, columns, rowKey: ({ cluster }) => cluster, sort }}
        note={count(rows.length, 'cluster')}
        values={{ q, at }}
        noMatch="No clusters match"
      />
    </>
  );
};
