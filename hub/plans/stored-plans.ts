import { randomBytes } from 'node:crypto';
import { PLAN_DAYS, StoredEffects, type StoredPlan, StoredPlanSummary } from '@fso/shared/effects';
import { byText, canonicalJson, sha256 } from '@fso/shared/encoding';
import { type Clock, weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';

/** Kind of the records of plans. */
const PLAN_KIND = 'plan';

const DAY_MS = 86_400_000;

/**
 * Plans and characters of JSON that are kept, of all and of one caller. Those used longest ago go.
 */
const KEPT = { of: { all: 1_000, caller: 300 }, characters: { all: 8 * 1024 * 1024, caller: 2 * 1024 * 1024 } };
/** Characters of one plan, and clusters of its effects times their namespaces. */
const MAX_PLAN = { characters: 256 * 1024, places: 50_000 };

/** Origin of a plan, by which it is compared and shown. */
export interface PlanMaker {
  /** Kind and id of the caller. */
  readonly caller: string;
  /** Digest of what the caller sees; null: everything. */
  readonly scope: string | null;
}

/** A stored plan as its record has it; its effects are read where they are needed. */
const Stored = z.object({
  summary: StoredPlanSummary,
  caller: z.string(),
  scope: z.string().nullable(),
  /** Digest of its effects: an equal plan needs no other record. */
  content: z.string(),
  characters: z.int().min(0),
  /** Time at which a change was accepted by it last; absent: never. */
  acceptedAt: z.iso.datetime().optional(),
  effects: z.looseObject({}),
});
export type Stored = z.infer<typeof Stored>;

const parseStored = weakMemo((value: object): Stored | null => Stored.safeParse(value).data ?? null);

const storedOf = (value: unknown): Stored | null => (typeof value === 'object' && value !== null ? parseStored(value) : null);

const parseEffects = weakMemo((effects: object): StoredEffects | null => StoredEffects.safeParse(effects).data ?? null);

/** The plan of a record; null: another version wrote it. */
export const planOf = ({ summary, effects }: Stored): StoredPlan | null => {
  const parsed = parseEffects(effects);
  return parsed && { ...summary, ...parsed };
};

const ageMs = ({ summary }: Stored, nowMs: number): number => nowMs - Date.parse(summary.at);

/** Whether a plan is too old to be accepted, though it may still be there. */
export const isExpired = (stored: Stored, nowMs: number): boolean => ageMs(stored, nowMs) > PLAN_DAYS * DAY_MS;

/** Newest first. */
const inOrder = (left: Stored, right: Stored): number =>
  byText(right.summary.at, left.summary.at) || byText(right.summary.id, left.summary.id);

const usedAt = ({ summary, acceptedAt }: Stored): string => acceptedAt ?? summary.at;

/** Plans that are no longer kept. Pure. */
export const outdatedPlans = (stored: readonly Stored[], nowMs: number): readonly Stored[] => {
  const all = { plans: 0, characters: 0 };
  const callers = new Map<string, { plans: number; characters: number }>();
  const lastUsedFirst = stored.toSorted((left, right) => byText(usedAt(right), usedAt(left)) || inOrder(left, right));
  return lastUsedFirst.filter((each) => {
    const own = callers.get(each.caller) ?? { plans: 0, characters: 0 };
    callers.set(each.caller, own);
    const isKept =
      !isExpired(each, nowMs) &&
      all.plans < KEPT.of.all &&
      own.plans < KEPT.of.caller &&
      all.characters + each.characters <= KEPT.characters.all &&
      own.characters + each.characters <= KEPT.characters.caller;
    for (const sum of isKept ? [all, own] : []) {
      sum.plans += 1;
      sum.characters += each.characters;
    }
    return !isKept;
  });
};

/** Plans in the ledger, as records of it, so that all hubs on one database have them. */
export class StoredPlans {
  readonly #records: KeyedStore;
  readonly #clock: Clock;

  constructor(records: KeyedStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** A plan, also one that has expired since. */
  get(id: string): Stored | null {
    return storedOf(this.#records.get(PLAN_KIND, id));
  }

  /** Newest first. */
  list(): readonly Stored[] {
    const nowMs = this.#clock.now().getTime();
    return this.#all().filter((stored) => !isExpired(stored, nowMs));
  }

  /**
   * Stores a plan, and removes those that are no longer kept. An equal one that the caller made
   * within the day stands for it. Resolves once it is durable.
   *
   * @returns its id; null: it is too large
   */
  async add(summary: Omit<StoredPlanSummary, 'id'>, effects: StoredEffects, { caller, scope }: PlanMaker): Promise<string | null> {
    const characters = JSON.stringify(effects).length;
    const places = effects.effects.reduce((sum, { clusters, namespaces }) => sum + clusters.length * namespaces.length, 0);
    if (characters > MAX_PLAN.characters || places > MAX_PLAN.places) return null;
    const content = sha256(canonicalJson([summary.source, summary.revision, effects]));
    const nowMs = this.#clock.now().getTime();
    const same = this.#all().find(
      (stored) => stored.caller === caller && stored.scope === scope && stored.content === content && ageMs(stored, nowMs) < DAY_MS,
    );
    if (same !== undefined) return same.summary.id;
    const id = randomBytes(12).toString('hex');
    const stored: Stored = { summary: { id, ...summary }, caller, scope, content, characters, effects };
    await this.#records.update(PLAN_KIND, id, () => stored);
    await this.#removeOutdated();
    return id;
  }

  /** Notes that a plan has just accepted a change, so that others go before it. */
  async noteAccepted(id: string): Promise<void> {
    const acceptedAt = this.#clock.now().toISOString();
    await this.#records.update(PLAN_KIND, id, (value) => {
      const stored = storedOf(value);
      return stored === null ? value : { ...stored, acceptedAt };
    });
  }

  /** Removes the plans that are no longer kept. */
  async #removeOutdated(): Promise<void> {
    const outdated = outdatedPlans(this.#all(), this.#clock.now().getTime());
    await Promise.all(outdated.map(({ summary }) => this.#records.update(PLAN_KIND, summary.id, () => undefined)));
  }

  #all(): readonly Stored[] {
    return this.#records
      .list(PLAN_KIND)
      .flatMap((value) => storedOf(value) ?? [])
      .sort(inOrder);
  }
}
