import { type KubeObject, OPEN_REPORT, OPEN_REPORTS_ROLE } from '@fso/shared/api';
import { createInformers, type Informer, isForbidden, isNotFound, type KindDescriptor, keyOf, refOf } from '@fso/shared/kube';
import { createYielder, Wakeup } from '@fso/shared/runtime';
import { PRIORITIES, runAction, type Write, type WritePool } from '../apply/index.ts';
import type { ClusterView } from '../cache/index.ts';
import type { Action } from '../enforce/index.ts';
import { isFinished, type Observatory } from '../observe/index.ts';
import type { AgentRuntime } from '../runtime.ts';
import { ContentCache } from './content-cache.ts';
import { isLabelled, ownerOf, planReports, reduceReport, WantedDigests } from './plan-reports.ts';
import { findingsByNamespace, REPORT_FIELDS, REPORT_KIND, REPORT_SELECTOR, type Report, type ReportContent } from './report.ts';
import { type DueReports, ReportThrottle } from './report-throttle.ts';

/** Sources of the reports' content, and the pool that writes them. */
export interface OpenReportsDeps {
  readonly runtime: AgentRuntime;
  readonly view: Pick<ClusterView, 'podsIn'>;
  readonly observatory: Observatory;
  /** Pool shared with the reconciles. */
  readonly pool: Pick<WritePool, 'submit' | 'onDue'>;
}

const CLUSTER_ROLE_KIND: KindDescriptor = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
};

/** Shortest time between two plans, in ms. */
const PAUSE_MS = 1_000;
/** Waits after a failed write, in ms. */
const RETRY = { firstMs: 30_000, secondMs: 30_000, capMs: 300_000 } as const;
/**
 * Shortest pause, as a multiple of the previous plan's duration: thousands of reports are compared
 * for one change.
 */
const REST_SHARE = 3;
/** Longest time before planning yields to the event loop, in ms. */
const SLICE_MS = 20;
/** Reports per response. Other writers can fill one with 1.5 MiB. */
const REPORT_PAGE = 50;
/** Most reports by other writers under the agent's name that the log mentions. */
const MAX_LOGGED = 1_000;

/**
 * Keeps a report in each governed namespace, from what the agent finds. If the API server does not
 * serve the kind, or the agent may not read it, the informer tries again. Nothing else depends on
 * it.
 */
export class OpenReports {
  readonly #deps: OpenReportsDeps;
  readonly #reports: Informer<Report>;
  readonly #contents = new ContentCache();
  readonly #digests = new WantedDigests();
  readonly #throttle = new ReportThrottle();
  readonly #wakeup = new Wakeup();
  /**
   * Namespaces that have a report of the agent. There, a report without the label still counts as
   * the agent's, and so does one that replaced it.
   */
  readonly #own = new Set<string>();
  readonly #named = new Set<string>();
  #ownerUid: string | undefined;
  #isUnread: boolean = false;

  /**
   * Starts to read the reports of the cluster, until the signal aborts. The observatory must have
   * the state of a reconcile.
   */
  constructor(deps: OpenReportsDeps, signal: AbortSignal) {
    const { client, clock, logger, random } = deps.runtime;
    this.#deps = deps;
    this.#reports = createInformers(client, { logger, clock, random }, signal).informer(REPORT_KIND, {
      fieldSelector: REPORT_FIELDS,
      pageSize: REPORT_PAGE,
      transform: reduceReport,
    });
    this.#reports.onChange((_, report) => {
      if (report !== undefined && isLabelled(report)) this.#own.add(report.metadata.namespace ?? '');
      this.#wakeup.wake();
    });
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { runtime, observatory } = this.#deps;
    const wake = (): void => this.#wakeup.wake();
    const ends = [observatory.onChange(wake), this.#reports.onServed(wake)];
    this.#deps.pool.onDue('reports', wake);
    try {
      await this.#reports.ready(signal);
      for (;;) {
        const started = runtime.clock.monotonicMs();
        const waitMs = await this.#plan(signal);
        await runtime.clock.sleep(Math.max(PAUSE_MS, REST_SHARE * (runtime.clock.monotonicMs() - started)), signal);
        if (waitMs === undefined) await this.#wakeup.wait(signal);
        else await this.#wakeup.waitAtMost(waitMs, runtime.clock, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const end of ends) end();
    }
  }

  /**
   * Plans what is due.
   *
   * @returns time in ms until there is more to write; undefined: after the next change
   */
  async #plan(signal: AbortSignal): Promise<number | undefined> {
    if (!this.#reports.served || !this.#reports.synced) return undefined;
    try {
      // Reads the owner first: a role that was recreated has another uid, and the reports of its
      // predecessor are deleted.
      if ((await this.#due()).actions.length > 0) await this.#readOwner(signal);
      this.#isUnread = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!this.#isUnread) this.#deps.runtime.logger.warn({ err: error }, 'owner of the reports cannot be read, trying again');
      this.#isUnread = true;
      return PAUSE_MS;
    }
    const { actions, waitMs } = await this.#due();
    this.#deps.pool.submit(
      actions.map((action) => this.#buildWrite(action)),
      'reports',
    );
    return waitMs;
  }

  async #due(): Promise<DueReports> {
    const { runtime, view, observatory } = this.#deps;
    const owner = this.#ownerUid === undefined ? undefined : ownerOf(this.#ownerUid);
    const yieldIfDue = createYielder(SLICE_MS);
    const wanted = new Map<string, ReportContent>();
    for (const [namespace, found] of findingsByNamespace(observatory.snapshot().policies)) {
      let pods = 0;
      for (const pod of view.podsIn(namespace)) if (!isFinished(pod)) pods += 1;
      const content = this.#contents.contentOf(namespace, found, pods);
      wanted.set(namespace, content);
      // Fills the cache that the plan reads. Hashing all contents at once could block the agent for
      // seconds.
      this.#digests.get(content, owner);
      await yieldIfDue();
    }
    this.#contents.retain(wanted);
    this.#retainOwn(wanted);
    const wantedDigest = this.#digests.get;
    const actions = planReports({
      wanted,
      live: this.#reports.list(),
      isOwn: (report) => this.#isOwn(report, wanted),
      owner,
      wantedDigest,
    });
    return this.#throttle.due(actions, runtime.clock.monotonicMs());
  }

  #buildWrite(action: Action): Write {
    const { client, clock } = this.#deps.runtime;
    const { key, policies, reason } = action;
    const { namespace = '' } = action.type === 'apply' ? action.body.metadata : action.ref;
    return {
      key,
      policies,
      reason,
      priority: PRIORITIES.reports,
      retry: RETRY,
      liveVersion: () => this.#reports.get(keyOf({ namespace, name: OPEN_REPORT }))?.metadata.resourceVersion,
      run: async (signal) => {
        await runAction(client, action, signal);
        this.#throttle.noteWrite(key, clock.monotonicMs());
        if (action.type === 'delete') this.#own.delete(namespace);
        return 'written';
      },
    };
  }

  /**
   * Reads the role that owns the reports. Without the role, e.g. if the agent has its rights from
   * another one, reports have no owner.
   */
  async #readOwner(signal: AbortSignal): Promise<void> {
    try {
      const role: KubeObject | undefined = await this.#deps.runtime.client.get(CLUSTER_ROLE_KIND, { name: OPEN_REPORTS_ROLE }, signal);
      this.#ownerUid = role?.metadata.deletionTimestamp === undefined ? role?.metadata.uid : undefined;
    } catch (error) {
      if (!isForbidden(error)) throw error;
      this.#ownerUid = undefined;
    }
  }

  /** Drops namespaces in which the agent neither has a report nor wants one. */
  #retainOwn(wanted: ReadonlyMap<string, unknown>): void {
    const present = new Set(this.#reports.list().map(({ metadata }) => metadata.namespace));
    for (const namespace of this.#own) if (!wanted.has(namespace) && !present.has(namespace)) this.#own.delete(namespace);
  }

  #isOwn(report: Report, wanted: ReadonlyMap<string, unknown>): boolean {
    const { namespace = '', name, uid = '' } = report.metadata;
    if (this.#own.has(namespace)) return true;
    if (wanted.has(namespace) && !this.#named.has(uid) && this.#named.size < MAX_LOGGED) {
      this.#named.add(uid);
      this.#deps.runtime.logger.warn({ namespace, name }, 'a report of this name belongs to another writer and is left alone');
    }
    return false;
  }
}

/**
 * Deletes the reports of an agent that kept them before the setting was turned off. Without the
 * rights there is nothing to do: the role that granted them owned the reports. Retries until done.
 *
 * @throws the signal's reason
 */
export const removeReports = async ({ client, clock, logger }: AgentRuntime, signal: AbortSignal): Promise<void> => {
  for (;;) {
    try {
      const reports = await client.list(REPORT_KIND, { fieldSelector: REPORT_FIELDS, labelSelector: REPORT_SELECTOR }, signal);
      for (const report of reports) await client.delete(REPORT_KIND, refOf(report), signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (isNotFound(error) || isForbidden(error)) return;
      logger.warn({ err: error }, 'reports cannot be removed, trying again');
      await clock.sleep(REMOVE_RETRY_MS, signal);
    }
  }
};

const REMOVE_RETRY_MS = 30_000;
