import './map.css';
import { Button } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
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

const FEW = 8;

interface RegionRowsProps {
  /** Accessible name. */
  readonly label: string;
  readonly regions: readonly MapRegion[];
  /** Called with the region that is pointed at, for the map to show it. */
  readonly onPoint?: ((region: string | undefined) => void) | undefined;
}

/** Links a number, unless it is zero and there is nothing to follow. */
const linked = (value: number, link: (text: string) => ReactNode): ReactNode => (value === 0 ? '0' : link(formatNumber(value)));

const RegionRow = ({ row, onPoint }: { readonly row: MapRegion } & Pick<RegionRowsProps, 'onPoint'>) => {
  const { region, known, state, policies, clusters, nodes, violations } = row;
  const off = (): void => onPoint?.(undefined);
  const on = (): void => onPoint?.(region);
  return (
    <Tr onMouseEnter={on} onMouseLeave={off} onFocus={on} onBlur={off}>
      <Th scope="row" dataLabel="Region">
        {region}
        <span className="fso-region-place">{known === undefined ? 'unknown location' : `${known.place} (${known.provider})`}</span>
      </Th>
      <Td dataLabel="State">
        <span className="fso-region-state">
          <StateShape state={state} /> {STATE_TEXTS[state]}
        </span>
      </Td>
      <Td dataLabel="Policies" className="fso-number">
        {linked(policies, (text) => (
          <Link to="/policies" search={{ region }} aria-label={`${text} policies that allow ${region}`}>
            {text}
          </Link>
        ))}
      </Td>
      <Td dataLabel="Clusters" className="fso-number">
        {linked(clusters.length, (text) => (
          <Link to="/clusters" search={{ region }} aria-label={`${text} clusters of ${region}`}>
            {text}
          </Link>
        ))}
      </Td>
      <Td dataLabel="Nodes" className="fso-number">
        {formatNumber(nodes)}
      </Td>
      <Td dataLabel="Violations" className="fso-number">
        {linked(violations, (text) => (
          <Link to="/compliance" search={{ region }} aria-label={`${text} violations in ${region}`}>
            {text}
          </Link>
        ))}
      </Td>
    </Tr>
  );
};

const RegionRows = ({ label, regions, onPoint }: RegionRowsProps) => (
  <Table aria-label={label} variant="compact" gridBreakPoint="grid-md" className="fso-regions">
    <Thead>
      <Tr>
        <Th>Region</Th>
        <Th>State</Th>
        <Th className="fso-number">Policies</Th>
        <Th className="fso-number">Clusters</Th>
        <Th className="fso-number">Nodes</Th>
        <Th className="fso-number">Violations</Th>
      </Tr>
    </Thead>
    <Tbody>
      {regions.map((row) => (
        <RegionRow key={row.region} row={row} onPoint={onPoint} />
      ))}
    </Tbody>
  </Table>
);

/** Table of all that the map shows, and below it the regions without a known location. */
export const RegionTable = ({ regions, onPoint }: Omit<RegionRowsProps, 'label'>) => {
  const [showsAll, setShowsAll] = useState(false);
  const onMap = regions.filter(({ known }) => known !== undefined);
  const unknown = regions.filter(({ known }) => known === undefined);
  return (
    <>
      <RegionRows label="Regions on the map" regions={showsAll ? onMap : onMap.slice(0, FEW)} onPoint={onPoint} />
      {onMap.length <= FEW ? null : (
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
