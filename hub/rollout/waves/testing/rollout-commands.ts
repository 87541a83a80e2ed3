import type { RolloutStrategySpec } from '@fso/shared/api';
import fc from 'fast-check';
import { pauseRun } from '../resume-run.ts';
import { UNTAGGED, ZONES, type Zone } from './commits.ts';
import { create } from './rollout-fleet.ts';
import type { RolloutRules } from './rollout-rules.ts';
import { type Faults, RolloutWorld } from './rollout-world.ts';
import { SignerRules } from './signer-rules.ts';
import { STRATEGIES } from './strategies.ts';

/** Model of fast-check: the rules, which look at the world. */
interface Model {
  readonly rules: RolloutRules;
}

const NAMES = ['a1', 'a2', 'b1', 'b2', 'c1', 'c2'] as const;
const name = fc.constantFrom(...NAMES);

/** A command that changes the world; a step of the hub follows, and the rules are checked. */
class Happening implements fc.Command<Model, RolloutWorld> {
  readonly #text: string;
  readonly #change: (world: RolloutWorld, rules: RolloutRules) => void;
  readonly #crashes: boolean;

  constructor(text: string, change: (world: RolloutWorld, rules: RolloutRules) => void, crashes = false) {
    this.#text = text;
    this.#change = change;
    this.#crashes = crashes;
  }

  check(): boolean {
    return true;
  }

  run({ rules }: Model, world: RolloutWorld): void {
    this.#change(world, rules);
    const before = world.moment();
    world.step(this.#crashes);
    rules.check(before, !this.#crashes);
  }

  toString(): string {
    return this.#text;
  }
}

const happening = <T>(label: string, values: fc.Arbitrary<T>, change: (world: RolloutWorld, value: T, rules: RolloutRules) => void) =>
  values.map((value) => new Happening(`${label} ${JSON.stringify(value)}`, (world, rules) => change(world, value, rules)));

const register = (world: RolloutWorld, cluster: (typeof NAMES)[number], label?: Zone): void => {
  const { zone } = world.clusters.get(cluster) ?? create(cluster);
  world.commit({ registered: new Map([...world.newest.registered, [cluster, label ?? zone]]) });
};

const deregister = (world: RolloutWorld, cluster: string): void =>
  world.commit({ registered: new Map([...world.newest.registered].filter(([each]) => each !== cluster)) });

const content = fc.integer({ min: 0, max: 5 });

const COMMANDS: fc.Arbitrary<fc.Command<Model, RolloutWorld>>[] = [
  happening('commit', fc.record({ a: content, b: content, c: content }), (world, contents) => world.commit({ contents })),
  happening('commit in one zone', fc.tuple(fc.constantFrom(...ZONES), content), (world, [zone, value]) =>
    world.commit({ contents: { ...world.newest.contents, [zone]: value } }),
  ),
  happening('skip waves', content, (world, value) => {
    const { contents, immediate } = world.newest;
    if (immediate === undefined) world.commit({ contents: { ...contents, a: value, b: value }, immediate: UNTAGGED });
    else world.tagImmediate();
  }),
  happening('sign with the stolen key', fc.tuple(fc.constantFrom(...ZONES), content), (world, [zone, value]) => {
    const { contents, trustsStolen } = world.newest;
    if (trustsStolen) world.commit({ contents: { ...contents, [zone]: value }, isStolen: true });
  }),
  happening('take the stolen key out', fc.tuple(fc.constantFrom(...ZONES), content), (world, [zone, value]) =>
    world.commit({ contents: { ...world.newest.contents, [zone]: value }, trustsStolen: false }),
  ),
  happening('trust the stolen key again', fc.constant('a mistake'), (world) => world.commit({ trustsStolen: true })),
  happening('approve', fc.constant('for every wave'), approveAll),
  happening('approve', fc.constantFrom(...ZONES), (world, wave) => world.approve(wave)),
  happening('revoke', fc.constantFrom(...ZONES), (world, wave) => world.revoke(wave)),
  happening('revert', fc.nat(3), (world, back) => world.commit({ contents: (world.commits.at(-2 - back) ?? world.newest).contents })),
  happening('strategy', fc.nat(STRATEGIES.length - 1), (world, at) => world.commit({ strategy: STRATEGIES[at] })),
  happening('join', name, (world, cluster) => register(world, cluster)),
  happening('label', fc.tuple(name, fc.constantFrom(...ZONES)), (world, [cluster, label]) => register(world, cluster, label)),
  happening('leave', name, deregister),
  happening('away', name, (world, cluster) => {
    const found = world.clusters.get(cluster);
    if (found !== undefined) found.awaySince ??= world.now;
  }),
  happening('return', name, (world, cluster) => {
    const found = world.clusters.get(cluster);
    if (found !== undefined) found.awaySince = null;
  }),
  happening('flap', name, (world, cluster) => {
    const { flapping } = world;
    if (!flapping.delete(cluster)) flapping.add(cluster);
  }),
  happening('starve', name, (world, cluster) => {
    if (!world.starved.delete(cluster)) world.starved.add(cluster);
  }),
  happening('refuse', name, (world, cluster) => {
    if (!world.refusing.delete(cluster)) world.refusing.add(cluster);
  }),
  happening('unseen', fc.constantFrom(...ZONES), (world, zone, rules) => {
    for (const cluster of world.clusters.values()) if (cluster.zone === zone) cluster.awaySince ??= world.now;
    const { contents } = world.newest;
    world.commit({ contents: { ...contents, [zone]: contents[zone] + 1 } });
    look(world, rules);
    world.now += UNREACHABLE_MS;
  }),
  happening('refuse, and pass that', fc.tuple(fc.constantFrom(...ZONES), content), (world, [zone, value], rules) => {
    const [name, other] = [`${zone}1`, `${zone}2`];
    const registered = new Map([...world.newest.registered, [name, zone], [other, zone]] as const);
    world.refusing.add(name);
    world.commit({ contents: { ...world.newest.contents, [zone]: value }, registered });
    for (let minute = 0; minute < PASSED_MINUTES; minute += 1) passMinute(world, rules);
    world.commit({ contents: { ...world.newest.contents, [zone]: value + 1 } });
  }),
  happening('restart', fc.constant('the hub'), (world) => world.restart()),
  happening('restart', fc.constant('every agent'), restartAgents),
  happening('agent', name, (world, cluster) => {
    const found = world.clusters.get(cluster);
    if (found !== undefined) world.work(found);
  }),
  happening('agents', fc.constant(2), workAll),
  happening('wait', fc.constantFrom(1, 20, 60, 150, 300), (world, seconds) => {
    world.now += seconds * 1000;
  }),
  happening('pause', fc.constant('someone'), (world, by) => {
    if (world.run !== undefined) world.run = pauseRun(world.run, by, world.now);
  }),
  happening('resume', fc.constant('someone'), resume),
  // What has happened since the last step is planned, and the hub ends before it is stored.
  fc
    .tuple(fc.constantFrom(...ZONES), content)
    .map(
      ([zone, value]) =>
        new Happening(
          `crash at a commit ${zone}${value}`,
          (world) => world.commit({ contents: { ...world.newest.contents, [zone]: value } }),
          true,
        ),
    ),
  fc.constantFrom(0, 60).map((seconds) => new Happening(`crash after ${seconds} s`, (world) => passTime(world, seconds), true)),
];

/** Agents that have restarted do not hold a commit, and have yet to prove the one in force. */
function restartAgents(world: RolloutWorld): void {
  for (const cluster of world.clusters.values()) Object.assign(cluster, { proven: null, held: null });
}

function approveAll(world: RolloutWorld): void {
  for (const wave of ZONES) world.approve(wave);
}

function workAll(world: RolloutWorld, steps: number): void {
  for (let step = 0; step < steps; step += 1) for (const cluster of world.clusters.values()) world.work(cluster);
}

/** Those that come and go are there for a minute and away for one, in turn, and prove nothing. */
function flap(world: RolloutWorld): void {
  for (const [at, name] of [...world.flapping].entries()) {
    const cluster = world.clusters.get(name);
    if (cluster === undefined) continue;
    const isAway = (Math.round(world.now / 60_000) + at) % 2 === 0;
    cluster.awaySince = isAway ? (cluster.awaySince ?? world.now) : null;
    cluster.proven = null;
  }
}

function passTime(world: RolloutWorld, seconds: number): void {
  workAll(world, 2);
  world.now += seconds * 1000;
}

function resume(world: RolloutWorld, _by: string, rules: RolloutRules): void {
  const before = world.moment();
  world.resume();
  rules.checkResume(before);
}

/** Time after which no wave of the strategies waits for a cluster, in milliseconds. */
const UNREACHABLE_MS = 120_000;
/** Minutes within which most waves finish a commit whose gates someone passes. */
const PASSED_MINUTES = 6;
/** Minutes within which every run ends once no more commits come. */
const MINUTES = 120;
/** Minutes for which a commit stays whose approval was taken back. */
const REVOKED_MINUTES = 10;
const MAX_RESTART_AT = 6;

const look = (world: RolloutWorld, rules: RolloutRules): void => {
  const before = world.moment();
  world.step();
  rules.check(before);
};

/** A minute in which some come or go, agents do their work, and people approve and pass gates. */
const passMinute = (world: RolloutWorld, rules: RolloutRules): void => {
  flap(world);
  approveAll(world);
  passTime(world, 60);
  look(world, rules);
  // What a gate has found is accepted while it is known.
  resume(world, '', rules);
};

/**
 * @param restartAt minute in which every agent restarts
 * @throws Error where a run does not end once nothing else happens
 */
const settle = (world: RolloutWorld, rules: RolloutRules, restartAt: number): void => {
  if (world.isRevoked(world.newest.revision)) {
    // No agent takes it, also where it is approved again: another commit comes in its place.
    for (let minute = 0; minute < REVOKED_MINUTES; minute += 1) passMinute(world, rules);
    world.commit({});
  }
  const { newest, clusters } = world;
  const isSettled = (): boolean =>
    (world.run === undefined || world.run.base.revision === newest.revision) &&
    [...clusters.values()].every(({ target }) => target === newest.revision);
  for (let minute = 0; minute < MINUTES && !isSettled(); minute += 1) {
    if (minute === restartAt) {
      restartAgents(world);
      look(world, rules);
    }
    passMinute(world, rules);
  }
  if (!isSettled()) throw new Error(`the run stays at ${JSON.stringify([world.run, ...clusters.values()])}`);
};

/** @returns a fleet of six agents, of which a first commit with a strategy registers three */
const begin = (faults: Faults, strategy: RolloutStrategySpec | undefined): RolloutWorld => {
  const world = new RolloutWorld(faults);
  world.commit({});
  for (const cluster of NAMES) world.clusters.set(cluster, create(cluster));
  for (const cluster of ['a1', 'b1', 'c1'] as const) register(world, cluster);
  world.commit({ strategy });
  world.step();
  for (const cluster of world.clusters.values()) for (let step = 0; step < 2; step += 1) world.work(cluster);
  return world;
};

/** Strategies that a fleet begins with; the last has waves that need an approval. */
const FIRST_STRATEGIES = [STRATEGIES[1], STRATEGIES[1], STRATEGIES[4], STRATEGIES.at(-1)];

/** Property: whatever happens, no step breaks a rule, and every run ends once nothing happens. */
export const rolloutProperty = (faults: Faults = {}) =>
  fc.property(
    fc.constantFrom(...FIRST_STRATEGIES),
    fc.commands(COMMANDS, { maxCommands: 60 }),
    fc.nat(MAX_RESTART_AT),
    (strategy, commands, restartAt) => {
      const world = begin(faults, strategy);
      const rules = new SignerRules(world);
      fc.modelRun(() => ({ model: { rules }, real: world }), commands);
      settle(world, rules, restartAt);
    },
  );
