import type { Plan } from '@fso/shared/effects/portable';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useConnections } from '../../api/connections.ts';
import { regionsQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { PlainTable, type PlainTableProps } from '../../components/tables/plain-table.tsx';
import { Heading } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { type ConnectionOf, toMapRegions } from '../../map/map-regions.ts';
import { useFollow } from '../../map/use-follow.ts';
import { WorldMap } from '../../map/world-map.tsx';
import { allowedAfter, type PlanRegion, planRegions, planRegionViews } from './plan-regions.ts';

const COLUMNS: PlainTableProps<PlanRegion>['columns'] = [
  { title: 'Region', isName: true, cell: ({ region }) => region },
  { title: 'Rules that lose it', className: 'fso-number', cell: ({ loses }) => formatNumber(loses) },
  { title: 'Rules that gain it', className: 'fso-number', cell: ({ gains }) => formatNumber(gains) },
  { title: 'Rules that keep it', className: 'fso-number', cell: ({ keeps }) => formatNumber(keeps) },
];

/** Regions of changed rules, on the map and as a table. */
export const PlanMap = ({ effects }: Pick<Plan, 'effects'>) => {
  const query = useQuery(regionsQuery);
  const items = query.data?.items;
  const regions = useMemo(() => toMapRegions(planRegionViews({ effects }, items ?? [])), [effects, items]);
  const highlighted = useMemo(() => allowedAfter({ effects }), [effects]);
  const rows = useMemo(() => planRegions({ effects }), [effects]);
  const connections = useConnections();
  const connectionOf = useMemo((): ConnectionOf => (cluster) => connections(cluster)?.connection, [connections]);
  const [pointed, setPointed] = useState<string>();
  const onFollow = useFollow();
  if (rows.length === 0) return null;
  const pointAt = (name: string | undefined): void =>
    setPointed(regions.find(({ region, provider }) => region === name || `${provider}/${region}` === name)?.text);
  return (
    <>
      <Heading level={3}>Regions of the rules that change</Heading>
      <QueryView query={query} what="the regions" lines={8}>
        {() => (
          <WorldMap regions={regions} highlighted={highlighted} connectionOf={connectionOf} pointed={pointed} onFollow={onFollow} isNear />
        )}
      </QueryView>
      <p className="fso-muted">The map highlights the regions that these rules allow after the change.</p>
      <PlainTable
        label="Regions before and after"
        rows={rows}
        columns={COLUMNS}
        rowKey={({ region }) => region}
        rowProps={({ region }) => ({ onMouseEnter: () => pointAt(region), onMouseLeave: () => pointAt(undefined) })}
      />
    </>
  );
};
