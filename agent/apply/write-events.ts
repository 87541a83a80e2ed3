import type { KubeObject, SovereignPolicy } from '@fso/shared/api';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/view.ts';
import { timeText } from '../enforce/labels.ts';
import { ALERT_AFTER, type WriteFailure } from '../enforce/types.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { EventSink } from '../observe/event-sink.ts';
import { type TamperLog, traceText } from '../observe/tampering.ts';
import type { ClusterPlan } from '../plan/plan.ts';
import type { Repair, Write, WriteOutcome } from './write-pool.ts';

export interface WriteEventsDeps {
  readonly view: ClusterView;
  readonly events: EventSink;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly tampering: TamperLog;
}

/** Most policies that one notice is written to; a floor object concerns all of them. */
const MAX_SUBJECTS = 10;
/** Who fights the agent over an object is told of once in this time; metrics count on. */
const REPEAT_MS = 60_000;
/** What concerns all policies is written to the status of each: for one object, no more often than this. The cluster's condition tells of it each time. */
const REPEAT_TO_ALL_MS = 600_000;
const MAX_REMEMBERED = 1_000;

const kindOf = (key: string): string => key.split('/')[0] ?? key;

/** What was told of lately: how often is enough. */
class Recent {
  readonly #known = new Map<string, { readonly until: number; more: number }>();

  /** @returns how often the same was kept back before; undefined: it is to be kept back now */
  repeated(subject: string, now: number, forMs: number): number | undefined {
    const known = this.#known.get(subject);
    if (known !== undefined && known.until > now) {
      known.more += 1;
      return undefined;
    }
    this.#known.delete(subject);
    this.#known.set(subject, { until: now + forMs, more: 0 });
    if (this.#known.size > MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value ?? '');
    return known?.more ?? 0;
  }
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;

/** Tells people what became of the controller's writes: events, metrics, log. */
export class WriteEvents {
  readonly #deps: WriteEventsDeps;
  /** Policies that were being deleted in the last round. */
  #leaving: ReadonlySet<string> = new Set();
  /** By its text. */
  readonly #told = new Recent();
  /** By the object. */
  readonly #toldToAll = new Recent();

  constructor(deps: WriteEventsDeps) {
    this.#deps = deps;
  }

  done(write: Write, outcome: WriteOutcome): void {
    this.#deps.metrics.writes.inc({ kind: kindOf(write.key), result: 'ok' });
    if (write.repair !== undefined && outcome === 'written') this.onRepaired(write.repair);
    if (write.reason === 'Released') this.#released(write.policies);
  }

  /** Somebody changed or deleted what enforces, and it is put back. */
  onRepaired(repair: Repair): void {
    const text = `${repair.key} ${traceText(repair.trace)}`;
    const affected = this.#note(repair, text);
    const more = this.#told.repeated(text, this.#deps.clock.monotonicMs(), REPEAT_MS);
    if (more === undefined) return;
    const message = more === 0 ? text : `${text} (${more} more times before that)`;
    const event = { severity: 'alert', reason: 'TamperingRepaired', message } as const;
    const [first] = affected;
    const concernsAll = repair.policies === 'all';
    if (first === undefined || concernsAll) this.#deps.events.ofCluster(event);
    else this.#deps.events.ofPolicy(first, event);
    const subjects = affected.slice(concernsAll ? 0 : 1, MAX_SUBJECTS);
    for (const policy of subjects) this.#deps.events.recordOnly(policy, event);
    if (repair.object !== undefined) this.#deps.events.recordOn(repair.object, event);
  }

  /** A policy of the hub was put back by who wrote it, and the hub was told. */
  onPolicyRepaired(policy: string, message: string): void {
    for (const live of this.#note({ key: `SovereignPolicy/${policy}`, policies: [policy] }, message)) {
      this.#deps.events.recordOnly(live, { severity: 'alert', reason: 'TamperingRepaired', message });
    }
  }

  /** Log, metric and conditions. @returns the policies that are there of those that it concerns */
  #note({ key, policies }: Pick<Repair, 'key' | 'policies'>, text: string): readonly SovereignPolicy[] {
    const { metrics, logger, tampering, clock, view } = this.#deps;
    const kind = kindOf(key);
    metrics.tampering.inc({ kind });
    logger.warn({ kind, key, detail: text }, 'tampering put back');
    const affected = policies === 'all' ? view.livePolicies() : this.#livePolicies(policies);
    tampering.add(policies === 'all' ? this.#dueOfAll(key, affected) : policies, { time: timeText(clock.now()), message: text });
    return affected;
  }

  /** Each new condition is a write: somebody's loop over one shared object must not become a thousand writes for each of its own. */
  #dueOfAll(key: string, policies: readonly SovereignPolicy[]): readonly string[] {
    const more = this.#toldToAll.repeated(key, this.#deps.clock.monotonicMs(), REPEAT_TO_ALL_MS);
    return more === undefined ? [] : policies.map(keyOf);
  }

  failed(write: Write, failure: WriteFailure, error: unknown): void {
    const kind = kindOf(write.key);
    this.#deps.metrics.writes.inc({ kind, result: 'error' });
    this.#deps.logger.warn({ err: error, kind, key: write.key, failures: failure.failures }, 'write failed');
    if (failure.failures !== ALERT_AFTER) return;
    const event = { severity: 'alert', reason: 'EnforcementFailed', message: `${write.key}: ${failure.error}`.slice(0, 4096) } as const;
    const affected = this.#livePolicies(write.policies);
    if (affected.length === 0) this.#deps.events.ofCluster(event);
    for (const policy of affected.slice(0, MAX_SUBJECTS)) this.#deps.events.ofPolicy(policy, event);
  }

  /** WriteEvents policies that were being deleted and are gone now. */
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
