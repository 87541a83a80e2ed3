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
 * Registers the parts of ECharts that are used. They form one file, which is loaded after the page.
 */
use([CanvasRenderer, GeoComponent, GridComponent, LabelLayout, LineChart, ScatterChart, TooltipComponent]);

/** Option of ECharts with the parts that this dashboard loads. */
export type ChartOption = ComposeOption<
  GeoComponentOption | GridComponentOption | LineSeriesOption | ScatterSeriesOption | TooltipComponentOption
>;

/** Colours of PatternFly for canvases, which style sheets do not reach. */

const TOKENS = {
  text: '--pf-t--global--text--color--regular',
  subtle: '--pf-t--global--text--color--subtle',
  surface: '--pf-t--global--background--color--primary--default',
  floating: '--pf-t--global--background--color--floating--default',
  line: '--pf-t--global--border--color--default',
  brand: '--pf-t--global--color--brand--default',
  danger: '--pf-t--global--icon--color--status--danger--default',
} as const;

/** Colours of charts in the current theme, by use. */
export type Palette = Readonly<Record<keyof typeof TOKENS, string>>;

const readPalette = (): Palette => {
  const style = getComputedStyle(document.documentElement);
  const colours = Object.entries(TOKENS).map(([name, token]) => [name, style.getPropertyValue(token).trim()]);
  return Object.fromEntries(colours) as Palette;
};

const palettes = new Map<boolean, Palette>();

/** Returns the colours of a theme, which are read once. They depend on nothing but the theme. */
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
 * Replaces the setter of `innerHTML`. ECharts clears an element with `innerHTML = ''`, which
 * Trusted Types forbids on these pages.
 */
const withoutHtml = (element: HTMLElement): HTMLElement =>
  Object.defineProperty(element, 'innerHTML', { configurable: true, set: () => element.replaceChildren() });

interface ChartHandle {
  /** Element to draw into; its size is that of the chart. */
  readonly element: RefObject<HTMLDivElement | null>;
  /** Null until the chart is drawn. */
  readonly chart: RefObject<ECharts | null>;
}

/**
 * Size of a chart while its page is hidden. A map without a size cannot convert pixels back to
 * coordinates.
 */
const UNSEEN = { width: 1, height: 1 };

const sizeOf = ({ clientWidth: width, clientHeight: height }: HTMLElement) => (width > 0 && height > 0 ? { width, height } : undefined);

/**
 * Draws a chart onto a canvas, and redraws it when the option or the size of the element changes.
 * Keeps the view that the user has chosen.
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
