import { type ProblemDetails, SessionView } from '@fso/shared/api';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { freePort } from '../../clusters/local/ports.ts';
import { type OidcSettings, parseRoleMap } from '../../hub/access/index.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { type Browser, createBrowser } from './browser.ts';
import { type HubHarness, openHubHarness } from './hub-harness.ts';
import { AUDIENCE, CLIENT_ID, CLIENT_SECRET, type IdentityProvider, startIdentityProvider } from './identity-provider.ts';
import { basicRepository } from './policy-files.ts';

export const API_TOKEN = 'static-token-0123456789';
/** URL of a hub behind a proxy with TLS, for browsers. */
export const BEHIND_PROXY = 'https://hub.example';
export const HOUR = 3_600_000;
export const PEOPLE = {
  ada: { name: 'ada@example.com', groups: ['staff', 'governance-admins'] },
  olaf: { name: 'olaf@example.com', groups: ['platform'] },
  vera: { name: 'vera@example.com', groups: ['staff'] },
  eva: { name: 'eva@example.com', groups: ['eu-team'] },
  greta: { name: 'greta@example.com', groups: ['guests'] },
} as const;

/** Hub with a repository, a real identity provider, and users with browsers. */
export interface PeopleHarness {
  readonly bench: HubHarness;
  readonly idp: IdentityProvider;
  readonly hub: RunningHub;
  readonly oidc: OidcSettings;
  /** Offset of the hub's clock from the real time, in ms. The provider has the real time. */
  offsetMs: number;
  url(path: string): string;
  /** Sends a request like a script of the hub's own pages. */
  call(browser: Browser, method: string, path: string, body?: object): Promise<Response>;
  withToken(path: string, token: string, init?: RequestInit): Promise<Response>;
  /** Returns a browser in which a user has logged in. */
  login(user: keyof typeof PEOPLE): Promise<Browser>;
  sessionOf(browser: Browser): Promise<SessionView>;
  close(): Promise<void>;
}

export const problemOf = async (response: Response): Promise<ProblemDetails> => (await response.json()) as ProblemDetails;

const OWN_PAGE = { 'X-FSO-CSRF': '1', 'Sec-Fetch-Site': 'same-origin' };

const oidcOf = (issuer: string): OidcSettings => ({
  issuer,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  scopes: 'openid profile groups',
  rolesClaim: 'groups',
  roleMap: parseRoleMap('admin=governance-admins,operator=platform,viewer=staff'),
  grants: [{ groups: ['eu-team'], role: 'operator', clusters: { clusterNames: ['eu'] } }],
  audience: AUDIENCE,
});

export const openPeopleHarness = async (): Promise<PeopleHarness> => {
  const bench = await openHubHarness();
  await bench.repository.commit(basicRepository(), 'good');
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  const idp = await startIdentityProvider({
    redirectUris: [`${publicUrl}/auth/callback`, `${BEHIND_PROXY}/auth/callback`],
    people: PEOPLE,
  });
  const oidc = oidcOf(idp.issuer);
  const time = { offsetMs: 0 };
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + time.offsetMs) };
  const hub = await bench.startHub({
    config: { apiToken: API_TOKEN, listen: { host: '127.0.0.1', port }, access: { oidc, publicUrl, trustedProxies: ['127.0.0.0/8'] } },
    deps: { clock },
  });
  const url = (path: string): string => hub.url + path;
  const world: PeopleHarness = {
    bench,
    idp,
    hub,
    oidc,
    get offsetMs() {
      return time.offsetMs;
    },
    set offsetMs(ms) {
      time.offsetMs = ms;
    },
    url,
    call: (browser, method, path, body) =>
      browser.request(url(path), {
        method,
        headers: { Origin: hub.url, ...OWN_PAGE, ...(body && { 'Content-Type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      }),
    withToken: (path, token, init = {}) =>
      fetch(url(path), { ...init, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' } }),
    login: async (user) => {
      idp.user = user;
      const browser = createBrowser();
      const { response } = await browser.follow(url('/auth/login?returnTo=/auth/session'));
      if (response?.status !== 200) throw new Error(`${user} could not log in: ${response?.status}`);
      return browser;
    },
    sessionOf: async (browser) => SessionView.parse(await (await browser.request(url('/auth/session'))).json()),
    close: async () => {
      await bench.close();
      await idp.stop();
    },
  };
  return world;
};
