import { setTimeout as delay } from 'node:timers/promises';
import { createHubClient } from '../../../hub/cli/client/api-client.ts';
import { mib, milliseconds, seconds } from '../figures.ts';
import {
  API_TOKEN,
  type BenchFleet,
  type FirstRound,
  type PreparedCommit,
  pssOf,
  publish,
  type Reported,
  withFleet,
} from '../fleet/fleet.ts';
import { type CommitStep, type News, now } from '../fleet/orders.ts';
import { FLEET_OPTIONS, type FleetSettings, toFleetSettings } from '../fleet/settings.ts';
import { readCount, readOptions } from '../options.ts';
import { type Breach, breachesOf, countReached, type Rollouts, type WaveRule } from './rollout-order.ts';

const OPTIONS = { ...FLEET_OPTIONS, agents: { type: 'string', default: '1000' }, commits: { type: 'string', default: '20' } } as const;

const NAMES = ['canary', 'early', 'rest'];
/** Cumulative shares of the clusters in the waves: 10, 190 and 800 of 1,000. */
const ENDS = [0.01, 0.2, 1];
const SOAK_SECONDS = 2;
/** Share of a wave that may be in flight at a time. */
const CONCURRENCY = 0.25;
/** Time in ms in which a real cluster proves half of the commits. */
const PROOF_MS = 400;
/** Longest time in ms that a commit may take for its next step. A gate fails after 10 minutes. */
const STUCK_MS = 660_000;
/** Time in ms between two checks for the end of a rollout, each of which costs the hub CPU. */
const LOOK_MS = 500;
const MAX_SHOWN = 10;

const wavesOf = (agents: number): readonly WaveRule[] => {
  const ends = ENDS.map((share, wave) => Math.max(wave + 1, Math.round(agents * share)));
  const names = Array.from({ length: agents }, (_, at) => `cluster-${at}`);
  return NAMES.map((name, wave) => {
    const clusters = names.slice(ends[wave - 1] ?? 0, ends[wave]);
    return { name, clusters, maxConcurrency: Math.ceil(clusters.length * CONCURRENCY), soakMs: SOAK_SECONDS * 1000 };
  });
};

/** Returns the strategy with these waves. JSON is YAML. */
const strategyOf = (waves: readonly WaveRule[]): string =>
  JSON.stringify({
    apiVersion: 'compliance.federated.io/v1',
    kind: 'RolloutStrategy',
    metadata: { name: 'bench' },
    spec: {
      waves: waves.map(({ name, maxConcurrency }) => ({
        name,
        clusterSelector: { matchLabels: { wave: name } },
        maxConcurrency,
        soak: `${SOAK_SECONDS}s`,
        maxNewViolations: 0,
        maxNewlyRefused: 0,
        maxNewlyPending: 0,
      })),
    },
  });

/** Fleet whose hub rolls out commits in waves. */
class RolloutFleet {
  /** Highest PSS of the hub when a commit was pushed. */
  pss = 0;
  readonly #fleet: BenchFleet;
  readonly #client: ReturnType<typeof createHubClient>;
  readonly #signal: AbortSignal;

  constructor(fleet: BenchFleet, signal: AbortSignal) {
    this.#fleet = fleet;
    this.#client = createHubClient({ server: fleet.hub.url, token: API_TOKEN });
    this.#signal = signal;
  }

  /**
   * Pushes a commit, and resolves once this many clusters have proven it.
   *
   * @throws Error with the state of the hub if that does not happen
   */
  async roll(commit: PreparedCommit, clusters: number): Promise<void> {
    const revision = await this.#fleet.push(commit);
    this.pss = Math.max(this.pss, pssOf(this.#fleet.hub));
    const isProven = (news: News): news is Reported => news.type === 'reported' && news.revision === revision;
    const limit = AbortSignal.timeout(STUCK_MS);
    try {
      await this.#fleet.news.fromAll(clusters, isProven, AbortSignal.any([this.#signal, limit]));
    } catch (error) {
      if (!limit.aborted) throw error;
      const { state, halted } = await this.#client.rollout();
      throw new Error(`not in ${clusters} clusters after ${seconds(STUCK_MS)}; ${state}: ${halted?.problem ?? 'no gate has failed'}`);
    }
  }

  /** Resolves once the hub has no rollout in progress. @throws Error if a gate has failed */
  async ended(): Promise<void> {
    for (;;) {
      const { state, halted } = await this.#client.rollout();
      if (state === 'Finished') return;
      if (halted !== null) throw new Error(`the rollout has halted: ${halted.problem}`);
      await delay(LOOK_MS, undefined, { signal: this.#signal });
    }
  }
}

/** Figures of commits that supersede each other, after a single one. Times in ms. */
interface RolloutFigures {
  readonly aloneMs: number;
  /** Time from the first push until every cluster has proven the last commit. */
  readonly allMs: number;
  /** Time from the last push until every cluster has proven it. */
  readonly lastMs: number;
  /** Time from the last push until the hub has finished the rollout. */
  readonly endedMs: number;
  readonly cpuMs: number;
  readonly pss: number;
}

/**
 * Rolls out a single commit, then several, each of which is pushed while the previous one is in
 * progress: once that has reached the first cluster of a wave, for each wave in turn, or half of
 * the last wave.
 */
const measure = async (
  fleet: BenchFleet,
  { waves, commits, teams }: { waves: readonly WaveRule[]; commits: number; teams: number },
  signal: AbortSignal,
): Promise<RolloutFigures> => {
  const rolling = new RolloutFleet(fleet, signal);
  const [canary = 0, early = 0, rest = 0] = waves.map(({ clusters }) => clusters.length);
  const [all, before] = [canary + early + rest, canary + early];
  const stages = [1, canary + 1, before + 1, before + Math.ceil(rest / 2)];
  // Prepared before the first push, because compiling would use the hub's cores.
  const prepared = Array.from({ length: commits + 1 }, () => fleet.prepare(teams));
  const begin = now();
  await rolling.roll(prepared[0] as PreparedCommit, all);
  const aloneMs = now() - begin;
  await rolling.ended();
  const [from, cpu] = [now(), fleet.cpuMs()];
  for (const [at, commit] of prepared.slice(1, -1).entries()) await rolling.roll(commit, stages[at % stages.length] ?? all);
  const last = now();
  await rolling.roll(prepared[commits] as PreparedCommit, all);
  const [proven, cpuMs, pss] = [now(), fleet.cpuMs() - cpu, Math.max(rolling.pss, pssOf(fleet.hub))];
  await rolling.ended();
  return { aloneMs, allMs: proven - from, lastMs: proven - last, endedMs: now() - last, cpuMs, pss };
};

const rowsOf = (first: FirstRound, figures: RolloutFigures, rollouts: Rollouts, steps: readonly CommitStep[]): Record<string, string> => {
  const { aloneMs, allMs, lastMs, endedMs, cpuMs, pss } = figures;
  const superseding = rollouts.revisions.slice(2);
  const offers = steps.filter(({ type, revision }) => type === 'offered' && superseding.includes(revision)).length;
  const reached = [...countReached({ ...rollouts, revisions: superseding }, steps)];
  const waves = rollouts.waves.map(({ clusters, maxConcurrency }) => `${clusters.length} clusters, ${maxConcurrency} at a time`);
  return {
    'first round, until the hub has all reports': `${seconds(first.ms)}, of the hub's CPU ${seconds(first.cpuMs)}`,
    [`waves, each with ${SOAK_SECONDS} s of soak`]: waves.join('; '),
    'one commit alone, push → proven in all clusters': seconds(aloneMs),
    [`${superseding.length} commits, first push → the last is proven in all clusters`]: seconds(allMs),
    'of it from the last push on': `${seconds(lastMs)}, until the hub has finished it ${seconds(endedMs)}`,
    'commits by the wave in which they were superseded, or finished': reached.map(([wave, count]) => `${count} ${wave}`).join(', '),
    'offers that agents got': String(offers),
    "the hub's CPU": `${seconds(cpuMs)}, ${((100 * cpuMs) / allMs).toFixed(0)} % of a core`,
    'of it for one offer': milliseconds(cpuMs / offers),
    'memory of the hub, PSS, the highest at a push or the end': mib(pss),
  };
};

const TEXTS: Readonly<Record<Breach['rule'], string>> = {
  NotReached: 'offers that their wave had not reached',
  Soaking: 'offers while the wave before soaked',
  TooMany: 'offers beyond the clusters that may be on their way',
  SentBack: 'offers of an older commit than before',
  Unknown: 'offers of a commit that was not pushed',
};

const breachRows = (breaches: readonly Breach[]): Record<string, string> =>
  Object.fromEntries(Object.entries(TEXTS).map(([rule, text]) => [text, String(breaches.filter((breach) => breach.rule === rule).length)]));

/**
 * Measures commits that supersede each other in three waves. Each changes a policy of every
 * cluster. Fails if the agents saw a commit before the turn of their wave, or an older one than
 * before.
 */
export const rollout = async (args: string[], signal: AbortSignal): Promise<void> => {
  const values = readOptions(args, OPTIONS);
  const waves = wavesOf(readCount('agents', values.agents, NAMES.length));
  const commits = readCount('commits', values.commits);
  const labels = waves.flatMap(({ name, clusters }) => clusters.map(() => [`wave: ${name}`]));
  const strategy = { strategy: strategyOf(waves), labelsOf: (at: number) => labels[at] ?? [] };
  const settings: FleetSettings = { ...toFleetSettings(values), proofMs: PROOF_MS, rollout: strategy };
  let breaches: readonly Breach[] = [];
  const rows = await withFleet(settings, signal, async (fleet, first) => {
    const figures = await measure(fleet, { waves, commits, teams: Math.max(1, settings.scopes) }, signal);
    const [rollouts, steps] = [{ waves, revisions: fleet.revisions }, await fleet.steps()];
    breaches = breachesOf(rollouts, steps);
    return { ...rowsOf(first, figures, rollouts, steps), ...breachRows(breaches) };
  });
  await publish(settings, rows);
  const texts = breaches.slice(0, MAX_SHOWN).map(({ text }) => text);
  if (texts.length > 0) throw new Error(`the hub did not keep the order of the waves:\n${texts.join('\n')}`);
};
