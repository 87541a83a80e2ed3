import type { ClusterEvent, SovereignPolicy } from '@fso/shared/api';
import type { Informer, KubeClient } from '@fso/shared/kube';
import { type Backoff, type Clock, createBackoff, type Logger, messageOf, Wakeup } from '@fso/shared/runtime';
import { applyWrites } from './apply-writes.ts';
import { LivePolicies } from './live-policies.ts';
import { type DesiredPolicies, isDrift, planWrites, type WriteAction } from './plan-writes.ts';

/** A commit on its way into the cluster. */
export interface WriteTarget {
  readonly revision: string;
  readonly desired: DesiredPolicies;
}

export interface PolicyWriterOptions {
  readonly client: KubeClient;
  readonly policies: Informer<SovereignPolicy>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onEvent: (event: ClusterEvent) => void;
}

const RETRY = { baseMs: 500, maxMs: 30_000 };
/** Passes in a row that did not get through, after which people are told. */
const ALERT_AFTER = 3;
/** What people are told of drift. */
const DRIFT: Readonly<Record<WriteAction['type'], string>> = {
  apply: 'was changed or deleted in the cluster; it was put back as Git has it',
  delete: 'claimed to come from Git, which does not have it; it was deleted',
  release: 'was deleted in the cluster although Git has it; its finalizers were removed, and it is written anew',
};
/** Everything is compared anew this often, whatever the watch said. */
const RESYNC_MS = 30_000;

/**
 * Keeps the hub-managed SovereignPolicies of the cluster as the newest target says: writes a new target, and puts back
 * what anybody else changed. Level-triggered: each pass plans from what stands in the cluster.
 */
export class PolicyWriter<T extends WriteTarget = WriteTarget> {
  readonly live: LivePolicies;
  readonly #options: PolicyWriterOptions;
  readonly #onWritten: (target: T, signal: AbortSignal) => Promise<void>;
  readonly #wakeup = new Wakeup();
  readonly #backoff: Backoff;
  #target: T | undefined;
  #written: T | undefined;
  #superseded = new AbortController();
  #attempts = 0;

  /** @param onWritten called once for each target that stands in the cluster completely; if it throws, again after a while */
  constructor(options: PolicyWriterOptions, onWritten: (target: T, signal: AbortSignal) => Promise<void>) {
    this.#options = options;
    this.#backoff = createBackoff({ ...RETRY, random: options.random });
    this.#onWritten = onWritten;
    this.live = new LivePolicies(options.policies, options.clock);
  }

  get target(): T | undefined {
    return this.#target;
  }

  /** The newest wins: writes of the target before that have not started are dropped. */
  setTarget(target: T): void {
    this.#target = target;
    this.#settled();
    this.#superseded.abort();
    this.#superseded = new AbortController();
    this.#wakeup.wake();
  }

  /** A target that was written in an earlier life of the agent; only drift from it is put back. */
  resume(target: T): void {
    this.#written = target;
    this.setTarget(target);
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = this.#options.policies.onChange((key, current, previous) => {
      this.live.shown(key, current, previous);
      if (this.#target !== undefined && isDrift(key, this.#target.desired, this.live.get(key))) this.#wakeup.wake();
    });
    try {
      while (!signal.aborted) {
        const waitMs = await this.#pass(signal);
        await this.#wakeup.waitAtMost(waitMs, this.#options.clock, signal);
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
    const { client } = this.#options;
    const failures = await applyWrites(actions, { client, live: this.live, superseded: this.#superseded.signal }, signal);
    if (signal.aborted || target !== this.#target) return 0;
    if (failures.length > 0) return this.#failed(target, failures);
    // Somebody's deletion is told of in any case; other writes of a new target are none of anybody's doing.
    this.#reportDrift(target, target === this.#written ? actions : actions.filter(({ type }) => type === 'release'));
    // A second pass checks the first; if a write does not last, something fights it and must not be fought at full speed.
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
    const { logger, onEvent, clock } = this.#options;
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
    const { logger, onEvent, clock } = this.#options;
    const time = clock.now().toISOString();
    for (const { key, type } of actions) {
      logger.warn({ policy: key, revision, action: type }, 'hub-managed policy was changed in the cluster and put back');
      onEvent({ time, severity: 'alert', reason: 'TamperingRepaired', message: `${key} ${DRIFT[type]}`, policy: key, revision });
    }
  }
}
