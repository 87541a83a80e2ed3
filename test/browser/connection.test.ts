import type { Page } from '@playwright/test';
import { afterAll, afterEach, beforeAll, it } from 'vitest';
import { type CutProxy, startCutProxy } from './harness/cut-proxy.ts';
import { expect } from './harness/dashboard.ts';
import { NAMESPACE, openSmallHub, POLICY, type SmallHub } from './harness/small-hub.ts';
import { useDashboard } from './harness/suite.ts';

/** Interruptions between browser and hub: the page shows them, survives them, and recovers. */

let small: SmallHub;
let proxy: CutProxy;
beforeAll(async () => {
  small = await openSmallHub();
  proxy = await startCutProxy(small.hub.url);
});
afterEach(() => proxy.mend());
afterAll(async () => {
  await proxy.close();
  await small.stop();
});

const dashboard = useDashboard(() => proxy.url);
/**
 * Errors of Chromium for each request that fails to connect, or whose connection breaks in the
 * middle of a response.
 */
const NOBODY_THERE = [/Failed to load resource: net::ERR_/];

/** The label that shows whether the page receives live updates. */
const live = (page: Page) => page.locator('[data-live]');
const isLive = (page: Page): Promise<void> => expect(live(page)).toHaveAttribute('data-live', 'live');
const showsPolicies = async (page: Page): Promise<void> => {
  await expect(page.getByRole('link', { name: POLICY, exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: 'ledger', exact: true })).toBeVisible();
};

it('a violation appears without a reload', async () => {
  const page = await dashboard.open('/compliance');
  await isLive(page);
  await small.agent.addViolation(NAMESPACE, 'seen-live');
  const at = performance.now();
  await expect(page.getByText('seen-live').first()).toBeVisible();
  console.log(`live: ${Math.round(performance.now() - at)} ms from the hub's receipt to the screen`);
});

it('shows that the stream is cut, keeps its content, and catches up later', async () => {
  const page = await dashboard.open('/policies', { allow: NOBODY_THERE });
  await isLive(page);
  await showsPolicies(page);
  proxy.cut();
  await expect(live(page)).not.toHaveAttribute('data-live', 'live');
  await showsPolicies(page);
  await expect(page.getByText('The hub does not answer')).toBeVisible();
  await small.agent.addViolation('ledger-api', 'while-cut');
  proxy.mend();
  await isLive(page);
  await expect(page.getByText('The hub does not answer')).toBeHidden();
  await expect(page.getByRole('link', { name: /^1 violations? of ledger$/ })).toBeVisible();
});

it('shows that the hub is gone, keeps its content, and recovers after its restart', async () => {
  const page = await dashboard.open('/policies', { allow: [...NOBODY_THERE, /status of 5\d\d/] });
  await isLive(page);
  await showsPolicies(page);
  await small.hub.kill();
  await expect(live(page)).not.toHaveAttribute('data-live', 'live');
  await showsPolicies(page);
  await small.hub.start();
  await isLive(page);
  await showsPolicies(page);
});

it('shows that the browser is offline until it is online again', async () => {
  const page = await dashboard.open('/clusters', { allow: NOBODY_THERE });
  await isLive(page);
  const home = page.getByRole('link', { name: 'home', exact: true });
  await expect(home).toBeVisible();
  // Offline mode of Chromium does not end an existing connection.
  await page.context().setOffline(true);
  proxy.cut();
  await expect(page.getByText('This browser is offline')).toBeVisible();
  await expect(home).toBeVisible();
  proxy.mend();
  await page.context().setOffline(false);
  await isLive(page);
});

it('explains that the hub does not answer when it is opened, and loads when the hub answers', async () => {
  const page = await dashboard.open('/', { allow: [...NOBODY_THERE, /Unable to preload CSS|dynamically imported module/] });
  await isLive(page);
  proxy.cut();
  await page.getByRole('link', { name: 'Clusters', exact: true }).click();
  await expect(page.getByText(/could not read|does not answer/i).first()).toBeVisible();
  proxy.mend();
  await isLive(page);
  await expect(page.getByRole('link', { name: 'home', exact: true })).toBeVisible();
});
