import { LineChart, type LineSeriesOption, ScatterChart, type ScatterSeriesOption } from 'echarts/charts';
import {
  GeoComponent,
  type GeoComponentOption,
  GridComponent,
  type GridComponentOption,
  TooltipComponent,
  type TooltipComponentOption,
} from 'echarts/components';
import { type ComposeOption, type ECharts, init, use } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { CanvasRenderer } from 'echarts/renderers';
import { type RefObject, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { isDark, onThemeChange } from '../lib/theme.ts';

/**
 * The parts of ECharts that are used, and no others: they are one file that is loaded after the
 * page.
 */
use([CanvasRenderer, GeoComponent, GridComponent, LabelLayout, LineChart, ScatterChart, TooltipComponent]);

/** Option of ECharts with the parts that this dashboard loads. */
export type ChartOption = ComposeOption<
  GeoComponentOption | GridComponentOption | LineSeriesOption | ScatterSeriesOption | TooltipComponentOption
>;

/** Colours of PatternFly for what is drawn on a canvas, where style sheets do not reach. */

const TOKENS = {
  text: '--pf-t--global--text--color--regular',
  subtle: '--pf-t--global--text--color--subtle',
  surface: '--pf-t--global--background--color--primary--default',
  floating: '--pf-t--global--background--color--floating--default',
  line: '--pf-t--global--border--color--default',
  brand: '--pf-t--global--color--brand--default',
  danger: '--pf-t--global--icon--color--status--danger--default',
} as const;

/** Colours of charts in the present theme, by use. */
export type Palette = Readonly<Record<keyof typeof TOKENS, string>>;

const readPalette = (): Palette => {
  const style = getComputedStyle(document.documentElement);
  const colours = Object.entries(TOKENS).map(([name, token]) => [name, style.getPropertyValue(token).trim()]);
  return Object.fromEntries(colours) as Palette;
};

const palettes = new Map<boolean, Palette>();

/** Colours of a theme, read once for each: they change with the theme and with nothing else. */
const paletteOf = (dark: boolean): Palette => {
  const palette = palettes.get(dark) ?? readPalette();
  palettes.set(dark, palette);
  return palette;
};

export const usePalette = (): Palette => {
  const dark = useSyncExternalStore(onThemeChange, isDark);
  return useMemo(() => paletteOf(dark), [dark]);
};

const reducedMotion = window.matchMedia('(prefers-reduced-motion: reduce)');

/**
 * The library empties an element by `innerHTML = ''`, which no code of these pages may do (Trusted
 * Types): here it means the same.
 */
const withoutHtml = (element: HTMLElement): HTMLElement =>
  Object.defineProperty(element, 'innerHTML', { configurable: true, set: () => element.replaceChildren() });

interface ChartHandle {
  /** Element to draw into: as large as the chart is to be. */
  readonly element: RefObject<HTMLDivElement | null>;
  /** Null until it is drawn. */
  readonly chart: RefObject<ECharts | null>;
}

/**
 * Size of a chart whose page is hidden while another one is loaded: a map without any size has no
 * way back from the screen to the world.
 */
const UNSEEN = { width: 1, height: 1 };

const sizeOf = ({ clientWidth: width, clientHeight: height }: HTMLElement) => (width > 0 && height > 0 ? { width, height } : undefined);

/**
 * Draws a chart onto a canvas, again whenever the option or the size of the element changes. What
 * moved on it stays where it is.
 */
export const useChart = (option: ChartOption): ChartHandle => {
  const element = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts>(null);
  useEffect(() => {
    if (element.current === null) return;
    const place = element.current;
    const drawn = init(withoutHtml(place), null, { renderer: 'canvas', ...(sizeOf(place) ?? UNSEEN) });
    chart.current = drawn;
    const observer = new ResizeObserver(() => {
      const size = sizeOf(place);
      if (size !== undefined) drawn.resize(size);
    });
    observer.observe(place);
    return () => {
      observer.disconnect();
      drawn.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption({ ...option, animation: !reducedMotion.matches }, { lazyUpdate: true });
  }, [option]);
  return { element, chart };
};
