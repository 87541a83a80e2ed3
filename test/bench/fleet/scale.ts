import { percentile, writeFigures } from '../figures.ts';
import { API_TOKEN, pssOf, withFleet } from './fleet.ts';
import { LiveReader } from './live-reader.ts';
import { type FleetSettings, fleetSettings } from './settings.ts';

const COMMITS = 3;
/** Factors by which each number grows while the others stay constant. */
const FACTORS = [1, 2, 4];
const FAILED = [0.05, 0.1, 0.2];

interface Cost {
  readonly agents: number;
  readonly policies: number;
  /** CPU time of the hub in seconds until it has all reports. */
  readonly first: number;
  /** CPU time of the hub for a commit of one policy that each agent enforces. */
  readonly commit: number;
  /** Time in seconds until a reader of live events knows that 99 % of the agents enforce it. */
  readonly commit99: number;
  /** CPU time until the hub has the reports of failing policies, by their share. */
  readonly failing: readonly number[];
  readonly pssMiB: number;
}

const costOf = (settings: FleetSettings, signal: AbortSignal): Promise<Cost> =>
  withFleet(settings, signal, async (fleet, { cpuMs }) => {
    const reader = new LiveReader();
    await reader.open(fleet.hub.url, API_TOKEN);
    // Uncounted: V8 compiles code during the first commit.
    await fleet.commit(1, reader);
    const before = fleet.cpuMs();
    const seen: number[] = [];
    for (let n = 0; n < COMMITS; n += 1) seen.push(...(await fleet.commit(1, reader)).seen);
    const commit99 = percentile(seen, 0.99) / 1000;
    await reader.close();
    const commit = (fleet.cpuMs() - before) / COMMITS / 1000;
    const pssMiB = Math.round(pssOf(fleet.hub) / 1_048_576);
    const failing: number[] = [];
    for (const share of FAILED) {
      const begin = fleet.cpuMs();
      await fleet.turn({ cause: 'failing', share, pick: 'first' });
      failing.push((fleet.cpuMs() - begin) / 1000);
      await fleet.turn({ cause: 'failing', share: 0, pick: 'first' });
    }
    return { agents: settings.agents, policies: settings.policies, first: cpuMs / 1000, commit, commit99, failing, pssMiB };
  });

/** Returns the exponent of a cost between the first measurement and the last: 1 is linear. */
const powerOf = (costs: readonly number[], sizes: readonly number[]): number =>
  Math.log((costs.at(-1) ?? 1) / (costs[0] ?? 1)) / Math.log((sizes.at(-1) ?? 1) / (sizes[0] ?? 1));

/**
 * Measures the cost of agents, policies and deviations at the hub. Each number grows while the
 * others stay constant.
 */
export const scale = async (args: string[], signal: AbortSignal): Promise<void> => {
  const base: FleetSettings = fleetSettings(['--agents', '100', '--policies', '200', ...args]);
  const measured: Cost[] = [];
  const measure = async (change: Partial<FleetSettings>): Promise<Cost> => {
    const settings = { ...base, ...change };
    const known = measured.find(({ agents, policies }) => agents === settings.agents && policies === settings.policies);
    const cost = known ?? (await costOf(settings, signal));
    if (known === undefined) measured.push(cost);
    return cost;
  };
  const byAgents: Cost[] = [];
  for (const factor of FACTORS) byAgents.push(await measure({ agents: base.agents * factor }));
  const byPolicies: Cost[] = [];
  for (const factor of FACTORS) byPolicies.push(await measure({ policies: base.policies * factor }));
  console.log(
    `CPU of the hub in s where no other unit stands, ${base.database} ledger; the last column: the power by which it grows, 1 is linear`,
  );
  const line = (what: string, costs: readonly number[], sizes: readonly number[]): number => {
    const power = powerOf(costs, sizes);
    console.log(`${what.padEnd(58)} ${costs.map((cost) => cost.toFixed(2).padStart(7)).join(' ')}  ${power.toFixed(2)}`);
    return power;
  };
  const powers: Record<string, number> = {};
  for (const [what, costs] of [
    ['agents', byAgents],
    ['policies', byPolicies],
  ] as const) {
    const sizes = costs.map((cost) => cost[what]);
    powers[`first round by ${what}`] = line(
      `first round, ${sizes.join(', ')} ${what}`,
      costs.map(({ first }) => first),
      sizes,
    );
    powers[`commit by ${what}`] = line(
      `a commit of one policy, ${sizes.join(', ')} ${what}`,
      costs.map(({ commit }) => commit),
      sizes,
    );
    powers[`time of a commit by ${what}`] = line(
      `commit → 99 % of the agents, s of time, ${sizes.join(', ')} ${what}`,
      costs.map(({ commit99 }) => commit99),
      sizes,
    );
    powers[`memory by ${what}`] = line(
      `memory (PSS) in MiB, ${sizes.join(', ')} ${what}`,
      costs.map(({ pssMiB }) => pssMiB),
      sizes,
    );
  }
  const shares = FAILED.map((share) => `${share * 100} %`).join(', ');
  powers['failing by share'] = line(`${shares} of the policies fail`, byAgents[0]?.failing ?? [], FAILED);
  await writeFigures(base.json, { base, measured, powers });
};
