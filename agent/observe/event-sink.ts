import { API_VERSION, type ClusterEvent, policyKeyOf, revisionOf, type SovereignPolicy } from '@fso/shared/api';
import type { EventRecorder, InvolvedObject } from '@fso/shared/kube';
import { capSeverity } from '@fso/shared/protocol';
import { type Clock, type Logger, truncate } from '@fso/shared/runtime';
import type { LiveObservatory } from './observatory.ts';

/** Event whose policy and time the caller adds. */
export type PolicyEvent = Pick<ClusterEvent, 'severity' | 'reason' | 'message'>;

/** Number of Events written at once. They are a convenience and must not delay enforcing writes. */
const CONCURRENCY = 2;
const MAX_WAITING = 2_000;

/**
 * Records what happened in three places: as a Kubernetes Event on the policy, in the log, and in
 * the report to the hub.
 */
export class EventSink {
  readonly #recorder: EventRecorder;
  readonly #observatory: LiveObservatory;
  /**
   * Kubernetes Events to be written. If there are too many, the oldest are dropped and the log says
   * so.
   */
  readonly #waiting: (() => Promise<void>)[] = [];
  #writing = 0;
  #dropped = 0;
  readonly #context: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal };

  constructor(
    recorder: EventRecorder,
    observatory: LiveObservatory,
    context: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal },
  ) {
    this.#recorder = recorder;
    this.#observatory = observatory;
    this.#context = context;
  }

  ofPolicy(policy: SovereignPolicy, event: PolicyEvent): void {
    this.reportOnly(policy, event);
    this.recordOnly(policy, event);
  }

  /**
   * Records in the log and the report only. Events of a namespace's own policy are never alerts, as
   * the users of that namespace decide how often they occur.
   */
  reportOnly(policy: SovereignPolicy, event: PolicyEvent): void {
    const revision = revisionOf(policy);
    this.ofCluster({ ...event, policy: policyKeyOf(policy), ...(revision === undefined ? {} : { revision }) });
  }

  /** Records a Kubernetes Event only. */
  recordOnly(policy: SovereignPolicy, event: PolicyEvent): void {
    this.recordOn({ apiVersion: API_VERSION, kind: 'SovereignPolicy', metadata: policy.metadata }, event);
  }

  /** Records a Kubernetes Event only, on any object. */
  recordOn(involved: InvolvedObject, { severity, reason, message }: PolicyEvent): void {
    const type = severity === 'info' ? 'Normal' : 'Warning';
    this.#waiting.push(() => this.#recorder.record(involved, { type, reason, message }, this.#context.signal));
    if (this.#waiting.length > MAX_WAITING) this.#drop();
    if (this.#writing < CONCURRENCY) void this.#write();
  }

  #drop(): void {
    this.#waiting.shift();
    if (this.#dropped === 0) this.#context.logger.warn({ limit: MAX_WAITING }, 'more events than can be written, the oldest are dropped');
    this.#dropped += 1;
  }

  /** Writes the waiting Events. The recorder never rejects. */
  async #write(): Promise<void> {
    this.#writing += 1;
    for (let next = this.#waiting.shift(); next !== undefined && !this.#context.signal.aborted; next = this.#waiting.shift()) await next();
    this.#writing -= 1;
    if (this.#dropped > 0 && this.#waiting.length === 0) {
      this.#context.logger.warn({ dropped: this.#dropped }, 'events were dropped');
      this.#dropped = 0;
    }
  }

  ofCluster(given: Omit<ClusterEvent, 'time'>): void {
    const { clock, logger } = this.#context;
    const event = capSeverity({ time: clock.now().toISOString(), ...given });
    const { severity, reason, message, policy, revision } = event;
    const level = ({ info: 'info', warning: 'warn', alert: 'error' } as const)[severity];
    logger[level]({ reason, policy, revision, detail: message }, 'cluster event');
    this.#observatory.emit({ ...event, message: truncate(message, 4096) });
  }
}
