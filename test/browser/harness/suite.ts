import type { Browser } from '@playwright/test';
import { afterEach, beforeAll, inject } from 'vitest';
import { openSimulatedWorld, type SimulatedWorld } from '../../simulated-fleet/world.ts';
import { launchChromium } from './chromium.ts';
import { createDashboard, type Dashboard, expect } from './dashboard.ts';

/**
 * All files of the suite run in one process, one after another: slow fixtures start once, for the
 * first test that needs them. Their programs end with this process.
 */
const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
};

export const sharedBrowser: () => Promise<Browser> = once(launchChromium);
const simulatedWorld: () => Promise<SimulatedWorld> = once(() => openSimulatedWorld({ parent: inject('folder') }));

const inTests = <T>(open: () => Promise<T>): (() => T) => {
  let world: T | undefined;
  beforeAll(async () => {
    world = await open();
  });
  return () => {
    if (world === undefined) throw new Error('the world is available only in tests and hooks');
    return world;
  };
};

/**
 * 1,000 policies and 500 clusters; the hub runs without authentication. Tests may add to it, but
 * change nothing else.
 */
export const useSimulatedWorld = (): (() => SimulatedWorld) => inTests(simulatedWorld);

/**
 * Opens pages of a hub. After each test it closes them, and fails the test for unexpected errors in
 * them.
 *
 * @param url of the hub; asked when a page is opened
 */
export const useDashboard = (url: () => string | Promise<string>): Pick<Dashboard, 'open'> => {
  let dashboard: Dashboard | undefined;
  afterEach(async () => {
    const troubles = dashboard?.takeTroubles() ?? [];
    await dashboard?.closePages();
    expect(troubles, 'troubles in the browser').toEqual([]);
  });
  return {
    open: async (path, options) => {
      dashboard ??= createDashboard(await sharedBrowser(), await url());
      return dashboard.open(path, options);
    },
  };
};
