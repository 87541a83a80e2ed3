import type { KubeObject } from '@fso/shared/api';
import { collectionPath, EVENT_KIND, isGone, type KindDescriptor, type KubeClient, watch } from '@fso/shared/kube';
import { type Allowance, createAllowance, createBackoff, type Logger, messageOf, type Runtime } from '@fso/shared/runtime';
import { z } from 'zod';
import { refuserOf } from '../probe/index.ts';
import { concernOf } from './metrics-page.ts';
import type { OwnerName } from './named-denials.ts';

/** API server whose events are watched, and the receiver of refusals. */
export interface EventWatchDeps extends Pick<Runtime, 'clock' | 'random'> {
  readonly client: Pick<KubeClient, 'raw' | 'stream'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Called for each event that reports that lock 1 refused a pod of an object. */
  readonly onRefusal: (controller: OwnerName) => void;
}

/** Selects the events that controllers write if the API server refuses a pod. */
const REFUSED_PODS = { fieldSelector: 'reason=FailedCreate' };
const KIND = EVENT_KIND as KindDescriptor<KubeObject>;
/** Rate at which events are read. Anyone may write any number of them. */
const PACE = { burst: 5_000, perSecond: 500 };
const RETRY = { baseMs: 2_000, minMs: 1_000, maxMs: 30_000 };
/**
 * Duration in ms below which a watch counts as short; after short watches the next one is delayed.
 */
const SHORT_MS = 1_000;

const NOT_READ = 'they are not read yet';

/** Fields that are read. `namespace` is that of the event, in which its writer has rights. */
const Refusal = z.looseObject({
  metadata: z.looseObject({ namespace: z.string().min(1) }),
  involvedObject: z.looseObject({ kind: z.string(), name: z.string() }),
  message: z.string(),
});

/** Extracts the object whose pod lock 1 refused from an event; undefined for other events. */
export const refusedIn = (event: unknown): OwnerName | undefined => {
  const parsed = Refusal.safeParse(event);
  if (!parsed.success) return undefined;
  const { metadata, involvedObject, message } = parsed.data;
  if (concernOf(refuserOf(message).policy ?? '') !== 'pods') return undefined;
  return { kind: involvedObject.kind, namespace: metadata.namespace, name: involvedObject.name };
};

/**
 * Watches the events of refused pods from now on, and stores none. Each write of an event is one
 * refusal, whatever its `count` is. If there are more events than can be read, some are skipped.
 */
export class EventWatch {
  readonly #deps: EventWatchDeps;
  readonly #allowance: Allowance;
  #problem: string | undefined = NOT_READ;

  constructor(deps: EventWatchDeps) {
    this.#deps = deps;
    this.#allowance = createAllowance(deps.clock, PACE);
  }

  /** Reason why events are not read now, if any. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    const backoff = createBackoff({ ...RETRY, random });
    let version: string | undefined;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      version = await this.#tryFrom(version, signal);
      if (version !== undefined && clock.monotonicMs() - startedMs >= SHORT_MS) backoff.reset();
      else await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  /**
   * Watches once.
   *
   * @param version undefined: from now on
   * @returns the version to continue from; undefined if the watch failed
   */
  async #tryFrom(version: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#watchFrom(version ?? (await this.#currentVersion(signal)), signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      // Without bookmarks the version of a quiet watch expires.
      if (isGone(error)) return this.#currentVersion(signal).catch(() => undefined);
      if (this.#problem === undefined || this.#problem === NOT_READ)
        this.#deps.logger.warn({ err: error }, 'events of refused pods cannot be read');
      this.#problem = messageOf(error);
      return undefined;
    }
  }

  /** Version of the newest event, read by a list of one. */
  async #currentVersion(signal: AbortSignal): Promise<string> {
    const request = { method: 'GET', path: collectionPath(KIND, undefined), query: { limit: '1' } } as const;
    const { object } = await this.#deps.client.raw<{ metadata: { resourceVersion: string } }>(request, signal);
    return object.metadata.resourceVersion;
  }

  /**
   * @returns the version at the end of the watch
   * @throws Error if there are too many events
   */
  async #watchFrom(resourceVersion: string, signal: AbortSignal): Promise<string> {
    const { random, onRefusal } = this.#deps;
    let version = resourceVersion;
    const request = { kind: KIND, options: REFUSED_PODS, resourceVersion, random };
    for await (const { type, object } of watch({ stream: (...args) => this.#open(...args) }, request, signal)) {
      version = object.metadata.resourceVersion ?? version;
      if (type !== 'ADDED' && type !== 'MODIFIED') continue;
      if (this.#allowance.take(1) === 0) throw new Error('there are more events of refused pods than are read');
      const refused = refusedIn(object);
      if (refused !== undefined) onRefusal(refused);
    }
    return version;
  }

  /**
   * Opens the stream of a watch. This clears the problem, as a quiet stream may have no event for
   * long.
   */
  async #open(...args: Parameters<KubeClient['stream']>): ReturnType<KubeClient['stream']> {
    const chunks = await this.#deps.client.stream(...args);
    this.#problem = undefined;
    return chunks;
  }
}
