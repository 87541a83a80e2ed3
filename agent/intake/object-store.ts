import { objectId, type RawObject } from '@fso/shared/git';
import type { GitObject, Reason } from '@fso/shared/protocol';

/** The Git objects of the accepted commit, in memory, so that an offer need carry only what changed. */
export class ObjectStore {
  #objects: ReadonlyMap<string, RawObject> = new Map();

  get(id: string): RawObject | undefined {
    return this.#objects.get(id);
  }

  add(objects: ReadonlyMap<string, RawObject>): void {
    this.#objects = new Map([...this.#objects, ...objects]);
  }

  /** Drops everything else. */
  keepOnly(objects: ReadonlyMap<string, RawObject>): void {
    this.#objects = objects;
  }
}

export type CheckedObjects =
  | { readonly ok: true; readonly objects: ReadonlyMap<string, RawObject> }
  | { readonly ok: false; readonly reasons: readonly Reason[] };

/** Recomputes the id of every object that came over the wire. */
export const checkObjects = (objects: readonly GitObject[]): CheckedObjects => {
  const checked = new Map<string, RawObject>();
  const reasons: Reason[] = [];
  for (const { id, type, data } of objects) {
    const object: RawObject = { type, data: Buffer.from(data, 'base64') };
    const actual = objectId(type, object.data);
    if (actual === id) checked.set(id, object);
    else reasons.push({ code: 'object-altered', message: `a ${type} was offered as object ${id}, but its content has the id ${actual}` });
  }
  return reasons.length === 0 ? { ok: true, objects: checked } : { ok: false, reasons: reasons.slice(0, 100) };
};
