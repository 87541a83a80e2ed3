import { setTimeout as delay } from 'node:timers/promises';
import type { Plan } from '@fso/shared/effects';
import { createHubClient, type HubClient } from '../../../hub/cli/client/api-client.ts';
import { besideAim, percentile, seconds } from '../figures.ts';
import { readCount, readOptions } from '../options.ts';
import { API_TOKEN, type BenchFleet, publish, withFleet } from './fleet.ts';
import { LiveReader } from './live-reader.ts';
import { now } from './orders.ts';
import { FLEET_OPTIONS, type FleetSettings, toFleetSettings } from './settings.ts';

const OPTIONS = {
  ...FLEET_OPTIONS,
  agents: { type: 'string', default: '50' },
  workloads: { type: 'string', default: '200' },
  commits: { type: 'string', default: '20' },
} as const;

/** Number of plans of each kind that are measured while nothing else happens. */
const PLANS = 3;
/** Most commits. An agent answers 30 requests an hour, and one plan is not counted. */
const MAX_COMMITS = 30 - 1 - 2 * PLANS;
/** Number of plans of one caller. A hub allows 20 an hour. */
const OF_CALLER = 15;

interface PlanSettings extends FleetSettings {
  readonly commits: number;
}

const readSettings = (args: string[]): PlanSettings => {
  const values = readOptions(args, OPTIONS);
  const commits = Math.min(MAX_COMMITS, readCount('commits', values.commits));
  return { ...toFleetSettings(values), workloads: readCount('workloads', values.workloads), commits };
};

type Files = Readonly<Record<string, string>>;

/** Returns the files with one region removed from the first policies. */
const tightened = (files: Files, policies: number): Files => {
  const paths = new Set(
    Object.keys(files)
      .filter((path) => path.includes('/policy-'))
      .slice(0, policies),
  );
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [
      path,
      paths.has(path) ? text.replace(/allowedRegions: .*/, 'allowedRegions: [eu-west-1]') : text,
    ]),
  );
};

/** Plans at a hub, from as many callers as needed. */
class Plans {
  readonly #fleet: BenchFleet;
  readonly #admin: HubClient;
  #client: HubClient | undefined;
  #made = 0;
  /** Number of clusters without an answer, by reason. */
  readonly missing = new Map<string, number>();

  constructor(fleet: BenchFleet) {
    this.#fleet = fleet;
    this.#admin = createHubClient({ server: fleet.hub.url, token: API_TOKEN });
  }

  /**
   * Plans the removal of a region from the first policies.
   *
   * @returns the plan, and its time in ms
   */
  async make(policies: number): Promise<{ readonly plan: Plan; readonly ms: number }> {
    const client = await this.#caller();
    const files = tightened(this.#fleet.files, policies);
    const begin = now();
    const plan = await client.plan({ files });
    const ms = now() - begin;
    for (const { reason, clusters } of plan.workloads?.notAnswered ?? [])
      this.missing.set(reason, (this.missing.get(reason) ?? 0) + clusters.length);
    return { plan, ms };
  }

  async #caller(): Promise<HubClient> {
    if (this.#client === undefined || this.#made % OF_CALLER === 0) {
      const { token } = await this.#admin.createToken({ name: `caller-${this.#made}`, role: 'viewer' });
      this.#client = createHubClient({ server: this.#fleet.hub.url, token });
    }
    this.#made += 1;
    return this.#client;
  }
}

interface Series {
  readonly ms: readonly number[];
  readonly plan: Plan | undefined;
  /** CPU time of the hub for one plan. */
  readonly cpuMs: number;
}

const measurePlans = async (fleet: BenchFleet, plans: Plans, policies: number): Promise<Series> => {
  const ms: number[] = [];
  let plan: Plan | undefined;
  const cpu = fleet.cpuMs();
  for (let count = 0; count < PLANS; count += 1) {
    const made = await plans.make(policies);
    ms.push(made.ms);
    plan = made.plan;
  }
  return { ms, plan, cpuMs: (fleet.cpuMs() - cpu) / PLANS };
};

/** Times from commits until a reader knows that they are proven, one for each agent. */
const commitTimes = async (fleet: BenchFleet, reader: LiveReader, commits: number): Promise<readonly number[]> => {
  const times: number[] = [];
  for (let count = 0; count < commits; count += 1) times.push(...(await fleet.commit(1, reader)).seen);
  return times;
};

/** Measures the same while plans are made, with commits at different moments of them. */
const commitTimesBeside = async (
  fleet: BenchFleet,
  reader: LiveReader,
  { plans, commits, planMs, policies }: { plans: Plans; commits: number; planMs: number; policies: number },
): Promise<readonly number[]> => {
  const times: number[] = [];
  for (let count = 0; count < commits; count += 1) {
    const planning = plans.make(policies);
    await delay((planMs * (count + 0.5)) / commits);
    times.push(...(await fleet.commit(1, reader)).seen);
    await planning;
  }
  return times;
};

const rowsOfPlans = (what: string, { ms, plan, cpuMs }: Series): Record<string, string> => {
  const { clusters = [], notAnswered = [] } = plan?.workloads ?? {};
  const sum = (of: (cluster: (typeof clusters)[number]) => number): number => clusters.reduce((total, each) => total + of(each), 0);
  const missing = notAnswered.reduce((total, each) => total + each.clusters.length, 0);
  return {
    [`a plan that changes ${what}, half of them`]: besideAim(seconds(percentile(ms, 0.5)), '≤ 5 s'),
    [`a plan that changes ${what}, the slowest`]: seconds(Math.max(...ms)),
    [`a plan that changes ${what}, CPU of the hub`]: seconds(cpuMs),
    [`a plan that changes ${what}, answers`]: `${clusters.length}, missing ${missing}; ${sum(({ lookedAt }) => lookedAt?.owners ?? 0)} owners, ${sum(({ refused }) => refused.begins)} refused`,
  };
};

/**
 * Measures plans that change one policy, and all of them. The agents of the fleet judge generated
 * workloads. Also measures commits while successive plans are made.
 */
export const plan = async (args: string[], signal: AbortSignal): Promise<void> => {
  const settings = readSettings(args);
  const { policies, commits } = settings;
  const rows = await withFleet(settings, signal, async (fleet) => {
    const plans = new Plans(fleet);
    const reader = new LiveReader();
    await reader.open(fleet.hub.url, API_TOKEN);
    // Uncounted: V8 compiles code during the first ones.
    await fleet.commit(1, reader);
    await plans.make(policies);
    plans.missing.clear();
    const one = await measurePlans(fleet, plans, 1);
    const all = await measurePlans(fleet, plans, policies);
    const before = await commitTimes(fleet, reader, Math.ceil(commits / 2));
    const beside = await commitTimesBeside(fleet, reader, { plans, commits, policies, planMs: percentile(all.ms, 0.5) });
    const alone = [...before, ...(await commitTimes(fleet, reader, Math.floor(commits / 2)))];
    await reader.close();
    const at = (share: number): string => `${seconds(percentile(beside, share))}, without plans ${seconds(percentile(alone, share))}`;
    const ratio = (share: number): string => (percentile(beside, share) / percentile(alone, share)).toFixed(2);
    return {
      ...rowsOfPlans('one policy', one),
      ...rowsOfPlans('all policies', all),
      [`${commits} commits beside plans → known to be proven, half`]: at(0.5),
      [`${commits} commits beside plans → known to be proven, 99 %`]: at(0.99),
      'times as long as without plans, half': ratio(0.5),
      'times as long as without plans, 99 %': besideAim(ratio(0.99), '≤ 1.10'),
      'answers that were missing, by reason': [...plans.missing].map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none',
    };
  });
  await publish(settings, rows);
};
