import { ALERT_RULES } from '@fso/shared/api';
import type { Page } from '@playwright/test';
import { beforeAll, describe, it } from 'vitest';
import { eventually } from '../../harness/waiting.ts';
import { expect, expectAccessible } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

/** The alerts of a fleet, for viewers; what operators do with them is in ../alerts.test.ts. */

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);
beforeAll(async () => {
  await eventually(async () => (await world().client.alerts({ name: 'Tampered' })).length > 1);
});

const rows = (page: Page) => page.locator('tbody tr[aria-rowindex]');

describe('alerts', () => {
  it('are listed with the worst first, counted in the navigation, and linked from the overview', async () => {
    const page = await dashboard.open('/');
    await expect(
      page.getByRole('navigation', { name: 'Pages', exact: true }).getByRole('link', { name: /^Alerts [\d,]+ firing$/ }),
    ).toBeVisible();
    await page.getByRole('link', { name: /^[\d,]+ alerts are firing$/ }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Alerts' })).toBeVisible();
    expect(new URL(page.url()).searchParams.get('state')).toBe('firing');
    await expect(rows(page).first()).toContainText('Critical');
    await expect(page.getByText('Nobody is notified of these alerts')).toBeVisible();
  });

  it('are filtered by the URL and by fields', async () => {
    const [tampered] = await world().client.alerts({ name: 'Tampered' });
    const cluster = tampered?.labels.cluster ?? '';
    const page = await dashboard.open('/alerts?name=Tampered&severity=critical');
    await expect(page.getByRole('combobox', { name: 'Alert' })).toHaveValue('Tampered');
    await expect(rows(page).filter({ hasNotText: 'Tampered' })).toHaveCount(0);
    await page.getByRole('combobox', { name: 'Cluster' }).fill(cluster);
    await expect(page).toHaveURL(new RegExp(`cluster=${cluster}`));
    await expect(rows(page)).toHaveCount(1);
    await expect(rows(page).getByRole('link', { name: cluster })).toHaveAttribute('href', `/clusters/${cluster}`);
    await page.getByRole('combobox', { name: 'Severity' }).selectOption('info');
    await expect(page.getByText('No alert matches')).toBeVisible();
    await page.getByRole('button', { name: 'Clear all filters' }).first().click();
    await expect(rows(page).first()).toBeVisible();
  });

  it('open in full, also by a link, and leave the list by Escape', async () => {
    const [tampered] = await world().client.alerts({ name: 'Tampered' });
    const page = await dashboard.open(`/alerts?q=no-such-words&open=${tampered?.fingerprint}`);
    const detail = page.getByRole('region', { name: 'Alert', exact: true });
    await expect(detail).toContainText(ALERT_RULES.Tampered.meaning);
    await expect(detail).toContainText('Nobody: this hub has no alerts file.');
    await expectAccessible(page);
    const silence = detail.getByRole('button', { name: 'Silence this alert' });
    await expect(silence).toHaveAttribute('aria-disabled', 'true');
    await expect(async () => {
      // A tooltip that was put in place after the focus came hears only of the next one.
      await silence.blur();
      await silence.focus();
      await expect(page.getByRole('tooltip')).toContainText('needs the role operator', { timeout: 500 });
    }).toPass();
    await page.getByRole('button', { name: 'Close the details' }).press('Escape');
    await expect(detail).toBeHidden();
    await page.goto('/alerts?open=0123456789abcdef');
    await expect(page.getByText('It ended more than 24 hours ago.')).toBeVisible();
  });
});

it('show that there are no silences', async () => {
  const page = await dashboard.open('/alerts/silences');
  await expect(page.getByText('No silences')).toBeVisible();
  await expectAccessible(page);
});

it('show how people come to be notified', async () => {
  const page = await dashboard.open('/alerts');
  await page.getByRole('link', { name: 'How to set it up' }).click();
  await expect(page.getByText('FSO_ALERTS_FILE', { exact: true })).toBeVisible();
  await expect(page.getByText('docs/operate/alerts.md')).toBeVisible();
  await expectAccessible(page);
});
