import './map.css';
import { count } from '@fso/shared/text';
import { lazy, useMemo } from 'react';
import { LazyPart } from '../charts/lazy-part.tsx';
import type { MapCanvasProps } from './map-canvas.tsx';
import { countStates, type MapRegion, type Spot, STATE_TEXTS } from './map-regions.ts';
import { viewOf } from './markers.ts';
import { StateShape } from './region-table.tsx';

/** Legend of the shapes. */
const MapLegend = () => (
  <figcaption>
    <ul className="fso-map-legend" aria-label="Legend of the map">
      <li>
        <StateShape state="violated" /> {STATE_TEXTS.violated}: a forbidden pod runs there
      </li>
      <li>
        <StateShape state="inUse" /> {STATE_TEXTS.inUse}: clusters or nodes are there
      </li>
      <li>
        <StateShape state="allowed" /> {STATE_TEXTS.allowed} by a policy, not in use
      </li>
      <li>
        <svg viewBox="0 0 12 12" className="fso-shape" aria-hidden="true">
          <rect x="3" y="3" width="6" height="6" className="fso-shape-cluster" />
        </svg>{' '}
        Cluster, connected
      </li>
      <li>
        <svg viewBox="0 0 12 12" className="fso-shape" aria-hidden="true">
          <rect x="3" y="3" width="6" height="6" className="fso-shape-cluster fso-shape-hollow" />
        </svg>{' '}
        Cluster, not connected or unknown
      </li>
    </ul>
  </figcaption>
);

const MapCanvas = lazy(async () => ({ default: (await import('./map-canvas.tsx')).MapCanvas }));

interface WorldMapProps extends Omit<MapCanvasProps, 'label' | 'view'> {
  /** Whether the initial view shows the highlighted regions instead of the world. */
  readonly isNear?: boolean;
}

/** Spots of the highlighted regions, sorted by city. */
const spotsOf = (regions: readonly MapRegion[], highlighted: WorldMapProps['highlighted']): readonly Spot[] =>
  regions
    .flatMap(({ region, spot }) => (spot !== undefined && highlighted?.has(region) === true ? [spot] : []))
    .toSorted((a, b) => a.city.localeCompare(b.city));

const labelOf = (regions: readonly MapRegion[]): string => {
  const { violated, inUse, allowed } = countStates(regions);
  return `Map of regions: ${count(violated, 'region')} violated, ${inUse} in use, ${allowed} only allowed`;
};

/**
 * Regions and clusters on a map of the world. Shapes distinguish the states as well as colours.
 * RegionTable shows the same as text, and the regions without a known location.
 */
export const WorldMap = ({ isNear = false, ...props }: WorldMapProps) => {
  const { regions, highlighted } = props;
  // A new array with the same regions must not move the map.
  const near = isNear ? JSON.stringify(spotsOf(regions, highlighted)) : '[]';
  const view = useMemo(() => viewOf(JSON.parse(near) as Spot[]), [near]);
  return (
    <figure className="fso-map">
      <LazyPart what="the map" className="fso-map-canvas">
        <MapCanvas {...props} view={view} label={labelOf(regions)} />
      </LazyPart>
      <MapLegend />
    </figure>
  );
};
