import { setTimeout as delay } from 'node:timers/promises';
import { percentile, seconds } from '../figures.ts';
import { API_TOKEN, type BenchFleet, type FleetSettings, fleetSettings, now, pssOf, publish, withFleet } from './fleet.ts';

const PAGES = ['/api/v1/policy-summaries?limit=50', '/api/v1/clusters?limit=50', '/api/v1/status'];
const EACH_MS = 100;

/** Reads pages, one after the other, until a promise settles. @returns how long each took, in ms */
const readPages = async ({ hub }: BenchFleet, until: Promise<unknown>): Promise<readonly number[]> => {
  const times: number[] = [];
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  until.then(end, end);
  for (let turn = 0; !isOver; turn += 1) {
    const begin = now();
    const answer = await fetch(`${hub.url}${PAGES[turn % PAGES.length]}`, { headers: { Authorization: `Bearer ${API_TOKEN}` } });
    if (!answer.ok) throw new Error(`the hub answers ${answer.status}`);
    await answer.arrayBuffer();
    times.push(now() - begin);
    await delay(EACH_MS);
  }
  return times;
};

/** What it takes until the hub has all reports where every policy fails in each cluster, and where all conform again; pages are read meanwhile. */
export const status = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings: FleetSettings = fleetSettings(args);
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    const turn = async (failed: number) => {
      const [begin, cpu] = [now(), fleet.cpuMs()];
      const turned = fleet.turn(failed);
      const pages = await readPages(fleet, turned);
      await turned;
      return { ms: now() - begin, cpuMs: fleet.cpuMs() - cpu, pages, pss: pssOf(fleet.hub) };
    };
    const conforming = pssOf(fleet.hub);
    const failed = await turn(1);
    const again = await turn(0);
    const mib = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
    const pageOf = ({ pages }: typeof failed): string => `${seconds(percentile(pages, 0.5))}, 99 %: ${seconds(percentile(pages, 0.99))}`;
    return {
      'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}`,
      'memory of the hub then, PSS': mib(conforming),
      'all fail, until the hub has all reports': `${seconds(failed.ms)}, of the hub's CPU ${seconds(failed.cpuMs)}`,
      'memory of the hub when all have failed, PSS': mib(failed.pss),
      'a page while they fail, half of them': pageOf(failed),
      'all conform, until the hub has all reports': `${seconds(again.ms)}, of the hub's CPU ${seconds(again.cpuMs)}`,
      'a page while they conform again, half of them': pageOf(again),
      'memory of the hub in the end, PSS': mib(again.pss),
    };
  });
  await publish(settings, rows);
};
