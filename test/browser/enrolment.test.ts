import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { expect, expectAccessible } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

const TOKEN = 'static-token-of-the-hub';

let server: ApiHarness;
beforeAll(async () => {
  server = await startApiHarness({ apiToken: TOKEN, dashboard: join(import.meta.dirname, '../../hub/dashboard/dist') });
  await fillLedger(server.ledger);
  await server.ledger.setConnected('old', true);
  await server.ledger.setConnected('old', false);
});
afterAll(() => server[Symbol.asyncDispose]());

const dashboard = useDashboard(() => server.url);

it('gives an administrator a token, with the commands to run, and does not keep it', async () => {
  const page = await dashboard.open('/clusters/eu', { token: TOKEN });
  await page.getByRole('button', { name: 'Create an enrolment token' }).click();
  const dialog = page.getByRole('dialog', { name: 'Enrolment token for eu' });
  await dialog.getByRole('button', { name: 'Create the token' }).click();
  await expect(dialog.getByText(/--set-string cluster=eu --set-string 'hub\.url=wss:\/\/hub\.example\.com:8443' /)).toBeVisible();
  await expect(dialog.getByRole('textbox', { name: 'Token' })).toHaveValue(/^fso1\.eu\./);
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await expect(dialog).toHaveCount(0);
  await page.getByRole('button', { name: 'Create an enrolment token' }).click();
  await expect(page.getByRole('textbox', { name: 'Token' })).toHaveCount(0);
  expect((await server.identity.get('eu'))?.state).toBe('invited');
});

it('revokes only the cluster whose name was typed', async () => {
  const page = await dashboard.open('/clusters/us', { token: TOKEN });
  await page.getByRole('button', { name: 'Revoke' }).click();
  const dialog = page.getByRole('dialog', { name: /Revoke us/ });
  const confirm = dialog.getByRole('button', { name: 'Revoke' });
  await expect(confirm).toBeDisabled();
  await dialog.getByRole('textbox').fill('eu');
  await expect(confirm).toBeDisabled();
  await expectAccessible(page);
  await dialog.getByRole('textbox').fill('us');
  await confirm.click();
  await expect(page.getByText('us is revoked')).toBeVisible();
  await expect.poll(async () => (await server.identity.get('us'))?.state).toBe('revoked');
});

it('forgets a cluster that is neither registered nor connected, and shows the others', async () => {
  // Its page may read it once more before it closes.
  const page = await dashboard.open('/clusters/us', { token: TOKEN, allow: [/status of 404 .*\/api\/v1\/clusters\/old\b/] });
  await expect(page.getByRole('button', { name: 'Revoke' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Forget' })).toHaveCount(0);
  await page.goto('/clusters/old');
  await expect(page.getByText('the fleet is counted without it')).toBeVisible();
  await page.getByRole('button', { name: 'Forget' }).click();
  const dialog = page.getByRole('dialog', { name: /Forget old/ });
  await dialog.getByRole('textbox').fill('old');
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Forget' }).click();
  await expect(page.getByText('old is forgotten')).toBeVisible();
  await expect(page.getByRole('grid', { name: 'Clusters' }).getByText('old', { exact: true })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'us', exact: true })).toBeVisible();
  expect(await server.ledger.cluster('old')).toBeNull();
});
