import { join } from 'node:path';
import type { ClusterDenials } from '@fso/shared/api';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, it } from 'vitest';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { denialOf, reportDenials } from '../../hub/serve/testing/denials.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** Tests the page of denials: cluster eu refused 100 pods, of us not all is known. */

let server: ApiHarness;
beforeAll(async () => {
  server = await startApiHarness({ dashboard: join(import.meta.dirname, '../../hub/dashboard/dist') });
  await fillLedger(server.ledger);
  const named = [denialOf('web', 30), denialOf('nightly', 5, { kind: 'CronJob', policies: ['finance', 'hr'] })];
  const denials: ClusterDenials = { minutes: 60, pods: 100, recent: 10, bindings: 0, owners: 2, named: 35, denials: named };
  await reportDenials(server, denials);
});
afterAll(() => server[Symbol.asyncDispose]());

const dashboard = useDashboard(() => server.url);
const owners = (page: Page) => page.getByRole('grid', { name: 'Denied owners', exact: true });

it('shows each owner with its refusals, the failing term, the line that mends it, and which clusters are not known', async () => {
  const page = await dashboard.open('/compliance');
  await page.getByRole('link', { name: 'Denials' }).click();
  await expect(page).toHaveURL(/\/compliance\/denials$/);
  const web = owners(page).getByRole('row').filter({ hasText: 'Deployment finance/web' });
  for (const text of ['30', 'nothing in the pod confines it to a region', 'nodeSelector: {topology.kubernetes.io/region: eu-west-1}'])
    await expect(web).toContainText(text);
  await expect(page.getByText('Not all is known of 1 cluster')).toBeVisible();
  await expectAccessible(page);
});

it('leads by keyboard from a group to its owners, and shows what has no owner', async () => {
  const page = await dashboard.open('/compliance/denials');
  for (const [by, text, counts] of [
    ['policy', 'hr', '51'],
    ['cluster', 'eu', '1003565'],
    ['namespace', 'finance in eu', '352'],
    ['failing term', 'nothing in the pod', '352'],
    ['owner', 'Deployment finance/web in eu', '301'],
  ] as const) {
    await page.getByRole('button', { name: `By ${by}` }).focus();
    await page.keyboard.press('Enter');
    const row = page
      .getByRole('grid', { name: `Denials by ${by}` })
      .getByRole('row')
      .filter({ hasText: text });
    await expect(row).toContainText(counts);
    await expectAccessible(page);
  }
  await page.getByRole('link', { name: 'Deployment finance/web in eu' }).focus();
  await page.keyboard.press('Enter');
  await expect(owners(page).getByText('Deployment finance/web')).toBeVisible();
  await expect(owners(page).getByText('CronJob finance/nightly')).toBeHidden();
});

it('is exported as CSV and JSON', async () => {
  const page = await dashboard.open('/compliance/denials');
  for (const format of ['CSV', 'JSON']) {
    const link = page.getByRole('link', { name: format, exact: true });
    const text = await (await fetch(new URL((await link.getAttribute('href')) ?? '', server.url))).text();
    expect(text).toContain('put under spec.template.spec');
  }
});

it('can be read on a phone and in the dark', async () => {
  const phone = await dashboard.open('/compliance/denials', { viewport: PHONE });
  await expect(phone.getByText('Deployment finance/web')).toBeVisible();
  await expectNoSidewaysScroll(phone);
  await expectAccessible(phone);
  const dark = await dashboard.open('/compliance/denials', { theme: 'dark' });
  await expect(dark.getByText('Deployment finance/web')).toBeVisible();
  await expectAccessible(dark);
});
