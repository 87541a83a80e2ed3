import type { Denial } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { fairShare, SharedRoom } from '@fso/shared/runtime';
import type { FoundRisk } from '../risk/index.ts';
import { RecentCount } from './recent-count.ts';

/** Most owners that are kept in total and per namespace. Anyone in a namespace may write events. */
const BOUNDS = { max: 5_000, maxOfOne: 500 };
/** Time for which events wait for a refused dry run of their owner, in ms. */
const PENDING_MS = 300_000;

/** Kind, namespace and name of an owner. */
export type OwnerName = Pick<Denial, 'kind' | 'namespace' | 'name'>;

/** Denial with all policies that refuse the pods of its owner. */
export type OwnerDenial = Denial & { readonly policies: readonly string[] };

/** Number that the refusals of all owners are compared with. */
export interface DenialTotal {
  readonly total: number;
  /** Whether there may have been more refusals. */
  readonly isLowerBound: boolean;
}

interface Entry {
  readonly owner: OwnerName;
  /** Events that are not counted yet, and the monotonic time of the first one. */
  pending: number;
  pendingSinceMs: number;
  readonly counted: RecentCount;
  since: Date | undefined;
  last: Date;
  risk: FoundRisk | undefined;
}

/** Time by both clocks. */
export interface ClockReading {
  readonly atMs: number;
  readonly now: Date;
}

const keyOf = ({ kind, namespace, name }: OwnerName): string => `${namespace}/${kind}/${name}`;

/**
 * Counts refusals by owner, as reported by events. Anyone may write such an event, so it counts
 * only once a dry run of the agent shows that the owner's pods are refused.
 */
export class NamedDenials {
  readonly #entries = new Map<string, Entry>();
  readonly #room = new SharedRoom(BOUNDS);

  /**
   * Records one event about an owner. If there is no room, namespaces with few owners take
   * precedence.
   */
  see(owner: OwnerName, { atMs, now }: ClockReading): void {
    const entry = this.#entries.get(keyOf(owner)) ?? this.#add(owner, now);
    if (entry === undefined) return;
    if (entry.pending === 0) entry.pendingSinceMs = atMs;
    entry.pending += 1;
    entry.last = now;
  }

  /**
   * Counts the events about owners whose pods are refused. Drops events that waited too long, and
   * owners without a refusal within the hour.
   *
   * @param refusedOwnersIn returns owners whose next pods would be refused
   */
  confirm(refusedOwnersIn: (namespace: string) => readonly FoundRisk[], { atMs, now }: ClockReading): void {
    for (const [key, entry] of this.#entries) {
      const risk = entry.pending > 0 ? refusalOf(refusedOwnersIn(entry.owner.namespace), entry.owner) : undefined;
      if (risk !== undefined) {
        entry.counted.add(entry.pending, atMs);
        entry.since ??= now;
        entry.risk = risk;
        entry.pending = 0;
      }
      if (atMs - entry.pendingSinceMs > PENDING_MS) entry.pending = 0;
      if (entry.pending > 0 || entry.counted.lastHour(atMs) > 0) continue;
      this.#entries.delete(key);
      this.#room.release(entry.owner.namespace, key);
    }
  }

  /**
   * Lists the owners whose pods were refused within the hour, by namespace, kind and name.
   *
   * @param most upper bound of their sum, which is shared fairly; undefined if unknown
   */
  list(most: DenialTotal | undefined, nowMs: number): readonly OwnerDenial[] {
    const found = [...this.#entries.values()].flatMap((entry) => {
      const count = entry.counted.lastHour(nowMs);
      return count === 0 || entry.risk === undefined ? [] : [{ ...entry, risk: entry.risk, count }];
    });
    const share =
      most &&
      fairShare(
        found.map(({ count }) => count),
        most.total,
      );
    return found
      .flatMap(({ owner, risk, count, since, last }): OwnerDenial[] => {
        const shown = share === undefined ? 0 : Math.min(count, share);
        if (shown === 0 && most?.isLowerBound === false) return [];
        const { reason, fix } = risk.risk;
        const times = { since: (since ?? last).toISOString(), last: last.toISOString() };
        return [{ ...owner, ...(shown > 0 && { count: shown }), ...times, reason, fix, policies: risk.policies }];
      })
      .sort((a, b) => byText(keyOf(a), keyOf(b)));
  }

  #add(owner: OwnerName, now: Date): Entry | undefined {
    const key = keyOf(owner);
    if (!this.#room.take(owner.namespace, key, ({ item }) => this.#entries.delete(item))) return undefined;
    const entry = { owner, pending: 0, pendingSinceMs: 0, counted: new RecentCount(), since: undefined, last: now, risk: undefined };
    this.#entries.set(key, entry);
    return entry;
  }
}

/** Finds the risk of an owner whose pods a dry run has shown to be refused. */
const refusalOf = (found: readonly FoundRisk[], { kind, name }: OwnerName): FoundRisk | undefined =>
  found.find(({ risk }) => risk.risk === 'Refused' && risk.confirmation === 'Confirmed' && risk.name === name && risk.kind === kind);
