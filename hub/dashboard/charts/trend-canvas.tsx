import type { TrendPoint } from '@fso/shared/api';
import { useMemo } from 'react';
import { formatNumber } from '../lib/format.ts';
import { exactTime } from '../lib/time.ts';
import { type ChartOption, type Palette, useChart, usePalette } from './chart.ts';

const pointOf = (value: unknown): readonly [time: number, violations: number | null] => {
  const [time, violations] = Array.isArray(value) ? value : [];
  return [Number(time), typeof violations === 'number' ? violations : null];
};

/** Step line of violations over time, with gaps where the number is unknown. */
const trendOption = (points: readonly TrendPoint[], palette: Palette): ChartOption => ({
  grid: { left: 8, right: 12, top: 12, bottom: 4, outerBoundsMode: 'same' },
  xAxis: {
    type: 'time',
    axisLabel: { color: palette.subtle, hideOverlap: true, fontSize: 11 },
    axisLine: { lineStyle: { color: palette.line } },
    axisTick: { show: false },
  },
  yAxis: {
    type: 'value',
    minInterval: 1,
    splitNumber: 3,
    axisLabel: { color: palette.subtle, fontSize: 11 },
    splitLine: { lineStyle: { color: palette.line, opacity: 0.5 } },
  },
  tooltip: {
    trigger: 'axis',
    renderMode: 'richText',
    confine: true,
    backgroundColor: palette.floating,
    borderColor: palette.line,
    textStyle: { color: palette.text, fontSize: 12 },
    formatter: (given) => {
      const [time, violations] = pointOf((Array.isArray(given) ? given[0] : given)?.value);
      return `${violations === null ? 'unknown number of' : formatNumber(violations)} violations\n${exactTime(time)}`;
    },
  },
  series: [
    {
      id: 'violations',
      type: 'line',
      step: 'end',
      showSymbol: false,
      data: points.map(({ time, violations }) => [Date.parse(time), violations]),
      lineStyle: { color: palette.danger, width: 2 },
      itemStyle: { color: palette.danger },
      areaStyle: { color: palette.danger, opacity: 0.08 },
    },
  ],
});

interface TrendCanvasProps {
  readonly points: readonly TrendPoint[];
  /** Describes the curve in words. */
  readonly label: string;
}

/** The curve itself. Loaded after the page, with its libraries. */
export const TrendCanvas = ({ points, label }: TrendCanvasProps) => {
  const palette = usePalette();
  const { element } = useChart(useMemo(() => trendOption(points, palette), [points, palette]));
  return <div ref={element} role="img" aria-label={label} className="fso-trend-canvas" />;
};
