import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from '@playwright/test';
import { until } from '../../clusters/demo/programs.ts';
import { type CollectedSpan, Collector } from '../harness/collector.ts';
import { eventually, never } from '../harness/waiting.ts';
import { openSimulatedWorld } from '../simulated-fleet/world.ts';
import { launchChromium } from './harness/chromium.ts';
import { createDashboard, type Dashboard, DESKTOP, expect } from './harness/dashboard.ts';
import { details, LISTS, type PageEntry } from './harness/pages.ts';
import { openRealWorld } from './harness/real-world.ts';
import { drawTrace } from './harness/trace-picture.ts';

/**
 * `npm run screenshots`: pictures of every page, light and dark, for the documentation, and of the
 * trace of a commit. Lists are of a large fleet, the rest of real clusters.
 */

const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'images');
const MAX_BYTES = 100_000;
const QUALITIES = [80, 65, 50, 35];
const MAX_LOOKS = 40;
const THEMES = ['light', 'dark'] as const;

const SUBJECT = 'Archives of the ledgers stay in Ireland and Frankfurt';
const ARCHIVE = `apiVersion: compliance.federated.io/v1
kind: SovereignPolicy
metadata:
  name: archive-eu
spec:
  targetNamespace: finance
  allowedRegions: [eu-central-1, eu-west-1]
  placement:
    clusterRegions: [group:eu]
`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Waits until the page is complete and two consecutive pictures are equal. */
const settle = async (page: Page, heading: string): Promise<void> => {
  await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
  await expect(page.locator('.pf-v6-c-skeleton, .pf-v6-c-spinner')).toHaveCount(0);
  let last: Buffer = Buffer.alloc(0);
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const picture = await page.screenshot({ animations: 'disabled' });
    if (picture.equals(last)) return;
    last = picture;
  }
};

/** Encodes a picture as a WebP of limited size. */
const picture = async (page: Page): Promise<Buffer> => {
  const session = await page.context().newCDPSession(page);
  let image: Buffer = Buffer.alloc(0);
  for (const quality of QUALITIES) {
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality });
    image = Buffer.from(data, 'base64');
    if (image.length <= MAX_BYTES) break;
  }
  return image;
};

const take = async (dashboard: Dashboard, pages: readonly PageEntry[], token?: string): Promise<void> => {
  for (const theme of THEMES) {
    for (const { name, path, heading, height = DESKTOP.height } of pages) {
      const viewport = { ...DESKTOP, height };
      const page = await dashboard.open(path, {
        theme,
        viewport,
        context: { reducedMotion: 'reduce' },
        ...(token === undefined ? {} : { token }),
      });
      await settle(page, heading);
      const image = await picture(page);
      await writeFile(join(FOLDER, `${name}-${theme}.webp`), image);
      print(`docs/images/${name}-${theme}.webp ${Math.round(image.length / 1024)} KB`);
      await dashboard.closePages();
    }
  }
  const troubles = dashboard.takeTroubles();
  if (troubles.length > 0) throw new Error(troubles.join('\n'));
};

const takeTrace = async (browser: Browser, spans: readonly CollectedSpan[]): Promise<void> => {
  for (const theme of THEMES) {
    const { html, ...viewport } = drawTrace(spans, theme);
    const page = await browser.newPage({ viewport });
    await page.setContent(html);
    const image = await picture(page);
    await page.close();
    await writeFile(join(FOLDER, `trace-${theme}.webp`), image);
    print(`docs/images/trace-${theme}.webp ${Math.round(image.length / 1024)} KB`);
  }
};

/** The trace of a commit, once it has the proofs of so many clusters. */
const wholeTrace = (collector: Collector, revision: string, clusters: number): Promise<readonly CollectedSpan[]> =>
  eventually(async () => {
    const spans = await collector.traceOf(revision);
    return spans.filter(({ name }) => name === 'prove').length === clusters && spans;
  });

await mkdir(FOLDER, { recursive: true });
const browser = await launchChromium();
try {
  const world = await openSimulatedWorld({ log: print });
  try {
    await take(createDashboard(browser, world.hub.url), LISTS);
  } finally {
    await world.stop();
  }
  const folder = await mkdtemp(join(tmpdir(), 'fso-collector-'));
  const collector = await Collector.start(folder, never);
  const real = await openRealWorld({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  try {
    const revision = await real.repository.commit({ 'policies/archive-eu.yaml': ARCHIVE }, SUBJECT);
    const signal = never;
    const enforced = async (): Promise<true | undefined> => (await real.hub.commit(revision, signal)).state === 'enforced' || undefined;
    await until('the commit is enforced', enforced, signal);
    const shown = { policy: 'customer-data', cluster: 'us', commit: { revision, subject: SUBJECT } };
    await take(createDashboard(browser, real.hubUrl), details(shown), real.apiToken);
    const text = ARCHIVE.replace('archive-eu', 'ledgers-eu').replace(/ {2}placement:.*$/s, '');
    const everywhere = await real.repository.commit({ 'policies/ledgers-eu.yaml': text }, 'Ledgers stay there too, wherever they are');
    await takeTrace(browser, await wholeTrace(collector, everywhere, 3));
  } finally {
    await real.stop();
    await collector.stop();
    await rm(folder, { recursive: true, force: true });
  }
} finally {
  await browser.close();
}
