import { RegionPage } from '@fso/shared/api';
import { describe, it } from 'vitest';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from '../harness/dashboard.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

describe('the overview', () => {
  it('shows the counts of the hub, each with a link to its list', async () => {
    const { policies, clusters } = await world().client.status();
    const page = await dashboard.open('/');
    const byPhase = page.getByRole('list', { name: 'Policies by phase' });
    await expect(byPhase.getByRole('listitem').filter({ hasText: 'Failed' })).toContainText(policies.failed.toLocaleString('en'));
    const byConnection = page.getByRole('list', { name: 'Clusters by state' });
    await expect(byConnection.getByRole('listitem').filter({ hasText: 'Stale' })).toContainText(String(clusters.disconnected));
    await expect(byConnection.getByRole('listitem').filter({ hasText: 'Stale' })).toContainText('least recently seen');
    await byConnection.getByRole('link', { name: 'Stale' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Clusters' })).toBeVisible();
    expect(new URL(page.url()).searchParams.get('connection')).toBe('Disconnected');
    await expect(page.getByText(`${clusters.disconnected} clusters`)).toBeVisible();
  });

  it('lists issues, with file and line of a rejected commit', async () => {
    const { source } = await world().client.status();
    const [problem] = source.rejected?.problems ?? [];
    const page = await dashboard.open('/');
    const issues = page.getByRole('list', { name: 'Issues' });
    await expect(issues.getByRole('link', { name: 'The newest commit was rejected' })).toBeVisible();
    await expect(issues.getByText(`${problem?.path}:${problem?.line}`).first()).toBeVisible();
    await expect(issues.getByRole('listitem').first()).toContainText('Critical');
    const { items } = await world().client.issues();
    for (const { summary, remedy } of items) {
      await expect(issues.getByRole('link', { name: summary, exact: true })).toBeVisible();
      await expect(issues).toContainText(remedy.replaceAll('`', ''));
    }
    await issues.getByRole('link', { name: /^Not enforced: [\d,]+ policies in [\d,]+ clusters$/ }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Policies' })).toBeVisible();
    expect(new URL(page.url()).searchParams.get('phase')).toBe('Failed');
  });

  it('draws a map that keys and buttons move, and the same content as a table', async () => {
    const page = await dashboard.open('/');
    const map = page.getByRole('application', { name: /^Map of regions: \d+ regions? violated/ });
    await expect(map.locator('canvas').first()).toBeVisible();
    const look = (): Promise<string> => page.evaluate<string>("document.querySelector('.fso-map-canvas canvas').toDataURL()");
    const before = await look();
    await map.focus();
    await page.keyboard.press('+');
    await expect.poll(look).not.toBe(before);
    const near = await look();
    await page.keyboard.press('ArrowRight');
    await expect.poll(look).not.toBe(near);
    await page.getByRole('button', { name: 'Show the whole map' }).click();
    await page.getByRole('button', { name: 'Zoom in' }).click();
    const table = page.getByRole('grid', { name: 'Regions on the map' });
    await expect(table.getByRole('row').filter({ hasText: 'Ireland (aws/eu-west-1)' })).toContainText('Dublin');
    const elsewhere = page.getByRole('grid', { name: 'Regions that are not on the map' });
    await expect(elsewhere.getByRole('row').filter({ hasText: 'berlin-dc2' })).toContainText('unknown location');
    await table.getByRole('link', { name: /clusters of Ireland \(aws\/eu-west-1\)$/ }).press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: 'Clusters' })).toBeVisible();
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({ region: 'eu-west-1', provider: 'aws' });
  });

  it('filters regions by country and provider, and names the catalogue by which they are shown', async () => {
    const page = await dashboard.open('/', { theme: 'dark' });
    const { items, catalog } = RegionPage.parse(await (await fetch(`${world().hub.url}/api/v1/regions?limit=500`)).json());
    await expect(page.getByText(`catalogue of regions, version ${catalog.version}`)).toBeVisible();
    const table = page.getByRole('grid', { name: 'Regions on the map' });
    await page.getByRole('combobox', { name: 'Country' }).selectOption('DE');
    const german = items.filter(({ place }) => place?.country === 'DE');
    await expect(table.getByRole('row')).toHaveCount(1 + german.length);
    await page.getByRole('combobox', { name: 'Provider' }).selectOption('azure');
    await expect(table.getByRole('row')).toHaveCount(2);
    await expect(table.getByRole('row').last()).toContainText('Germany (azure/germanywestcentral)');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await expect(table.getByRole('row')).toHaveCount(1 + 8);
  });

  it('keeps the range of the trend in the URL, and describes the curve in words and numbers', async () => {
    const page = await dashboard.open('/');
    await expect(page.getByRole('img', { name: /^Violations over the last 24 hours: / })).toBeVisible();
    await page.getByRole('button', { name: '7 d: the last 7 days' }).click();
    await expect(page.getByRole('img', { name: /^Violations over the last 7 days: / })).toBeVisible();
    expect(new URL(page.url()).searchParams.get('range')).toBe('7d');
    await page.getByRole('button', { name: 'The numbers as a table' }).click();
    await expect(page.getByRole('grid', { name: 'Violations over the last 7 days' })).toBeVisible();
  });

  it('is accessible, with map and curve', async () => {
    const page = await dashboard.open('/');
    await expect(page.getByRole('application').locator('canvas').first()).toBeVisible();
    await expect(page.getByRole('img', { name: /^Violations over/ })).toBeVisible();
    await expect(page.getByRole('grid', { name: 'Recent policy changes' })).toBeVisible();
    await expectAccessible(page);
  });

  it('can be read on a phone', async () => {
    const page = await dashboard.open('/', { viewport: PHONE });
    await expect(page.getByRole('application').locator('canvas').first()).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});
