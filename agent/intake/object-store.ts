import { applyEdits, DEFAULT_WALK_LIMITS, GitObjectError, objectId, type RawObject } from '@fso/shared/git';
import type { GitObject, Reason } from '@fso/shared/protocol';
import { createYielder } from '@fso/shared/runtime';

/**
 * The Git objects of the accepted commit and of the one before it, in memory, so that an offer need
 * carry only what changed: until it has the ack of the one, the hub builds on the other.
 */
export class ObjectStore {
  #objects: ReadonlyMap<string, RawObject> = new Map();
  #accepted: ReadonlyMap<string, RawObject> = new Map();
  #revision: string | null = null;

  /** The accepted commit, if its objects are here. */
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
   * Takes the objects of a commit that is accepted now. Drops all but those and the ones of the
   * commit before it.
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
  /** `missing`: the base tree of another one is not held. */
  | { readonly ok: false; readonly reasons: readonly Reason[]; readonly missing: boolean };

const MAX_REASONS = 100;
/** Time for which the check occupies the thread before it yields, in milliseconds. */
const SLICE_MS = 20;

/**
 * Budget for rebuilding the objects of an offer, in bytes. A few edits must not make any number of
 * large trees.
 */
interface Room {
  left: number;
}

/**
 * @returns undefined: the base tree is not held
 * @throws GitObjectError
 */
const rebuild = (object: GitObject, held: ObjectStore, room: Room): RawObject | undefined => {
  if (!('base' in object)) return { type: object.type, data: Buffer.from(object.data, 'base64') };
  const base = held.get(object.base);
  if (base?.type !== 'tree') return undefined;
  const edits = object.edits.map(([at, remove, insert]) => ({ at, remove, insert: Buffer.from(insert, 'base64') }));
  const data = applyEdits(base.data, edits, room.left);
  room.left -= data.byteLength;
  return { type: 'tree', data };
};

/** @returns the object, or why it is not what the offer says */
const check = (object: GitObject, held: ObjectStore, room: Room): RawObject | Reason => {
  try {
    const raw = rebuild(object, held, room);
    if (raw === undefined) return { code: 'object-missing', message: `a tree that ${object.id} is told by is not held by this agent` };
    const actual = objectId(raw.type, raw.data);
    if (actual === object.id) return raw;
    return { code: 'object-altered', message: `a ${raw.type} was offered as object ${object.id}, but its content has the id ${actual}` };
  } catch (error) {
    if (!(error instanceof GitObjectError)) throw error;
    return { code: 'object-altered', message: `object ${object.id} cannot be rebuilt: ${error.message}` };
  }
};

/**
 * Rebuilds and recomputes the id of every object that came over the wire. Others run in between.
 */
export const checkObjects = async (objects: readonly GitObject[], held: ObjectStore): Promise<CheckedObjects> => {
  const yieldIfDue = createYielder(SLICE_MS);
  const checked = new Map<string, RawObject>();
  const reasons: Reason[] = [];
  const room = { left: DEFAULT_WALK_LIMITS.maxTotalBytes };
  for (const object of objects) {
    const found = check(object, held, room);
    if ('type' in found) checked.set(object.id, found);
    else if (reasons.push(found) >= MAX_REASONS) break;
    await yieldIfDue();
  }
  if (reasons.length === 0) return { ok: true, objects: checked };
  return { ok: false, reasons, missing: reasons.every(({ code }) => code === 'object-missing') };
};
