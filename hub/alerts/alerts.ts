import type { AlertCounts, AlertTestView, AlertView, ReceiverView, SilenceRequest, SilenceView } from '@fso/shared/api';
import { type Runtime, restAfter, Wakeup } from '@fso/shared/runtime';
import type { z } from 'zod';
import type { FleetState, Journal, Lease } from '../ledger/index.ts';
import { identityOf, type StoredAlert } from './alert.ts';
import { AlertStore } from './alert-store.ts';
import { notifiedByAlert, viewOfAlert } from './alert-view.ts';
import type { AlertsFile } from './file/alerts-file-reader.ts';
import type { CurrentIssues, IsNamed } from './issue.ts';
import { LedgerWatch } from './ledger-watch.ts';
import { GroupStore } from './notify/group-store.ts';
import { type AlertMetrics, type NotificationsUnderWay, Notifier } from './notify/notifier.ts';
import { ReceiverStatuses } from './notify/receiver-status.ts';
import { Resender } from './notify/resender.ts';
import { setUp, testReceiver } from './notify/setup.ts';
import { PendingAlerts } from './pending-alerts.ts';
import { planAlerts } from './plan-alerts.ts';
import { Silences, type StoredSilence } from './silences.ts';

/** Ledger, issues and clock that alerts are made from, and the metrics of alerts. */
export interface AlertsDeps extends Runtime {
  readonly ledger: Pick<FleetState, 'subscribe'> & Pick<Journal, 'records' | 'audit' | 'health'> & Pick<Lease, 'leads' | 'onLead'>;
  /**
   * Collects the current issues.
   *
   * @param isNamed whether an issue has an alert of its own already, which it keeps among many
   */
  readonly issues: (isNamed: IsNamed) => Promise<CurrentIssues>;
  readonly file: AlertsFile;
  /**
   * Milliseconds for which this process was paused. They do not count towards the time that a
   * problem has lasted.
   */
  readonly pausedMs: () => number;
  /** Whether agents are yet to be let in or to report, as when all come back after a start. */
  readonly isAwaitingAgents: () => boolean;
  readonly metrics: AlertMetrics;
  /** Address of the dashboard; if undefined, links are paths. */
  readonly hubUrl: string | undefined;
}

/**
 * Interval in milliseconds at which the fleet is evaluated without a change, as policies expire and
 * problems last, and at which it is checked whether alerts are due for Alertmanager again.
 */
const EVERY_MS = 15_000;
/** Shortest time for which changes are gathered before an evaluation, in milliseconds. */
const GATHER_MS = 1_000;
/** Makes changes gather for 50 times as long as an evaluation: a commit changes all clusters. */
const EVALUATION_WEIGHT = 5;
/**
 * Longest time for which a hub that begins to lead puts off evaluations while agents come back, in
 * milliseconds: an evaluation would find them absent, and delay their return.
 */
const RETURN_MS = 60_000;
/** Shortest time between two rewrites of the texts of alerts. State changes are written at once. */
const REWRITE_MS = 300_000;

/**
 * Alerts about issues of the fleet that last. The leading hub decides what fires, and notifies
 * receivers; every hub shows alerts, silences them and sends tests. All state is in the ledger.
 */
export class Alerts {
  readonly #deps: AlertsDeps;
  readonly #store: AlertStore;
  readonly #groups: GroupStore;
  readonly #silences: Silences;
  readonly #statuses: ReceiverStatuses;
  readonly #notifier: Notifier;
  readonly #resender: Resender;
  readonly #ledgerWatch: LedgerWatch;
  readonly #wakeup = new Wakeup();
  readonly #pending: PendingAlerts;
  /** Milliseconds that the last evaluation took. */
  #evaluationMs = 0;
  /** Whether recorded alerts may lack notifications, so that a pass comes before an evaluation. */
  #mustPass: boolean = true;
  #rewrittenAt = Number.NEGATIVE_INFINITY;
  /** Monotonic time at which this hub began to lead, or its start, in milliseconds. */
  #leadsSince: number;

  constructor(deps: AlertsDeps) {
    this.#deps = deps;
    this.#leadsSince = deps.clock.monotonicMs();
    const { ledger, clock, pausedMs, logger, random, metrics, hubUrl } = deps;
    this.#pending = new PendingAlerts({ records: ledger.records, clock, pausedMs });
    const groups = new GroupStore(ledger.records);
    this.#groups = groups;
    this.#store = new AlertStore(ledger.records, () => groups.unsettled());
    this.#silences = new Silences(ledger.records, clock);
    this.#statuses = new ReceiverStatuses(ledger.records);
    const shared = { alerts: this.#store, groups: this.#groups, silences: this.#silences, statuses: this.#statuses };
    const onSent = (): void => this.#wakeup.wake();
    this.#ledgerWatch = new LedgerWatch({ ledger, silences: this.#silences, clock, pausedMs, logger, random, hubUrl });
    const sending: NotificationsUnderWay = new Map();
    this.#notifier = new Notifier({ ...shared, ledger, clock, logger, random, metrics, hubUrl, onSent }, sending);
    this.#resender = new Resender({ ...shared, ledger, clock, logger, hubUrl, onSent }, sending);
  }

  /**
   * Evaluates the fleet when it changes and at intervals, while this hub leads, until the signal
   * aborts.
   */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#watchFleet(signal), this.#watchLedger(signal), this.#resend(signal)]);
  }

  async #watchFleet(signal: AbortSignal): Promise<void> {
    const { ledger, clock, logger, file } = this.#deps;
    const wake = (): void => this.#wakeup.wake();
    const ends = [ledger.subscribe(wake), this.#silences.subscribe(wake)];
    ledger.onLead(() => {
      this.#mustPass = true;
      this.#leadsSince = clock.monotonicMs();
      wake();
    });
    while (!signal.aborted) {
      await file.refresh();
      const nextMs = await this.#reconcile(signal).catch((err: unknown) => {
        logger.error({ err }, 'alerts could not be evaluated');
        return Number.POSITIVE_INFINITY;
      });
      const gatherMs = restAfter(EVALUATION_WEIGHT * this.#evaluationMs, { minMs: GATHER_MS, maxMs: EVERY_MS });
      const waitMs = Math.min(EVERY_MS, Math.max(gatherMs, nextMs - clock.now().getTime()));
      await this.#wakeup
        .waitAtMost(waitMs - gatherMs, clock, signal)
        .then(() => clock.sleep(gatherMs, signal))
        .catch(() => undefined);
    }
    for (const end of ends) end();
    await this.#notifier.settled();
  }

  /** Watches the ledger in a loop of its own: an evaluation blocks while it is unavailable. */
  async #watchLedger(signal: AbortSignal): Promise<void> {
    const { clock, file } = this.#deps;
    while (!signal.aborted) {
      await this.#ledgerWatch.look(file.config, signal);
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
  }

  /** Sends alerts again in a loop of its own, which continues while the ledger is unavailable. */
  async #resend(signal: AbortSignal): Promise<void> {
    const { clock, file, logger } = this.#deps;
    while (!signal.aborted) {
      if (this.#ledgerWatch.speaks)
        await this.#resender.look(file.config, signal).catch((err: unknown) => logger.error({ err }, 'alerts could not be sent again'));
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
  }

  /**
   * Compares alerts with silences, in slices of time. Callers that read many of either call this
   * first, to read cached results.
   */
  compareWithSilences(): Promise<void> {
    return this.#silences.compare(this.#store.list(this.#nowMs()));
  }

  /** Alerts that are kept, in no order. */
  list(): AlertView[] {
    const nowMs = this.#nowMs();
    const notified = notifiedByAlert(this.#groups.list());
    return this.#store.list(nowMs).map((alert) => {
      const silencedBy = alert.endsAt === null ? this.#silences.matching(alert, nowMs) : [];
      return viewOfAlert(alert, silencedBy, notified.get(alert.fingerprint) ?? []);
    });
  }

  counts(): AlertCounts {
    const counts = { critical: 0, warning: 0, info: 0, silenced: 0 };
    const nowMs = this.#nowMs();
    for (const alert of this.#firing()) {
      if (this.#silences.matching(alert, nowMs).length > 0) counts.silenced += 1;
      else counts[alert.severity] += 1;
    }
    return counts;
  }

  /**
   * Calls the handler when alerts or silences have changed, at any hub. @returns a function that
   * ends the subscription
   */
  subscribe(handler: () => void): () => void {
    const ends = [this.#store.subscribe(handler), this.#silences.subscribe(handler)];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Silences, active and pending ones before those that have ended. */
  silences(): SilenceView[] {
    return this.#silences.views(this.#firing());
  }

  /** @throws SilenceRefused */
  async silence(request: z.output<typeof SilenceRequest>, author: string): Promise<SilenceView> {
    return this.#silenceView(await this.#silences.add(request, author));
  }

  /** Ends a silence now. @returns undefined if there is none with the id */
  async endSilence(id: string): Promise<SilenceView | undefined> {
    const ended = await this.#silences.end(id);
    return ended && this.#silenceView(ended);
  }

  /** Receivers, sorted by name. */
  receivers(): ReceiverView[] {
    const waiting = this.#groups.list().filter(({ pending }) => pending !== null);
    const toTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
    return [...setUp(this.#deps.file.config).receivers.values()]
      .map(({ name, kind, target }) => {
        const { lastSuccess, lastFailure } = this.#statuses.get(name);
        return {
          name,
          kind,
          target,
          lastSuccess: toTime(lastSuccess),
          lastFailure: lastFailure && { ...lastFailure, time: new Date(lastFailure.time).toISOString() },
          waiting: waiting.filter(({ receiver }) => receiver === name).length,
        };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sends a test notification from this hub. @returns undefined if there is no such receiver */
  async test(receiver: string, signal: AbortSignal): Promise<AlertTestView | undefined> {
    const { clock, file, hubUrl } = this.#deps;
    const beganMs = clock.monotonicMs();
    const outcome = await testReceiver(file.config, receiver, { hubUrl, nowMs: this.#nowMs() }, signal);
    if (outcome === undefined) return undefined;
    const delivered = outcome.kind === 'delivered';
    const answer = outcome.kind === 'delivered' ? outcome.answer : outcome.reason;
    return { receiver, delivered, answer, durationMs: Math.round(clock.monotonicMs() - beganMs) };
  }

  /** Evaluates the fleet and notifies receivers. @returns when to do so again, in ms since 1970 */
  async #reconcile(signal: AbortSignal): Promise<number> {
    const { ledger, clock, file, metrics, isAwaitingAgents } = this.#deps;
    if (!ledger.leads()) {
      this.#pending.stop();
      this.#mustPass = true;
      metrics.firing({ critical: 0, warning: 0, info: 0 });
      metrics.waiting(0);
      return Number.POSITIVE_INFINITY;
    }
    if (clock.monotonicMs() - this.#leadsSince < RETURN_MS && isAwaitingAgents()) return this.#nowMs() + GATHER_MS;
    await this.compareWithSilences();
    // Notifies what fired under the previous leader, or before a failed pass, even if it resolves.
    if (this.#mustPass) await this.#notifier.pass(file.config, signal);
    this.#mustPass = true;
    const beganMs = clock.monotonicMs();
    const nextMs = await this.#evaluate();
    this.#evaluationMs = clock.monotonicMs() - beganMs;
    const notifyMs = await this.#notifier.pass(file.config, signal);
    this.#mustPass = false;
    await this.#silences.auditEnds(ledger.audit);
    return Math.min(nextMs, notifyMs, this.#silences.nextChangeMs(this.#nowMs()));
  }

  async #evaluate(): Promise<number> {
    const { issues, file, metrics } = this.#deps;
    const { rules } = file.config;
    const firing = new Map(this.#firing().map((alert) => [identityOf(alert), alert]));
    this.#pending.resume();
    const current = await issues(({ alert: name, severity, labels }) => {
      const identity = identityOf({ name, severity: rules(name).severity ?? severity, labels });
      return firing.has(identity) || this.#pending.has(identity);
    });
    const nowMs = this.#nowMs();
    const pending = this.#pending.list();
    const plan = planAlerts({ issues: current, firing, pending, ledMs: this.#pending.ledMs, rules, nowMs });
    const elapsedMs = this.#deps.clock.monotonicMs();
    const isRewritten = elapsedMs - this.#rewrittenAt >= REWRITE_MS;
    if (isRewritten) this.#rewrittenAt = elapsedMs;
    await Promise.all([
      this.#store.begin(plan.fired, nowMs),
      this.#store.change([...plan.resolved, ...(isRewritten ? plan.changed : [])], nowMs),
    ]);
    await this.#pending.replace(plan.pending);
    metrics.firing(this.counts());
    return plan.nextMs;
  }

  #firing(): readonly StoredAlert[] {
    return this.#store.list(this.#nowMs()).filter(({ endsAt }) => endsAt === null);
  }

  #silenceView(silence: StoredSilence): SilenceView {
    return this.#silences.view(silence, this.#firing());
  }

  #nowMs(): number {
    return this.#deps.clock.now().getTime();
  }
}
