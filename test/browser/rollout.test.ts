import { join } from 'node:path';
import { shortRevision } from '@fso/shared/text';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { RolloutRun } from '../../hub/rollout/index.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { desiredOf, FILES, REVISION } from '../../hub/serve/testing/fleet.ts';
import { CANARY_STRATEGY, clusterFile } from '../harness/policy-files.ts';
import { expect, expectAccessible, expectNoSidewaysScroll, PHONE } from './harness/dashboard.ts';
import { NAMESPACE, OUTSIDE, openSmallFleet, POLICY, policyText, type SmallFleet } from './harness/small-hub.ts';
import { useDashboard } from './harness/suite.ts';

/** Tests the page of the rollout. */

const TOKEN = 'static-token-0123456789';
/** Clusters by their label; no wave selects the last one. */
const CLUSTERS = { canary: 'one', second: 'two', none: 'three' } as const;
const WAVES = ['canary', 'second', '(others)'] as const;

const PATH = `policies/${POLICY}.yaml`;
const WIDE = policyText(POLICY, NAMESPACE, `eu-west-1, ${OUTSIDE}`);
const NARROW = policyText(POLICY, NAMESPACE);

const wave = (page: Page, name: string) =>
  page
    .getByRole('region', { name: 'Waves' })
    .locator('ol > li')
    .filter({ has: page.getByRole('heading', { level: 3, name }) });

describe('a fleet in three waves', () => {
  let fleet: SmallFleet;
  beforeAll(async () => {
    const clusters = Object.entries(CLUSTERS).map(([label, name]) => [
      `clusters/${name}.yaml`,
      clusterFile(name, ['eu-west-1'], `wave: ${label}`),
    ]);
    fleet = await openSmallFleet(
      Object.values(CLUSTERS),
      { ...Object.fromEntries(clusters), [PATH]: WIDE, 'rollout.yaml': CANARY_STRATEGY },
      TOKEN,
    );
    // What the narrower policy leaves outside.
    for (const agent of fleet.agents.values()) await agent.addViolation(NAMESPACE, 'settlement');
  });
  afterAll(() => fleet?.stop());
  const dashboard = useDashboard(() => fleet.hub.url);

  const showsAll = async (page: Page, state: string, revision: string): Promise<void> => {
    for (const name of WAVES) {
      await expect(wave(page, name)).toContainText(state);
      await expect(wave(page, name).getByRole('link', { name: shortRevision(revision) })).toBeVisible();
    }
  };

  it('stops a commit that breaks workloads in the first wave, holds it, and lets its revert through', async () => {
    const page = await dashboard.open('/', { token: TOKEN });
    await page.getByRole('link', { name: 'Rollout', exact: true }).click();
    await expect(page.getByText('Finished', { exact: true }).first()).toBeVisible();
    const before = await fleet.commit({ [PATH]: `${WIDE}# nothing else\n` }, 'Say nothing new');
    await showsAll(page, 'Finished', before);
    await expectAccessible(page);

    const broken = await fleet.commit({ [PATH]: NARROW }, 'Ireland only');
    await expect(
      page.getByRole('heading', { level: 2, name: /Halted in wave canary: \d+ new violations; the wave may have 0/ }),
    ).toBeVisible();
    await expect(page.getByText('Ireland only')).toBeVisible();
    const canary = wave(page, 'canary');
    await expect(canary).toContainText('Halted');
    await expect(canary).toContainText('1 of 1 proven, 1 given the commit');
    await expect(canary).toContainText(/[1-9]\d* of at most 0 new violations/);
    await expect(canary.getByRole('link', { name: CLUSTERS.canary, exact: true })).toBeVisible();
    for (const name of WAVES.slice(1)) {
      await expect(wave(page, name)).toContainText('Waiting');
      await expect(wave(page, name)).toContainText('0 of 1 proven, 0 given the commit');
      await expect(wave(page, name).getByRole('link', { name: shortRevision(before) })).toBeVisible();
    }
    await expect(page.getByRole('textbox', { name: /^Command: git revert/ })).toHaveValue(`git revert ${broken.slice(0, 12)}`);
    await expectAccessible(page);

    await page.getByRole('button', { name: 'Pause' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: `Pause the rollout of ${shortRevision(broken)}?` });
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Pause' }).focus();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 2, name: /^.*Paused by / })).toBeVisible();
    await expect(page.getByRole('textbox', { name: 'Command: fso rollout resume' }).first()).toBeVisible();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click();
    await expect(page.getByRole('heading', { level: 2, name: /Paused by/ })).toHaveCount(0);
    await expect(canary).toContainText('Halted');

    await page.goto(`/activity/${broken}`);
    await page.getByRole('link', { name: 'halted in wave canary' }).click();
    const reverted = await fleet.commit({ [PATH]: WIDE }, 'Revert "Ireland only"');
    await showsAll(page, 'Finished', reverted);
    await expect(page.getByRole('heading', { level: 2, name: /Halted/ })).toHaveCount(0);
    const past = page.getByRole('grid', { name: 'Events of rollouts' });
    await expect(past.getByRole('row').filter({ hasText: 'RolloutHalted' })).toContainText(shortRevision(broken));
  });

  it('continues once an operator accepts what the gate has found', async () => {
    const page = await dashboard.open('/rollout', { token: TOKEN });
    const broken = await fleet.commit({ [PATH]: `${NARROW}# meant\n` }, 'Ireland only, and that is meant');
    await expect(wave(page, 'canary')).toContainText('Halted');
    await page.getByRole('button', { name: 'Resume' }).click();
    const dialog = page.getByRole('dialog', { name: `Resume the rollout of ${shortRevision(broken)}?` });
    await expect(dialog).toContainText(/This accepts what gate NewViolations of wave canary has found: \d+ new violations/);
    await dialog.getByRole('button', { name: 'Resume' }).click();
    await expect(page.getByText('The rollout goes on')).toBeVisible();
    await showsAll(page, 'Finished', broken);
  });
});

describe('a hub without agents', () => {
  const NEWEST = 'c3'.repeat(20);
  const selects = { clusterSelector: { matchLabels: { env: 'prod' } } };
  const PAUSED: RolloutRun = {
    sequence: 1,
    base: { revision: REVISION, strategy: { waves: [{ name: 'canary', ...selects, maxNewViolations: 0, maxNewlyRefused: 4 }] } },
    revision: NEWEST,
    since: Date.parse('2026-01-03T10:30:00Z'),
    superseded: [],
    reached: [REVISION, REVISION],
    moves: { eu: { revision: NEWEST, at: 0, before: { violations: 0, refused: null, pending: null } } },
    wave: { since: 0, soakSince: null, waived: false },
    halt: { wave: 'canary', gate: 'NewViolations', clusters: ['eu'], problem: '3 new violations; the wave may have 0', since: 0 },
    paused: { since: 0, by: 'ada' },
  };

  let server: ApiHarness;
  beforeAll(async () => {
    server = await startApiHarness({ dashboard: join(import.meta.dirname, '../../hub/dashboard/dist') });
    await fillLedger(server.ledger);
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const dashboard = useDashboard(() => server.url);

  it('shows that every cluster gets a commit at once, and how that changes', async () => {
    const page = await dashboard.open('/rollout');
    await expect(page.getByRole('heading', { name: 'Every cluster gets a commit at once' })).toBeVisible();
    await expect(page.getByText('kind: RolloutStrategy')).toBeVisible();
    await expect(page.getByText('docs/operate/rollout.md')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Pause' })).toHaveCount(0);
    await expectAccessible(page);
  });

  it('can be read on a phone and in the dark, and lets a viewer change nothing', async () => {
    await server.ledger.records.update('rollout', 'run', () => PAUSED);
    // The newest commit is not among those of the activity.
    const allow = [/status of 404 .*\/api\/v1\/commits\//];
    server.rollout.take({ desired: desiredOf(NEWEST, FILES), digests: new Map() });
    const phone = await dashboard.open('/rollout', { viewport: PHONE, allow });
    await expect(phone.getByRole('heading', { level: 2, name: /Paused by ada/ })).toBeVisible();
    await expect(phone.getByRole('heading', { level: 2, name: /Halted in wave canary/ })).toBeVisible();
    await expect(wave(phone, 'canary')).toContainText('0 of at most 4 owners newly refused at their next start');
    await expectNoSidewaysScroll(phone);
    await expectAccessible(phone);
    const dark = await dashboard.open('/rollout', { theme: 'dark', allow });
    const resume = dark.getByRole('button', { name: 'Resume' });
    await expect(resume).toHaveAttribute('aria-disabled', 'true');
    await resume.hover();
    await expect(dark.getByText(/this needs the role operator/)).toBeVisible();
    await expect(dark.getByRole('dialog')).toHaveCount(0);
    await expectAccessible(dark);
  });

  it('shows what approves an unseen wave, and offers no resume', async () => {
    const base = { ...PAUSED.base, strategy: { ...PAUSED.base.strategy, approvers: ['bob@example.org'] } };
    const halt = {
      wave: 'canary',
      gate: 'NothingLookedAt',
      clusters: ['eu'],
      problem: 'the gates looked at 0 clusters',
      since: 0,
    } as const;
    await server.ledger.records.update('rollout', 'run', () => ({ ...PAUSED, base, halt: { ...halt, clusters: ['eu'] }, paused: null }));
    server.rollout.take({ desired: desiredOf(NEWEST, FILES), digests: new Map() });
    const page = await dashboard.open('/rollout', { viewport: PHONE, allow: [/status of 404 .*\/api\/v1\/commits\//] });
    await expect(page.getByRole('heading', { level: 2, name: /Halted in wave canary: the gates looked at 0 clusters/ })).toBeVisible();
    await expect(page.getByRole('textbox', { name: 'Command: fso rollout approve canary' })).toHaveValue('fso rollout approve canary');
    await expect(page.getByText(new RegExp(`fso/approve/${NEWEST}/canary of bob@example.org`)).first()).toBeVisible();
    await expect(page.getByText('this hub has yet to judge its tags')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Pause' })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Resume' })).toHaveCount(0);
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });

  it('shows who let a commit skip its waves', async () => {
    const immediate = {
      from: REVISION,
      since: PAUSED.since,
      signer: 'ana@example.org (SHA256:a)',
      taggedBy: ['bob@example.org (SHA256:b)'],
    };
    const finished = {
      base: { ...PAUSED.base, revision: NEWEST },
      reached: [NEWEST, NEWEST],
      moves: {},
      wave: null,
      halt: null,
      paused: null,
    };
    await server.ledger.records.update('rollout', 'run', () => ({ ...PAUSED, ...finished, immediate }));
    server.rollout.take({ desired: desiredOf(NEWEST, FILES), digests: new Map() });
    const page = await dashboard.open('/rollout', { viewport: PHONE, allow: [/status of 404 .*\/api\/v1\/commits\//] });
    await expect(page.getByRole('heading', { level: 2, name: /Every cluster was given the commit at once/ })).toBeVisible();
    await expect(page.getByText(/signed by ana@example.org \(SHA256:a\), tagged by bob@example.org \(SHA256:b\)/)).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});
