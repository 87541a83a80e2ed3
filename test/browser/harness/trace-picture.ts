import { byText } from '@fso/shared/encoding';
import type { CollectedSpan } from '../../harness/collector.ts';

const WIDTH = 1000;
const LABELS = 260;
const ROW = 26;
const BAR = 14;
const TOP = 40;
const MARGIN = 16;
/**
 * Possible distances of the ticks of the time axis in milliseconds; the first with at most twelve
 * ticks is used.
 */
const STEPS = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const MAX_TICKS = 12;

const COLOURS = {
  light: { page: '#ffffff', text: '#151515', faint: '#d2d2d2', hub: '#0066cc', clusters: ['#3d7317', '#5e40be', '#b1380b'] },
  dark: { page: '#151515', text: '#ffffff', faint: '#4d4d4d', hub: '#92c5f9', clusters: ['#afdc8f', '#b6a6e9', '#f8ae54'] },
} as const;

interface Row {
  readonly span: CollectedSpan;
  readonly depth: number;
}

/** Rows of the spans, each below its parent, in the order of their starts. */
const rowsOf = (spans: readonly CollectedSpan[], parent: string, depth: number): readonly Row[] =>
  spans
    .filter(({ parentSpanId }) => parentSpanId === parent)
    .toSorted((a, b) => a.start - b.start || a.end - b.end)
    .flatMap((span) => [{ span, depth }, ...rowsOf(spans, span.spanId, depth + 1)]);

/** @returns a page with the picture of a trace, and its size. `spans` have one root */
export const drawTrace = (
  spans: readonly CollectedSpan[],
  theme: 'light' | 'dark',
): { readonly html: string; readonly width: number; readonly height: number } => {
  const colours = COLOURS[theme];
  const rows = rowsOf(spans, '', 0);
  const start = Math.min(...spans.map((span) => span.start));
  const total = Math.max(...spans.map((span) => span.end)) - start;
  const xOf = (time: number): number => LABELS + ((time - start) / total) * (WIDTH - LABELS - 5 * MARGIN);
  const clusters = [...new Set(spans.flatMap(({ attributes }) => attributes['k8s.cluster.name'] ?? []))].map(String).toSorted(byText);
  const colourOf = ({ attributes }: CollectedSpan): string => {
    const cluster = attributes['k8s.cluster.name'];
    return cluster === undefined
      ? colours.hub
      : (colours.clusters[clusters.indexOf(String(cluster)) % colours.clusters.length] ?? colours.hub);
  };
  const height = TOP + rows.length * ROW + MARGIN;
  const step = STEPS.find((ms) => total / ms <= MAX_TICKS) ?? total;
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, index) => index * step).map((ms) => {
    const x = xOf(start + ms);
    return `<line x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${height - MARGIN}" stroke="${colours.faint}"/><text x="${x}" y="${TOP - 16}" text-anchor="middle">${ms} ms</text>`;
  });
  const bars = rows.map(({ span, depth }, index) => {
    const y = TOP + index * ROW;
    const [from, to] = [xOf(span.start), xOf(span.end)];
    const cluster = span.name === 'offer' ? ` to ${span.attributes['k8s.cluster.name']}` : '';
    return [
      `<text x="${MARGIN + depth * 18}" y="${y + BAR}">${span.name}${cluster}</text>`,
      `<rect x="${from}" y="${y + 3}" width="${Math.max(2, to - from)}" height="${BAR}" rx="2" fill="${colourOf(span)}"/>`,
      `<text x="${Math.max(to, from + 2) + 6}" y="${y + BAR}">${Math.round(span.end - span.start)} ms</text>`,
    ].join('');
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13" fill="${colours.text}">${ticks.join('')}${bars.join('')}</svg>`;
  return { html: `<body style="margin: 0; background: ${colours.page}">${svg}</body>`, width: WIDTH, height };
};
