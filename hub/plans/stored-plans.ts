import { randomBytes } from 'node:crypto';
import { MAX_BRANCHES, PLAN_DAYS, StoredEffects, type StoredPlan, StoredPlanSummary } from '@fso/shared/effects';
import { byText, canonicalJson, sha256 } from '@fso/shared/encoding';
import { type Clock, weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';
import type { PlanOptions } from './read-request.ts';

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

/** Digest of the options of a plan, by which plans are compared. */
export const optionsDigest = (options: PlanOptions): string => sha256(canonicalJson({ ...options, at: options.at ?? null }));

/** Whether a plan is small enough to be stored, and compared with another one. */
export const isStorable = (effects: StoredEffects): boolean =>
  effects.effects.reduce((sum, { clusters, namespaces }) => sum + clusters.length * namespaces.length, 0) <= MAX_PLAN.places &&
  JSON.stringify(effects).length <= MAX_PLAN.characters;

const ageMs = ({ summary }: Stored, nowMs: number): number => nowMs - Date.parse(summary.at);

/** Whether a plan is too old to be accepted, though it may still be there. */
export const isExpired = (stored: Stored, nowMs: number): boolean => ageMs(stored, nowMs) > PLAN_DAYS * DAY_MS;

/** Newest first. */
const inOrder = (left: Stored, right: Stored): number =>
  byText(right.summary.at, left.summary.at) || byText(right.summary.id, left.summary.id);

const usedAt = ({ summary, acceptedAt }: Stored): string => acceptedAt ?? summary.at;

/** Equal for plans of the same branch, part of the fleet and options; undefined: of no branch. */
const lineOf = ({ summary: { branch }, scope, effects }: Stored): string | undefined =>
  branch && JSON.stringify([branch.name, scope, effects['options']]);

/** The last plan of each branch, part of the fleet and options. */
const lastOfBranches = (stored: readonly Stored[]): ReadonlyMap<string, Stored> => {
  const last = new Map<string, Stored>();
  for (const each of stored) {
    const line = lineOf(each);
    const known = line === undefined ? undefined : last.get(line);
    if (line !== undefined && (known === undefined || inOrder(each, known) < 0)) last.set(line, each);
  }
  return last;
};

/** Room that plans take of what is kept. */
interface Room {
  plans: number;
  characters: number;
  /** Plans that break nothing. */
  branches: number;
}

const createRoom = (): Room => ({ plans: 0, characters: 0, branches: 0 });

const hasRoom = (all: Room, own: Room, { characters, summary: { result } }: Stored): boolean =>
  all.plans < KEPT.of.all &&
  own.plans < KEPT.of.caller &&
  (result === 'Breaks' || own.branches < MAX_BRANCHES) &&
  all.characters + characters <= KEPT.characters.all &&
  own.characters + characters <= KEPT.characters.caller;

/**
 * Plans that are no longer kept. One that breaks nothing is kept while it is the last of a branch.
 * Pure.
 */
export const outdatedPlans = (stored: readonly Stored[], nowMs: number): readonly Stored[] => {
  const all = createRoom();
  const callers = new Map<string, Room>();
  const last = new Set(lastOfBranches(stored).values());
  const isWanted = (each: Stored): boolean => !isExpired(each, nowMs) && (each.summary.result === 'Breaks' || last.has(each));
  const lastUsedFirst = stored.toSorted((left, right) => byText(usedAt(right), usedAt(left)) || inOrder(left, right));
  return lastUsedFirst.filter((each) => {
    const own = callers.get(each.caller) ?? createRoom();
    callers.set(each.caller, own);
    const isKept = isWanted(each) && hasRoom(all, own, each);
    for (const room of isKept ? [all, own] : []) {
      room.plans += 1;
      room.characters += each.characters;
      room.branches += each.summary.result === 'Breaks' ? 0 : 1;
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

  /** The last plan of each branch, by its name: with these options, for a part of the fleet. */
  lastOfBranches({ scope, options }: Pick<PlanMaker, 'scope'> & { readonly options: string }): ReadonlyMap<string, Stored> {
    const stored = this.list().filter((each) => each.scope === scope && each.effects['options'] === options);
    return new Map([...lastOfBranches(stored).values()].flatMap((each) => (each.summary.branch ? [[each.summary.branch.name, each]] : [])));
  }

  /**
   * Stores a plan, and removes those that are no longer kept. An equal one that the caller made
   * within the day stands for it. Resolves once it is durable.
   *
   * @returns its id; null: it is too large
   */
  async add(summary: Omit<StoredPlanSummary, 'id'>, effects: StoredEffects, { caller, scope }: PlanMaker): Promise<string | null> {
    if (!isStorable(effects)) return null;
    const characters = JSON.stringify(effects).length;
    const { source, revision, branch } = summary;
    const content = sha256(canonicalJson([source, revision, effects, ...(branch === undefined ? [] : [branch])]));
    const nowMs = this.#clock.now().getTime();
    const last = branch && this.lastOfBranches({ scope, options: effects.options }).get(branch.name);
    const isEqual = (stored: Stored): boolean =>
      stored.caller === caller && stored.scope === scope && stored.content === content && ageMs(stored, nowMs) < DAY_MS;
    // Of a branch the last plan alone: else an older one would be shown as its last.
    const same = this.#all().find((stored) => isEqual(stored) && (branch === undefined || stored === last));
    // A plan that breaks nothing is named nowhere: a new one takes its place.
    if (same !== undefined && summary.result === 'Breaks') return same.summary.id;
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
