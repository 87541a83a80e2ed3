import type { EventView, RoleGrant } from '@fso/shared/api';
import { ThreadSlices } from '@fso/shared/runtime';
import {
  type ClusterRecord,
  type EventFilter,
  type EventQuery,
  type FleetState,
  type FoundEvents,
  type HistoryQuery,
  type KeyedReader,
  type LedgerChange,
  matchesEvent,
  type StateQuery,
} from '../../ledger/index.ts';
import { COMMIT_KIND, readRolloutSlot, readRollouts } from '../../rollout/index.ts';
import { RequestWork } from '../http/limits/request-work.ts';
import { NameSets } from './name-sets.ts';
import { ScopeState } from './scope-state.ts';
import { withholdEvent, withholdSource } from './withhold.ts';

/**
 * Maximum number of events of the whole ledger that one search examines. `next` continues the
 * search if few of them are in the scope.
 */
const MAX_LOOKED_AT = 10_000;
/** Number of events read at a time. */
const PAGE = 500;
/** Number of records restricted between two reads of the clock. */
const RECORDS = 8;

/** Whether something that was visible before is now hidden, or visible by other grants. */
const isNarrower = (before: ScopeState, now: ScopeState): boolean =>
  [...before.fingerprint].some(([name, grants]) => now.fingerprint.get(name) !== grants);

/**
 * State of the fleet, restricted to the caller's grants. Objects outside do not exist in it. It
 * implements all of FleetState, so a new member must be restricted before it compiles. Writes, the
 * audit log and the lease are not part of it.
 *
 * The view ends when a commit removes something from the scope, because derived data such as
 * buffered live events and open streams must not be shown any more.
 */
export class ScopedLedger implements FleetState {
  readonly #whole: FleetState;
  readonly grants: readonly RoleGrant[];
  readonly #slices: ThreadSlices;
  readonly #ended = new AbortController();
  readonly #unsubscribes = new Set<() => void>();
  readonly #names = new NameSets();
  #state: { readonly of: unknown; readonly value: ScopeState } | undefined;

  constructor(whole: FleetState, grants: readonly RoleGrant[], slices = new ThreadSlices()) {
    this.#whole = whole;
    this.grants = grants;
    this.#slices = slices;
  }

  /** Aborts when data from this view must not be shown any more. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Ends the view and its subscriptions. */
  end(): void {
    this.#ended.abort();
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#unsubscribes.clear();
  }

  /**
   * Updates the view to the current repository. Reads of `records` use the result of the last call.
   */
  async state(): Promise<ScopeState> {
    const desired = await this.#whole.desired();
    const before = this.#state?.value;
    if (before !== undefined && this.#state?.of === desired) return before;
    const value = new ScopeState(this.grants, desired, this.#names);
    this.#state = { of: desired, value };
    if (before !== undefined && isNarrower(before, value)) this.end();
    return value;
  }

  /**
   * Whether facts about a policy in a cluster, or without a policy about the whole cluster, are
   * visible.
   */
  async sees(cluster: string, policy?: string): Promise<boolean> {
    const state = await this.state();
    const set = state.visibility.at(cluster);
    if (set.seesAllPolicies || set.isEmpty || policy === undefined) return set.seesAllPolicies;
    const record = await this.#whole.cluster(cluster);
    return state.seesReported(set, policy, record?.policies);
  }

  async source(): ReturnType<FleetState['source']> {
    const source = await this.#whole.source();
    return source && withholdSource(source);
  }

  async desired(): ReturnType<FleetState['desired']> {
    return (await this.state()).desired;
  }

  /** Restricts records in time slices. Each costs as much as it has deviations, once. */
  async clusters(): ReturnType<FleetState['clusters']> {
    const state = await this.state();
    const seen: ClusterRecord[] = [];
    const restrict = (record: ClusterRecord): unknown => seen.push(...[state.record(record) ?? []].flat());
    await new RequestWork(this.#slices).each(await this.#whole.clusters(), restrict, undefined, RECORDS);
    return seen;
  }

  async cluster(name: string): ReturnType<FleetState['cluster']> {
    const state = await this.state();
    const record = await this.#whole.cluster(name);
    return (record && state.record(record)) ?? null;
  }

  async events(query: EventQuery): ReturnType<FleetState['events']> {
    return (await this.searchEvents(query)).events;
  }

  async searchEvents({ limit, ...query }: EventQuery): Promise<FoundEvents> {
    const { signal: _signal, before: _before, ...filter } = query;
    // Same as for an unknown cluster, without searching events.
    if (filter.cluster !== undefined && !(await this.state()).seesCluster(filter.cluster)) return { events: [], next: null };
    const found: EventView[] = [];
    let next: number | null = null;
    for await (const page of this.#pages(query)) {
      for (const event of page.events) {
        found.push(...(await this.#seen(event, filter)));
        if (found.length === limit) return { events: found, next: event.id };
      }
      next = page.next;
    }
    return { events: found, next };
  }

  async countEvents({ limit, ...filter }: EventFilter & { readonly limit: number }): Promise<number> {
    return (await this.searchEvents({ ...filter, limit })).events.length;
  }

  async policyStateAt(query: StateQuery): ReturnType<FleetState['policyStateAt']> {
    return (await this.sees(query.cluster, query.policy)) ? this.#whole.policyStateAt(query) : {};
  }

  async clusterHistory(query: HistoryQuery): ReturnType<FleetState['clusterHistory']> {
    return (await this.sees(query.cluster, query.policy)) ? this.#whole.clusterHistory(query) : { changes: [], next: null };
  }

  subscribe(handler: (change: LedgerChange) => void): () => void {
    return this.#keep(
      this.#whole.subscribe((change) => {
        if (change.kind === 'event') this.#tell(change.event, handler);
        else if (change.kind !== 'cluster' || this.#state?.value.seesCluster(change.cluster) === true) handler(change);
      }),
    );
  }

  /** Visible records of commits. All other records concern the whole hub and are hidden. */
  readonly records: KeyedReader = {
    get: (kind, name) => {
      const found = kind === COMMIT_KIND ? readRolloutSlot(this.#whole.records, name) : null;
      return (found && this.#state?.value.rollout(found)) ?? undefined;
    },
    list: (kind) =>
      kind === COMMIT_KIND ? readRollouts(this.#whole.records).flatMap((rollout) => this.#state?.value.rollout(rollout) ?? []) : [],
    subscribe: (kind, handler) => (kind === COMMIT_KIND ? this.#keep(this.#whole.records.subscribe(kind, handler)) : () => undefined),
  };

  /** Yields pages of the whole ledger, newest first, up to the limit of one search. */
  async *#pages({ before, signal, ...filter }: Omit<EventQuery, 'limit'>): AsyncGenerator<FoundEvents> {
    let from = before;
    for (let looked = 0; looked < MAX_LOOKED_AT; looked += PAGE) {
      const page = await this.#whole.searchEvents({ ...filter, ...(from && { before: from }), limit: PAGE, ...(signal && { signal }) });
      yield page;
      if (page.next === null) return;
      from = page.next;
    }
  }

  /**
   * Returns the visible form of an event; none if it is hidden, or if that form does not match the
   * filter.
   */
  async #seen(event: EventView, filter: EventFilter): Promise<readonly EventView[]> {
    const isSeen = event.cluster !== null && (await this.sees(event.cluster, event.policy));
    const seen = withholdEvent(event);
    // The search matched the whole text, but withheld text must not be found.
    return isSeen && matchesEvent(seen, filter) ? [seen] : [];
  }

  #tell(event: EventView, handler: (change: LedgerChange) => void): void {
    this.#seen(event, {}).then(
      (events) => {
        if (!this.ended.aborted) for (const seen of events) handler({ kind: 'event', event: seen });
      },
      // The ledger is closing.
      () => undefined,
    );
  }

  #keep(unsubscribe: () => void): () => void {
    if (this.ended.aborted) unsubscribe();
    const forget = (): void => {
      unsubscribe();
      this.#unsubscribes.delete(forget);
    };
    this.#unsubscribes.add(forget);
    return forget;
  }
}
