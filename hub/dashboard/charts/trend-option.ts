import type { TrendPoint } from '@fso/shared/api';
import { formatNumber } from '../lib/format-number.ts';
import { exactTime } from '../lib/time.ts';
import type { ChartOption } from './echarts.ts';
import type { Palette } from './palette.ts';

const pointOf = (value: unknown): readonly [time: number, violations: number | null] => {
  const [time, violations] = Array.isArray(value) ? value : [];
  return [Number(time), typeof violations === 'number' ? violations : null];
};

/** A step line of violations over time, with a gap where they are not known. */
export const trendOption = (points: readonly TrendPoint[], palette: Palette): ChartOption => ({
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
      return `${violations === null ? 'not known how many' : formatNumber(violations)} violations\n${exactTime(time)}`;
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
