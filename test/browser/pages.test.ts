import { describe, it } from 'vitest';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './support/dashboard.ts';
import { useDashboard, useSeededWorld } from './support/suite.ts';

const world = useSeededWorld();
const dashboard = useDashboard(() => world().hub.url);

const PAGES = [
  ['/', 'Overview'],
  ['/policies', 'Policies'],
  ['/clusters', 'Clusters'],
  ['/compliance', 'Compliance'],
  ['/audit', 'Audit log'],
  ['/activity', 'Activity'],
] as const;

describe.each(PAGES)('%s', (path, heading) => {
  it.each(['light', 'dark'] as const)('is there for everybody: %s', async (theme) => {
    const page = await dashboard.open(path, { theme });
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
    await expectAccessible(page);
  });

  it('can be read on a phone', async () => {
    const page = await dashboard.open(path, { viewport: PHONE });
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});
