import { count } from '@fso/shared/text';
import type { ChartOption, Palette } from '../charts/chart.ts';
import { describeRegion, type MapRegion, type RegionState } from './map-regions.ts';
import { type ClusterMarker, type Markers, project, type RegionMarker, unproject, type View } from './markers.ts';

/** Options of the map for ECharts. Shapes distinguish the same states as colours. */

/** Name under which ECharts knows the map. */
export const MAP_NAME = 'world';

/** Region or clusters that were clicked. */
export interface Target extends Pick<MapRegion, 'region' | 'provider'> {
  readonly state: RegionState;
  /** Clusters of the marker, several if one marker stands for them; empty for the region itself. */
  readonly clusters: readonly string[];
}

interface MapContent {
  readonly markers: Markers;
  readonly palette: Palette;
  /** Highlighted regions; others are drawn faintly. Undefined if none is highlighted. */
  readonly highlighted: ReadonlySet<string> | undefined;
}

const FAINT = 0.35;

interface Shape {
  readonly symbol: string;
  readonly size: number;
  readonly color: (palette: Palette) => string;
  readonly filled: boolean;
  /** Order of drawing: higher values cover lower ones. */
  readonly z: number;
}

const SHAPES: Readonly<Record<RegionState, Shape>> = {
  violated: { symbol: 'triangle', size: 16, color: ({ danger }) => danger, filled: true, z: 5 },
  inUse: { symbol: 'circle', size: 12, color: ({ brand }) => brand, filled: true, z: 4 },
  allowed: { symbol: 'diamond', size: 11, color: ({ subtle }) => subtle, filled: false, z: 3 },
};

const labelOf = ({ region }: RegionMarker): string =>
  region.violations === 0 ? region.text : `${region.text}: ${count(region.violations, 'violation')}`;

const regionPoint = (marker: RegionMarker, { palette, highlighted }: MapContent) => {
  const { region, longitude, latitude, offset } = marker;
  const { symbol, size, color, filled } = SHAPES[region.state];
  const target: Target = { region: region.region, provider: region.provider, state: region.state, clusters: [] };
  return {
    name: region.text,
    value: [longitude, latitude],
    target,
    text: describeRegion(region).join('\n'),
    symbol,
    symbolSize: size,
    symbolOffset: [...offset],
    itemStyle: {
      color: filled ? color(palette) : palette.surface,
      borderColor: filled ? palette.surface : color(palette),
      borderWidth: filled ? 1 : 2,
      opacity: highlighted === undefined || highlighted.has(region.region) ? 1 : FAINT,
    },
    label: { show: region.state !== 'allowed' || highlighted?.has(region.region) === true, formatter: labelOf(marker) },
  };
};

const regionSeries = (state: RegionState, content: MapContent) => ({
  id: state,
  type: 'scatter' as const,
  coordinateSystem: 'geo' as const,
  z: SHAPES[state].z,
  data: content.markers.regions.filter(({ region }) => region.state === state).map((marker) => regionPoint(marker, content)),
  label: {
    position: 'top' as const,
    color: content.palette.text,
    textBorderColor: content.palette.surface,
    textBorderWidth: 3,
    fontSize: 11,
  },
  labelLayout: { hideOverlap: true },
  emphasis: { scale: 1.5, label: { show: true, fontWeight: 'bold' as const } },
});

const connectionText = ({ clusters, connected }: Pick<ClusterMarker, 'clusters' | 'connected'>): string => {
  const missing = clusters.length - connected;
  if (clusters.length === 1) return missing === 0 ? 'connected' : 'not connected or unknown';
  return missing === 0 ? 'all connected' : `${missing} not connected or unknown`;
};

const NAMED_REGIONS = 3;

const placesText = (regions: ClusterMarker['regions']): string => {
  const names = regions.slice(0, NAMED_REGIONS).map(({ text }) => text);
  const more = regions.length - names.length;
  return more === 0 ? names.join(', ') : `${names.join(', ')} and ${more} more`;
};

const clusterText = (marker: ClusterMarker): string => {
  const { clusters, regions } = marker;
  const who = clusters.length === 1 ? `Cluster ${clusters[0]}` : count(clusters.length, 'cluster');
  const lines = [`${who} of ${placesText(regions)}`, connectionText(marker)];
  return [...lines, ...(regions.length > 1 ? ['Click to zoom in'] : [])].join('\n');
};

/** Target of a click; `nearer` for several places, on which the map zooms in. */
const clusterTarget = ({ regions, clusters }: ClusterMarker): Target | 'nearer' => {
  const [only] = regions;
  return only === undefined || regions.length > 1
    ? 'nearer'
    : { region: only.region, provider: only.provider, state: only.state, clusters };
};

const clusterPoint = ({ palette, highlighted }: MapContent, marker: ClusterMarker) => {
  const { regions, clusters, connected, longitude, latitude, offset } = marker;
  const one = clusters.length === 1;
  const isConnected = connected === clusters.length;
  const isFaint = highlighted !== undefined && !regions.some(({ region }) => highlighted.has(region));
  return {
    name: one ? (clusters[0] ?? '') : `clusters of ${placesText(regions)}`,
    value: [longitude, latitude],
    target: clusterTarget(marker),
    text: clusterText(marker),
    symbol: one ? 'rect' : 'roundRect',
    symbolSize: one ? 6 : [6 + 5 * String(clusters.length).length, 12],
    symbolOffset: [...offset],
    itemStyle: {
      color: isConnected ? palette.text : palette.surface,
      borderColor: palette.text,
      borderWidth: 1,
      opacity: isFaint ? FAINT : 1,
    },
    label: {
      show: !one,
      position: 'inside' as const,
      formatter: String(clusters.length),
      color: isConnected ? palette.surface : palette.text,
      fontSize: 9,
    },
  };
};

interface MapItem {
  readonly text?: string;
  readonly target?: Target | 'nearer';
}

const isMapItem = (data: unknown): data is MapItem => typeof data === 'object' && data !== null;
/**
 * Target of a clicked item of the map; `nearer` for a group that opens when the map is enlarged.
 */
export const targetOf = (data: unknown): Target | 'nearer' | undefined => (isMapItem(data) ? data.target : undefined);
const textOf = (data: unknown): string => (isMapItem(data) ? (data.text ?? '') : '');

/** Options of the map without its view, which the user may have moved. */
export const mapOption = (content: MapContent, roam: boolean | 'move'): ChartOption => {
  const { palette, markers } = content;
  return {
    geo: {
      map: MAP_NAME,
      projection: {
        project: (point) => project([point[0] ?? 0, point[1] ?? 0]),
        unproject: (point) => unproject([point[0] ?? 0, point[1] ?? 0]),
      },
      left: 0,
      right: 0,
      top: 0,
      bottom: 0,
      preserveAspect: 'contain',
      roam,
      roamTrigger: 'global',
      scaleLimit: { min: 1, max: 24 },
      silent: true,
      itemStyle: { areaColor: palette.line, borderColor: palette.surface, borderWidth: 0.7, opacity: 0.6 },
    },
    tooltip: {
      renderMode: 'richText',
      trigger: 'item',
      confine: true,
      formatter: (given) => textOf((Array.isArray(given) ? given[0] : given)?.data),
      backgroundColor: palette.floating,
      borderColor: palette.line,
      textStyle: { color: palette.text, fontSize: 12 },
    },
    series: [
      regionSeries('allowed', content),
      regionSeries('inUse', content),
      regionSeries('violated', content),
      {
        id: 'clusters',
        type: 'scatter',
        coordinateSystem: 'geo',
        z: 6,
        data: markers.clusters.map((marker) => clusterPoint(content, marker)),
        emphasis: { scale: 1.3 },
      },
    ],
  };
};

/** Option that moves the map to a view. */
export const viewOption = ({ center, zoom }: View): ChartOption => ({ geo: { center: [...center], zoom } });
