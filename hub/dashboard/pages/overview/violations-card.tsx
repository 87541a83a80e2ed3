import '../../charts/charts.css';
import type { StatusView, TrendPoint } from '@fso/shared/api';
import { Card, CardBody, CardHeader, CardTitle, ExpandableSection, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, useMemo } from 'react';
import { trendQuery } from '../../api/queries.ts';
import { LazyPart } from '../../charts/lazy-part.tsx';
import { changeText, sample, summarise, upToNow } from '../../charts/trend.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { PlainTable, type PlainTableProps } from '../../components/tables/plain-table.tsx';
import { formatNumber } from '../../lib/format.ts';
import { exactTime, useNow } from '../../lib/time.ts';

const TrendCanvas = lazy(async () => ({ default: (await import('../../charts/trend-canvas.tsx')).TrendCanvas }));

const ROWS = 13;

const number = (value: number | null): string => (value === null ? 'not known' : formatNumber(value));

const COLUMNS: PlainTableProps<TrendPoint>['columns'] = [
  { title: 'Time', isName: true, cell: ({ time }) => exactTime(Date.parse(time)) },
  { title: 'Violations', cell: ({ violations }) => number(violations) },
  { title: 'Failed policies', cell: ({ failed }) => number(failed) },
  { title: 'Connected clusters', cell: ({ connected }) => number(connected) },
];

/**
 * @param points oldest first
 * @param range time range of the points, e.g. `the last 24 hours`
 */
const TrendChart = ({ points, range }: { readonly points: readonly TrendPoint[]; readonly range: string }) => {
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

const route = getRouteApi('/shell/');
const MINUTE_MS = 60_000;

const RANGES = [
  { range: undefined, hours: 24, short: '24 h', text: 'the last 24 hours' },
  { range: '7d', hours: 7 * 24, short: '7 d', text: 'the last 7 days' },
  { range: '30d', hours: 30 * 24, short: '30 d', text: 'the last 30 days' },
] as const;

interface TrendProps {
  readonly status: StatusView;
  readonly hours: number;
  /** Text of the range, e.g. `the last 24 hours`. */
  readonly text: string;
  /** Start of the range, e.g. `24 h ago`. */
  readonly ago: string;
}

const Trend = ({ status, hours, text, ago }: TrendProps) => {
  const trend = useQuery(trendQuery(hours));
  const now = useNow(MINUTE_MS);
  const { violations, policies, clusters } = status;
  const { failed } = policies;
  const { connected } = clusters;
  const points = useMemo(
    () => upToNow(trend.data?.items ?? [], { violations, failed, connected }, now),
    [trend.data, violations, failed, connected, now],
  );
  const summary = summarise(points);
  return (
    <QueryView query={trend} what="the trend" lines={4}>
      {() => (
        <>
          <p>{summary === undefined ? null : changeText(summary, ago)}</p>
          <TrendChart points={points} range={text} />
        </>
      )}
    </QueryView>
  );
};

/** Number of violations and its trend. */
export const ViolationsCard = ({ status }: { readonly status: StatusView }) => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const chosen = RANGES.find(({ range }) => range === search.range) ?? RANGES[0];
  return (
    <Card isFullHeight>
      <CardHeader
        actions={{
          hasNoOffset: true,
          actions: (
            <ToggleGroup aria-label="Range of the trend" isCompact className="fso-range">
              {RANGES.map(({ range, short, text }) => (
                <ToggleGroupItem
                  key={short}
                  buttonId={`range-${short.replace(' ', '')}`}
                  aria-label={`${short}: ${text}`}
                  text={short}
                  isSelected={range === chosen.range}
                  onChange={() => void navigate({ search: { range }, replace: true })}
                />
              ))}
            </ToggleGroup>
          ),
        }}
      >
        <CardTitle component="h2">
          <Link to="/compliance">
            <span className="fso-card-total">{formatNumber(status.violations)}</span> {status.violations === 1 ? 'violation' : 'violations'}
          </Link>
        </CardTitle>
      </CardHeader>
      <CardBody>
        <Trend status={status} hours={chosen.hours} text={chosen.text} ago={`${chosen.short} ago`} />
      </CardBody>
    </Card>
  );
};
