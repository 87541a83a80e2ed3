import type { Page } from '@playwright/test';
import { describe, it } from 'vitest';
import { expect } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

/** Lists of a large fleet stay small in the document however far a user scrolls. The test prints how smooth it is. */

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

/** Pixels of one notch of the wheel. */
const WHEEL_PX = 120;
/** Enough to reach row 200 in the list with the highest rows, which brings 1.13 rows a notch. */
const WHEELS = 170;
/** Maximum rows in the document at once; the others are not drawn. */
const MAX_ROWS = 120;

/** Records the time of each frame and each long task (https://www.w3.org/TR/longtasks-1/). */
const START_MEASURING = `
  window.measured = { frames: [], tasks: [] };
  new PerformanceObserver((list) => measured.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  let last = performance.now();
  const frame = (now) => { measured.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
`;

interface Measurement {
  /** Wall-clock times, in ms. */
  readonly frames: readonly number[];
  readonly tasks: readonly number[];
}

interface ScrollResult extends Measurement {
  readonly rows: number;
  readonly lastRow: number;
  /**
   * Work of the page's thread for one notch of the wheel, which brings two or three rows. It
   * excludes the time of other processes.
   */
  readonly workMs: number;
}

const quantile = (values: readonly number[], q: number): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0;

/** Processor time of the page's thread so far, in ms. */
const createWorkMeter = async (page: Page): Promise<() => Promise<number>> => {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1000;
  };
};

const scroll = async (page: Page, label: string): Promise<ScrollResult> => {
  const table = page.getByRole('region', { name: label });
  await expect(table.getByRole('row').nth(5)).toBeVisible();
  await table.hover();
  await page.evaluate(START_MEASURING);
  const work = await createWorkMeter(page);
  const before = await work();
  let rows = 0;
  for (let wheel = 0; wheel < WHEELS; wheel += 1) {
    await page.mouse.wheel(0, WHEEL_PX);
    rows = Math.max(rows, await table.locator('tr').count());
  }
  const workMs = ((await work()) - before) / WHEELS;
  const last = await table.locator('tr[aria-rowindex]').last().getAttribute('aria-rowindex');
  return { ...(await page.evaluate<Measurement>('measured')), rows, lastRow: Number(last), workMs };
};

describe.each([
  ['/policies', 'Policies'],
  ['/compliance', 'Violations'],
  ['/clusters', 'Clusters'],
] as const)('%s', (path, label) => {
  it('keeps few rows in the document while it scrolls', async () => {
    const page = await dashboard.open(path);
    const { frames, tasks, rows, lastRow, workMs } = await scroll(page, label);
    console.log(
      `scroll ${path}: to row ${lastRow}, at most ${rows} rows in the document; ${workMs.toFixed(1)} ms of work for each notch of the wheel; ` +
        `frames: median ${quantile(frames, 0.5).toFixed(0)} ms, 95 % ${quantile(frames, 0.95).toFixed(0)} ms; ` +
        `${tasks.length} long tasks, the longest ${Math.max(0, ...tasks).toFixed(0)} ms`,
    );
    expect(lastRow).toBeGreaterThan(200);
    expect(rows).toBeLessThanOrEqual(MAX_ROWS);
  });
});
