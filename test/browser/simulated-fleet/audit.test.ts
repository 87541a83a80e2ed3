import type { Page } from '@playwright/test';
import { describe, it } from 'vitest';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

const rows = (page: Page) => page.locator('tbody tr[aria-rowindex]');

/**
 * The hub refuses the last commit of the repository, and one on top of it, which changes only the
 * log.
 */
const leaveEntry = (): Promise<unknown> =>
  world().repository.commit({ 'policies/note.md': 'Read again.\n' }, 'Note that it was read again');

describe('entries', () => {
  it('are shown in full, each with a link', async () => {
    const page = await dashboard.open('/audit');
    await rows(page)
      .first()
      .getByRole('button', { name: /in full$/ })
      .click();
    const detail = page.getByRole('region', { name: /^Entry / });
    await expect(detail.getByText('Hash of the previous entry')).toBeVisible();
    await expect(detail.locator('pre')).toContainText('{');
    await expect(page).toHaveURL(/open=\d+/);
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Close the details' }).click();
    await expect(detail).toBeHidden();
  });

  it('are filtered by the URL', async () => {
    const page = await dashboard.open('/audit?action=revision.reject&span=24h');
    await expect(rows(page).first()).toContainText('revision.reject');
    await expect(page.locator('tbody tr', { hasText: 'cluster.connect' })).toHaveCount(0);
    await expect(page.getByRole('link', { name: /^Export as CSV/ })).toHaveAttribute('href', /action=revision\.reject/);
    await page.getByLabel('Action').fill('no.such');
    await expect(page.getByText('No entry matches')).toBeVisible();
    await page.getByLabel('Time').selectOption('exact');
    await expect(page.getByLabel('From')).toBeVisible();
    await expectAccessible(page);
  });

  it('have hashes that the browser can check', async () => {
    const page = await dashboard.open('/audit');
    await page.getByRole('button', { name: 'Check the hashes of these entries' }).click();
    await expect(page.getByText(/entries have the expected hash/)).toBeVisible();
  });

  it('do not move while the reader is further down', async () => {
    const page = await dashboard.open('/audit');
    const first = await rows(page)
      .first()
      .getByRole('button', { name: /in full$/ })
      .textContent();
    const table = page.locator('section.fso-table');
    await table.hover();
    await page.mouse.wheel(0, 400);
    await expect.poll(() => page.evaluate<number>('document.querySelector("section.fso-table")?.scrollTop ?? 0')).toBeGreaterThan(0);
    await leaveEntry();
    await expect(page.getByRole('button', { name: /^\d+ new entr(y|ies)$/ })).toBeVisible();
    await page.getByRole('button', { name: /^\d+ new entr(y|ies)$/ }).click();
    await expect(
      rows(page)
        .first()
        .getByRole('button', { name: /in full$/ }),
    ).not.toHaveText(first ?? '');
  });

  it('can be read on a phone', async () => {
    const page = await dashboard.open('/audit', { viewport: PHONE });
    await expect(rows(page).first()).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});

describe('events of clusters', () => {
  it('are filtered by severity, cluster, policy, time and text', async () => {
    const page = await dashboard.open('/audit/events?severity=alert');
    await expect(rows(page).first().getByText('Alert')).toBeVisible();
    await page.getByLabel('Severity').selectOption('');
    await page.getByLabel('Search events').fill('no such words');
    await expect(page.getByText('No event matches')).toBeVisible();
    await expect(page).toHaveURL(/q=no/);
    await page.getByRole('button', { name: 'Clear all filters' }).first().click();
    await expect(rows(page).first()).toBeVisible();
    await expectAccessible(page);
  });
});

describe('verification', () => {
  it("shows the hub's result, and how to verify without trusting the hub", async () => {
    const page = await dashboard.open('/audit/verification');
    await expect(page.getByText('The hub finds the log intact')).toBeVisible();
    await expect(page.getByRole('link', { name: /^Chain: Intact/ })).toBeVisible();
    await expect(page.getByLabel('Command that verifies the log')).toHaveValue('npm run -s fso -- audit verify');
    await page.getByRole('button', { name: 'Verify again' }).click();
    await expectAccessible(page);
  });
});
