import './map.css';
import { count } from '@fso/shared/text';
import { Button } from '@patternfly/react-core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { SearchToolbar } from '../components/search-toolbar.tsx';
import { PlainTable, type PlainTableProps } from '../components/tables/plain-table.tsx';
import { Heading } from '../components/text.tsx';
import type { Values } from '../lib/filters.ts';
import { formatNumber } from '../lib/format.ts';
import { clusterSearch, placeNote, regionFilters } from '../lib/region-text.ts';
import { type MapRegion, type RegionState, STATE_TEXTS } from './map-regions.ts';

const SHAPES: Readonly<Record<RegionState, string>> = {
  violated: 'M6 1 11.5 11H.5z',
  inUse: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1z',
  allowed: 'M6 1.5 10.5 6 6 10.5 1.5 6z',
};

/** Shape that the map uses for a state. The name of the state is shown beside it. */
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
  /** Called with the text of the region under the pointer, for the map to show it. */
  readonly onPoint?: ((region: string | undefined) => void) | undefined;
}

interface LinkedProps {
  readonly value: number;
  readonly to: '/policies' | '/clusters' | '/compliance';
  readonly what: string;
  readonly of: MapRegion;
}

/** Number that links to what it counts, unless it is zero. */
const Linked = ({ value, to, what, of: { region, provider, text } }: LinkedProps) => {
  if (value === 0) return '0';
  const search = to === '/clusters' ? clusterSearch({ region, provider }) : { region };
  return (
    <Link to={to} search={search} aria-label={`${formatNumber(value)} ${what} ${text}`}>
      {formatNumber(value)}
    </Link>
  );
};

const COLUMNS: PlainTableProps<MapRegion>['columns'] = [
  {
    title: 'Region',
    isName: true,
    cell: (region) => (
      <>
        {region.text}
        <span className="fso-region-place">{placeNote(region)}</span>
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
    cell: (region) => <Linked value={region.policies} to="/policies" what="policies that allow" of={region} />,
  },
  {
    title: 'Clusters',
    className: 'fso-number',
    cell: (region) => <Linked value={region.clusters.length} to="/clusters" what="clusters of" of={region} />,
  },
  { title: 'Nodes', className: 'fso-number', cell: ({ nodes }) => formatNumber(nodes) },
  {
    title: 'Violations',
    className: 'fso-number',
    cell: (region) => <Linked value={region.violations} to="/compliance" what="violations in" of={region} />,
  },
];

const RegionRows = ({ label, regions, onPoint }: RegionRowsProps) => {
  const off = (): void => onPoint?.(undefined);
  return (
    <PlainTable
      label={label}
      rows={regions}
      columns={COLUMNS}
      rowKey={({ text }) => text}
      rowProps={({ text }) => {
        const on = (): void => onPoint?.(text);
        return { onMouseEnter: on, onMouseLeave: off, onFocus: on, onBlur: off };
      }}
      className="fso-regions"
    />
  );
};

const matches = ({ place, provider }: MapRegion, { country, provider: wanted }: Values): boolean =>
  (country === undefined || place?.country === country) && (wanted === undefined || provider === wanted);

const NotOnMap = ({ regions }: Pick<RegionRowsProps, 'regions'>) => (
  <section>
    <Heading>Not on the map</Heading>
    <p className="fso-muted">
      {count(regions.length, 'region')} with an unknown location: the catalogue of regions does not have{' '}
      {regions.length === 1 ? 'it' : 'them'}, or providers mean different places and the clusters are registered with none.
    </p>
    <RegionRows label="Regions that are not on the map" regions={regions} />
  </section>
);

/**
 * Table with the content of the map, followed by the regions without a known location. Both can be
 * filtered by country and provider.
 */
export const RegionTable = ({ regions, onPoint }: Omit<RegionRowsProps, 'label'>) => {
  const [showsAll, setShowsAll] = useState(false);
  const [values, setValues] = useState<Values>({});
  const filters = regionFilters(regions);
  const shown = regions.filter((region) => matches(region, values));
  const onMap = shown.filter(({ spot }) => spot !== undefined);
  const unknown = shown.filter(({ spot }) => spot === undefined);
  return (
    <>
      {filters.length === 0 ? null : (
        <SearchToolbar filters={filters} values={values} onChange={(changed) => setValues({ ...values, ...changed })} />
      )}
      {shown.length === 0 ? <p className="fso-muted">No regions match.</p> : null}
      {onMap.length === 0 ? null : (
        <RegionRows label="Regions on the map" regions={showsAll ? onMap : onMap.slice(0, ROWS)} onPoint={onPoint} />
      )}
      {onMap.length <= ROWS ? null : (
        <Button variant="link" aria-expanded={showsAll} onClick={() => setShowsAll(!showsAll)}>
          {showsAll ? 'Show fewer' : `Show all ${onMap.length} regions`}
        </Button>
      )}
      {unknown.length === 0 ? null : <NotOnMap regions={unknown} />}
    </>
  );
};
