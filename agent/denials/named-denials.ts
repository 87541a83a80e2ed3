import { type Denial, MAX_DENYING_POLICIES, type ReportedDenial } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { fairShare } from '@fso/shared/runtime';
import type { FoundRisk } from '../risk/index.ts';
import { RecentCount } from './recent-count.ts';

/** Owners that are kept in all, and of one namespace: anyone there may write events. */
const MAX_OWNERS = 5_000;
const MAX_IN_NAMESPACE = 500;
/** Time for which events wait until the owner's own dry run was refused, ms. */
const PENDING_MS = 300_000;

export type OwnerName = Pick<Denial, 'kind' | 'namespace' | 'name'>;

interface Entry {
  readonly owner: OwnerName;
  /** Events that do not count yet, and when the first of them came; monotonic. */
  pending: number;
  pendingSinceMs: number;
  readonly counted: RecentCount;
  since: Date | undefined;
  last: Date;
  risk: FoundRisk | undefined;
}

/** A moment, by both clocks. */
export interface Moment {
  readonly atMs: number;
  readonly now: Date;
}

const keyOf = ({ kind, namespace, name }: OwnerName): string => `${namespace}/${kind}/${name}`;

/**
 * Counts refusals by owner, as events tell them. Anyone may write such an event, so it counts only
 * once a dry run of the agent shows that the owner's pods are refused.
 */
export class NamedDenials {
  readonly #entries = new Map<string, Entry>();
  readonly #inNamespace = new Map<string, number>();

  /** Records one event about an owner. One beyond the bounds is not kept. */
  see(owner: OwnerName, { atMs, now }: Moment): void {
    const entry = this.#entries.get(keyOf(owner)) ?? this.#add(owner, now);
    if (entry === undefined) return;
    if (entry.pending === 0) entry.pendingSinceMs = atMs;
    entry.pending += 1;
    entry.last = now;
  }

  /**
   * Counts the events about owners whose pods are refused, and forgets those that waited too long,
   * and owners without a refusal within the hour.
   *
   * @param refusedOwnersIn owners of a namespace whose next pods would be refused
   */
  confirm(refusedOwnersIn: (namespace: string) => readonly FoundRisk[], { atMs, now }: Moment): void {
    for (const [key, entry] of this.#entries) {
      const risk = entry.pending > 0 ? refusalOf(refusedOwnersIn(entry.owner.namespace), entry.owner) : undefined;
      if (risk !== undefined) {
        entry.counted.add(entry.pending, atMs);
        entry.since ??= now;
        entry.risk = risk;
        entry.pending = 0;
      }
      if (atMs - entry.pendingSinceMs > PENDING_MS) entry.pending = 0;
      if (entry.pending === 0 && entry.counted.lastHour(atMs) === 0) this.#remove(key, entry);
    }
  }

  /**
   * The owners whose pods were refused within the hour, by namespace, kind and name.
   *
   * @param total what all of them together have at most, shared fairly; undefined: it is not known
   */
  list(total: number | undefined, nowMs: number): readonly ReportedDenial[] {
    const found = [...this.#entries.values()].flatMap((entry) => {
      const count = entry.counted.lastHour(nowMs);
      return count === 0 || entry.risk === undefined ? [] : [{ ...entry, risk: entry.risk, count }];
    });
    const most =
      total === undefined
        ? undefined
        : fairShare(
            found.map(({ count }) => count),
            total,
          );
    return found
      .flatMap(({ owner, risk, count, since, last }): ReportedDenial[] => {
        const shown = most === undefined ? undefined : Math.min(count, most);
        if (shown === 0) return [];
        const { reason, fix } = risk.risk;
        const times = { since: (since ?? last).toISOString(), last: last.toISOString() };
        return [{ ...owner, ...(shown !== undefined && { count: shown }), ...times, reason, fix, policies: policiesOf(risk) }];
      })
      .sort((a, b) => byText(keyOf(a), keyOf(b)));
  }

  #add(owner: OwnerName, now: Date): Entry | undefined {
    const { namespace } = owner;
    const others = this.#inNamespace.get(namespace) ?? 0;
    if (this.#entries.size >= MAX_OWNERS || others >= MAX_IN_NAMESPACE) return undefined;
    const entry = { owner, pending: 0, pendingSinceMs: 0, counted: new RecentCount(), since: undefined, last: now, risk: undefined };
    this.#entries.set(keyOf(owner), entry);
    this.#inNamespace.set(namespace, others + 1);
    return entry;
  }

  #remove(key: string, { owner: { namespace } }: Entry): void {
    this.#entries.delete(key);
    const left = (this.#inNamespace.get(namespace) ?? 1) - 1;
    if (left === 0) this.#inNamespace.delete(namespace);
    else this.#inNamespace.set(namespace, left);
  }
}

const policiesOf = ({ policies }: FoundRisk): string[] => policies.slice(0, MAX_DENYING_POLICIES);

/** The risk of an owner whose pods a dry run showed to be refused. */
const refusalOf = (found: readonly FoundRisk[], { kind, name }: OwnerName): FoundRisk | undefined =>
  found.find(({ risk }) => risk.risk === 'Refused' && risk.confirmation === 'Confirmed' && risk.name === name && risk.kind === kind);
