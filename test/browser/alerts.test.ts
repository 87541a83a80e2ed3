import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, it } from 'vitest';
import { alertsConfig, openAlertsFolder } from '../../hub/alerts/testing/alerts-files.ts';
import { type ReceiverServer, startReceiverServer } from '../../hub/alerts/testing/receiver-server.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** An operator and the alerts of a hub with a receiver: what fires, its silences, and a test. */

const TOKEN = 'static-token-of-the-hub';
const DAY_MS = 86_400_000;

const stack = new AsyncDisposableStack();
let server: ApiHarness;
let receiver: ReceiverServer;
beforeAll(async () => {
  const folder = stack.use(await openAlertsFolder());
  receiver = stack.use(await startReceiverServer());
  const secretFile = await folder.secret('hmac', 'a-secret-of-the-webhook');
  const config = alertsConfig(`
receivers:
  - name: on-call
    webhook: {url: "${receiver.url}/in", secretFile: ${secretFile}}
route: {receiver: on-call, groupWait: 0s, groupInterval: 1s}
rules:
  Violations: {for: 0s}
`);
  server = stack.use(
    await startApiHarness({ apiToken: TOKEN, alertsConfig: config, dashboard: join(import.meta.dirname, '../../hub/dashboard/dist') }),
  );
  await fillLedger(server.ledger);
  await expect.poll(() => receiver.received.length).toBeGreaterThan(0);
});
afterAll(() => stack.disposeAsync());

const dashboard = useDashboard(() => server.url);
const alerts = (page: Page) => page.getByRole('grid', { name: 'Alerts' });
const silences = (page: Page) => page.getByRole('grid', { name: 'Silences' });
const navigation = (page: Page) => page.getByRole('navigation', { name: 'Pages', exact: true });

it('shows an alert: what it means, what to do, and who was notified', async () => {
  const page = await dashboard.open('/alerts', { token: TOKEN });
  const row = alerts(page).getByRole('row').filter({ hasText: 'Violations' });
  await expect(row).toContainText('Critical');
  await expect(row).toContainText('Firing');
  await expect(row).toContainText('on-call');
  await expect(row.getByRole('link', { name: 'finance' })).toHaveAttribute('href', '/policies/finance');
  await expect(navigation(page).getByRole('link', { name: /^Alerts 1 firing$/ })).toBeVisible();
  await row.getByRole('button', { name: 'Violations' }).click();
  const detail = page.getByRole('region', { name: 'Violations' });
  await expect(detail).toContainText('Workloads run outside of the regions that the policy allows');
  await expect(detail).toContainText('Move or remove the workloads');
  await expect(detail.getByText(/^on-call, /)).toBeVisible();
  await expectAccessible(page);
  await detail.getByRole('link', { name: 'Open the page that shows more' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Compliance' })).toBeVisible();
  expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({ policy: 'finance', cluster: 'us' });
});

it('silences it from its details, counts it no more, and ends the silence', async () => {
  const page = await dashboard.open('/alerts', { token: TOKEN });
  await alerts(page).getByRole('button', { name: 'Violations' }).click();
  await page.getByRole('button', { name: 'Silence this alert' }).click();
  const dialog = page.getByRole('dialog', { name: 'Silence alerts' });
  await expect(dialog.getByLabel('Value of matcher 1')).toHaveValue('Violations');
  await expect(dialog.getByLabel('Value of matcher 2')).toHaveValue('us');
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(dialog.getByText('Give a reason, for those who look for the alert.')).toBeVisible();
  await expectAccessible(page);
  await dialog.getByLabel('Ends').selectOption('1 day');
  await dialog.getByRole('textbox', { name: /^Reason/ }).fill('The team moves it tonight.');
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText(/Silenced until .*: 1 firing alert matches$/)).toBeVisible();
  await expect(alerts(page).getByRole('row').filter({ hasText: 'Violations' })).toContainText('Silenced');
  await expect(page.getByRole('region', { name: 'Violations' })).toContainText('The team moves it tonight.');
  await expect(navigation(page).getByRole('link', { name: 'Alerts', exact: true })).toBeVisible();

  await page.getByRole('link', { name: 'All silences' }).click();
  const silence = silences(page).getByRole('row').filter({ hasText: 'The team moves it tonight.' });
  await expect(silence).toContainText('cluster="us"');
  await expect(silence).toContainText('Active');
  await expectAccessible(page);
  await silence.getByRole('button', { name: /^End the silence of name="Violations"/ }).click();
  const confirm = page.getByRole('dialog', { name: 'End this silence now?' });
  await expect(confirm).toContainText('It matches 1 firing alert.');
  await expectAccessible(page);
  await confirm.getByRole('button', { name: 'End it' }).click();
  await expect(silence).toContainText('Ended');
  await expect(navigation(page).getByRole('link', { name: /^Alerts 1 firing$/ })).toBeVisible();
});

it('shows why the hub refuses a silence, and keeps the input', async () => {
  const page = await dashboard.open('/alerts/silences', { token: TOKEN, allow: [/status of 400/] });
  await page.getByRole('button', { name: 'Silence alerts' }).click();
  const dialog = page.getByRole('dialog', { name: 'Silence alerts' });
  await dialog.getByLabel('Comparison of matcher 1').selectOption('matches');
  await dialog.getByLabel('Value of matcher 1').fill('.*');
  await dialog.getByRole('textbox', { name: /^Reason/ }).fill('All of it');
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(dialog.getByText(/at least one must not match an absent label/)).toBeVisible();
  await expect(dialog.getByRole('textbox', { name: /^Reason/ })).toHaveValue('All of it');
});

it('sets a maintenance window from the page of a cluster', async () => {
  const [day, dayAfter] = [30, 31].map((days) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 'YYYY-MM-DD'.length));
  const page = await dashboard.open('/clusters/eu', { token: TOKEN });
  await page.getByRole('button', { name: 'Silence alerts' }).click();
  const dialog = page.getByRole('dialog', { name: 'Silence alerts' });
  await expect(dialog.getByLabel('Value of matcher 1')).toHaveValue('eu');
  await dialog.getByLabel('Begins').selectOption('Later: a maintenance window');
  await dialog.getByLabel('Time of the beginning').fill(`${day}T22:00`);
  await dialog.getByRole('textbox', { name: /^Reason/ }).fill('New nodes');
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(page.getByText(/The maintenance window is set/)).toBeVisible();
  await page.goto('/alerts/silences');
  const row = silences(page).getByRole('row').filter({ hasText: 'New nodes' });
  await expect(row).toContainText('Pending');
  await expect(row.locator('time').last()).toHaveAttribute('datetime', `${dayAfter}T00:00:00.000Z`);
});

it('sends a test to a receiver, and shows what it answered', async () => {
  receiver.answer = () => ({ status: 200, body: 'thanks' });
  const page = await dashboard.open('/alerts/receivers', { token: TOKEN });
  const row = page.getByRole('grid', { name: 'Receivers' }).getByRole('row').filter({ hasText: 'on-call' });
  await expect(row).toContainText('Webhook: 127.0.0.1');
  await expect(row.getByText('Delivered', { exact: true })).toBeVisible();
  await row.getByRole('button', { name: 'Send test to on-call' }).click();
  await expect(row.getByText(/^Delivered after .*: HTTP 200: thanks$/)).toBeVisible();
  receiver.answer = () => ({ status: 403, body: 'not with this key' });
  await row.getByRole('button', { name: 'Send test to on-call' }).click();
  await expect(row.getByText(/^Not delivered after .*: HTTP 403: not with this key$/)).toBeVisible();
  await expectAccessible(page);
});

it.each(['/alerts', '/alerts/silences', '/alerts/receivers'])('can be read on a phone: %s', async (path) => {
  const page = await dashboard.open(path, { token: TOKEN, viewport: PHONE });
  await expect(page.getByRole('grid').getByRole('row').first()).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
});

it('silences on a phone', async () => {
  const page = await dashboard.open('/alerts', { token: TOKEN, viewport: PHONE });
  await page.getByRole('button', { name: 'Silence alerts' }).click();
  await expect(page.getByRole('dialog', { name: 'Silence alerts' })).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
});
