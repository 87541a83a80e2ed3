import { readFile } from 'node:fs/promises';
import { ClusterPage, PolicySummaryPage, policyKey, REGION_LABEL } from '@fso/shared/api';
import type { Page } from '@playwright/test';
import { describe, it } from 'vitest';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

const get = async (path: string): Promise<unknown> => (await fetch(`${world().hub.url}${path}`)).json();

const rows = (page: Page) => page.locator('tbody tr[aria-rowindex]');
const violationsTable = (page: Page) => page.getByRole('grid', { name: 'Violations', exact: true });

describe('violations', () => {
  it('leads from a group to the list, and from there to the fix', async () => {
    const page = await dashboard.open('/compliance?by=policy');
    const group = page.getByRole('grid', { name: 'Violations by policy' }).locator('tbody a').first();
    const policy = (await group.textContent()) ?? '';
    await expectAccessible(page);
    await group.click();
    await expect(page).toHaveURL(new RegExp(`policy=${encodeURIComponent(policy)}`));
    await expect(violationsTable(page)).toBeVisible();
    await rows(page).first().getByRole('button').click();
    const detail = page.getByRole('region', { name: /^Pod / });
    await expect(detail.getByRole('heading', { level: 2 })).toBeFocused();
    await expect(detail.getByText('How to fix it')).toBeVisible();
    await expect(detail.getByLabel('Command: The object')).toHaveValue(/^kubectl -n .+ get pod\/.+ -o yaml$/);
    await expectAccessible(page);
    // The link shows the same in another browser.
    const copy = await dashboard.open(new URL(page.url()).pathname + new URL(page.url()).search);
    await expect(copy.getByRole('region', { name: /^Pod / })).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(detail).toBeHidden();
  });

  it.each(['policy', 'cluster', 'namespace', 'workload', 'region'])('are counted by %s', async (by) => {
    const page = await dashboard.open('/compliance');
    await page.getByRole('button', { name: `By ${by}` }).click();
    await expect(page).toHaveURL(new RegExp(`by=${by}`));
    await expect(rows(page).first()).toBeVisible();
    await rows(page).first().getByRole('link').first().click();
    await expect(rows(page).first()).toBeVisible();
    await expect(page.getByText(/^[\d,]+ listed violations?/).first()).toBeVisible();
  });

  it('show the filter of a workload, and one click removes it', async () => {
    const page = await dashboard.open('/compliance?by=workload');
    await rows(page).first().getByRole('link').first().click();
    await expect(page.getByText('Kind: Pod', { exact: true })).toBeVisible();
    await page.getByRole('button', { name: /^Remove the filter Workload: / }).click();
    await expect(page).not.toHaveURL(/[?&]name=/);
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await expect(page.getByText('Kind: Pod', { exact: true })).toBeHidden();
    await expect(page).toHaveURL(/\/compliance$/);
  });

  it('stay visible while a filter is incomplete', async () => {
    const page = await dashboard.open('/compliance');
    const region = page.getByLabel('Region', { exact: true });
    await region.fill('eu-');
    await expect(page.getByText('Region must be a region as in the node label topology.kubernetes.io/region')).toBeVisible();
    await expect(region).toHaveAttribute('aria-invalid', 'true');
    await expect(rows(page).first()).toBeVisible();
    await expect(page).toHaveURL(/\/compliance$/);
    await region.fill('eu-central-1');
    await expect(page).toHaveURL(/region=eu-central-1/);
    await expect(region).toHaveAttribute('aria-invalid', 'false');
  });

  it('are marked as last known in a disconnected cluster', async () => {
    const { items } = ClusterPage.parse(await get('/api/v1/clusters?connection=Disconnected&violating=true&limit=1'));
    const [gone] = items;
    const page = await dashboard.open(`/compliance?cluster=${gone?.name}`);
    await expect(rows(page).first().getByText('Last known')).toBeVisible();
    await rows(page).first().getByRole('button').click();
    await expect(page.getByText('The cluster is not connected: this is the last known state.')).toBeVisible();
  });

  it('appear without a reload, within two seconds', async () => {
    const [first] = world().agents.values();
    if (first === undefined) throw new Error('no agent');
    const page = await dashboard.open(`/compliance?cluster=${first.cluster}&q=late-comer`);
    await expect(page.getByText('No listed violation matches')).toBeVisible();
    await expect(page.getByText('Live', { exact: true })).toBeVisible();
    const namespace = await namespaceWithPolicy(first.cluster);
    await first.addViolation(namespace, 'late-comer');
    await expect(rows(page).first().getByText('late-comer')).toBeVisible();
  });

  it('can be read on a phone, detail included', async () => {
    const page = await dashboard.open('/compliance', { viewport: PHONE });
    await rows(page).first().getByRole('button').click();
    await expect(page.getByRole('region', { name: /^Pod / })).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});

/**
 * A namespace of a policy without violations in any cluster, so that a new violation is among the
 * listed ones.
 */
const namespaceWithPolicy = async (cluster: string): Promise<string> => {
  const { items } = PolicySummaryPage.parse(await get(`/api/v1/policy-summaries?cluster=${cluster}&violating=false&phase=Active&limit=20`));
  for (const summary of items) {
    const policy = await world().client.policy(policyKey(summary));
    const governed = policy.clusters.find((row) => row.cluster === cluster)?.report?.namespaces[0];
    if (governed !== undefined) return governed;
  }
  throw new Error(`no policy governs ${cluster}`);
};

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
              - matchExpressions:
                  - {key: ${REGION_LABEL}, operator: In, values: [eu-west-1]}
              - matchExpressions:
                  - {key: disktype, operator: Exists}
      containers: []
`;

describe('the pod affinity checker', () => {
  const text = (page: Page) => page.getByLabel(/as YAML or JSON$/);

  it('shows the problem, its place and the fix; nothing leaves the browser', async () => {
    const page = await dashboard.open('/compliance/checker?by=regions&regions=eu-central-1,eu-west-1');
    await expect(page.getByText('Paste a workload to see its verdict.')).toBeVisible();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(`${request.url()} ${request.postData() ?? ''}`));
    await text(page).fill(DEPLOYMENT);
    await expect(page.getByText('Not admitted: the Deployment is accepted with a warning, but each of its pods is refused.')).toBeVisible();
    await expect(page.getByText(/required node affinity term 2 does not confine the region/)).toBeVisible();
    await expect(page.getByText('With this change, every policy that applies admits it')).toBeVisible();
    await page.getByLabel('Region that the fix confines it to').selectOption('eu-central-1');
    await expect(page.locator('.fso-diff-added').last()).toContainText(`${REGION_LABEL}: eu-central-1`);
    await expectAccessible(page);
    await page.getByRole('button', { name: /^Show lines 13 to 14/ }).click();
    await expect(text(page)).toBeFocused();
    expect(await page.evaluate<string>('getSelection()?.toString() ?? ""')).toContain('disktype');
    expect(sent.filter((request) => request.includes('disktype'))).toEqual([]);
  });

  it('names the line of a syntax error', async () => {
    const page = await dashboard.open('/compliance/checker?by=regions&regions=a');
    await text(page).fill('kind: Pod\nspec: &a {x: [*a, *a]}\n');
    await expect(page.getByText('Could not be judged')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Line 2' }).first()).toBeVisible();
    await expectAccessible(page);
  });

  it('opens a reported violation with the policies of its namespace', async () => {
    const page = await dashboard.open('/compliance');
    await rows(page).first().getByRole('button').click();
    await page.getByRole('link', { name: 'Check its manifest in the pod affinity checker' }).click();
    await expect(page).toHaveURL(/\/compliance\/checker\?.*picked=/);
    await expect(page.getByLabel('Command that prints the object')).toHaveValue(/^kubectl -n /);
    await text(page).fill('kind: Pod\nmetadata: {name: a}\nspec: {}\n');
    await expect(page.getByText('nothing in the pod confines it to a region').first()).toBeVisible();
    await expectAccessible(page);
  });

  it('checks against a policy', async () => {
    const { items } = PolicySummaryPage.parse(await get('/api/v1/policy-summaries?action=deny&phase=Active&limit=1'));
    const [policy] = items;
    if (policy === undefined) throw new Error('no policy');
    const page = await dashboard.open('/compliance/checker');
    await page.getByLabel('Policy').fill(policyKey(policy));
    await expect(page).toHaveURL(/policy=/);
    await text(page).fill(`kind: Pod\nspec: {nodeSelector: {${REGION_LABEL}: ${policy.effectiveRegions[0]}}}\n`);
    await expect(page.getByText('Admitted: it can run in allowed regions only.')).toBeVisible();
  });

  it('can be read on a phone', async () => {
    const page = await dashboard.open('/compliance/checker?by=regions&regions=a', { viewport: PHONE });
    await text(page).fill(DEPLOYMENT);
    await expect(page.getByText(/Not admitted:/)).toBeVisible();
    await expectNoSidewaysScroll(page);
  });
});

describe('the issue report', () => {
  it('lists its content, and can be downloaded', async () => {
    const page = await dashboard.open('/compliance/report');
    await expect(page.getByRole('heading', { name: 'Violations listed' })).toBeVisible();
    await expectAccessible(page);
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'CSV, for spreadsheets' }).click();
    expect((await download).suggestedFilename()).toMatch(/\.csv$/);
    const countries = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Countries of processing as CSV' }).click();
    const file = await countries;
    expect(file.suggestedFilename()).toMatch(/^fso-processing-.*\.csv$/);
    const lines = (await readFile(await file.path(), 'utf8')).split('\r\n');
    expect(lines[0]).toBe('cluster,namespace,country,provider,region,pods,policies,note');
    expect(lines.some((line) => /,US,aws,us-east-1,\d+,/.test(line))).toBe(true);
    await expect(page.getByRole('link', { name: /^Page to print/ })).toHaveAttribute('href', '/api/v1/reports/issues?format=html');
  });
});
