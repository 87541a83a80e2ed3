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
 * Limits of the kept plans, in total and per caller: their number, and the characters of their
 * JSON. The least recently used plans are removed first.
 */
const KEPT = { of: { all: 1_000, caller: 300 }, characters: { all: 8 * 1024 * 1024, caller: 2 * 1024 * 1024 } };
/** Limits of one plan: characters of its JSON, and pairs of cluster and namespace in effects. */
const MAX_PLAN = { characters: 256 * 1024, places: 50_000 };

/** Caller that made a plan, and the part of the fleet that the caller saw. */
export interface PlanMaker {
  /** Kind and id of the caller. */
  readonly caller: string;
  /** Digest of what the caller sees; null if the caller sees everything. */
  readonly scope: string | null;
}

const Stored = z.object({
  summary: StoredPlanSummary,
  caller: z.string(),
  scope: z.string().nullable(),
  /** Digest of the source, revision, effects and branch, by which an equal plan is recognized. */
  content: z.string(),
  characters: z.int().min(0),
  /** Time at which the plan last accepted a change; absent if it never did. */
  acceptedAt: z.iso.datetime().optional(),
  effects: z.looseObject({}),
});
/** Record of a stored plan. Its effects are parsed only where they are needed. */
export type Stored = z.infer<typeof Stored>;

const parseStored = weakMemo((value: object): Stored | null => Stored.safeParse(value).data ?? null);

const storedOf = (value: unknown): Stored | null => (typeof value === 'object' && value !== null ? parseStored(value) : null);

const parseEffects = weakMemo((effects: object): StoredEffects | null => StoredEffects.safeParse(effects).data ?? null);

/** Parses the plan of a record; null if another version of the hub wrote it differently. */
export const planOf = ({ summary, effects }: Stored): StoredPlan | null => {
  const parsed = parseEffects(effects);
  return parsed && { ...summary, ...parsed };
};

/** Digest of the options of a plan. Only plans with equal options are compared. */
export const optionsDigest = (options: PlanOptions): string => sha256(canonicalJson({ ...options, at: options.at ?? null }));

/** Whether a plan is small enough to be stored, and compared with another one. */
export const isStorable = (effects: StoredEffects): boolean =>
  effects.effects.reduce((sum, { clusters, namespaces }) => sum + clusters.length * namespaces.length, 0) <= MAX_PLAN.places &&
  JSON.stringify(effects).length <= MAX_PLAN.characters;

const ageMs = ({ summary }: Stored, nowMs: number): number => nowMs - Date.parse(summary.at);

/** Whether a plan is too old to be accepted. Its record may still exist. */
export const isExpired = (stored: Stored, nowMs: number): boolean => ageMs(stored, nowMs) > PLAN_DAYS * DAY_MS;

const newestFirst = (left: Stored, right: Stored): number =>
  byText(right.summary.at, left.summary.at) || byText(right.summary.id, left.summary.id);

const usedAt = ({ summary, acceptedAt }: Stored): string => acceptedAt ?? summary.at;

/**
 * Key of the plans of one branch that have the same scope and options; undefined if the plan is of
 * no branch.
 */
const seriesOf = ({ summary: { branch }, scope, effects }: Stored): string | undefined =>
  branch && JSON.stringify([branch.name, scope, effects['options']]);

/** Finds the newest plan of each branch, scope and options. */
const lastOfBranches = (stored: readonly Stored[]): ReadonlyMap<string, Stored> => {
  const last = new Map<string, Stored>();
  for (const each of stored) {
    const series = seriesOf(each);
    const known = series === undefined ? undefined : last.get(series);
    if (series !== undefined && (known === undefined || newestFirst(each, known) < 0)) last.set(series, each);
  }
  return last;
};

/** Sums over the kept plans, of all callers or of one. */
interface Usage {
  plans: number;
  characters: number;
  /** Plans that break nothing: each is the last one of a branch. */
  branches: number;
}

const createUsage = (): Usage => ({ plans: 0, characters: 0, branches: 0 });

const hasRoom = (all: Usage, own: Usage, { characters, summary: { result } }: Stored): boolean =>
  all.plans < KEPT.of.all &&
  own.plans < KEPT.of.caller &&
  (result === 'Breaks' || own.branches < MAX_BRANCHES) &&
  all.characters + characters <= KEPT.characters.all &&
  own.characters + characters <= KEPT.characters.caller;

/**
 * Selects the plans to remove: those that have expired or exceed the limits, and those that break
 * nothing and are not the last of a branch. Pure.
 */
export const outdatedPlans = (stored: readonly Stored[], nowMs: number): readonly Stored[] => {
  const all = createUsage();
  const callers = new Map<string, Usage>();
  const last = new Set(lastOfBranches(stored).values());
  const isWanted = (each: Stored): boolean => !isExpired(each, nowMs) && (each.summary.result === 'Breaks' || last.has(each));
  const lastUsedFirst = stored.toSorted((left, right) => byText(usedAt(right), usedAt(left)) || newestFirst(left, right));
  return lastUsedFirst.filter((each) => {
    const own = callers.get(each.caller) ?? createUsage();
    callers.set(each.caller, own);
    const isKept = isWanted(each) && hasRoom(all, own, each);
    for (const usage of isKept ? [all, own] : []) {
      usage.plans += 1;
      usage.characters += each.characters;
      usage.branches += each.summary.result === 'Breaks' ? 0 : 1;
    }
    return !isKept;
  });
};

/** Plans stored as records of the ledger, so that all hubs on one database share them. */
export class StoredPlans {
  readonly #records: KeyedStore;
  readonly #clock: Clock;

  constructor(records: KeyedStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** Finds a plan by its id, also an expired one. */
  get(id: string): Stored | null {
    return storedOf(this.#records.get(PLAN_KIND, id));
  }

  /** Lists the plans that have not expired, newest first. */
  list(): readonly Stored[] {
    const nowMs = this.#clock.now().getTime();
    return this.#all().filter((stored) => !isExpired(stored, nowMs));
  }

  /** Finds the last plan of each branch with this scope and these options, by branch name. */
  lastOfBranches({ scope, options }: Pick<PlanMaker, 'scope'> & { readonly options: string }): ReadonlyMap<string, Stored> {
    const stored = this.list().filter((each) => each.scope === scope && each.effects['options'] === options);
    return new Map([...lastOfBranches(stored).values()].flatMap((each) => (each.summary.branch ? [[each.summary.branch.name, each]] : [])));
  }

  /**
   * Stores a plan, and removes outdated ones. If the plan breaks something and the caller made an
   * equal one within the last day, that one is reused. Resolves once the plan is durable.
   *
   * @returns the id of the stored plan; null if the plan is too large
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
    // Reuses only the last plan of a branch: another one would remain the last, with other effects.
    const same = this.#all().find((stored) => isEqual(stored) && (branch === undefined || stored === last));
    // No commit names a plan that breaks nothing, so a new record may replace it.
    if (same !== undefined && summary.result === 'Breaks') return same.summary.id;
    const id = randomBytes(12).toString('hex');
    const stored: Stored = { summary: { id, ...summary }, caller, scope, content, characters, effects };
    await this.#records.update(PLAN_KIND, id, () => stored);
    await this.#removeOutdated();
    return id;
  }

  /** Records that a plan has just accepted a change, so that other plans are removed before it. */
  async noteAccepted(id: string): Promise<void> {
    const acceptedAt = this.#clock.now().toISOString();
    await this.#records.update(PLAN_KIND, id, (value) => {
      const stored = storedOf(value);
      return stored === null ? value : { ...stored, acceptedAt };
    });
  }

  async #removeOutdated(): Promise<void> {
    const outdated = outdatedPlans(this.#all(), this.#clock.now().getTime());
    await Promise.all(outdated.map(({ summary }) => this.#records.update(PLAN_KIND, summary.id, () => undefined)));
  }

  #all(): readonly Stored[] {
    return this.#records
      .list(PLAN_KIND)
      .flatMap((value) => storedOf(value) ?? [])
      .sort(newestFirst);
  }
}
