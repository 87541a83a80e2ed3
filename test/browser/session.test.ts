import { CSRF_HEADER } from '@fso/shared/api';
import type { Page } from '@playwright/test';
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { HOUR, openPeopleHarness, PEOPLE, type PeopleHarness } from '../harness/people-harness.ts';
import { expect, expectAccessible } from './harness/dashboard.ts';
import { useDashboard } from './harness/suite.ts';

/** Users of a real identity provider: sign-in, sign-out, missing rights, and expired sessions. */

let world: PeopleHarness;
beforeAll(async () => {
  world = await openPeopleHarness();
});
afterAll(() => world.close());

const dashboard = useDashboard(() => world.hub.url);
/**
 * Expected errors: the login leaves the hub for the provider, and an ended session causes a 401 and
 * the end of the stream.
 */
const allow = [
  /request to elsewhere: GET http:\/\/localhost:/,
  /\(http:\/\/localhost:/,
  /status of 401/,
  /ERR_INCOMPLETE_CHUNKED_ENCODING/,
];
/** Fonts of the page on which the provider asks whether to end its own session. */
const FONTS = /fonts\.googleapis\.com/;

const account = (page: Page) => page.getByRole('button', { name: /^Account: / });
const logIn = async (user: keyof typeof PEOPLE, path: string, allowed = allow): Promise<Page> => {
  world.idp.user = user;
  const page = await dashboard.open(path, { allow: allowed });
  await page.getByRole('button', { name: 'Sign in with your identity provider' }).click();
  return page;
};

it('asks for a sign-in at the provider, and returns to the requested page', async () => {
  world.idp.user = 'ada';
  const page = await dashboard.open('/clusters?q=eu', { allow });
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Sign in with your identity provider' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Clusters' })).toBeVisible();
  expect(new URL(page.url()).search).toContain('q=eu');
  await expect(account(page)).toHaveAccessibleName(`Account: ${PEOPLE.ada.name} (admin)`);
});

it('a viewer sees everything and may not change anything', async () => {
  const page = await logIn('vera', '/');
  await expect(account(page)).toHaveAccessibleName(`Account: ${PEOPLE.vera.name} (viewer)`);
  const fetchNow = page.getByRole('button', { name: 'Fetch now' });
  await expect(fetchNow).toHaveAttribute('aria-disabled', 'true');
  await fetchNow.focus();
  await expect(page.getByText(/needs the role operator/i)).toBeVisible();
});

it('a user with a scope reads what counts are of, and is led to nothing that is of the whole hub', async () => {
  const page = await logIn('eva', '/policies');
  await expect(page.getByText('You see: clusters named eu')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Events' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Audit log' })).toHaveCount(0);
  const fetchNow = page.getByRole('button', { name: 'Fetch now' });
  await fetchNow.focus();
  await expect(page.getByText(/needs the role operator for everything/i)).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('link', { name: 'finance' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'finance' })).toBeVisible();
  await expect(page.getByRole('tab', { name: 'Violations (0)' })).toBeVisible();
  await expect(page.getByRole('tab', { name: 'History' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Events' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Events' })).toBeVisible();
});

it('a user without a role sees only what is missing', async () => {
  const page = await logIn('greta', '/policies');
  await expect(page.getByRole('heading', { level: 1, name: 'You have no role yet' })).toBeVisible();
  await expect(page.getByText('ask an administrator of this hub')).toBeVisible();
  await expectAccessible(page);
});

it('the account menu leads to the notices of what the dashboard contains', async () => {
  const page = await logIn('ada', '/');
  await account(page).click();
  const [notices] = await Promise.all([page.waitForEvent('popup'), page.getByRole('menuitem', { name: 'Third-party notices' }).click()]);
  await expect(notices.getByText('react-dom', { exact: false })).toBeVisible();
});

it("a logout ends the session, and requests the end of the provider's session", async () => {
  const page = await logIn('ada', '/', [...allow, FONTS]);
  await account(page).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.waitForURL(`${world.idp.issuer}/**`);
  const answer = await page.context().request.get(world.url('/api/v1/status'));
  expect(answer.status()).toBe(401);
});

const endSession = async (page: Page): Promise<void> => {
  await page.context().request.post(world.url('/auth/logout'), { headers: { [CSRF_HEADER]: '1', Origin: world.hub.url } });
};
/**
 * The hub refuses the next request of the page; it checks every 30 s whether an open stream may
 * continue.
 */
const letTimePass = async (page: Page): Promise<void> => {
  world.offsetMs = 25 * HOUR;
  await page.getByRole('link', { name: 'finance' }).hover();
};

describe('a session that ends while a page is open', () => {
  afterEach(() => {
    world.offsetMs = 0;
  });

  it.each(['elsewhere', 'by time'] as const)('asks for a sign-in on top of the page, and then continues there: %s', async (how) => {
    const page = await logIn('ada', '/policies');
    const filter = page.getByRole('searchbox').or(page.getByRole('textbox')).first();
    await filter.fill('fin');
    await expect(page).toHaveURL(/q=fin/);
    await expect(page.getByRole('link', { name: 'finance' })).toBeVisible();
    if (how === 'elsewhere') await endSession(page);
    else await letTimePass(page);
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
    await expect(dialog).toBeVisible();
    await expect(page.getByRole('link', { name: 'finance', includeHidden: true })).toBeVisible();
    await expectAccessible(page);
    const tab = page.context().waitForEvent('page');
    await dialog.getByRole('button', { name: 'Sign in with your identity provider' }).click();
    const opened = await tab;
    if (!opened.isClosed()) await opened.waitForEvent('close');
    await expect(dialog).toBeHidden();
    await expect(page).toHaveURL(/q=fin/);
    await expect(filter).toHaveValue('fin');
    await expect(page.locator('[data-live]')).toHaveAttribute('data-live', 'live');
  });
});
