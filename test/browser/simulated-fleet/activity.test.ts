import { describe, it } from 'vitest';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

const REJECTED = 'Telemetry, now for all of Europe';
const REFUSED = 'Say why claims stay in the EU';

describe('commits', () => {
  it('show their state, and link to the failure', async () => {
    const page = await dashboard.open('/activity');
    const row = page.getByRole('row').filter({ hasText: REJECTED });
    await expect(row).toContainText('Rejected');
    await row.getByRole('link').first().click();
    await expect(page.getByRole('heading', { level: 1, name: REJECTED })).toBeVisible();
    await expect(page.getByText(/^policies\/telemetry\/typo\.yaml:\d+:\d+$/).first()).toBeVisible();
    await expect(page.getByText(/there is no RegionGroup europe/)).toBeVisible();
    await expect(page.getByRole('listitem').filter({ hasText: 'Source' })).toContainText('Refused');
    await expectAccessible(page);
  });

  it('show the progress of one through steps and clusters', async () => {
    const page = await dashboard.open('/activity');
    await page.getByRole('row').filter({ hasText: REFUSED }).getByRole('link').first().click();
    const steps = page.getByRole('region', { name: 'Progress through the nine steps' }).getByRole('listitem');
    await expect(steps).toHaveCount(9);
    await expect(steps.nth(0)).toContainText(/Done\+\d/);
    await expect(steps.nth(3)).toContainText(/\d+ of 500/);
    await expect(page.getByRole('link', { name: /^claims-/ }).first()).toBeVisible();
    await expectAccessible(page);

    await page.getByRole('link', { name: 'Show the clusters that refused it, with their reasons' }).click();
    await expect(page).toHaveURL(/at=refused/);
    const table = page.getByRole('grid', { name: 'Clusters of the commit' });
    await expect(table).toContainText('the commit is signed by a key that this cluster does not know');
    await page.getByRole('combobox', { name: 'Position' }).selectOption('proven');
    await page.getByRole('columnheader', { name: 'Total' }).getByRole('button').click();
    await expect(page).toHaveURL(/sort=total/);
    await expect(table.getByRole('row').nth(1)).toContainText('Proven');
  });

  it('can be read on a phone', async () => {
    const page = await dashboard.open('/activity', { viewport: PHONE });
    await page.getByRole('row').filter({ hasText: REFUSED }).getByRole('link').first().click();
    await expect(page.getByRole('heading', { level: 1, name: REFUSED })).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });

  it('appear and progress without a reload', async () => {
    const page = await dashboard.open('/activity');
    await expect(page.getByText('Live', { exact: true })).toBeVisible();
    const [path, text] = Object.entries(world().files).find(([name]) => name.startsWith('policies/')) ?? ['', ''];
    const subject = 'Describe a policy again';
    await world().commit({ [path]: text.replace(/description: .*/, 'description: As decided lately.') }, subject);
    const row = page.getByRole('row').filter({ hasText: subject });
    await expect(row).toContainText('1 changed');
    await expect(row).toContainText(/4\d\d of 500/);
    await row.getByRole('link').first().click();
    await expect(page.getByRole('listitem').filter({ hasText: 'Observe' })).toContainText(/4\d\d of 500/);
  });
});
