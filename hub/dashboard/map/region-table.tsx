import './map.css';
import { Button } from '@patternfly/react-core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { PlainTable, type PlainTableProps } from '../components/tables/plain-table.tsx';
import { Heading } from '../components/text.tsx';
import { count, formatNumber } from '../lib/format.ts';
import { type MapRegion, type RegionState, STATE_TEXTS } from './map-regions.ts';

const SHAPES: Readonly<Record<RegionState, string>> = {
  violated: 'M6 1 11.5 11H.5z',
  inUse: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1z',
  allowed: 'M6 1.5 10.5 6 6 10.5 1.5 6z',
};

/** The map's shape for a state; its name stands beside it. */
export const StateShape = ({ state }: { readonly state: RegionState }) => (
  <svg viewBox="0 0 12 12" className={`fso-shape fso-shape-${state}`} aria-hidden="true">
    <path d={SHAPES[state]} />
  </svg>
);

const ROWS = 8;

interface RegionRowsProps {
  /** Accessible name. */
  readonly label: string;
  readonly regions: readonly MapRegion[];
  /** Called with the region that is pointed at, for the map to show it. */
  readonly onPoint?: ((region: string | undefined) => void) | undefined;
}

interface LinkedProps {
  readonly value: number;
  readonly to: '/policies' | '/clusters' | '/compliance';
  readonly what: string;
  readonly region: string;
}

/** A number, which is a link to what it counts unless it is zero. */
const Linked = ({ value, to, what, region }: LinkedProps) =>
  value === 0 ? (
    '0'
  ) : (
    <Link to={to} search={{ region }} aria-label={`${formatNumber(value)} ${what} ${region}`}>
      {formatNumber(value)}
    </Link>
  );

const COLUMNS: PlainTableProps<MapRegion>['columns'] = [
  {
    title: 'Region',
    isName: true,
    cell: ({ region, known }) => (
      <>
        {region}
        <span className="fso-region-place">{known === undefined ? 'unknown location' : `${known.place} (${known.provider})`}</span>
      </>
    ),
  },
  {
    title: 'State',
    cell: ({ state }) => (
      <span className="fso-region-state">
        <StateShape state={state} /> {STATE_TEXTS[state]}
      </span>
    ),
  },
  {
    title: 'Policies',
    className: 'fso-number',
    cell: ({ region, policies }) => <Linked value={policies} to="/policies" what="policies that allow" region={region} />,
  },
  {
    title: 'Clusters',
    className: 'fso-number',
    cell: ({ region, clusters }) => <Linked value={clusters.length} to="/clusters" what="clusters of" region={region} />,
  },
  { title: 'Nodes', className: 'fso-number', cell: ({ nodes }) => formatNumber(nodes) },
  {
    title: 'Violations',
    className: 'fso-number',
    cell: ({ region, violations }) => <Linked value={violations} to="/compliance" what="violations in" region={region} />,
  },
];

const RegionRows = ({ label, regions, onPoint }: RegionRowsProps) => {
  const off = (): void => onPoint?.(undefined);
  return (
    <PlainTable
      label={label}
      rows={regions}
      columns={COLUMNS}
      rowKey={({ region }) => region}
      rowProps={({ region }) => {
        const on = (): void => onPoint?.(region);
        return { onMouseEnter: on, onMouseLeave: off, onFocus: on, onBlur: off };
      }}
      className="fso-regions"
    />
  );
};

/** Table of all that the map shows, and below it the regions without a known location. */
export const RegionTable = ({ regions, onPoint }: Omit<RegionRowsProps, 'label'>) => {
  const [showsAll, setShowsAll] = useState(false);
  const onMap = regions.filter(({ known }) => known !== undefined);
  const unknown = regions.filter(({ known }) => known === undefined);
  return (
    <>
      <RegionRows label="Regions on the map" regions={showsAll ? onMap : onMap.slice(0, ROWS)} onPoint={onPoint} />
      {onMap.length <= ROWS ? null : (
        <Button variant="link" aria-expanded={showsAll} onClick={() => setShowsAll(!showsAll)}>
          {showsAll ? 'Show fewer' : `Show all ${onMap.length} regions`}
        </Button>
      )}
      {unknown.length === 0 ? null : (
        <section>
          <Heading>Not on the map</Heading>
          <p className="fso-muted">
            {count(unknown.length, 'region')} with an unknown location: no public cloud lists {unknown.length === 1 ? 'it' : 'them'}.
          </p>
          <RegionRows label="Regions that are not on the map" regions={unknown} />
        </section>
      )}
    </>
  );
};
