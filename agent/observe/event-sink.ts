import type { ClusterEvent, SovereignPolicy } from '@fso/shared/api';
import { ANNOTATIONS, API_VERSION } from '@fso/shared/api';
import type { EventRecorder } from '@fso/shared/kube';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { LiveObservatory } from './observatory.ts';
import type { PolicyEvent } from './plan-events.ts';

/** Says what happened in three places: a Kubernetes Event on the policy, the log, and the report to the hub. */
export class EventSink {
  readonly #recorder: EventRecorder;
  readonly #observatory: LiveObservatory;
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
    const revision = policy.metadata.annotations?.[ANNOTATIONS.revision];
    const key = `${policy.metadata.namespace ?? ''}/${policy.metadata.name}`;
    this.ofCluster({ ...event, policy: key, ...(revision === undefined ? {} : { revision }) });
    this.recordOnly(policy, event);
  }

  /** The Kubernetes Event alone. */
  recordOnly(policy: SovereignPolicy, { severity, reason, message }: PolicyEvent): void {
    const involved = { apiVersion: API_VERSION, kind: 'SovereignPolicy', metadata: policy.metadata };
    const type = severity === 'info' ? 'Normal' : 'Warning';
    void this.#recorder.record(involved, { type, reason, message }, this.#context.signal);
  }

  ofCluster(event: Omit<ClusterEvent, 'time'>): void {
    const { clock, logger } = this.#context;
    const { severity, reason, message, policy, revision } = event;
    const level = ({ info: 'info', warning: 'warn', alert: 'error' } as const)[severity];
    logger[level]({ reason, policy, revision, detail: message }, 'cluster event');
    this.#observatory.emit({ time: clock.now().toISOString(), ...event, message: message.slice(0, 4096) });
  }
}
