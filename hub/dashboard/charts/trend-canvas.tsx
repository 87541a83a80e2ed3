import type { TrendPoint } from '@fso/shared/api';
import { useMemo } from 'react';
import { usePalette } from './palette.ts';
import { trendOption } from './trend-option.ts';
import { useChart } from './use-chart.ts';

interface TrendCanvasProps {
  readonly points: readonly TrendPoint[];
  /** What the curve says, in words. */
  readonly label: string;
}

/** The curve itself; loaded after the page, with all that draws it. */
export const TrendCanvas = ({ points, label }: TrendCanvasProps) => {
  const palette = usePalette();
  const { element } = useChart(useMemo(() => trendOption(points, palette), [points, palette]));
  return <div ref={element} role="img" aria-label={label} className="fso-trend-canvas" />;
};
