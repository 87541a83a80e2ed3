import { ADMISSION_POLICY_BINDING_KIND } from '@fso/shared/kube';
import type { Page } from '@playwright/test';
import { it } from 'vitest';
import { expect, type OpenOptions } from './harness/dashboard.ts';
import { useDashboard, useRealWorld } from './harness/suite.ts';

/** The dashboard with real clusters, agents, commits and pods. */

const world = useRealWorld();
const dashboard = useDashboard(() => world().hubUrl);
const open = (path: string, options: OpenOptions = {}): Promise<Page> => dashboard.open(path, { token: world().apiToken, ...options });

const SAMPLES = 5;

const isLive = (page: Page): Promise<void> => expect(page.locator('[data-live]')).toHaveAttribute('data-live', 'live');
/** Opens one commit from the list. */
const linkOf = (page: Page, subject: string) => page.getByRole('row', { name: subject }).getByRole('link').first();
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

it('shows the clusters with their versions and states', async () => {
  const page = await open('/clusters');
  for (const cluster of ['apac', 'eu', 'us']) {
    const row = page.getByRole('row', { name: new RegExp(`^${cluster} `) });
    await expect(row).toContainText('Connected');
  }
  await page.getByRole('link', { name: 'eu', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'eu' })).toBeVisible();
  await expect(page.getByText('eu-central-1').first()).toBeVisible();
  await expect(page.getByText(/v1\.\d+\.\d+/).first()).toBeVisible();
});

it('shows a policy with both locks in each cluster, and its text in Git', async () => {
  const page = await open('/policies');
  await page.getByRole('link', { name: 'finance-eu' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'finance-eu' })).toBeVisible();
  await expect(page.getByText('Enforced').first()).toBeVisible();
  await expect(page.getByText('policies/finance-eu.yaml').first()).toBeVisible();
});

it('shows a violation without a reload, and prints the time', async () => {
  const page = await open('/compliance');
  await isLive(page);
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const name = `live-${sample}`;
    // Its policy records and does not refuse.
    await world().createPod('apac', { namespace: 'analytics', name }, 'ap-northeast-1');
    const created = performance.now();
    await expect(page.getByRole('button', { name: `Pod analytics/${name}` })).toBeVisible();
    times.push(performance.now() - created);
  }
  console.log(
    `violation: median ${Math.round(median(times))} ms from the API server's answer to the screen (${times.map(Math.round).join(', ')})`,
  );
});

it('follows a commit through the hub and every cluster', async () => {
  const page = await open('/activity');
  await isLive(page);
  const policy = [
    'apiVersion: compliance.federated.io/v1',
    'kind: SovereignPolicy',
    'metadata: { name: archive-eu }',
    'spec: { targetNamespace: finance, allowedRegions: [eu-west-1, eu-central-1] }',
    '',
  ].join('\n');
  const revision = await world().repository.commit({ 'policies/archive-eu.yaml': policy }, 'Keep archives in the EU');
  await linkOf(page, 'Keep archives in the EU').click();
  await expect(page).toHaveURL(new RegExp(revision));
  for (const cluster of ['apac', 'eu', 'us']) await expect(page.getByRole('row', { name: new RegExp(`^${cluster} `) })).toBeVisible();
  await expect(page.getByText(/enforced/i).first()).toBeVisible();
});

it('explains why a commit was refused: file, line and reason', async () => {
  const page = await open('/activity');
  await isLive(page);
  const text =
    'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: { name: typo }\nspec: { targetNamespace: finance }\n';
  await world().repository.commit({ 'policies/typo.yaml': text }, 'Forget the regions');
  await linkOf(page, 'Forget the regions').click();
  await expect(page.getByText(/policies\/typo\.yaml/).first()).toBeVisible();
  await expect(page.getByText(/allowedRegions/).first()).toBeVisible();
  await world().repository.commit({ 'policies/typo.yaml': null }, 'Take it back');
});

it('reports tampering in a cluster', async () => {
  const page = await open('/clusters/eu');
  await isLive(page);
  await world().kube('eu').delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, new AbortController().signal);
  await expect(page.getByText(/Objects of the locks were changed/).first()).toBeVisible();
});
