export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  /** Points by ascending x. */
  readonly points: readonly Point[];
}

/** Diagram with its own y-axis, which begins at 0. It has at most two series. */
export interface Panel {
  readonly title: string;
  /** Unit of the y-axis. */
  readonly unit: string;
  readonly series: readonly Series[];
}

export interface Chart {
  readonly title: string;
  /** Title of the x-axis of each panel. */
  readonly xTitle: string;
  /** Panels, drawn side by side. */
  readonly panels: readonly Panel[];
}

const WIDTH = 330;
const HEIGHT = 260;
const MARGIN = { left: 46, right: 84, top: 44, bottom: 44 };
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
/** Distance of the names of two series, each with its value below. */
const LABEL_HEIGHT = 32;
const WANTED_TICKS = 4;

/**
 * Style of the picture. It sets its own background, because a page may be dark on a light system.
 * The second series is dashed, for readers who do not see its colour.
 */
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #57606a }
.h { font-weight: 600; fill: #1f2328 }
.bg { fill: #ffffff } .g { stroke: #d8dee4 } .a { stroke: #8c959f }
.l { fill: none; stroke-width: 2 } .s0 { stroke: #0969da } .s1 { stroke: #bc4c00; stroke-dasharray: 5 3 }
.p0 { fill: #0969da } .p1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .h { fill: #f0f6fc }
  .bg { fill: #0d1117 } .g { stroke: #2a313c } .a { stroke: #656c76 }
  .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e }
  .p0 { fill: #58a6ff } .p1 { fill: #f0883e }
}`;

/** Returns round numbers from 0 to at least `max`, about four of them. */
export const ticksUpTo = (max: number): readonly number[] => {
  if (!(max > 0)) return [0, 1];
  const rough = max / WANTED_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.ceil(max / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(12)));
};

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string): string => text.replaceAll(/[&<>"]/g, (found) => ENTITIES[found] ?? found);

/** Formats a number with three digits, and without an empty fraction. */
const format = (value: number): string => Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 3 });

interface Scale {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

const scaleTo = (max: number, at: (share: number) => number): Scale => {
  const ticks = ticksUpTo(max);
  const last = ticks.at(-1) ?? 1;
  return { ticks, at: (value) => Number(at(value / last).toFixed(1)) };
};

type Anchor = 'start' | 'middle' | 'end';

const text = ([x, y]: readonly [number, number], anchor: Anchor, content: string, className = ''): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}"${className && ` class="${className}"`}>${escapeXml(content)}</text>`;

const drawAxes = ({ title, unit, xTitle }: Pick<Panel, 'title' | 'unit'> & Pick<Chart, 'xTitle'>, x: Scale, y: Scale): string[] => {
  const [left, right, bottom] = [MARGIN.left, WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  return [
    text([left - 34, 18], 'start', title, 'h'),
    text([left - 34, 34], 'start', unit),
    ...y.ticks.flatMap((tick) => [
      `<path class="${tick === 0 ? 'a' : 'g'}" d="M${left} ${y.at(tick)}H${right}"/>`,
      text([left - 6, y.at(tick) + 4], 'end', format(tick)),
    ]),
    ...x.ticks.map((tick) => text([x.at(tick), bottom + 17], 'middle', format(tick))),
    text([(left + right) / 2, bottom + 36], 'middle', xTitle),
  ];
};

const drawSeries = ({ points }: Series, index: number, x: Scale, y: Scale): string[] => [
  `<path class="l s${index}" d="${points.map((point, at) => `${at === 0 ? 'M' : 'L'}${x.at(point.x)} ${y.at(point.y)}`).join('')}"/>`,
  ...points.map((point) => `<circle class="p${index}" cx="${x.at(point.x)}" cy="${y.at(point.y)}" r="3"/>`),
];

/**
 * Returns heights for labels, near the wanted ones and in the same order, at which labels do not
 * overlap.
 */
export const spreadLabels = (wanted: readonly number[], gap: number): readonly number[] => {
  const placed = [...wanted];
  const order = wanted.map((_, at) => at).sort((left, right) => (wanted[left] ?? 0) - (wanted[right] ?? 0));
  for (const [rank, at] of order.entries()) {
    const above = placed[order[rank - 1] ?? -1] ?? Number.NEGATIVE_INFINITY;
    placed[at] = Math.max(placed[at] ?? 0, above + gap);
  }
  return placed;
};

/**
 * Draws the names of the series with their last values, to the right of the lines, so that they
 * cross none.
 */
const drawLabels = (series: readonly Series[], x: Scale, y: Scale): string[] => {
  const named = series.flatMap(({ name, points }, index) => points.slice(-1).map((last) => ({ name, last, index })));
  const heights = spreadLabels(
    named.map(({ last }) => y.at(last.y)),
    LABEL_HEIGHT,
  );
  return named.flatMap(({ name, last, index }, at) => {
    const [left, height] = [x.at(last.x) + 9, heights[at] ?? 0];
    return [text([left, height], 'start', name, `p${index}`), text([left, height + 14], 'start', format(last.y), `p${index}`)];
  });
};

const drawPanel = ({ series, ...panel }: Panel, xTitle: string): string => {
  const all = series.flatMap(({ points }) => points);
  const x = scaleTo(Math.max(0, ...all.map((point) => point.x)), (share) => MARGIN.left + share * INNER.width);
  const y = scaleTo(Math.max(0, ...all.map((point) => point.y)), (share) => HEIGHT - MARGIN.bottom - share * INNER.height);
  const lines = series.flatMap((each, index) => drawSeries(each, index, x, y));
  return [...drawAxes({ ...panel, xTitle }, x, y), ...lines, ...drawLabels(series, x, y)].join('\n');
};

/** Formats all values as text. */
const textOf = ({ panels, xTitle }: Chart): string =>
  panels
    .flatMap(({ series, unit }) =>
      series.map(({ name, points }) => `${name} in ${unit}, by ${xTitle}: ${points.map(({ x, y }) => `${x}: ${format(y)}`).join(', ')}.`),
    )
    .join(' ');

/** Draws a chart as an SVG without scripts, readable in light and dark. */
export const drawChart = (chart: Chart): string => {
  const width = WIDTH * chart.panels.length;
  const panels = chart.panels.map((panel, at) => `<g transform="translate(${at * WIDTH} 0)">\n${drawPanel(panel, chart.xTitle)}\n</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img">
<title>${escapeXml(chart.title)}</title>
<desc>${escapeXml(textOf(chart))}</desc>
<style>${STYLE}
</style>
<rect class="bg" width="${width}" height="${HEIGHT}"/>
${panels.join('\n')}
</svg>
`;
};
