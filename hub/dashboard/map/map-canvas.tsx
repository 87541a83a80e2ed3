import { Button } from '@patternfly/react-core';
import ExpandIcon from '@patternfly/react-icons/dist/esm/icons/expand-icon';
import MinusIcon from '@patternfly/react-icons/dist/esm/icons/minus-icon';
import PlusIcon from '@patternfly/react-icons/dist/esm/icons/plus-icon';
import { type ECharts, registerMap } from 'echarts/core';
import { type KeyboardEvent, useEffect, useId, useMemo, useState } from 'react';
import { useChart, usePalette } from '../charts/chart.ts';
import { MAP_NAME, mapOption, type Target, targetOf, viewOption } from './map-option.ts';
import type { ConnectionOf, MapRegion } from './map-regions.ts';
import { layOut, type View } from './markers.ts';
import { WORLD_MAP } from './world.ts';

interface MapButtonsProps {
  readonly onZoomIn: () => void;
  readonly onZoomOut: () => void;
  readonly onReset: () => void;
}

const MapButtons = ({ onZoomIn, onZoomOut, onReset }: MapButtonsProps) => (
  <div className="fso-map-buttons">
    <Button variant="secondary" size="sm" aria-label="Zoom in" icon={<PlusIcon />} onClick={onZoomIn} />
    <Button variant="secondary" size="sm" aria-label="Zoom out" icon={<MinusIcon />} onClick={onZoomOut} />
    <Button variant="secondary" size="sm" aria-label="Show the whole map" icon={<ExpandIcon />} onClick={onReset} />
  </div>
);

registerMap(MAP_NAME, WORLD_MAP as Parameters<typeof registerMap>[1]);

const ZOOM_STEP = 1.5;
const PAN_PX = 60;
const finger = window.matchMedia('(pointer: coarse)');

export interface MapCanvasProps {
  /** Accessible name, which sums up the map. */
  readonly label: string;
  readonly regions: readonly MapRegion[];
  readonly connectionOf: ConnectionOf;
  /** Regions to highlight; the others are drawn faintly. */
  readonly highlighted?: ReadonlySet<string> | undefined;
  /** Initial view, also after a reset. */
  readonly view: View;
  /** Region that the pointer is on outside of the map. */
  readonly pointed?: string | undefined;
  readonly onFollow: (target: Target) => void;
}

/** Zoom factor within which the markers stay the same. */
const DENSITY_STEP = 1.2;
/** Density of the whole world on a wide screen, in pixels per radian. */
const FIRST_DENSITY = 150;

/** Pixels per radian at the current zoom. */
const densityOf = (chart: ECharts): number => {
  const [left = 0] = chart.convertToPixel('geo', [0, 0]);
  const [right = 0] = chart.convertToPixel('geo', [90, 0]);
  const density = (right - left) / (Math.PI / 2);
  return density > 0 ? DENSITY_STEP ** Math.round(Math.log(density) / Math.log(DENSITY_STEP)) : FIRST_DENSITY;
};

interface Spot {
  readonly offsetX: number;
  readonly offsetY: number;
}
interface Clicked {
  readonly data?: unknown;
  readonly event?: Spot;
}

/** @param spot point that stays in place, in pixels; default: the middle */
const zoom = (chart: ECharts | null, factor: number, spot?: Spot): void => {
  if (chart === null) return;
  const { offsetX, offsetY } = spot ?? { offsetX: chart.getWidth() / 2, offsetY: chart.getHeight() / 2 };
  chart.dispatchAction({ type: 'geoRoam', componentType: 'geo', zoom: factor, originX: offsetX, originY: offsetY });
};
const pan = (chart: ECharts | null, dx: number, dy: number): void =>
  chart?.dispatchAction({ type: 'geoRoam', componentType: 'geo', dx, dy });

type Move = (chart: ECharts | null) => void;
const KEYS: Readonly<Record<string, Move>> = {
  '+': (chart) => zoom(chart, ZOOM_STEP),
  '=': (chart) => zoom(chart, ZOOM_STEP),
  '-': (chart) => zoom(chart, 1 / ZOOM_STEP),
  ArrowLeft: (chart) => pan(chart, PAN_PX, 0),
  ArrowRight: (chart) => pan(chart, -PAN_PX, 0),
  ArrowUp: (chart) => pan(chart, 0, PAN_PX),
  ArrowDown: (chart) => pan(chart, 0, -PAN_PX),
};

/**
 * The map itself. Loaded after the page, with its libraries. Until it has the focus, wheel and
 * touch scroll the page and not the map. RegionTable has the same content as text.
 */
export const MapCanvas = ({ label, regions, connectionOf, highlighted, view, pointed, onFollow }: MapCanvasProps) => {
  const palette = usePalette();
  const help = useId();
  const [hasFocus, setFocus] = useState(false);
  const [density, setDensity] = useState(FIRST_DENSITY);
  const markers = useMemo(() => layOut(regions, connectionOf, density), [regions, connectionOf, density]);
  const option = useMemo(
    () => mapOption({ markers, palette, highlighted }, hasFocus || (finger.matches ? false : 'move')),
    [markers, palette, highlighted, hasFocus],
  );
  const { element, chart } = useChart(option);
  const reset = (): void => chart.current?.setOption(viewOption(view));

  useEffect(() => chart.current?.setOption(viewOption(view)), [chart, view]);
  useEffect(() => {
    const drawn = chart.current;
    if (drawn === null) return;
    const follow = ({ data, event }: Clicked): void => {
      const target = targetOf(data);
      if (target === 'nearer') zoom(drawn, 2, event);
      else if (target !== undefined) onFollow(target);
    };
    const measure = (): void => setDensity(densityOf(drawn));
    drawn.on('click', follow);
    drawn.on('finished', measure);
    return () => {
      if (drawn.isDisposed()) return;
      drawn.off('click', follow);
      drawn.off('finished', measure);
    };
  }, [chart, onFollow]);
  useEffect(() => {
    chart.current?.dispatchAction({ type: 'downplay' });
    if (pointed !== undefined) chart.current?.dispatchAction({ type: 'highlight', name: pointed });
  }, [chart, pointed]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = event.key === '0' ? reset : KEYS[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move(chart.current);
  };
  return (
    <>
      <div
        className="fso-map-canvas"
        ref={element}
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is moved by keyboard.
        tabIndex={0}
        aria-label={label}
        aria-describedby={help}
        onKeyDown={onKeyDown}
        onFocus={() => setFocus(true)}
        onBlur={() => setFocus(false)}
      />
      <span id={help} hidden>
        Arrow keys move the map, plus and minus zoom, 0 resets it. The table of regions has the same content.
      </span>
      <MapButtons onZoomIn={() => zoom(chart.current, ZOOM_STEP)} onZoomOut={() => zoom(chart.current, 1 / ZOOM_STEP)} onReset={reset} />
    </>
  );
};
