import { type AgentSays, readAgent } from './agent-says.ts';
import type { BlindWorld } from './blind-world.ts';
import { shortList } from './short-list.ts';
import { readCluster, readHub, readReadiness, type Surface } from './surfaces.ts';

export interface TestimonyOptions {
  readonly kind: string;
  readonly resource: string;
  /** Whether whole answers prove that the agent may know; those of a malformed kind do not. */
  readonly judgesAge: boolean;
  /**
   * Time for which a claim may outlive its evidence before it counts as one that never ends, ms:
   * many times any limit.
   */
  readonly patienceMs: number;
}

/** The API server and the hub are asked for every so many looks at the snapshot. */
const ASK_EVERY = 5;

/**
 * Judges the claims that are made while a fault is on, by what came through to the agent. From the
 * moment at which the agent itself reports that it no longer knows, nothing may be claimed until
 * something came through again.
 */
export class Testimony {
  readonly failures = new Set<string>();
  readonly #world: BlindWorld;
  readonly #options: TestimonyOptions;
  #begunMs = performance.now();
  /** Time since which a surface claims nothing because the agent does not know the kind, ms. */
  readonly #silentMs = new Map<Surface, number>();
  readonly #looksInSilence = new Map<Surface, number>();
  #looks = 0;
  #green = 0;

  constructor(world: BlindWorld, options: TestimonyOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Begins with the fault: what came through before proves nothing. */
  begin(): void {
    this.#begunMs = performance.now();
  }

  /** Share of the looks at the snapshot that had claims, 0 to 1. */
  get greenness(): number {
    return this.#looks === 0 ? 0 : this.#green / this.#looks;
  }

  /** Whether the agent got a whole answer for the kind since the fault began. */
  get hasHeard(): boolean {
    return this.#heardMs > this.#begunMs;
  }

  /** Age of the evidence, or of the fault if that is younger, ms. */
  get ageMs(): number {
    return performance.now() - Math.max(this.#heardMs, this.#begunMs);
  }

  get #heardMs(): number {
    return this.#world.proxy.evidence.heardMs(this.#options.resource) ?? 0;
  }

  /** Whether a surface was looked at so often since it claims nothing. */
  isSilent(surface: Surface, looks: number): boolean {
    return (this.#looksInSilence.get(surface) ?? 0) >= looks;
  }

  async look(): Promise<AgentSays> {
    const says = readAgent(this.#world.agent, this.#options.kind);
    this.#looks += 1;
    if (says.claims.length > 0) this.#green += 1;
    for (const lie of says.lies) this.failures.add(`snapshot: ${lie}`);
    this.#judge('snapshot', says.claims);
    if (this.#looks % ASK_EVERY === 0) {
      this.#judge('readiness', await readReadiness(this.#world));
      this.#judge('hub', await readHub(this.#world));
      this.#judge('cluster', await readCluster(this.#world));
    }
    return says;
  }

  #judge(surface: Surface, claims: readonly string[]): void {
    const silentMs = this.#silentMs.get(surface);
    // What came through since may be claimed again.
    if (silentMs !== undefined && this.#heardMs > silentMs) this.#forget(surface);
    if (claims.length === 0 && this.#isBlind) this.#noteSilence(surface);
    if (claims.length > 0) this.#judgeClaims(surface, claims);
  }

  /**
   * Whether the agent reports that it does not know the kind; where answers are malformed, that it
   * does not know something. It may then see well enough, or miss what rests on another kind.
   */
  get #isBlind(): boolean {
    const { outOfDate } = readAgent(this.#world.agent);
    return this.#options.judgesAge ? outOfDate.includes(this.#options.kind) : outOfDate.length > 0;
  }

  #judgeClaims(surface: Surface, claims: readonly string[]): void {
    if (!this.#options.judgesAge) this.#forget(surface);
    else if (this.#silentMs.has(surface)) this.failures.add(`${surface}: claims again what it does not know: ${shortList(claims)}`);
    else if (this.ageMs > this.#options.patienceMs) this.failures.add(`${surface}: claims without an end: ${shortList(claims)}`);
  }

  #noteSilence(surface: Surface): void {
    if (!this.#silentMs.has(surface)) this.#silentMs.set(surface, performance.now());
    this.#looksInSilence.set(surface, (this.#looksInSilence.get(surface) ?? 0) + 1);
  }

  #forget(surface: Surface): void {
    this.#silentMs.delete(surface);
    this.#looksInSilence.delete(surface);
  }
}
