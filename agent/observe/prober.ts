import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { NamespaceGovernance } from '../enforce/types.ts';
import { Lane } from './lane.ts';
import type { FloorNames, ProbeVerdict } from './probe.ts';
import { type ProofKind, Proofs, proofsOf } from './proofs.ts';

export interface ProbeTarget {
  readonly governance: NamespaceGovernance;
  /** Changes whenever what was proven before no longer counts. */
  readonly fingerprint: string;
  /** Of the namespace. */
  readonly uid: string;
  readonly floorVersion: number;
}

export interface ProbeState {
  readonly fingerprint: string;
  /** failed: not proven for longer than the patience, or no longer true. */
  readonly state: 'pending' | 'proven' | 'failed';
  readonly message: string | undefined;
  /** Nothing was proven of this namespace since the agent started. */
  readonly first: boolean;
}

export interface ProberOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly floor: FloorNames;
  /** Whether this API server can have the bind gate. */
  readonly bindGate: boolean;
  /** Most requests at a time that only lock 1 answers, and as many more that also wait for webhooks. */
  readonly concurrency: number;
  /** Unproven for longer than this counts as failed. */
  readonly patienceMs: number;
  readonly onChange: () => void;
  readonly onVerdict: (verdict: ProbeVerdict['kind']) => void;
}

const FIRST_RETRY_MS = 5;
const MAX_RETRY_MS = 2_000;

/**
 * Proves, by dry-run requests, that lock 1 enforces what each namespace should have. A namespace whose governance
 * changed is asked for at once and again in short steps until it is proven; then all take turns, see {@link rotate}.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #signal: AbortSignal;
  #targets: ReadonlyMap<string, ProbeTarget> = new Map();
  readonly #states = new Map<string, ProbeState>();
  readonly #chasing = new Set<string>();
  readonly #seen = new Set<string>();
  /** Regions of the last proven governance, by namespace. */
  readonly #provenRegions = new Map<string, readonly string[]>();
  /** Namespaces in the order of their last proof: the first is the next of the rotation. */
  readonly #round = new Set<string>();
  /** How many proofs the rotation has asked for of a namespace: each time the next kind. */
  readonly #turns = new Map<string, number>();
  readonly #rotating = new Set<string>();
  readonly #proofs: Proofs;

  constructor(options: ProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#proofs = new Proofs({ ...options, direct: new Lane(options.concurrency), webhooks: new Lane(options.concurrency) });
  }

  /** Replaces what is to be proven. */
  expect(targets: ReadonlyMap<string, ProbeTarget>): void {
    this.#targets = targets;
    for (const namespace of this.#states.keys()) {
      if (targets.has(namespace)) continue;
      this.#states.delete(namespace);
      this.#provenRegions.delete(namespace);
      this.#round.delete(namespace);
      this.#turns.delete(namespace);
    }
    for (const [namespace, target] of targets) {
      if (this.#states.get(namespace)?.fingerprint === target.fingerprint) continue;
      this.#states.set(namespace, {
        fingerprint: target.fingerprint,
        state: 'pending',
        message: undefined,
        first: !this.#seen.has(namespace),
      });
      this.#seen.add(namespace);
      this.#start(namespace);
    }
  }

  /** @returns undefined: nothing was asked yet. */
  state(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  #start(namespace: string): void {
    if (this.#chasing.has(namespace)) return;
    this.#chasing.add(namespace);
    void this.#follow(namespace);
  }

  /** Never rejects: what goes wrong here is shown where people look for it. */
  async #follow(namespace: string): Promise<void> {
    try {
      await this.#chase(namespace);
    } catch (error) {
      const known = this.#states.get(namespace);
      if (!this.#signal.aborted && known !== undefined) this.#set(namespace, { ...known, state: 'failed', message: String(error) });
    } finally {
      this.#chasing.delete(namespace);
      // Its target may have changed after the last look.
      if (!this.#signal.aborted && this.#targets.has(namespace) && this.#states.get(namespace)?.state === 'pending') this.#start(namespace);
    }
  }

  async #chase(namespace: string): Promise<void> {
    const { clock } = this.#options;
    let fingerprint: string | undefined;
    let began = clock.monotonicMs();
    let wait = FIRST_RETRY_MS;
    while (!this.#signal.aborted) {
      const target = this.#targets.get(namespace);
      if (target === undefined) return;
      if (target.fingerprint !== fingerprint) {
        fingerprint = target.fingerprint;
        began = clock.monotonicMs();
        wait = FIRST_RETRY_MS;
      }
      const verdict = await this.#prove(target.governance);
      // The target may have changed meanwhile: then this verdict speaks of something else.
      if (this.#targets.get(namespace)?.fingerprint !== fingerprint) continue;
      if (this.#record(target, verdict, clock.monotonicMs() - began)) return;
      await clock.sleep(wait, this.#signal);
      wait = Math.min(MAX_RETRY_MS, wait * 2);
    }
  }

  /** @returns whether it is proven. */
  #record(target: ProbeTarget, verdict: ProbeVerdict, elapsedMs: number): boolean {
    this.#options.onVerdict(verdict.kind);
    const namespace = target.governance.namespace;
    if (verdict.kind === 'proven') {
      this.visited(namespace);
      this.#provenRegions.set(namespace, target.governance.actions.deny?.regions ?? []);
      this.#set(namespace, { fingerprint: target.fingerprint, state: 'proven', message: undefined, first: false });
      return true;
    }
    const state = elapsedMs > this.#options.patienceMs ? 'failed' : 'pending';
    const first = this.#states.get(namespace)?.first ?? false;
    this.#set(namespace, { fingerprint: target.fingerprint, state, message: verdict.message, first });
    return false;
  }

  #set(namespace: string, next: ProbeState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    if (previous?.state !== next.state || (next.state === 'failed' && previous.message !== next.message)) this.#options.onChange();
  }

  async #prove(governance: NamespaceGovernance): Promise<ProbeVerdict> {
    const kinds = proofsOf(governance, this.#options.bindGate);
    const verdicts = await Promise.all(kinds.map((kind) => this.#ask(kind, governance)));
    return verdicts.find(({ kind }) => kind === 'unproven') ?? verdicts.find(({ kind }) => kind !== 'proven') ?? { kind: 'proven' };
  }

  #ask(kind: ProofKind, governance: NamespaceGovernance): Promise<ProbeVerdict> {
    return this.#proofs.ask(kind, { governance, before: this.#provenRegions.get(governance.namespace) ?? [] }, this.#signal);
  }

  /** Something else has just been asked in this namespace: others come first now. */
  visited(namespace: string): void {
    if (!this.#targets.has(namespace)) return;
    this.#round.delete(namespace);
    this.#round.add(namespace);
  }

  /** Asks the namespace that waits longest for the next one of its proofs. What is not true any more is followed up. */
  async turn(): Promise<void> {
    const namespace = this.#round.values().next().value;
    const target = namespace === undefined ? undefined : this.#targets.get(namespace);
    if (namespace === undefined || target === undefined) return;
    this.visited(namespace);
    if (this.#chasing.has(namespace) || this.#rotating.has(namespace)) return;
    const kinds = proofsOf(target.governance, this.#options.bindGate);
    const turn = this.#turns.get(namespace) ?? 0;
    const kind = kinds[turn % Math.max(1, kinds.length)];
    if (kind === undefined) return;
    this.#turns.set(namespace, turn + 1);
    this.#rotating.add(namespace);
    try {
      const verdict = await this.#ask(kind, target.governance);
      if (verdict.kind === 'unproven' && this.#targets.get(namespace) === target) this.#start(namespace);
    } finally {
      this.#rotating.delete(namespace);
    }
  }
}
