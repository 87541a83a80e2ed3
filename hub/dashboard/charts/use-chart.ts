import { type RefObject, useEffect, useRef } from 'react';
import { type ChartOption, type ECharts, init } from './echarts.ts';

const reducedMotion = window.matchMedia('(prefers-reduced-motion: reduce)');

/** The library empties an element by `innerHTML = ''`, which no code of these pages may do (Trusted Types): here it means the same. */
const withoutHtml = (element: HTMLElement): HTMLElement =>
  Object.defineProperty(element, 'innerHTML', { configurable: true, set: () => element.replaceChildren() });

interface DrawnChart {
  /** Of the element to draw into: as large as the chart is to be. */
  readonly element: RefObject<HTMLDivElement | null>;
  /** Null until it is drawn. */
  readonly chart: RefObject<ECharts | null>;
}

/** Of a chart whose page is hidden while another one is loaded: a map without any size has no way back from the screen to the world. */
const UNSEEN = { width: 1, height: 1 };

const sizeOf = ({ clientWidth: width, clientHeight: height }: HTMLElement) => (width > 0 && height > 0 ? { width, height } : undefined);

/** Draws a chart onto a canvas, again whenever the option or the size of the element changes. What moved on it stays where it is. */
export const useChart = (option: ChartOption): DrawnChart => {
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
