import { join } from 'node:path';
import { type ClusterPreview, CONDITIONS } from '@fso/shared/api';
import { Plan } from '@fso/shared/effects';
import { afterAll, beforeAll, it } from 'vitest';
import { writeRollout } from '../../hub/rollout/index.ts';
import { type ApiHarness, commitRollout, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { clusterReport, desiredOf, FILES, policyReport, reportChange, TIME } from '../../hub/serve/testing/fleet.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** Tests the page of a stored plan after the merge: eu enforces the commit, and us does not yet. */

const MERGED = 'c3'.repeat(20);
const TIGHT = FILES.map((file) => ({ ...file, text: file.text.replace("'group:eu'", 'eu-west-1') }));
const NONE = { now: 0, after: 0, begins: 0, ends: 0 };

let server: ApiHarness;
let id: string;

/** Lets eu take the commit, which refuses three owners. */
const takeInEu = async (): Promise<void> => {
  await server.ledger.setAck('eu', { revision: MERGED, digest: 'd' });
  const risks = { refused: 3, pending: 0, unconfirmed: 0, mended: 0, named: [] };
  const named = ['api', 'old', 'web'].map((name) => ({
    ...{ risk: 'Refused' as const, kind: 'Deployment', namespace: 'finance', name, reason: 'r', fix: 'f' },
    ...{ confirmation: 'Confirmed' as const, policy: 'finance' },
  }));
  const judged = { type: CONDITIONS.risksKnown, status: 'True' as const, reason: 'Judged', message: '', lastTransitionTime: TIME };
  await reportChange(server.ledger, 'eu', {
    full: true,
    policies: [policyReport('finance', { revision: MERGED, risks })],
    cluster: { ...clusterReport(MERGED), conditions: [judged], riskSamples: named },
  });
};

beforeAll(async () => {
  const owner = (name: string) => ({ kind: 'Deployment', namespace: 'finance', name, policies: ['finance'], reason: 'r', fix: 'f' });
  server = await startApiHarness({
    dashboard: join(import.meta.dirname, '../../hub/dashboard/dist'),
    agents: {
      preview: async (cluster): Promise<ClusterPreview> => {
        const begins = cluster === 'eu' ? 2 : 1;
        const refused = { now: 1, after: 1 + begins, begins, ends: 0, owners: ['api', 'web'].slice(0, begins).map(owner) };
        const lookedAt = { namespaces: 1, owners: 4, pods: 6 };
        return { state: 'Answered', observedAt: TIME, lookedAt, omitted: 0, outside: NONE, refused, pending: NONE };
      },
    },
  });
  await fillLedger(server.ledger);
  const body = JSON.stringify({ files: Object.fromEntries(TIGHT.map(({ path, text }) => [path, text])) });
  id = `${Plan.parse(await (await fetch(`${server.url}/api/v1/plans`, { method: 'POST', body })).json()).id}`;
  await server.ledger.setDesired(desiredOf(MERGED, TIGHT));
  await writeRollout(server.ledger.records, commitRollout({ sequence: 2, commit: { ...commitRollout().commit, revision: MERGED } }));
});
afterAll(() => server[Symbol.asyncDispose]());

const dashboard = useDashboard(() => server.url);

it('sets what was predicted beside what is reported, and follows the reports', async () => {
  const page = await dashboard.open('/plan');
  const link = page.getByRole('grid', { name: 'Stored plans' }).getByRole('link', { name: id });
  await link.focus();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(new RegExp(`/plan/${id}$`));
  await expect(page.getByRole('heading', { level: 1, name: `Plan ${id}` })).toBeFocused();
  await expect(page.getByText('Not known of 2 clusters: eu, us.')).toBeVisible();
  const rowOf = (cluster: string) =>
    page
      .getByRole('grid', { name: 'Predicted and reported' })
      .getByRole('row')
      .filter({ has: page.getByRole('link', { name: cluster, exact: true }) });
  await expect(rowOf('us')).toContainText('Unknown: it does not enforce the commit yet');
  await takeInEu();
  for (const part of ['refused at next start', 'as predicted', 'there: Deployment finance/api, Deployment finance/web'])
    await expect(rowOf('eu')).toContainText(part);
  await expect(page.getByText('Not known of 1 cluster: us.')).toBeVisible();
  await expect(page.getByRole('grid', { name: 'Rules that were to change' })).toContainText('eu-central-1, eu-west-1 → eu-west-1');
  await expectAccessible(page);
});

it('is found from the commit that it predicted', async () => {
  const page = await dashboard.open(`/activity/${MERGED}`, { allow: [/status of 404 .*\/plans\/0+/] });
  await page.getByRole('link', { name: id }).click();
  await expect(page.getByRole('heading', { name: 'What happened' })).toBeVisible();
  await page.goto(`/plan/${'0'.repeat(24)}`);
  await expect(page.getByRole('heading', { name: 'Not found' })).toBeVisible();
});

it('can be read on a phone and in the dark', async () => {
  for (const options of [{ viewport: PHONE }, { theme: 'dark' as const }]) {
    const page = await dashboard.open(`/plan/${id}`, options);
    await expect(page.getByRole('grid', { name: 'Predicted and reported' })).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
});
