import { createHash } from 'node:crypto';
import type { KubeObject } from '../../api/index.ts';
import { type Clock, type Logger, systemClock, truncate } from '../../runtime/index.ts';
import type { KubeClient } from '../client/client.ts';
import { isNotFound } from '../errors.ts';
import { type CoreEvent, EVENT_KIND } from '../kinds.ts';

/** Client of an event recorder, and the names under which it reports. */
export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** Reporting component, e.g. `fso-agent`. */
  readonly component: string;
  /** Name of the replica. */
  readonly instance: string;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** Content of a Kubernetes Event, without its object and time. */
export interface EventFact {
  readonly type: 'Normal' | 'Warning';
  /** Reason in CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** Object of an event, with its type. */
export type InvolvedObject = KubeObject & { readonly apiVersion: string; readonly kind: string };

interface EventBody extends CoreEvent {
  metadata: { namespace: string; name: string };
}

interface RecentEvent {
  readonly namespace: string;
  readonly name: string;
  readonly at: number;
  count: number;
}

const WINDOW_MS = 600_000;
const MAX_REMEMBERED = 4_096;
/** Limits of the API server for core/v1 Events, in characters. */
const MAX_MESSAGE = 1_024;
const MAX_NAME_PREFIX = 200;

/** Namespace of events about objects without a namespace, as kubectl expects. */
const CLUSTER_SCOPED_NAMESPACE = 'default';

/**
 * Writes Kubernetes Events, best effort: a failure is logged, never thrown. A repetition within ten
 * minutes raises the count of the existing event.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #recent = new Map<string, RecentEvent>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async record(involved: InvolvedObject, fact: EventFact, signal: AbortSignal): Promise<void> {
    try {
      const id = this.#identify(involved, fact);
      const known = this.#recall(id);
      if (known !== undefined && (await this.#raiseCount(known, signal))) return;
      await this.#create(id, this.#describe(involved, fact), signal);
    } catch (error) {
      if (!signal.aborted) this.#options.logger.warn({ err: error, reason: fact.reason }, 'event not written');
    }
  }

  #identify({ apiVersion, kind, metadata }: InvolvedObject, { type, reason, message }: EventFact): string {
    const parts = [apiVersion, kind, metadata.namespace ?? '', metadata.name, metadata.uid ?? '', type, reason, message];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  }

  #recall(id: string): RecentEvent | undefined {
    const known = this.#recent.get(id);
    return known !== undefined && this.#clock.monotonicMs() - known.at < WINDOW_MS ? known : undefined;
  }

  /**
   * Raises the count of an event. @returns false if the event is gone (events live for an hour by
   * default)
   */
  async #raiseCount(known: RecentEvent, signal: AbortSignal): Promise<boolean> {
    known.count += 1;
    const patch = { count: known.count, lastTimestamp: this.#clock.now().toISOString() };
    try {
      await this.#options.client.mergePatch(EVENT_KIND, { namespace: known.namespace, name: known.name }, patch, signal);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #describe(involved: InvolvedObject, fact: EventFact): EventBody {
    const { component, instance } = this.#options;
    const { name, namespace, uid, resourceVersion } = involved.metadata;
    const now = this.#clock.now().toISOString();
    const reference = { apiVersion: involved.apiVersion, kind: involved.kind, namespace, name, uid, resourceVersion };
    return {
      metadata: { namespace: namespace ?? CLUSTER_SCOPED_NAMESPACE, name: name.slice(0, MAX_NAME_PREFIX) },
      involvedObject: Object.fromEntries(Object.entries(reference).filter(([, value]) => value !== undefined)),
      type: fact.type,
      reason: fact.reason,
      message: truncate(fact.message, MAX_MESSAGE),
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
    };
  }

  async #create(id: string, event: EventBody, signal: AbortSignal): Promise<void> {
    const { namespace } = event.metadata;
    // With the time, the name is new in every window and for every replica that starts later.
    const name = `${event.metadata.name}.${id}${this.#clock.now().getTime().toString(16)}`;
    await this.#options.client.create(EVENT_KIND, { ...event, metadata: { namespace, name } }, {}, signal);
    this.#recent.delete(id);
    this.#recent.set(id, { namespace, name, at: this.#clock.monotonicMs(), count: 1 });
    if (this.#recent.size > MAX_REMEMBERED) this.#recent.delete(this.#recent.keys().next().value ?? '');
  }
}
