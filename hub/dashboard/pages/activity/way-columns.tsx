import { Link } from '@tanstack/react-router';
import { ProblemList } from '../../components/text.tsx';
import type { Column } from '../../components/virtual-table.tsx';
import { formatDuration } from '../../lib/time.ts';
import type { Leg, Way } from './cluster-way.ts';
import { PlaceLabel } from './place-label.tsx';

const LEGS: readonly Leg[] = ['offered', 'accepted', 'written', 'proven'];

const Cluster = ({ way: { cluster, refused } }: { readonly way: Way }) => (
  <>
    <Link to="/clusters/$name" params={{ name: cluster }}>
      {cluster}
    </Link>
    {refused === null ? null : <ProblemList problems={refused.reasons} />}
  </>
);

const Took = ({ ms }: { readonly ms: number | null }) =>
  ms === null ? <span className="fso-muted">–</span> : <span className="fso-number">{formatDuration(ms)}</span>;

const restMs = ({ legs, totalMs }: Way): number => (totalMs ?? 0) - LEGS.reduce((sum, leg) => sum + (legs[leg] ?? 0), 0);

/** The legs one after the other, as long as they took; the slowest cluster fills it. */
const Total = ({ way, slowestMs }: { readonly way: Way; readonly slowestMs: number }) => (
  <>
    <Took ms={way.totalMs} />
    {way.totalMs === null ? null : (
      <span className="fso-bar" aria-hidden>
        {LEGS.map((leg) => (
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

const legColumn = (title: string, leg: Leg): Column<Way> => ({ title, sort: leg, cell: ({ legs }) => <Took ms={legs[leg]} /> });

/** @param ways all that the bars are compared with */
export const wayColumns = (ways: readonly Way[]): readonly Column<Way>[] => {
  const slowestMs = Math.max(1, ...ways.map(({ totalMs }) => totalMs ?? 0));
  return [
    { title: 'Cluster', sort: 'cluster', width: 20, cell: (way) => <Cluster way={way} /> },
    { title: 'Where it is', sort: 'at', width: 20, cell: ({ place }) => <PlaceLabel place={place} /> },
    legColumn('Offered', 'offered'),
    legColumn('Accepted', 'accepted'),
    legColumn('Written', 'written'),
    legColumn('Proven', 'proven'),
    { title: 'In all', sort: 'total', width: 15, cell: (way) => <Total way={way} slowestMs={slowestMs} /> },
  ];
};
