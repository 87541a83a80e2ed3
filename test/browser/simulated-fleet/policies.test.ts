import { type Page as Listed, type PolicySummary, type PolicyView, policyKey } from '@fso/shared/api';
import type { Page } from '@playwright/test';
import { describe, it } from 'vitest';
import { localOf } from '../../../hub/dashboard/lib/time.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

/**
 * Policy for every cluster of the fleet, also those that are disconnected or have never connected.
 */
const EVERYWHERE = '/policies/backups-api-1';
/** A policy that a later commit changed. */
const changedPath = (): string => Object.keys(world().files).find((path) => /^policies\/claims\/.*-eu-/.test(path)) ?? '';
const nameOf = (path: string): string => path.replace(/^.*\/|\.yaml$/g, '');
const pageOf = (path: string): string => `/policies/${nameOf(path)}`;

const TABS = ['overview', 'clusters', 'source', 'labels', 'violations', 'history'] as const;

const table = (page: Page, label: string) => page.getByRole('grid', { name: label }).or(page.getByRole('table', { name: label }));

describe('the list of policies', () => {
  it('is searched, filtered and sorted, and keeps that in its URL', async () => {
    const page = await dashboard.open('/policies');
    await expect(page.getByText(/^1,0\d\d policies/)).toBeVisible();
    await page.getByRole('textbox', { name: 'Search policies' }).fill('payments-eu');
    await expect(page.getByText('1 policy', { exact: true })).toBeVisible();
    await expect(page).toHaveURL(/q=payments-eu/);
    await page.getByRole('combobox', { name: 'Action' }).selectOption('deny');
    await expect(page).toHaveURL(/action=deny/);
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await expect(page).not.toHaveURL(/q=|action=/);
    await page.getByRole('button', { name: 'Violations', exact: true }).click();
    await expect(page).toHaveURL(/sort=violations/);
    await page.getByRole('button', { name: 'Violations', exact: true }).click();
    await expect(page).toHaveURL(/sort=-violations/);
    await page.reload();
    await expect(page.getByRole('columnheader', { name: 'Violations' })).toHaveAttribute('aria-sort', 'descending');
  });

  it('offers the clusters and regions of the fleet, and shows the policies of one', async () => {
    const page = await dashboard.open('/policies?namespace=backups-1');
    await expect(page.getByText('1 policy', { exact: true })).toBeVisible();
    await expect(page.getByRole('link', { name: 'backups-api-1' })).toBeVisible();
    await expect(page.getByText(/\d+\/500 connected/)).toBeVisible();
    await page.getByRole('combobox', { name: 'Region' }).fill('no-such-region');
    await expect(page.getByRole('heading', { name: 'No policy matches' })).toBeVisible();
  });

  it('has a thousand rows, of which few are in the document', async () => {
    const page = await dashboard.open('/policies');
    const policies = table(page, 'Policies');
    await expect(policies).toHaveAttribute('aria-rowcount', /^10\d\d$/);
    await expect(async () => {
      await page.evaluate("document.querySelector('.fso-table').scrollTop = 1e9");
      await expect(page.getByText('loaded')).toHaveCount(0, { timeout: 500 });
    }).toPass();
    expect(await policies.getByRole('row').count()).toBeLessThan(80);
  });
});

describe('one policy', () => {
  it('opens from the list, and describes itself in a sentence', async () => {
    const page = await dashboard.open('/policies?q=payments-eu');
    await page.getByRole('link', { name: 'payments-eu', exact: true }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'payments-eu' })).toBeFocused();
    await expect(
      page.getByText(/^Pods in namespaces whose name begins with “payments-” may run only in the 8 regions of group:eu/),
    ).toBeVisible();
    await expect(table(page, 'Conditions').getByText('Ready', { exact: true }).first()).toBeVisible();
  });

  it('shows every cluster with both locks, and no unknown state as good', async () => {
    const page = await dashboard.open(EVERYWHERE);
    await expect(page.getByText(/^(Warning alert:)?\s*12 of 500 clusters are not connected/)).toBeVisible();
    await page.getByRole('link', { name: 'Show these clusters and the age of their reports' }).click();
    await expect(page).toHaveURL(/tab=clusters&known=last/);
    await expect(page.getByText('12 of 500 clusters')).toBeVisible();
    const row = table(page, 'Clusters of the policy').getByRole('row').nth(1);
    await expect(row).toContainText('last known');
    await expect(row).toContainText('was active');
    await expect(row).toContainText('Pending');
    await page.getByRole('combobox', { name: 'Known' }).selectOption('never');
    await expect(row).toContainText('not reported yet');
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await page.getByRole('combobox', { name: 'Locks' }).selectOption('Unavailable');
    await expect(row).toContainText('Gatekeeper is not installed');
  });

  it('shows whether it was proven in a cluster at a time, and its changes there', async () => {
    const page = await dashboard.open(`${EVERYWHERE}?tab=clusters&known=now`);
    await page
      .getByRole('button', { name: /^History in / })
      .first()
      .click();
    const dialog = page.getByRole('dialog', { name: /^backups-api-1 in / });
    const changes = dialog.getByRole('grid', { name: 'Changes' });
    await expect(changes.getByRole('row', { name: /Commit accepted/ }).first()).toBeVisible();
    await expect(changes.getByRole('row', { name: /Policy .*Active/ }).first()).toBeVisible();
    const time = dialog.getByLabel('Was it proven at this time?');
    await time.fill(localOf(new Date().toISOString()));
    await expect(dialog.getByRole('status')).toContainText('Proven Its agent had proven every lock');
    await time.fill('2999-01-01T00:00:00');
    await expect(dialog.getByRole('status')).toContainText('That time has not come yet');
    await time.fill('2020-01-01T00:00:00');
    await expect(dialog.getByRole('status')).toContainText('Not known');
    await expectAccessible(page);
  });

  it('shows its document from Git', async () => {
    const path = changedPath();
    const page = await dashboard.open(`${pageOf(path)}?tab=source`);
    const document = page.getByRole('region', { name: 'Document of the policy' });
    await expect(document).toContainText('description: Claims of the EU are handled there.');
    await expect(page.getByText(`${path}:1`).first()).toBeVisible();
  });

  it('shows the current labels of namespaces', async () => {
    const page = await dashboard.open(`${EVERYWHERE}?tab=labels`);
    await page.goto('/policies/payments-eu?tab=labels');
    const labels = table(page, 'Labels of namespaces');
    await expect(labels.getByText(/^enforcement-action=/).first()).toBeVisible();
    await expect(page.getByText('reports the first 20 namespaces')).toBeVisible();
  });

  it('lists its violations', async () => {
    const page = await dashboard.open('/policies/payments-eu?tab=violations');
    await expect(page.getByText(/listed violations/)).toBeVisible();
    await expect(table(page, 'Violations of the policy').getByText('Pod', { exact: true }).first()).toBeVisible();
  });

  it('shows what each commit changed', async () => {
    const path = changedPath();
    const page = await dashboard.open(`${pageOf(path)}?tab=history`);
    const history = page.getByRole('list', { name: 'Revisions, newest first' });
    const newest = history.getByRole('listitem').first();
    await expect(newest).toContainText('Say why claims stay in the EU');
    await expect(newest).toContainText('1 line added, 1 line removed.');
    await expect(newest.getByRole('insertion')).toContainText('+   description: Claims of the EU are handled there.');
    const first = history.getByRole('listitem').last();
    await first.getByRole('button', { name: 'Show what changed' }).click();
    await expect(first).toContainText('0 lines removed.');
    await expect(newest).not.toContainText('1 line added');
    await expect(page).toHaveURL(/revision=[0-9a-f]{40}/);
  });

  it('shows a violation as soon as an agent reports it', async () => {
    const api = `${world().hub.url}/api/v1`;
    const calm = (await (
      await fetch(`${api}/policy-summaries?violating=false&phase=Active&action=deny&q=-us-&limit=1`)
    ).json()) as Listed<PolicySummary>;
    const path = `/policies/${calm.items.map(policyKey)[0]}`;
    const page = await dashboard.open(`${path}?tab=violations`);
    await expect(page.getByRole('heading', { name: 'No violations' })).toBeVisible();
    const { clusters } = (await (await fetch(`${api}${path}`)).json()) as PolicyView;
    const { cluster, report } = clusters.find((row) => (row.report?.namespaces.length ?? 0) > 0) ?? {};
    await world()
      .agents.get(cluster ?? '')
      ?.addViolation(report?.namespaces[0] ?? '', 'newcomer');
    await expect(table(page, 'Violations of the policy').getByText('newcomer')).toBeVisible();
    await expect(page.getByRole('tab', { name: 'Violations (1)' })).toBeVisible();
  });

  it('reports that a policy does not exist', async () => {
    const page = await dashboard.open('/policies/no-such-policy', { allow: [/status of 404/] });
    await expect(page.getByRole('heading', { name: 'There is no policy no-such-policy' })).toBeVisible();
    await page.getByRole('link', { name: 'All policies' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Policies' })).toBeVisible();
  });
});

describe.each(TABS)('tab %s', (tab) => {
  const path = (): string => `${pageOf(changedPath())}?tab=${tab}`;
  const settled = async (page: Page): Promise<void> => {
    await expect(page.getByRole('tab', { selected: true })).toHaveText(new RegExp(tab, 'i'));
    await expect(page.getByRole('tabpanel').getByRole('status', { name: /^Loading/ })).toHaveCount(0);
  };

  it('is accessible', async () => {
    const page = await dashboard.open(path());
    await settled(page);
    await expectAccessible(page);
  });

  it('can be read on a phone', async () => {
    const page = await dashboard.open(path(), { viewport: PHONE });
    await settled(page);
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});
