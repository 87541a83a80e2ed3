import { AxeBuilder } from '@axe-core/playwright';
import { CSRF_HEADER } from '@fso/shared/api';
import { type Browser, type BrowserContext, type BrowserContextOptions, expect as base, type Page } from '@playwright/test';
import { HANG_MS } from '../../harness/waiting.ts';

/** Assertions that wait: `await expect(page.getByRole('heading')).toBeVisible()`; for values it is like vitest's. */
export const expect = base.configure({ timeout: HANG_MS });

export const DESKTOP = { width: 1280, height: 800 } as const;
export const PHONE = { width: 375, height: 740 } as const;

export interface OpenOptions {
  readonly theme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
  /** API token for the browser's session; absent: the access of anonymous users. */
  readonly token?: string;
  /** Troubles that the test expects on this page. */
  readonly allow?: readonly RegExp[];
  /** Further options of Playwright, e.g. forcedColors, offline. */
  readonly context?: BrowserContextOptions;
}

/** Pages of one hub in a real browser; every unexpected error in them is recorded as a trouble. */
export interface Dashboard {
  readonly browser: Browser;
  /** Opens a path of the hub in a new browser context, which shares only the hub with other pages. */
  open(path: string, options?: OpenOptions): Promise<Page>;
  /** Console and page errors, violations of the Content-Security-Policy, requests to elsewhere; of all pages since the last call. */
  takeTroubles(): string[];
  /** Closes every page. */
  closePages(): Promise<void>;
}

/** Script that runs in each page before its own scripts. */
const TELL_VIOLATIONS = `document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
  console.error('Content-Security-Policy: ' + violatedDirective + ' refuses ' + blockedURI + ' at ' + sourceFile + ':' + lineNumber);
});`;

const watch = (context: BrowserContext, origin: string, tell: (trouble: string) => void): void => {
  context.on('console', (message) => {
    if (message.type() === 'error') tell(`console: ${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (webError) => tell(`error: ${webError.error().stack ?? webError.error().message}`));
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.origin !== origin) tell(`request to elsewhere: ${request.method()} ${request.url()}`);
  });
};

const logIn = async (context: BrowserContext, origin: string, token: string): Promise<void> => {
  const response = await context.request.post(`${origin}/auth/token`, { data: { token }, headers: { [CSRF_HEADER]: '1', Origin: origin } });
  if (!response.ok()) throw new Error(`the hub refuses the token: ${response.status()} ${await response.text()}`);
};

/** @param origin of the hub, e.g. `http://127.0.0.1:8080` */
export const createDashboard = (browser: Browser, origin: string): Dashboard => {
  const contexts = new Set<BrowserContext>();
  let troubles: string[] = [];

  return {
    browser,
    open: async (path, { theme = 'light', viewport = DESKTOP, token, allow = [], context: more = {} } = {}) => {
      const context = await browser.newContext({
        baseURL: origin,
        colorScheme: theme,
        viewport,
        locale: 'en-GB',
        timezoneId: 'UTC',
        ...more,
      });
      context.setDefaultTimeout(HANG_MS);
      contexts.add(context);
      watch(context, origin, (trouble) => {
        if (!allow.some((pattern) => pattern.test(trouble))) troubles.push(trouble);
      });
      await context.addInitScript(TELL_VIOLATIONS);
      if (token !== undefined) await logIn(context, origin, token);
      const page = await context.newPage();
      await page.goto(path);
      return page;
    },
    takeTroubles: () => {
      const all = troubles;
      troubles = [];
      return all;
    },
    closePages: async () => {
      await Promise.all([...contexts].map((context) => context.close()));
      contexts.clear();
    },
  };
};

/** Default rules of axe about colours: an appearance changes nothing else. */
const COLOUR_RULES = ['color-contrast', 'link-in-text-block'];

/** Appearances of a page beside the one that it was opened in. */
const APPEARANCES = {
  dark: { colorScheme: 'dark', forcedColors: 'none' },
  'colours that the reader chose': { colorScheme: 'light', forcedColors: 'active' },
} as const;

/** Colours on their way to others have no contrast to judge. A transition begins with the frame after the change. */
const TRANSITIONS_ENDED = `(async () => {
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const transitions = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
  await Promise.allSettled(transitions.map(({ finished }) => finished));
})()`;

/**
 * Builds an axe run without support for frames, which the dashboard does not have: it opens one
 * more page for each analysis. Passed rules are not described, as that takes as long as the
 * analysis.
 */
const axeOf = (page: Page): AxeBuilder => new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ['violations'] });

const seriousFindings = async (appearance: string, axe: AxeBuilder): Promise<string[]> => {
  const { violations } = await axe.analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, html }) => `${appearance}: ${id}: ${help}: ${target.join(' ')}: ${html.slice(0, 200)}`),
  );
};

/**
 * Fails for findings of axe that keep people from using the page: as it is, dark, and with colours that the reader chose. Leaves it
 * bright.
 *
 * @see https://github.com/dequelabs/axe-core
 */
export const expectAccessible = async (page: Page): Promise<void> => {
  const findings = await seriousFindings('as it is', axeOf(page));
  // A phone shows the same colours.
  const appearances = page.viewportSize()?.width === PHONE.width ? [] : Object.entries(APPEARANCES);
  for (const [name, media] of appearances) {
    await page.emulateMedia(media);
    await page.evaluate(TRANSITIONS_ENDED);
    findings.push(...(await seriousFindings(name, axeOf(page).withRules(COLOUR_RULES))));
  }
  await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none' });
  expect(findings).toEqual([]);
};

/** Fails if the page is wider than the window. */
export const expectNoSidewaysScroll = async (page: Page): Promise<void> => {
  const excess = await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  expect(excess, 'the page scrolls sideways').toBeLessThanOrEqual(0);
};
