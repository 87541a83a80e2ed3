import { join } from 'node:path';
import { REGION_LABEL } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, it } from 'vitest';
import { CENTRAL, denying, PreviewedCluster, WEST } from '../../agent/preview/testing/previewed-cluster.ts';
import { type ScriptedBranch, scriptedBranches } from '../../hub/plans/testing/scripted-branches.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { desiredOf, FILES } from '../../hub/serve/testing/fleet.ts';
import { BranchError } from '../../hub/source/index.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** Tests the branches on the page of plans: the agent of eu answers, and that of us does not. */

const HOSTILE = '<img-src=x>&amp;/tighten';
const TIPS = ['1', '2'].map((digit) => digit.repeat(40));
const tipOf = (tip: number, regions: string): ScriptedBranch => ({
  revision: `${TIPS[tip]}`,
  files: FILES.map(({ path, text }) => ({ path, text: path === 'policies/finance.yaml' ? text.replace("'group:eu'", regions) : text })),
});

const IN_FORCE = desiredOf(
  undefined,
  FILES.map((file) => ({ ...file, text: file.text.replace('{name: finance}', '{name: finance, labels: {team: treasury}}') })),
);

/** A cluster whose workloads the agent's own code judges. */
const openCluster = (): PreviewedCluster => {
  const cluster = new PreviewedCluster();
  cluster.accept({ finance: denying('finance', [WEST, CENTRAL]) }, digestOfPolicies(IN_FORCE.clusters.get('eu') ?? []));
  cluster.addOwner('Deployment', 'finance/api', { [REGION_LABEL]: CENTRAL });
  return cluster;
};

const branches = new Map<string, ScriptedBranch | BranchError>();
let server: ApiHarness;
beforeAll(async () => {
  server = await startApiHarness({
    dashboard: join(import.meta.dirname, '../../hub/dashboard/dist'),
    branches: scriptedBranches(branches),
    agents: { preview: async (cluster, question) => (cluster === 'eu' ? openCluster().ask(JSON.parse(question)) : 'NoAnswer') },
  });
  await fillLedger(server.ledger);
  await server.ledger.setDesired(IN_FORCE);
  branches.set(HOSTILE, tipOf(0, 'eu-west-1'));
});
afterAll(() => server[Symbol.asyncDispose]());

const dashboard = useDashboard(() => server.url);
const grid = (page: Page, name: string) => page.getByRole('grid', { name });
const rowOf = (page: Page, name: string) => grid(page, 'Open branches').getByRole('row').filter({ hasText: name });

/** Plans a branch by keyboard. */
const plan = async (page: Page, name: string): Promise<void> => {
  await page.getByRole('button', { name: `Plan branch ${name}` }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: `Plan of ${name}` })).toBeVisible();
};

it('plans a branch: verdict, map, teams, and what has changed since its last plan', async () => {
  const page = await dashboard.open('/plan');
  await expect(rowOf(page, HOSTILE)).toContainText('not planned');
  await expect(rowOf(page, HOSTILE)).toContainText('11111111');
  await plan(page, HOSTILE);
  await expect(page.getByText(/^.*Breaks: 1 of 1 change would refuse pods that could run before/)).toBeVisible();
  await expect(page.getByText('It is 1 commit ahead of the commit in force, 0 behind it.')).toBeVisible();
  await expect(page.getByText('The hub has no earlier plan of this branch to compare with.')).toBeVisible();
  await expect(grid(page, 'Workloads by team').getByRole('row').filter({ hasText: 'treasury' })).toContainText('1');
  await expect(page.getByRole('application', { name: /^Map of regions/ })).toBeVisible();
  const region = grid(page, 'Regions before and after').getByRole('row').filter({ hasText: 'eu-central-1' });
  await expect(region.getByRole('gridcell')).toHaveText(['1', '0', '0']);
  await expect(rowOf(page, HOSTILE)).toContainText('Breaks');
  await expectAccessible(page);

  branches.set(HOSTILE, tipOf(1, 'us-east-1'));
  await page.getByRole('button', { name: 'Read again' }).click();
  await expect(rowOf(page, HOSTILE)).toContainText('of an older commit, 11111111');
  await plan(page, HOSTILE);
  await expect(page.getByText('New, or further than before:')).toBeVisible();
  await expect(page.getByText('eu, us: namespace finance: deny incomparable')).toBeVisible();
  await expect(page.getByText('Gone, or less far than before')).toHaveCount(0);
  await expect(page.getByText('Not compared whole, as one of the plans does not know all of them: us.')).toBeVisible();
  await expectAccessible(page);
});

it('shows why a branch has no plan', async () => {
  const unreadable = new BranchError('bad-request', 'The policy files of the branch cannot be read.', [
    { path: 'policies/x.yaml', reason: 'is a submodule' },
  ]);
  branches.set('broken', unreadable);
  const gone = { revision: `${TIPS[0]}`, files: [] };
  branches.set('gone', { ...gone, refusal: new BranchError('not-found', 'The policy repository has no such branch.') });
  const page = await dashboard.open('/plan', { allow: [/status of 4\d\d .*\/api\/v1\/plans/] });
  await expect(page.getByText('1 more branch is not listed.')).toBeVisible();
  await page.getByRole('button', { name: 'Plan branch gone' }).click();
  await expect(page.getByRole('heading', { name: /The policy repository has no such branch\./ })).toBeVisible();
  branches.set('gone', { ...gone, refusal: unreadable });
  await page.getByRole('button', { name: 'Plan branch gone' }).click();
  await expect(page.getByText('is a submodule')).toBeVisible();
  await expectAccessible(page);
});

it('can be read on a phone and in the dark', async () => {
  for (const options of [{ viewport: PHONE }, { theme: 'dark' as const }]) {
    const page = await dashboard.open('/plan', options);
    await plan(page, HOSTILE);
    await expect(grid(page, 'Regions before and after')).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
});
