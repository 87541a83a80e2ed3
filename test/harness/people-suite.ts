import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Browser, createBrowser } from './browser.ts';
import type { IdentityProvider } from './identity-provider.ts';
import { openPeopleHarness, type PeopleHarness } from './people-harness.ts';

/**
 * Hub and identity provider for the tests of one file. Each test starts at the same time, with the
 * same user.
 */
class PeopleSuite {
  #world: PeopleHarness | undefined;

  get world(): PeopleHarness {
    if (this.#world === undefined) throw new Error('the hub is available only in tests');
    return this.#world;
  }

  get idp(): IdentityProvider {
    return this.world.idp;
  }

  get hub(): PeopleHarness['hub'] {
    return this.world.hub;
  }

  async open(): Promise<void> {
    this.#world = await openPeopleHarness();
  }

  url(path: string): string {
    return this.world.url(path);
  }

  post(browser: Browser, path: string, body?: object): Promise<Response> {
    return this.world.call(browser, 'POST', path, body);
  }

  /** Logs in at the provider, up to the callback, which is not requested. */
  async halfLogin(change: (provider: URL) => void = () => undefined): Promise<{ browser: Browser; callback: URL }> {
    const browser = createBrowser();
    const start = await browser.request(this.url('/auth/login'));
    const provider = new URL(start.headers.get('Location') ?? '');
    change(provider);
    const { url: callback } = await browser.follow(provider.href, this.url('/auth/callback'));
    return { browser, callback: new URL(callback) };
  }

  signedIn(browser: Browser): boolean {
    return browser.cookies(this.hub.url).has('fso');
  }
}

/** Call at the top of a test file. */
export const usePeople = (): PeopleSuite => {
  const people = new PeopleSuite();
  beforeAll(() => people.open());
  afterAll(() => people.world.close());
  beforeEach(() => {
    people.world.offsetMs = 0;
    people.idp.user = 'ada';
  });
  return people;
};
