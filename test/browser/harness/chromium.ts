import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from '@playwright/test';
import { installPackages, isRoot } from '../../harness/debian.ts';

/** Chromium without windows, with which a page costs half, is the first. */
const PROGRAMS = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
/** Paths of Chromium on other systems. */
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:/Program Files/Google/Chrome/Application/chrome.exe',
  'C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe',
];

const inPath = (...programs: readonly string[]): string[] => {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return programs.flatMap((program) => folders.map((folder) => join(folder, program))).filter((path) => existsSync(path));
};

/** The browser of FSO_TEST_CHROMIUM, else Chromium without windows, which is installed if possible, else one of this machine. */
const findChromium = async (): Promise<string> => {
  const given = process.env['FSO_TEST_CHROMIUM'];
  if (given) return given;
  if (inPath('chromium-headless-shell').length === 0) await installPackages('chromium-headless-shell');
  const [found] = [...inPath(...PROGRAMS), ...PLACES.filter((path) => existsSync(path))];
  if (found !== undefined) return found;
  throw new Error('These tests need Chromium: install it or Google Chrome, or set FSO_TEST_CHROMIUM to the path of one.');
};

/** Arguments that keep all requests of a page on this machine. */
const ARGUMENTS = [
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
];

/** Its sandbox does not work as root. */
export const launchChromium = async (): Promise<Browser> =>
  chromium.launch({ executablePath: await findChromium(), headless: true, args: [...ARGUMENTS, ...(isRoot() ? ['--no-sandbox'] : [])] });
