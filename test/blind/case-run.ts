import { setTimeout as delay } from 'node:timers/promises';
import type { KindDescriptor } from '@fso/shared/kube';
import { messageOf } from '@fso/shared/runtime';
import { eventually, HANG_MS, waitFor } from '../harness/waiting.ts';
import { claimsEverything, readAgent } from './agent-says.ts';
import { type BlindWorld, LIMITS } from './blind-world.ts';
import { type BlindCase, hasFault } from './cases.ts';
import { type Lock, lockOf } from './locks.ts';
import { deformationsFor, describeDeformation } from './malformation.ts';
import type { Deformation } from './proxy/deform.ts';
import { type Bites, countBites, type Fault, NO_BITES } from './proxy/faults.ts';
import { resourceOf } from './proxy/requests.ts';
import { shortList } from './short-list.ts';
import { readCluster, readCommandLine, readHub } from './surfaces.ts';
import { Testimony } from './testimony.ts';
import { touch } from './touch.ts';
import { findOpenings } from './watchfulness.ts';

export interface Outcome {
  readonly name: string;
  readonly isFaulty: boolean;
  /** Empty: the case is passed. */
  readonly failures: readonly string[];
  readonly bites: Bites;
  /** Description of what the agent did, for the table. */
  readonly ending: string;
  readonly tookMs: number;
}

/** Interval of looks at the snapshot, ms. */
const LOOK_MS = 100;
/** Looks at each surface after it fell silent. */
const LOOKS_IN_SILENCE = 3;
const SNAPSHOT_LOOKS = 10;
/** Number of looks while one field is malformed. */
const LOOKS_PER_FIELD = 5;
/** Number of stale lists after which they are about as old as they may be. */
const STALE_LISTS = 3;
const LOOKS_PER_TOUCH = 10;
/** Duration of a control, ms: longer than a kind takes to be out of date. */
const CONTROL_MS = 1.5 * LIMITS.kindMs;

/** Run of one case in a world where everything is in force. It leaves the world so. */
export class CaseRun {
  readonly #world: BlindWorld;
  readonly #case: BlindCase;
  readonly #kind: KindDescriptor;
  readonly #lock: Lock;
  readonly #testimony: Testimony;
  readonly #patienceMs: number;
  readonly #failures = new Set<string>();
  #ending = '';
  #looks = 0;
  /** The field that was malformed last. */
  #malformed: string | undefined;

  private constructor(world: BlindWorld, blindCase: BlindCase, { kind, patienceMs }: { kind: KindDescriptor; patienceMs: number }) {
    this.#world = world;
    this.#case = blindCase;
    this.#kind = kind;
    this.#lock = lockOf(blindCase.kind);
    this.#patienceMs = patienceMs;
    const resource = resourceOf(kind.plural, kind.apiVersion);
    const judgesAge = hasFault(blindCase) && blindCase.fault !== 'malformed';
    this.#testimony = new Testimony(world, { kind: blindCase.kind, resource, judgesAge, patienceMs });
  }

  /** @param patienceMs see {@link Testimony} */
  static async run(world: BlindWorld, blindCase: BlindCase, patienceMs: number): Promise<Outcome> {
    const started = performance.now();
    const kind = world.kind(blindCase.kind);
    const outcome = { name: blindCase.name, isFaulty: hasFault(blindCase) };
    if (kind === undefined) {
      const failures = [`the API server has no ${blindCase.kind}`];
      return { ...outcome, failures, bites: NO_BITES, ending: '', tookMs: performance.now() - started };
    }
    const run = new CaseRun(world, blindCase, { kind, patienceMs });
    await run.#run();
    const failures = [...run.#failures, ...run.#testimony.failures];
    return { ...outcome, failures, bites: world.proxy.bites, ending: run.#endingText, tookMs: performance.now() - started };
  }

  get #endingText(): string {
    return this.#malformed === undefined ? this.#ending : `${this.#ending}; last ${this.#malformed}`;
  }

  get #resource(): string {
    return resourceOf(this.#kind.plural, this.#kind.apiVersion);
  }

  async #run(): Promise<void> {
    try {
      // A case before may have failed to heal.
      await waitUntilWhole(this.#world);
      if (this.#case.fault === 'malformed' && this.#case.lock === 'whole') await this.#malformFields();
      else await this.#blind();
    } catch (error) {
      this.#failures.add(messageOf(error));
    }
    this.#world.proxy.end();
    await this.#heal();
  }

  async #blind(): Promise<void> {
    const { proxy } = this.#world;
    proxy.forgetBites();
    if (hasFault(this.#case)) await proxy.begin(await this.#fault());
    this.#testimony.begin();
    const begunMs = performance.now();
    if (this.#case.lock === 'taken') await this.#lock.take(this.#world);
    const patienceMs = hasFault(this.#case) ? this.#patienceMs : HANG_MS;
    while (!(await this.#isSettled(begunMs))) {
      if (performance.now() - begunMs > patienceMs + this.#shownMs) {
        this.#failures.add(this.#unsettledText());
        break;
      }
    }
    if (this.#case.isLong && this.#ending === 'blind') await this.#readCommandLine();
    if (hasFault(this.#case) && !this.#hasBitten) this.#failures.add('the fault did not bite');
  }

  get #hasBitten(): boolean {
    const { bites } = this.#world.proxy;
    return this.#case.fault === 'list-lags' ? bites.stale >= STALE_LISTS : countBites(bites) > 0;
  }

  /** The status in the cluster follows later. */
  get #shownMs(): number {
    return this.#case.isLong ? LIMITS.shownMs : 0;
  }

  #unsettledText(): string {
    const { outOfDate, claims } = readAgent(this.#world.agent);
    return `neither blind nor right: out of date: ${outOfDate.join(', ') || 'nothing'}; claims: ${shortList(claims)}`;
  }

  /** Looks once. @returns whether the case has shown what it is to show */
  async #isSettled(begunMs: number): Promise<boolean> {
    const ending = await this.#look(begunMs);
    this.#ending = ending ?? '';
    return ending !== undefined;
  }

  async #look(begunMs: number): Promise<string | undefined> {
    await this.#touchUntilBitten();
    await this.#testimony.look();
    await delay(LOOK_MS);
    if (this.#case.lock === 'whole') await this.#findOpenings();
    if (!hasFault(this.#case)) return this.#lookAtControl(begunMs);
    if (!this.#hasBitten) return undefined;
    if (this.#isSilent()) return 'blind';
    if (this.#case.lock === 'taken') return (await this.#lock.isKnown(this.#world)) ? 'right' : undefined;
    return this.#testimony.hasHeard ? 'sees' : undefined;
  }

  async #lookAtControl(begunMs: number): Promise<string | undefined> {
    if (this.#case.lock === 'taken') return (await this.#lock.isKnown(this.#world)) ? 'right' : undefined;
    if (performance.now() - begunMs < CONTROL_MS) return undefined;
    if (this.#testimony.greenness < 0.5) this.#failures.add('nothing is claimed, though nothing is wrong');
    return 'sees';
  }

  #isSilent(): boolean {
    const { isLong } = this.#case;
    return (
      this.#testimony.isSilent('snapshot', SNAPSHOT_LOOKS) &&
      this.#testimony.isSilent('readiness', LOOKS_IN_SILENCE) &&
      this.#testimony.isSilent('hub', LOOKS_IN_SILENCE) &&
      (!isLong || this.#testimony.isSilent('cluster', LOOKS_IN_SILENCE))
    );
  }

  async #readCommandLine(): Promise<void> {
    const claims = await readCommandLine(this.#world);
    if (claims.length > 0 && this.#isSilent())
      this.#failures.add(`command line: claims what the agent does not know: ${claims.join(', ')}`);
  }

  async #findOpenings(): Promise<void> {
    for (const opening of await findOpenings(this.#world)) this.#failures.add(opening);
  }

  async #touch(): Promise<void> {
    await touch(this.#world, this.#kind);
  }

  /**
   * Touches an object until the fault has had an effect. A fault needs an event to hold back, and a
   * watch may not be open yet when the first one comes.
   */
  async #touchUntilBitten(): Promise<void> {
    if (hasFault(this.#case) && !this.#hasBitten && this.#looks % LOOKS_PER_TOUCH === 0) await this.#touch();
    this.#looks += 1;
  }

  async #fault(deformation?: Deformation): Promise<Fault> {
    const { fault: name, seed } = this.#case;
    if (name === 'none') throw new Error('a control has no fault');
    const base = { name, resource: this.#resource, endsWatches: seed % 2 === 0 };
    if (name !== 'malformed') return base;
    const chosen = deformation ?? (await deformationsFor(this.#world, this.#kind, this.#case))[0];
    if (chosen === undefined) return base;
    this.#malformed = describeDeformation(chosen);
    return { ...base, deformation: chosen };
  }

  /** Malforms one field after the other; between two of them the agent gets a whole answer. */
  async #malformFields(): Promise<void> {
    const { proxy } = this.#world;
    proxy.forgetBites();
    for (const deformation of await deformationsFor(this.#world, this.#kind, this.#case)) {
      const bitten = proxy.bites.deformed;
      await this.#malform(deformation);
      if (proxy.bites.deformed === bitten) this.#failures.add(`${describeDeformation(deformation)} did not bite`);
    }
    this.#ending = 'bore it';
  }

  async #malform(deformation: Deformation): Promise<void> {
    const { proxy } = this.#world;
    const { deformed } = proxy.bites;
    await proxy.begin(await this.#fault(deformation));
    await this.#touch();
    const begunMs = performance.now();
    while (proxy.bites.deformed === deformed && performance.now() - begunMs < this.#patienceMs) await this.#look(begunMs);
    for (let look = 0; look < LOOKS_PER_FIELD; look += 1) {
      const before = this.#failures.size;
      await this.#look(begunMs);
      if (this.#failures.size > before) this.#failures.add(`with ${describeDeformation(deformation)}`);
    }
    const endedMs = performance.now();
    proxy.end();
    // The objects are as they were, in the version that was malformed.
    await waitFor(() => {
      if ((proxy.evidence.heardMs(this.#resource) ?? 0) < endedMs)
        throw new Error(`nothing is read any more after ${describeDeformation(deformation)}`);
    });
  }

  /** Waits until everything is in force again, without a restart of the agent. */
  async #heal(): Promise<void> {
    try {
      if (this.#case.lock === 'taken') await this.#restore();
      await waitUntilWhole(this.#world);
    } catch (error) {
      this.#failures.add(`does not heal after ${this.#endingText}: ${messageOf(error)}`);
    }
  }

  async #restore(): Promise<void> {
    await eventually(() => this.#lock.isKnown(this.#world));
    await this.#lock.undo?.(this.#world);
  }
}

const policiesText = ({ agent }: BlindWorld): string =>
  [...agent.observatory.snapshot().policies].map(([key, { report }]) => `${key} is ${report.phase}: ${report.message}`).join('; ');

/** Waits until everything is claimed everywhere again, and nothing is open. */
const waitUntilWhole = (world: BlindWorld): Promise<void> =>
  waitFor(async () => {
    const says = readAgent(world.agent);
    if (!claimsEverything(says) || says.outOfDate.length > 0)
      throw new Error(`the agent claims ${says.claims.join(', ')}; out of date: ${says.outOfDate.join(', ')}; ${policiesText(world)}`);
    const [hub, cluster] = await Promise.all([readHub(world), readCluster(world)]);
    if (hub.length !== 2 || cluster.length !== 3) throw new Error(`the hub claims ${hub.join(', ')}; the cluster ${cluster.join(', ')}`);
    const violations = [...world.agent.observatory.snapshot().policies.values()].reduce((sum, { report }) => sum + report.violations, 0);
    if (violations > 0) throw new Error(`${violations} violations are left`);
    world.events.length = 0;
    const openings = await findOpenings(world);
    if (openings.length > 0) throw new Error(openings.join('; '));
  });
