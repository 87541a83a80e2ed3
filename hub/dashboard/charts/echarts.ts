import { LineChart, type LineSeriesOption, ScatterChart, type ScatterSeriesOption } from 'echarts/charts';
import {
  GeoComponent,
  type GeoComponentOption,
  GridComponent,
  type GridComponentOption,
  TooltipComponent,
  type TooltipComponentOption,
} from 'echarts/components';
import { type ComposeOption, use } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { CanvasRenderer } from 'echarts/renderers';

/** The parts of ECharts that are used, and no others: they are one file that is loaded after the page. */
use([CanvasRenderer, GeoComponent, GridComponent, LabelLayout, LineChart, ScatterChart, TooltipComponent]);

export type ChartOption = ComposeOption<
  GeoComponentOption | GridComponentOption | LineSeriesOption | ScatterSeriesOption | TooltipComponentOption
>;
export { type ECharts, init, registerMap } from 'echarts/core';
