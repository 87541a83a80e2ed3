import type { Page } from '@playwright/test';
import { it } from 'vitest';
import { expect } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

/** Tests the dashboard without a mouse and without colours. */

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

const MAX_TABS = 60;

/** Presses Tab until an element of this role and name has the focus. */
const tabTo = async (page: Page, role: 'link' | 'textbox', name: string | RegExp): Promise<void> => {
  const target = page.getByRole(role, { name, exact: typeof name === 'string' }).first();
  await expect(target).toBeVisible();
  const focused = page.locator(':focus').and(target);
  for (let tab = 0; tab < MAX_TABS; tab += 1) {
    await page.keyboard.press('Tab');
    if ((await focused.count()) > 0) return;
  }
  throw new Error(`${MAX_TABS} tabs did not reach the ${role} ${name}`);
};

it('skips to the content, and finds a policy and its clusters', async () => {
  const page = await dashboard.open('/');
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await tabTo(page, 'link', 'Policies');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Policies' })).toBeVisible();
  const name = 'payments-eu';
  await tabTo(page, 'textbox', /search/i);
  await page.keyboard.type(name);
  await expect(page).toHaveURL(new RegExp(`q=${name}`));
  await expect(page.getByRole('link', { name, exact: true })).toBeVisible();
  await tabTo(page, 'link', name);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
});

it('leads from a cluster with risks to its owners', async () => {
  const page = await dashboard.open('/compliance/risks?by=cluster');
  const group = page.getByRole('grid', { name: 'Owners at risk by cluster' }).getByRole('link').first();
  const cluster = (await group.textContent()) ?? '';
  await tabTo(page, 'link', cluster);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(new RegExp(`cluster=${cluster}`));
  const [owner] = await world().client.risks({ cluster });
  const row = page.getByRole('grid', { name: 'Owners at risk', exact: true }).getByRole('row');
  await expect(row.filter({ hasText: `${owner?.kind} ${owner?.namespace}/${owner?.name}` }).first()).toBeVisible();
});

it('shows where the focus is', async () => {
  const page = await dashboard.open('/');
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
  await tabTo(page, 'link', 'Clusters');
  const seen = await page.evaluate<{ outline: string; shadow: string }>(
    `(() => { const { outlineStyle, boxShadow } = getComputedStyle(document.activeElement); return { outline: outlineStyle, shadow: boxShadow }; })()`,
  );
  expect(seen.outline !== 'none' || seen.shadow !== 'none').toBe(true);
});
