import type { Page } from '@playwright/test';
import { beforeAll, describe, it } from 'vitest';
import { expect, expectAccessible, expectNoSidewaysScroll, type OpenOptions, PHONE } from '../harness/dashboard.ts';
import { details, LISTS, type PageEntry } from '../harness/pages.ts';
import { useDashboard, useSimulatedWorld } from '../harness/suite.ts';

/** Every page: light and dark, on a phone, without colours, and with a screen reader. */

const world = useSimulatedWorld();
const dashboard = useDashboard(() => world().hub.url);

/** The page with this name, also a detail page, whose path depends on the world. */
const known = new Map<string, PageEntry>(LISTS.map((entry) => [entry.name, entry]));
beforeAll(async () => {
  const { client, agents } = world();
  const [cluster = ''] = agents.keys();
  const { revision } = await client.source();
  if (revision === null) throw new Error('the hub has no commit');
  const entries = details({ policy: 'payments-eu', cluster, commit: revision });
  for (const entry of entries) known.set(entry.name, entry);
});

const open = async (name: string, options?: OpenOptions): Promise<Page> => {
  const entry = known.get(name);
  if (entry === undefined) throw new Error(`no page ${name}`);
  const page = await dashboard.open(entry.path, options);
  await expect(page.getByRole('heading', { level: 1, name: entry.heading })).toBeVisible();
  await expect(page.locator('.pf-v6-c-skeleton')).toHaveCount(0);
  return page;
};

const names = [...LISTS.map(({ name }) => name), 'policy', 'cluster', 'commit'];
/**
 * Other files judge these pages in the same state: overview.test.ts, compliance.test.ts,
 * audit.test.ts.
 */
const ELSEWHERE = { desktop: ['overview', 'report', 'events'], phone: ['overview', 'audit'] };

describe('has no serious finding of axe', () => {
  it.each(names.filter((name) => !ELSEWHERE.desktop.includes(name)))('%s', async (name) => {
    await expectAccessible(await open(name));
  });
});

describe('can be read on a phone', () => {
  it.each(names.filter((name) => !ELSEWHERE.phone.includes(name)))('%s', async (name) => {
    const page = await open(name, { viewport: PHONE });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});

describe('states are words, not colours alone', () => {
  it('shows the states of policies in words', async () => {
    const page = await open('policies', { context: { forcedColors: 'active' } });
    await expect(page.getByRole('row', { name: /Active|Failed|Pending|Expired/ }).first()).toBeVisible();
  });

  it('shows the states of clusters in words', async () => {
    const page = await open('clusters', { context: { forcedColors: 'active' } });
    await expect(page.getByRole('row', { name: /Connected|Disconnected|Never seen/ }).first()).toBeVisible();
  });
});
