import { besideAim, halfAndMost, mib, percentile, seconds } from '../figures.ts';
import { API_TOKEN, type BenchFleet, pssOf, publish, withFleet } from './fleet.ts';
import { type Cause, now } from './orders.ts';
import { readPages } from './pages.ts';
import { fleetSettings } from './settings.ts';

/** Causes that affect every policy of every cluster, in this order. */
const CAUSES: Readonly<Record<Cause, string>> = {
  failing: 'all policies fail',
  gatekeeper: 'Gatekeeper is away',
  index: 'the index of lock 1 is open',
  tampering: 'every policy was tampered with',
};

interface Turned {
  readonly ms: number;
  readonly cpuMs: number;
  /** Response times of pages meanwhile, in ms. */
  readonly pages: readonly number[];
  readonly pss: number;
}

const turn = async (fleet: BenchFleet, cause: Cause, share: number): Promise<Turned> => {
  const [begin, cpu] = [now(), fleet.cpuMs()];
  const turned = fleet.turn({ cause, share, pick: 'first' });
  const reading = readPages(fleet.hub.url, API_TOKEN, turned);
  await turned;
  const [ms, cpuMs] = [now() - begin, fleet.cpuMs() - cpu];
  return { ms, cpuMs, pages: await reading, pss: pssOf(fleet.hub) };
};

const rowsOf = (what: string, bad: Turned, good: Turned): Record<string, string> => {
  const pages = [...bad.pages, ...good.pages];
  return {
    [`${what}, until the hub has it`]: `${besideAim(seconds(bad.ms), '≤ 60 s')}, of the hub's CPU ${seconds(bad.cpuMs)}`,
    [`${what}, until all is good again`]: `${besideAim(seconds(good.ms), '≤ 60 s')}, of the hub's CPU ${seconds(good.cpuMs)}`,
    [`${what}, a page until then, half`]: halfAndMost(bad.pages),
    [`${what}, a page until all is good again, half`]: halfAndMost(good.pages),
    [`${what}, a page in both, 99 % of ${pages.length}`]: besideAim(seconds(percentile(pages, 0.99)), '≤ 0.50 s'),
    [`${what}, memory of the hub, PSS`]: `${mib(bad.pss)}, then ${mib(good.pss)}`,
  };
};

/**
 * Measures the time until the hub has all reports after every policy in each cluster starts to
 * deviate, each with its own message, and after all conform again. The policies fail separately, or
 * by a cause of the whole cluster. Pages are read meanwhile.
 */
export const status = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings = fleetSettings(args);
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    const all: Record<string, string> = {
      'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}`,
      'memory of the hub then, PSS': mib(pssOf(fleet.hub)),
    };
    for (const [cause, what] of Object.entries(CAUSES) as [Cause, string][]) {
      const bad = await turn(fleet, cause, 1);
      const good = await turn(fleet, cause, 0);
      Object.assign(all, rowsOf(what, bad, good));
    }
    return all;
  });
  await publish(settings, rows);
};
