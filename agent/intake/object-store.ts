import { applyEdits, DEFAULT_WALK_LIMITS, GitObjectError, objectId, type RawObject } from '@fso/shared/git';
import type { GitObject, Reason } from '@fso/shared/protocol';
import { createYielder } from '@fso/shared/runtime';

/**
 * Git objects of the accepted commit and the one before it, kept in memory, so that an offer
 * carries only changes. The hub bases offers on the older one until it has the ack of the newer
 * one.
 */
export class ObjectStore {
  #objects: ReadonlyMap<string, RawObject> = new Map();
  #accepted: ReadonlyMap<string, RawObject> = new Map();
  #revision: string | null = null;

  /** Accepted commit, if its objects are held. */
  get revision(): string | null {
    return this.#revision;
  }

  get(id: string): RawObject | undefined {
    return this.#objects.get(id);
  }

  add(objects: ReadonlyMap<string, RawObject>): void {
    this.#objects = new Map([...this.#objects, ...objects]);
  }

  /**
   * Keeps the objects of the newly accepted commit and of the one accepted before, and drops all
   * others.
   */
  accept(revision: string, objects: ReadonlyMap<string, RawObject>): void {
    this.#revision = revision;
    this.#objects = new Map([...this.#accepted, ...objects]);
    this.#accepted = objects;
  }

  clear(): void {
    this.#revision = null;
    this.#objects = new Map();
    this.#accepted = new Map();
  }
}

/** Objects of an offer by id, or the reasons why they cannot be used. */
export type CheckedObjects =
  | { readonly ok: true; readonly objects: ReadonlyMap<string, RawObject> }
  /** `missing`: a tree is sent as edits of a base tree that is not held. */
  | { readonly ok: false; readonly reasons: readonly Reason[]; readonly missing: boolean };

const MAX_REASONS = 100;
/** Time after which the check yields the thread, in milliseconds. */
const SLICE_MS = 20;

/**
 * Bytes left for rebuilding the objects of an offer. Bounds the trees that a few edits can produce.
 */
interface Budget {
  left: number;
}

/**
 * @returns the object; undefined if its base tree is not held
 * @throws GitObjectError
 */
const rebuild = (object: GitObject, held: ObjectStore, budget: Budget): RawObject | undefined => {
  if (!('base' in object)) return { type: object.type, data: Buffer.from(object.data, 'base64') };
  const base = held.get(object.base);
  if (base?.type !== 'tree') return undefined;
  const edits = object.edits.map(([at, remove, insert]) => ({ at, remove, insert: Buffer.from(insert, 'base64') }));
  const data = applyEdits(base.data, edits, budget.left);
  budget.left -= data.byteLength;
  return { type: 'tree', data };
};

/** @returns the object, or the reason why it cannot be used */
const check = (object: GitObject, held: ObjectStore, budget: Budget): RawObject | Reason => {
  try {
    const raw = rebuild(object, held, budget);
    if (raw === undefined) return { code: 'object-missing', message: `the base tree of object ${object.id} is not held by this agent` };
    const actual = objectId(raw.type, raw.data);
    if (actual === object.id) return raw;
    return { code: 'object-altered', message: `a ${raw.type} was offered as object ${object.id}, but its content has the id ${actual}` };
  } catch (error) {
    if (!(error instanceof GitObjectError)) throw error;
    return { code: 'object-altered', message: `object ${object.id} cannot be rebuilt: ${error.message}` };
  }
};

/** Rebuilds every offered object and checks its id. Yields to other work in between. */
export const checkObjects = async (objects: readonly GitObject[], held: ObjectStore): Promise<CheckedObjects> => {
  const yieldIfDue = createYielder(SLICE_MS);
  const checked = new Map<string, RawObject>();
  const reasons: Reason[] = [];
  const budget = { left: DEFAULT_WALK_LIMITS.maxTotalBytes };
  for (const object of objects) {
    const found = check(object, held, budget);
    if ('type' in found) checked.set(object.id, found);
    else if (reasons.push(found) >= MAX_REASONS) break;
    await yieldIfDue();
  }
  if (reasons.length === 0) return { ok: true, objects: checked };
  return { ok: false, reasons, missing: reasons.every(({ code }) => code === 'object-missing') };
};
