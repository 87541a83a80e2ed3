import { join } from 'node:path';
import { CONDITIONS, type Risk } from '@fso/shared/api';
import { groupDeviations, standingOf } from '@fso/shared/status';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, it } from 'vitest';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { baselineIn, clusterReport, desiredOf, policyReport, reportChange, TIME } from '../../hub/serve/testing/fleet.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** Tests the page of risks: cluster eu names owners at risk, of us not all is known. */

const riskOf = (name: string, more: Partial<Risk> = {}): Risk => ({
  risk: 'Refused',
  kind: 'Deployment',
  namespace: 'finance',
  name,
  reason: 'nothing in the pod confines it to a region',
  fix: 'put under spec.template.spec: nodeSelector: {topology.kubernetes.io/region: eu-west-1}',
  confirmation: 'Confirmed',
  ...more,
});

let server: ApiHarness;
beforeAll(async () => {
  server = await startApiHarness({ dashboard: join(import.meta.dirname, '../../hub/dashboard/dist') });
  await fillLedger(server.ledger);
  const risks = { refused: 1, pending: 2, unconfirmed: 1, mended: 0, named: [] };
  const named = [
    riskOf('web'),
    riskOf('nightly', { kind: 'CronJob', risk: 'Pending', reason: 'no node inside has the label disk=ssd of spec.nodeSelector' }),
    riskOf('logs', { kind: 'DaemonSet', risk: 'Pending', nodes: 3, confirmation: 'Unconfirmed' }),
  ];
  const judged = { type: CONDITIONS.risksKnown, status: 'True' as const, reason: 'Judged', message: '', lastTransitionTime: TIME };
  await reportChange(server.ledger, 'eu', {
    full: true,
    baseline: baselineIn(desiredOf(), 'eu'),
    deviations: groupDeviations([['finance', standingOf(policyReport('finance', { conditions: [], risks }))]]),
    cluster: { ...clusterReport(), conditions: [judged], riskSamples: named.map((risk) => ({ ...risk, policy: 'finance' })) },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const dashboard = useDashboard(() => server.url);
const owners = (page: Page) => page.getByRole('grid', { name: 'Owners at risk', exact: true });

it('shows each owner with its failing term, the line that mends it, and which clusters are not known', async () => {
  const page = await dashboard.open('/compliance');
  await page.getByRole('link', { name: 'Risks' }).click();
  await expect(page).toHaveURL(/\/compliance\/risks$/);
  const web = owners(page).getByRole('row').filter({ hasText: 'Deployment finance/web' });
  await expect(web).toContainText('Would be refused');
  await expect(web).toContainText('confirmed by a dry run');
  await expect(web).toContainText('nothing in the pod confines it to a region');
  await expect(web).toContainText('nodeSelector: {topology.kubernetes.io/region: eu-west-1}');
  await expect(owners(page).getByRole('row').filter({ hasText: 'DaemonSet' })).toContainText('Would stay pending on 3 nodes');
  await expect(page.getByText('Not all is known of 1 cluster')).toBeVisible();
  await expect(page.getByText(/capacity and volumes are not looked at/)).toBeVisible();
  await expectAccessible(page);
});

it('filters, and leads from a group to its owners', async () => {
  const page = await dashboard.open('/compliance/risks?risk=Pending');
  await expect(owners(page).getByText('CronJob finance/nightly')).toBeVisible();
  await expect(owners(page).getByText('Deployment finance/web')).toBeHidden();
  for (const [by, text, counts] of [
    ['policy', 'finance', '12'],
    ['namespace', 'finance in eu', '12'],
    ['owner', 'Deployment finance/web in eu', '10'],
  ] as const) {
    await page.getByRole('button', { name: `By ${by}` }).click();
    const row = page
      .getByRole('grid', { name: `Owners at risk by ${by}` })
      .getByRole('row')
      .filter({ hasText: text });
    await expect(row).toContainText(counts);
    await expectAccessible(page);
  }
  await page.getByRole('link', { name: 'Deployment finance/web in eu' }).click();
  await expect(owners(page).getByText('Deployment finance/web')).toBeVisible();
  await expect(owners(page).getByText('CronJob finance/nightly')).toBeHidden();
});

it('is exported as CSV and JSON', async () => {
  const page = await dashboard.open('/compliance/risks');
  for (const format of ['CSV', 'JSON']) {
    const link = page.getByRole('link', { name: format, exact: true });
    const text = await (await fetch(new URL((await link.getAttribute('href')) ?? '', server.url))).text();
    expect(text).toContain('put under spec.template.spec');
  }
});

it('can be read on a phone and in the dark', async () => {
  const phone = await dashboard.open('/compliance/risks', { viewport: PHONE });
  await expect(phone.getByText('Deployment finance/web')).toBeVisible();
  await expectNoSidewaysScroll(phone);
  await expectAccessible(phone);
  const dark = await dashboard.open('/compliance/risks', { theme: 'dark' });
  await expect(dark.getByText('Deployment finance/web')).toBeVisible();
  await expectAccessible(dark);
});
