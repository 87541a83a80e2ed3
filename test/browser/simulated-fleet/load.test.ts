import { gzipSync } from 'node:zlib';
import type { Page } from '@playwright/test';
import { it } from 'vitest';
import { expect } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

/** Measures the time until the dashboard of a large fleet is usable. */

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

const SCRIPT_BYTES = 500 * 1024;
const LOADS = 7;
/** Scripts of charts load when they are drawn, and are not counted. */
const CHARTS = /echarts|chart|map|topo|countries/i;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const isReady = async (page: Page): Promise<void> => {
  await expect(page.getByRole('heading', { level: 1, name: 'Policies' })).toBeVisible();
  await expect(page.getByRole('row', { name: /analytics-api/ }).first()).toBeVisible();
};

it('answers pages with a strict Content-Security-Policy', async () => {
  const response = await fetch(`${world().hub.url}/`, { headers: { Accept: 'text/html' } });
  const policy = new Map(
    (response.headers.get('Content-Security-Policy') ?? '').split(';').map((part): [string, string] => {
      const [name = '', ...values] = part.trim().split(' ');
      return [name, values.join(' ')];
    }),
  );
  expect(policy.get('default-src')).toBe("'none'");
  expect(policy.get('script-src')).toBe("'self'");
  expect(policy.get('style-src')).toBe("'self'");
  expect(policy.get('connect-src')).toBe("'self'");
  expect(policy.get('frame-ancestors')).toBe("'none'");
  expect(policy.get('base-uri')).toBe("'none'");
  expect([...policy.values()].join(' ')).not.toMatch(/unsafe|https?:|\*/);
});

it(`needs at most ${SCRIPT_BYTES / 1024} KB of script (gzip) before charts`, async () => {
  const page = await dashboard.open('about:blank');
  const scripts = new Set<string>();
  page.on('request', (request) => {
    if (request.resourceType() === 'script' && !CHARTS.test(request.url())) scripts.add(request.url());
  });
  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
  await page.waitForLoadState('load');
  const sizes = await Promise.all(
    [...scripts].map(async (url) => gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer()), { level: 9 }).length),
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first load: ${Math.round(total / 1024)} KB of script in ${sizes.length} files, charts and map apart`);
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThanOrEqual(SCRIPT_BYTES);
});

it('shows data of 1,000 policies, and prints the time', async () => {
  const times: number[] = [];
  for (let load = 0; load < LOADS; load += 1) {
    // Nothing is cached in a new browser context.
    const page = await dashboard.open('about:blank');
    const start = performance.now();
    await page.goto('/policies');
    await isReady(page);
    times.push(performance.now() - start);
    await page.context().close();
  }
  console.log(`interactive: median ${Math.round(median(times))} ms of ${LOADS} first loads (${times.map(Math.round).join(', ')})`);
});
