import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REGION_LABEL } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, it } from 'vitest';
import { CENTRAL, denying, PreviewedCluster, US, WEST } from '../../agent/preview/testing/previewed-cluster.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { desiredOf, FILES, REVISION } from '../../hub/serve/testing/fleet.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** Tests the page of plans: the agent of eu answers, and that of us does not. */

/** A cluster whose workloads the agent's own code judges. */
const openCluster = (): PreviewedCluster => {
  const cluster = new PreviewedCluster();
  cluster.accept({ finance: denying('finance', [WEST, CENTRAL]) }, digestOfPolicies(desiredOf().clusters.get('eu') ?? []));
  cluster.addOwner('Deployment', 'finance/api', { [REGION_LABEL]: CENTRAL });
  cluster.addOwner('Deployment', 'finance/abroad', { [REGION_LABEL]: US });
  cluster.addOwner('Deployment', 'finance/inside', { [REGION_LABEL]: WEST });
  cluster.leftOut.set('finance', 2);
  cluster.addPod('finance/api-1', 'c');
  return cluster;
};

let server: ApiHarness;
/** Ends of the questions that wait for an answer; undefined: agents answer at once. */
let held: PromiseWithResolvers<void> | undefined;
const asked: string[] = [];
beforeAll(async () => {
  server = await startApiHarness({
    dashboard: join(import.meta.dirname, '../../hub/dashboard/dist'),
    agents: {
      preview: async (cluster, question) => {
        asked.push(cluster);
        await held?.promise;
        return cluster === 'eu' ? openCluster().ask(JSON.parse(question)) : 'NoAnswer';
      },
    },
  });
  await fillLedger(server.ledger);
});
afterAll(() => server[Symbol.asyncDispose]());

const dashboard = useDashboard(() => server.url);
const text = (page: Page) => page.getByRole('textbox', { name: 'SovereignPolicy, as YAML' });
const grid = (page: Page, name: string) => page.getByRole('grid', { name });

/** Opens finance by keyboard, and narrows it. */
const narrow = async (page: Page): Promise<string> => {
  await page.getByRole('combobox', { name: 'Policy of the commit in force' }).fill('finance');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/plan\?policy=finance$/);
  await expect(text(page)).toHaveValue(/name: finance/);
  const narrowed = (await text(page).inputValue()).replace("'group:eu'", 'eu-west-1');
  await text(page).fill(narrowed);
  return narrowed;
};

it('shows what a change of a policy does, who did not answer, and the file to commit', async () => {
  const page = await dashboard.open('/');
  await page.getByRole('link', { name: 'Plan', exact: true }).click();
  await expect(page.getByText(/The text is saved nowhere and nothing changes/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Plan', exact: true })).toBeDisabled();
  const narrowed = await narrow(page);
  await page.getByRole('button', { name: 'Plan', exact: true }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByText(/^.*Breaks: 1 of 1 change would refuse pods that could run before/)).toBeVisible();
  await expect(grid(page, 'Stored plans').getByRole('link', { name: /^[0-9a-f]{24}$/ })).toHaveCount(1);
  const eu = grid(page, 'Clusters that answered').getByRole('row').filter({ hasText: 'eu' });
  for (const part of ['1 → 2', '1 begin, 0 end', 'Part: 2 owners not judged', '3 owners and 1 pod in 1 namespace'])
    await expect(eu).toContainText(part);
  await expect(page.getByText(/1 cluster, us: their agents are connected and did not answer/)).toBeVisible();
  const owner = grid(page, 'Workloads that begin to break').getByRole('row').filter({ hasText: 'Deployment finance/api' });
  await expect(owner).toContainText(/spec\.template\.spec.*eu-west-1/);
  const rule = grid(page, 'Rules that change').getByRole('row').filter({ hasText: 'finance' });
  await expect(rule).toContainText('eu-central-1, eu-west-1 → eu-west-1');
  await expect(page.getByText('policies/finance.yaml', { exact: true })).toBeVisible();
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download finance.yaml' }).click();
  const download = await downloading;
  expect([download.suggestedFilename(), await readFile(await download.path(), 'utf8')]).toEqual(['finance.yaml', narrowed]);
  await expectAccessible(page);
  await text(page).press('End');
  await page.keyboard.type('# more');
  await expect(page.getByText('The text has changed since this plan: plan again')).toBeVisible();
});

it('shows problems beside the text, and leads to their lines', async () => {
  const page = await dashboard.open('/plan', { allow: [/status of 400 .*\/api\/v1\/plans/] });
  const bad = 'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: new}\nspec:\n  alowedRegions: [eu-west-1]\n';
  await text(page).fill(bad);
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await expect(page.getByRole('heading', { name: /The files are not valid/ })).toBeVisible();
  await page.getByRole('button', { name: 'Line 5' }).first().click();
  const selected = 'document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)';
  expect(await page.evaluate(selected)).toBe('  alowedRegions: [eu-west-1]');
  await expectAccessible(page);
  await text(page).fill('x'.repeat(256 * 1024 + 1));
  await expect(page.getByText('The text has 257 KiB; a file of the repository has at most 256 KiB.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Plan', exact: true })).toBeDisabled();
});

it('ends a plan at the hub that is cancelled, or whose page is left', async () => {
  held = Promise.withResolvers<void>();
  const page = await dashboard.open('/plan?policy=finance');
  for (const leave of [
    () => page.getByRole('button', { name: 'Cancel' }).click(),
    () => page.getByRole('link', { name: 'Clusters', exact: true }).click(),
  ]) {
    const [before, audited] = [asked.length, server.audit.length];
    await narrow(page);
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    await expect(page.getByText(/The hub compares, and asks the agents/)).toBeVisible();
    await expect.poll(() => asked.length).toBe(before + 2);
    await leave();
    await expect.poll(() => server.audit.slice(audited).map(({ detail }) => detail)).toEqual(['the caller left']);
  }
  held.resolve();
  held = undefined;
});

it('leads from the document of a policy to its plan', async () => {
  const page = await dashboard.open('/policies/finance?tab=source', { allow: [/status of 404 .*\/policy-sources\/unheard/] });
  await page.getByRole('link', { name: 'Plan a change of it' }).click();
  await expect(text(page)).toHaveValue(/name: finance/);
  await page.goto('/plan?policy=unheard');
  await expect(page.getByRole('heading', { name: 'Not found' })).toBeVisible();
});

const STRATEGY = `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec: {waves: [{name: canary, clusterSelector: {matchLabels: {env: prod}}}]}
`;

it('can be read on a phone and in the dark, with the waves of the change', async () => {
  await server.ledger.setDesired(desiredOf(REVISION, [...FILES, { path: 'rollout.yaml', text: STRATEGY }]));
  for (const options of [{ viewport: PHONE }, { theme: 'dark' as const }]) {
    const page = await dashboard.open('/plan', options);
    await narrow(page);
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    await expect(grid(page, 'Rules that change')).toBeVisible();
    const waves = grid(page, 'Waves').getByRole('row');
    await expect(waves.filter({ hasText: 'canary' })).toContainText('eu');
    await expect(waves.filter({ hasText: '(others): the last, of clusters in no wave' })).toContainText('policies of 1 cluster');
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
});

it('opens a policy again after a change in Git, and names the file of the former document', async () => {
  const page = await dashboard.open('/plan?policy=finance');
  await narrow(page);
  await page.getByRole('textbox', { name: 'File of the policy repository' }).fill('policies/moved.yaml');
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await expect(page.getByText(/Take the one from line 1 of policies\/finance\.yaml out/)).toBeVisible();
  await page.route('**/api/v1/policy-sources/finance', async (route) => {
    const response = await route.fetch();
    const source = await response.json();
    await route.fulfill({ response, json: { ...source, yaml: `${source.yaml}# said in Git\n` } });
  });
  const files = FILES.map((file) => ({ ...file, text: file.text.replace("'group:eu'", 'eu-west-1') }));
  await server.ledger.setDesired(desiredOf(REVISION, files));
  await page.getByRole('button', { name: 'Open it again' }).click();
  await expect(text(page)).toHaveValue(/# said in Git\n$/);
  await expect(page.getByRole('textbox', { name: 'File of the policy repository' })).toHaveValue('policies/finance.yaml');
  await expect(page.getByRole('button', { name: 'Open it again' })).toHaveCount(0);
  await expectAccessible(page);
});
