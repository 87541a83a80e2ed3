import { expect, it } from 'vitest';
import { type Chart, drawChart, spreadLabels, ticksUpTo } from './chart.ts';

it.each([
  [1, [0, 0.25, 0.5, 0.75, 1]],
  [107.2, [0, 50, 100, 150]],
  [6000, [0, 2000, 4000, 6000]],
  [0.9, [0, 0.25, 0.5, 0.75, 1]],
  [0, [0, 1]],
])('ticks up to %d are round', (max, ticks) => {
  expect(ticksUpTo(max)).toEqual(ticks);
});

const chart: Chart = {
  title: 'A fleet & its hub',
  xTitle: 'agents',
  panels: [
    {
      title: 'Times',
      unit: 's',
      series: [
        {
          name: 'first <round>',
          points: [
            { x: 250, y: 5.1 },
            { x: 1000, y: 21.3456 },
          ],
        },
        {
          name: 'commit',
          points: [
            { x: 250, y: 0.5 },
            { x: 1000, y: 2 },
          ],
        },
      ],
    },
    { title: 'Memory', unit: 'MiB', series: [{ name: 'PSS', points: [{ x: 250, y: 1234.5 }] }] },
  ],
};

it('draws each series, names it with its last value, and describes all values', () => {
  const svg = drawChart(chart);
  for (const label of ['first &lt;round&gt;<', '>21.3<', '>PSS<', '>1,230<']) expect(svg).toContain(label);
  expect(svg).toContain('commit in s, by agents: 250: 0.5, 1000: 2.');
  expect(svg.match(/class="l s/g)).toHaveLength(3);
  expect(svg.match(/<circle/g)).toHaveLength(5);
  expect(svg).not.toContain('NaN');
});

it('is small, has both colour schemes and no script', () => {
  const svg = drawChart(chart);
  expect(Buffer.byteLength(svg)).toBeLessThan(15 * 1024);
  expect(svg).toContain('prefers-color-scheme: dark');
  expect(svg).not.toContain('<script');
});

it('keeps labels apart that would cover each other', () => {
  expect(spreadLabels([100, 20], 32)).toEqual([100, 20]);
  expect(spreadLabels([100, 90], 32)).toEqual([122, 90]);
  expect(spreadLabels([50, 50, 60], 10)).toEqual([50, 60, 70]);
});
