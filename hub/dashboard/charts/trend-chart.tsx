import './charts.css';
import type { TrendPoint } from '@fso/shared/api';
import { ExpandableSection } from '@patternfly/react-core';
import { lazy } from 'react';
import { PlainTable, type PlainTableProps } from '../components/tables/plain-table.tsx';
import { formatNumber } from '../lib/format.ts';
import { exactTime } from '../lib/time.ts';
import { LazyPart } from './lazy-part.tsx';
import { sample, summarise } from './trend.ts';

const TrendCanvas = lazy(async () => ({ default: (await import('./trend-canvas.tsx')).TrendCanvas }));

const ROWS = 13;

const number = (value: number | null): string => (value === null ? 'not known' : formatNumber(value));

const COLUMNS: PlainTableProps<TrendPoint>['columns'] = [
  { title: 'Time', isName: true, cell: ({ time }) => exactTime(Date.parse(time)) },
  { title: 'Violations', cell: ({ violations }) => number(violations) },
  { title: 'Failed policies', cell: ({ failed }) => number(failed) },
  { title: 'Connected clusters', cell: ({ connected }) => number(connected) },
];

/** @param points oldest first @param range what they are of, e.g. `the last 24 hours` */
export const TrendChart = ({ points, range }: { readonly points: readonly TrendPoint[]; readonly range: string }) => {
  const summary = summarise(points);
  if (summary === undefined) return <p className="fso-muted">No data for {range}.</p>;
  const { first, last, highest, highestAt } = summary;
  const words = `Violations over ${range}: ${number(first)} at the start, ${number(highest)} at the peak, ${number(last)} now`;
  return (
    <>
      <LazyPart what="the curve" className="fso-trend-canvas">
        <TrendCanvas points={points} label={words} />
      </LazyPart>
      <p className="fso-trend-words">
        {number(first)} at the start, {number(highest)} at the peak ({exactTime(Date.parse(highestAt))}), {number(last)} now.
      </p>
      <ExpandableSection toggleText="The numbers as a table" isIndented>
        <PlainTable
          label={`Violations over ${range}`}
          rows={sample(points, ROWS)}
          columns={COLUMNS}
          rowKey={({ time }) => time}
          borders={false}
          gridBreakPoint=""
        />
      </ExpandableSection>
    </>
  );
};
