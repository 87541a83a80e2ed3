import { messageOf } from '@fso/shared/runtime';
import { addCounts, type ProbeCounts } from './admission-probe.ts';
import { differencesOf, withoutCommits } from './differences.ts';
import { type HubView, readAlerts } from './hub-view.ts';
import { type ManagedObjects, missingKinds } from './managed-objects.ts';
import { checkAfter, recordBefore } from './protocol-break.ts';
import { planBreakSteps, planSteps, type Step } from './steps.ts';
import { type Version, workingTree } from './versions.ts';
import { type World, withWorld } from './world.ts';

export interface UpgradeOptions {
  /** The old version: a commit or tag. */
  readonly from: string;
  /** Whether the hub stays in the new version. */
  readonly agentsOnly: boolean;
  /** Whether other objects in the clusters are only listed, and are no failure. */
  readonly allowObjectChanges: boolean;
  /**
   * Whether the versions speak different protocols: there is no way back, and agents of the old
   * version are refused until they are upgraded.
   */
  readonly protocolBreak: boolean;
  readonly log: (line: string) => void;
}

export interface StepResult extends ProbeCounts {
  readonly step: string;
  /** Time until every cluster was connected and had the commit in force. */
  readonly seconds: number;
  /** Paths of objects that the step changed. */
  readonly changes: number;
}

export interface UpgradeResult {
  readonly steps: readonly StepResult[];
  /** Violated expectations; empty: the upgrade changed only the version. */
  readonly problems: readonly string[];
}

/** State that may not change. */
interface State {
  readonly objects: Readonly<Record<string, ManagedObjects>>;
  readonly hub: HubView;
}

/**
 * Runs the steps of one world one after the other, and compares its state before and after each.
 */
class UpgradeRun {
  readonly results: StepResult[] = [];
  readonly problems: string[] = [];
  readonly #world: World;
  readonly #options: UpgradeOptions;
  readonly #first: State;
  #last: State;
  /** Id of the newest event that was looked at. */
  #event: number;

  private constructor(world: World, options: UpgradeOptions, { first, event }: { first: State; event: number }) {
    this.#world = world;
    this.#options = options;
    this.#first = first;
    this.#last = first;
    this.#event = event;
  }

  static async begin(world: World, options: UpgradeOptions, signal: AbortSignal): Promise<UpgradeRun> {
    const first = await readState(world, signal);
    for (const [cluster, objects] of Object.entries(first.objects)) {
      const missing = missingKinds(objects);
      if (missing.length > 0) throw new Error(`${cluster} has nothing to compare of ${missing.join(', ')}`);
      options.log(`${cluster}: ${Object.keys(objects).length} objects are compared`);
    }
    const { newest } = await readAlerts(world.hub, 0, signal);
    for (const probe of world.probes) probe.start();
    return new UpgradeRun(world, options, { first, event: newest });
  }

  async run(step: Step, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    await step.run(signal);
    await this.#world.untilInForce(step.refused);
    const seconds = (performance.now() - started) / 1000;
    const state = await readState(this.#world, signal, step.refused);
    const { changes, problems } = this.#compare(step, state);
    this.#last = state;
    const alerts = await this.#takeAlerts(signal);
    const { counts, problems: ofProbes } = this.#takeProbes();
    const { tries, badAdmitted, goodRefused, errors } = counts;
    this.results.push({ step: step.name, seconds, changes: changes.length, ...counts });
    this.#options.log(
      `${step.name}: ${seconds.toFixed(1)} s, ${tries} pods tried, ${badAdmitted} bad ones admitted, ${goodRefused} good ones refused, ` +
        `${errors} errors; ${changes.length === 0 ? 'no object differs' : `objects differ in ${changes.length} paths`}`,
    );
    if (step.expects !== 'changed') for (const change of changes) this.#options.log(`  object differs: ${change}`);
    this.#report(step, [...problems, ...alerts, ...ofProbes]);
  }

  /** @param error why the step did not come to its end */
  fail(step: Step, error: unknown): void {
    this.#report(step, [messageOf(error), ...this.#takeProbes().problems]);
  }

  /** Reports problems beside the steps. */
  note(what: string, problems: readonly string[]): void {
    this.#report({ name: what }, problems);
  }

  #report(step: Pick<Step, 'name'>, problems: readonly string[]): void {
    for (const problem of problems) this.#options.log(`  wrong: ${problem}`);
    this.problems.push(...problems.map((problem) => `${step.name}: ${problem}`));
  }

  /**
   * Compares with the state before the step, or, where it restores, with the first state.
   *
   * @returns paths of objects that differ
   */
  #compare(step: Step, state: State): { readonly changes: readonly string[]; readonly problems: readonly string[] } {
    const [from, to] = step.expects === 'restored' ? [withoutCommits(this.#first), withoutCommits(state)] : [this.#last, state];
    const changes = differencesOf(from.objects, to.objects);
    if (step.expects === 'changed') return { changes, problems: changes.length === 0 ? ['the clusters are as before the commit'] : [] };
    const isWhole = step.expects !== 'apart';
    const views = (isWhole ? differencesOf(from.hub, to.hub) : []).map((change) => `the hub's answer differs: ${change}`);
    const others = changes.length === 0 || this.#options.allowObjectChanges ? [] : [`objects differ in ${changes.length} paths`];
    return { changes, problems: [...others, ...views] };
  }

  async #takeAlerts(signal: AbortSignal): Promise<readonly string[]> {
    const { newest, alerts } = await readAlerts(this.#world.hub, this.#event, signal);
    this.#event = newest;
    return alerts.map((alert) => `alert: ${alert}`);
  }

  #takeProbes(): { readonly counts: ProbeCounts; readonly problems: readonly string[] } {
    const taken = this.#world.probes.map((probe) => probe.take());
    return { counts: taken.map(({ counts }) => counts).reduce(addCounts), problems: taken.flatMap(({ problems }) => problems) };
  }
}

const readState = async ({ clusters, untilInForce }: World, signal: AbortSignal, refused?: readonly string[]): Promise<State> => {
  const objects = await Promise.all(clusters.map(async (cluster) => [cluster.name, await cluster.settledObjects(signal)] as const));
  return { objects: Object.fromEntries(objects), hub: await untilInForce(refused) };
};

/** @returns whether all came to their end */
const runAll = async (run: UpgradeRun, steps: readonly Step[], signal: AbortSignal): Promise<boolean> => {
  for (const step of steps) {
    try {
      await run.run(step, signal);
    } catch (error) {
      signal.throwIfAborted();
      run.fail(step, error);
      return false;
    }
  }
  return true;
};

/** Begins where hub and agents run in the old version. */
const runSteps = async (world: World, options: UpgradeOptions, next: Version, signal: AbortSignal): Promise<UpgradeResult> => {
  const run = await UpgradeRun.begin(world, options, signal);
  if (options.protocolBreak) {
    const record = await recordBefore(world, signal);
    const steps = planBreakSteps(world, next, () => world.hub.command(world.old, ['backup', record.backup]));
    if (await runAll(run, steps, signal)) run.note('in the end', await checkAfter(world, record, next, signal));
  } else await runAll(run, planSteps(world, next, options.agentsOnly), signal);
  return { steps: run.results, problems: run.problems };
};

/**
 * Upgrades hub and agents from one version to another and back, while pods are offered without an
 * end.
 *
 * @throws Error with the reason where the old version alone does not run
 */
export const upgrade = async (options: UpgradeOptions, signal: AbortSignal): Promise<UpgradeResult> => {
  const next = await workingTree();
  const use = async (world: World): Promise<UpgradeResult> => {
    const { old, hub, clusters } = world;
    options.log(`old: ${old.commit}, new: ${next.commit}`);
    await hub.start(old, signal);
    for (const cluster of clusters) await world.startAgent(cluster, old);
    await world.untilInForce();
    options.log('hub and agents run in the old version, and every policy is active');
    return await runSteps(world, options, next, signal);
  };
  return await withWorld(options, use, signal);
};
