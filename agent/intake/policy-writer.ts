import { type ClusterEvent, parsePolicyKey, policyKey, type SovereignPolicy } from '@fso/shared/api';
import type { Informer } from '@fso/shared/kube';
import { type Backoff, createBackoff, messageOf, Wakeup } from '@fso/shared/runtime';
import { type DesiredPolicies, isDrift, planWrites, type WriteAction } from '../enforce/index.ts';
import type { AgentRuntime } from '../runtime.ts';
import { applyWrites } from './apply-writes.ts';
import { LivePolicies } from './live-policies.ts';

/** A commit on its way into the cluster. */
export interface WriteTarget {
  readonly revision: string;
  readonly desired: DesiredPolicies;
}

export interface PolicyWriterDeps {
  readonly runtime: AgentRuntime;
  readonly policies: Informer<SovereignPolicy>;
  readonly onEvent: (event: ClusterEvent) => void;
}

const RETRY = { baseMs: 500, maxMs: 30_000 };
/** Passes in a row that failed, or that others undid, after which an alert is due. */
const ALERT_AFTER = 3;
/** Texts of the events about drift. */
const DRIFT: Readonly<Record<WriteAction['type'], string>> = {
  apply: 'was changed or deleted in the cluster; it was put back as Git has it',
  delete: 'claimed to come from Git, which does not have it; it was deleted',
  release: 'was deleted in the cluster although Git has it; its finalizers were removed, and it is written again',
};
/** Everything is compared this often, whatever the watch shows. */
const RESYNC_MS = 30_000;

/**
 * Keeps the hub-managed SovereignPolicies of the cluster as the newest target has them: writes a new target, and restores
 * what others change. Level-triggered: each pass plans from the live policies.
 */
export class PolicyWriter<T extends WriteTarget = WriteTarget> {
  readonly live: LivePolicies;
  readonly #deps: PolicyWriterDeps;
  readonly #onWritten: (target: T, signal: AbortSignal) => Promise<void>;
  readonly #wakeup = new Wakeup();
  readonly #backoff: Backoff;
  #target: T | undefined;
  #written: T | undefined;
  #superseded = new AbortController();
  #attempts = 0;

  /** @param onWritten called once for each target that is written completely; if it throws, again after a while */
  constructor(deps: PolicyWriterDeps, onWritten: (target: T, signal: AbortSignal) => Promise<void>) {
    this.#deps = deps;
    this.#backoff = createBackoff({ ...RETRY, random: deps.runtime.random });
    this.#onWritten = onWritten;
    this.live = new LivePolicies(deps.policies, deps.runtime.clock);
  }

  get target(): T | undefined {
    return this.#target;
  }

  /** Whether writes of the target keep failing, or others keep undoing them. */
  get isStuck(): boolean {
    return this.#attempts >= ALERT_AFTER;
  }

  /** Replaces the target: writes of the one before that have not started are dropped. */
  setTarget(target: T): void {
    this.#target = target;
    this.#settled();
    this.#superseded.abort();
    this.#superseded = new AbortController();
    this.#wakeup.wake();
  }

  /** Sets a target that the agent wrote before its restart: only drift from it is written. */
  resume(target: T): void {
    this.#written = target;
    this.setTarget(target);
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = this.#deps.policies.onChange((objectKey, current, previous) => {
      const key = policyKey(parsePolicyKey(objectKey));
      this.live.shown(key, current, previous);
      if (this.#target !== undefined && isDrift(key, this.#target.desired, this.live.get(key))) this.#wakeup.wake();
    });
    try {
      while (!signal.aborted) {
        const waitMs = await this.#pass(signal);
        await this.#wakeup.waitAtMost(waitMs, this.#deps.runtime.clock, signal);
      }
    } finally {
      stop();
    }
  }

  /** @returns how long to wait for a change before the next pass */
  async #pass(signal: AbortSignal): Promise<number> {
    this.live.forgetOld();
    const target = this.#target;
    if (target === undefined) return RESYNC_MS;
    const { actions, waiting } = planWrites(target.desired, this.live.all());
    if (actions.length > 0) return this.#write(target, actions, signal);
    return waiting.length > 0 ? RESYNC_MS : this.#finish(target, signal);
  }

  async #write(target: T, actions: readonly WriteAction[], signal: AbortSignal): Promise<number> {
    this.#attempts += 1;
    const { client } = this.#deps.runtime;
    const failures = await applyWrites(actions, { client, live: this.live, superseded: this.#superseded.signal }, signal);
    if (signal.aborted || target !== this.#target) return 0;
    if (failures.length > 0) return this.#failed(target, failures);
    // A deletion by others is always reported; the other writes of a new target are not drift.
    this.#reportDrift(target, target === this.#written ? actions : actions.filter(({ type }) => type === 'release'));
    // A second pass checks the first; if a write does not last, something fights it, and the agent slows down.
    return this.#attempts <= 1 ? 0 : this.#backoff.next();
  }

  async #finish(target: T, signal: AbortSignal): Promise<number> {
    if (target === this.#written) {
      this.#settled();
      return RESYNC_MS;
    }
    try {
      await this.#onWritten(target, signal);
      this.#written = target;
      this.#settled();
      return RESYNC_MS;
    } catch (error) {
      this.#attempts += 1;
      return signal.aborted ? 0 : this.#failed(target, [error]);
    }
  }

  #settled(): void {
    this.#attempts = 0;
    this.#backoff.reset();
  }

  #failed({ revision }: T, failures: readonly unknown[]): number {
    const { runtime, onEvent } = this.#deps;
    const { logger, clock } = runtime;
    const [error] = failures;
    const retryInMs = Math.round(this.#backoff.next());
    logger.warn({ revision, failed: failures.length, attempt: this.#attempts, retryInMs, err: error }, 'policies could not be written');
    if (this.#attempts === ALERT_AFTER) {
      const message = `${failures.length} writes failed, ${messageOf(error)}; trying again`;
      onEvent({
        time: clock.now().toISOString(),
        severity: 'alert',
        reason: 'PolicyWriteFailed',
        message: message.slice(0, 4096),
        revision,
      });
    }
    return retryInMs;
  }

  #reportDrift({ revision }: T, actions: readonly WriteAction[]): void {
    const { runtime, onEvent } = this.#deps;
    const { logger, clock } = runtime;
    const time = clock.now().toISOString();
    for (const { key, type } of actions) {
      logger.warn({ policy: key, revision, action: type }, 'hub-managed policy was changed in the cluster and put back');
      onEvent({ time, severity: 'alert', reason: 'TamperingRepaired', message: `${key} ${DRIFT[type]}`, policy: key, revision });
    }
  }
}
