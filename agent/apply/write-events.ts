import { MAX_MESSAGE, policyKeyOf, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { type Runtime, truncate } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import { ALERT_AFTER, timeText, type WriteFailure } from '../enforce/index.ts';
import type { AgentMetrics } from '../metrics.ts';
import { type EventSink, type TamperLog, traceText } from '../observe/index.ts';
import type { ClusterPlan } from '../plan/index.ts';
import { PRIORITIES, type Repair, type Write, type WriteOutcome } from './write-pool.ts';

/** Receivers of what {@link WriteEvents} records, and sources for the objects concerned. */
export interface WriteEventsDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly view: ClusterView;
  readonly events: EventSink;
  readonly metrics: AgentMetrics;
  readonly tampering: TamperLog;
  /** Commit that is being written. */
  readonly revision: () => string | undefined;
}

/** Most policies that get an Event for one write. A floor object concerns all of them. */
const MAX_SUBJECTS = 10;
/**
 * Time within which repeated repairs of an object are one event, in ms. Metrics count each repair.
 */
const REPEAT_MS = 60_000;
/**
 * Shortest time between two repairs of one object in the status of all policies, in ms. The
 * cluster's condition shows each repair.
 */
const REPEAT_TO_ALL_MS = 600_000;
const MAX_REMEMBERED = 1_000;

/**
 * Selects the policies that get an Event for one write. Namespaces' own policies come last: their
 * alerts are only warnings, and a namespace may have up to 20.
 */
const subjectsOf = (affected: readonly SovereignPolicy[]): readonly SovereignPolicy[] => {
  const isOfCluster = ({ metadata }: SovereignPolicy): boolean => metadata.namespace === SYSTEM_NAMESPACE;
  return affected.toSorted((a, b) => Number(isOfCluster(b)) - Number(isOfCluster(a))).slice(0, MAX_SUBJECTS);
};

const kindOf = (key: string): string => key.split('/')[0] ?? key;

/** Suppresses repeated events for a while. */
class EventSuppressor {
  readonly #known = new Map<string, { readonly until: number; more: number }>();

  /**
   * Admits an event.
   *
   * @returns number of repetitions suppressed before; undefined if this event is suppressed
   */
  admit(subject: string, now: number, forMs: number): number | undefined {
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

/** Reports the outcomes of the controller's writes as events, metrics and log messages. */
export class WriteEvents {
  readonly #deps: WriteEventsDeps;
  #areReportsFailing: boolean = false;
  /** Policies that were being deleted in the last reconcile. */
  #leaving: ReadonlySet<string> = new Set();
  /** Events of repairs, by text. */
  readonly #repairs = new EventSuppressor();
  /** Events of policies that could not be written, by commit. */
  readonly #failures = new EventSuppressor();
  /** Commit that the last event of `#failures` named. */
  #unwritten: string | undefined;
  /** Tampering conditions of all policies, by object. */
  readonly #conditions = new EventSuppressor();

  constructor(deps: WriteEventsDeps) {
    this.#deps = deps;
  }

  /** Records a successful write. */
  recordSuccess(write: Write, outcome: WriteOutcome): void {
    this.#deps.metrics.writes.inc({ kind: kindOf(write.key), result: 'ok' });
    if (write.priority === PRIORITIES.reports) this.#areReportsFailing = false;
    if (write.repair !== undefined && outcome === 'written') this.recordRepair(write.repair);
    if (write.reason === 'Released') this.#released(write.policies);
  }

  /**
   * Records that another writer changed or deleted an enforcing object, and that it is restored.
   */
  recordRepair(repair: Repair): void {
    const text = `${repair.key} ${traceText(repair.trace)}`;
    const subjects = subjectsOf(this.#recordTampering(repair, text));
    const more = this.#repairs.admit(text, this.#deps.clock.monotonicMs(), REPEAT_MS);
    if (more === undefined) return;
    const message = more === 0 ? text : `${text} (${more} more times before that)`;
    const event = { severity: 'alert', reason: 'TamperingRepaired', message } as const;
    const [first] = subjects;
    const concernsAll = repair.policies === 'all';
    if (first === undefined || concernsAll) this.#deps.events.ofCluster({ ...event, ...this.#policyOf(repair) });
    else this.#deps.events.ofPolicy(first, event);
    for (const policy of subjects.slice(concernsAll ? 0 : 1)) this.#deps.events.recordOnly(policy, event);
    if (repair.object !== undefined) this.#deps.events.recordOn(repair.object, event);
  }

  /** Names the repaired policy of the hub even if it is missing in the cluster now. */
  #policyOf({ key, policies }: Repair): { readonly policy?: string; readonly revision?: string } {
    const [policy] = policies === 'all' ? [] : policies;
    if (kindOf(key) !== SOVEREIGN_POLICY_KIND.kind || policy === undefined) return {};
    const revision = this.#deps.revision();
    return { policy, ...(revision !== undefined && { revision }) };
  }

  /** Writes log, metric and conditions. @returns the concerned policies that exist */
  #recordTampering({ key, policies }: Pick<Repair, 'key' | 'policies'>, text: string): readonly SovereignPolicy[] {
    const { metrics, logger, tampering, clock, view } = this.#deps;
    const kind = kindOf(key);
    metrics.tampering.inc();
    logger.warn({ kind, key, detail: text }, 'tampering repaired');
    const affected = policies === 'all' ? view.livePolicies() : this.#livePolicies(policies);
    tampering.add(policies === 'all' ? this.#policiesDue(key, affected) : policies, { time: timeText(clock.now()), message: text });
    return affected;
  }

  /**
   * Selects the policies whose tampering condition is due. Each new condition is a write, so a
   * fight over one shared object must not cause a write for each of a thousand policies every time.
   */
  #policiesDue(key: string, policies: readonly SovereignPolicy[]): readonly string[] {
    const more = this.#conditions.admit(key, this.#deps.clock.monotonicMs(), REPEAT_TO_ALL_MS);
    return more === undefined ? [] : policies.map(policyKeyOf);
  }

  /** Records a failed write. The third consecutive failure is an alert. */
  recordFailure(write: Write, failure: WriteFailure, error: unknown): void {
    this.#deps.metrics.writes.inc({ kind: kindOf(write.key), result: 'error' });
    if (write.priority === PRIORITIES.reports) this.#recordUnreported(write, error);
    else this.#recordUnenforced(write, failure, error);
  }

  /**
   * Logs that reports for other tools cannot be written, once until a write succeeds. Nothing
   * depends on these reports, and one cause may affect all of them.
   */
  #recordUnreported({ key }: Write, error: unknown): void {
    if (!this.#areReportsFailing) this.#deps.logger.warn({ err: error, key }, 'report cannot be written, trying again');
    this.#areReportsFailing = true;
  }

  #recordUnenforced(write: Write, failure: WriteFailure, error: unknown): void {
    const kind = kindOf(write.key);
    this.#deps.logger.warn({ err: error, kind, key: write.key, failures: failure.failures }, 'write failed');
    if (kind === SOVEREIGN_POLICY_KIND.kind) this.#alertUnwritten(failure);
    else if (failure.failures === ALERT_AFTER) this.#alertUnenforced(write, failure);
  }

  #alertUnenforced(write: Write, failure: WriteFailure): void {
    const event = {
      severity: 'alert',
      reason: 'EnforcementFailed',
      message: truncate(`${write.key}: ${failure.error}`, MAX_MESSAGE),
    } as const;
    const subjects = subjectsOf(this.#livePolicies(write.policies));
    if (subjects.length === 0) this.#deps.events.ofCluster(event);
    for (const policy of subjects) this.#deps.events.ofPolicy(policy, event);
  }

  /**
   * Raises an alert for a policy of a commit that cannot be written, and again for the next commit.
   * One cause may affect all policies, so there is at most one event per commit and minute.
   */
  #alertUnwritten({ key, error, failures }: WriteFailure): void {
    const { events, clock } = this.#deps;
    const reason = 'PolicyWriteFailed';
    const revision = this.#deps.revision();
    const isDue = failures === ALERT_AFTER || (failures > ALERT_AFTER && revision !== this.#unwritten);
    if (!isDue || this.#failures.admit(`${revision}`, clock.monotonicMs(), REPEAT_MS) === undefined) return;
    this.#unwritten = revision;
    const message = truncate(`${key}: ${error}; trying again`, MAX_MESSAGE);
    events.ofCluster({ severity: 'alert', reason, message, ...(revision !== undefined && { revision }) });
  }

  /** Records the policies that were being deleted in the previous reconcile and are gone now. */
  recordDeletions(plan: ClusterPlan): void {
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
