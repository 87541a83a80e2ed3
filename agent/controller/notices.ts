import type { SovereignPolicy } from '@fso/shared/api';
import type { Logger } from '@fso/shared/runtime';
import type { AgentMetrics } from '../metrics.ts';
import type { EventSink } from '../observe/event-sink.ts';
import type { ClusterView } from '../observe/view.ts';
import type { ClusterPlan } from './plan.ts';
import { ALERT_AFTER } from './retry.ts';
import type { Work, WorkFailure } from './work-pool.ts';

export interface NoticesDeps {
  readonly view: ClusterView;
  readonly events: EventSink;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
}

/** Most policies that one notice is written to; a floor object concerns all of them. */
const MAX_SUBJECTS = 10;

const kindOf = (key: string): string => key.split('/')[0] ?? key;

/** Tells people what became of the controller's writes: events, metrics, log. */
export class Notices {
  readonly #deps: NoticesDeps;
  /** Policies that were being deleted in the last round. */
  #leaving: ReadonlySet<string> = new Set();

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
  }

  done(work: Work): void {
    this.#deps.metrics.writes.inc({ kind: kindOf(work.key), result: 'ok' });
    if (work.reason === 'Drift') this.repaired(work);
    if (work.reason === 'Released') this.#released(work.policies);
  }

  /** An object of ours was changed by someone else and is put back. */
  repaired({ key, policies }: Pick<Work, 'key' | 'policies'>): void {
    const kind = kindOf(key);
    this.#deps.metrics.driftRepaired.inc({ kind });
    this.#deps.logger.warn({ kind, key }, 'drift put back');
    const event = { severity: 'warning', reason: 'DriftRepaired', message: `${key} was changed by someone else and put back` } as const;
    const [first, ...others] = this.#livePolicies(policies);
    if (first === undefined) this.#deps.events.ofCluster(event);
    else this.#deps.events.ofPolicy(first, event);
    for (const policy of others.slice(0, MAX_SUBJECTS - 1)) this.#deps.events.recordOnly(policy, event);
  }

  failed(work: Work, failure: WorkFailure, error: unknown): void {
    const kind = kindOf(work.key);
    this.#deps.metrics.writes.inc({ kind, result: 'error' });
    this.#deps.logger.warn({ err: error, kind, key: work.key, failures: failure.failures }, 'write failed');
    if (failure.failures !== ALERT_AFTER) return;
    const event = { severity: 'alert', reason: 'EnforcementFailed', message: `${work.key}: ${failure.error}`.slice(0, 4096) } as const;
    const affected = this.#livePolicies(work.policies);
    if (affected.length === 0) this.#deps.events.ofCluster(event);
    for (const policy of affected.slice(0, MAX_SUBJECTS)) this.#deps.events.ofPolicy(policy, event);
  }

  /** Notices policies that were being deleted and are gone now. */
  round(plan: ClusterPlan): void {
    const present = new Set(plan.policies.map(({ key }) => key));
    for (const key of this.#leaving) {
      if (!present.has(key))
        this.#deps.events.ofCluster({ severity: 'info', reason: 'Released', message: 'the policy is gone', policy: key });
    }
    this.#leaving = new Set(plan.policies.filter(({ deleting }) => deleting).map(({ key }) => key));
  }

  #released(policies: readonly string[]): void {
    for (const policy of this.#livePolicies(policies)) {
      this.#deps.events.recordOnly(policy, { severity: 'info', reason: 'Released', message: 'no lock enforces the policy any more' });
    }
  }

  #livePolicies(keys: readonly string[]): readonly SovereignPolicy[] {
    return keys.map((key) => this.#deps.view.livePolicy(key)).filter((policy) => policy !== undefined);
  }
}
