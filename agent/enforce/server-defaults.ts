import type { KubeObject } from '@fso/shared/api';
import { own, weakMemo } from '@fso/shared/runtime';
import { isPlain, isSame, type Plain } from '../compare.ts';

type WithSpec = KubeObject & { readonly spec?: Plain };

/**
 * Fields that the API server itself adds to this system's objects, as a version newer than this
 * agent may do. They are recognized by a write: if the response to a patch still has a field that
 * the patch removes, no other writer can have added it.
 *
 * Holds only for kinds that are exempt from admission webhooks. For other kinds a webhook may have
 * added the field, which counts as drift.
 */
export class ServerDefaults {
  /** Fields of each object, by the key of its actions. */
  readonly #fields = new Map<string, Plain>();
  readonly #cleared = weakMemo((fields: Plain) =>
    weakMemo((object: WithSpec) => ({ ...object, spec: without(object.spec ?? {}, fields) })),
  );

  /** @param fields see {@link keptFields} */
  learn(key: string, fields: Plain): void {
    this.#fields.set(key, fields);
  }

  /**
   * Removes the fields that the API server adds. Returns an object without such fields unchanged.
   */
  clear<T extends WithSpec>(kind: string, objects: readonly T[]): readonly T[] {
    if (this.#fields.size === 0) return objects;
    return objects.map((object) => {
      const fields = this.#fields.get(`${kind}/${object.metadata.name}`);
      return fields === undefined ? object : (this.#cleared(fields)(object) as T);
    });
  }
}

/**
 * Finds the fields that a merge patch sets to null and its response still has, with their values;
 * undefined if there are none.
 */
export const keptFields = (patch: Plain, answer: unknown): Plain | undefined => {
  if (!isPlain(answer)) return undefined;
  const kept = Object.entries(patch).flatMap(([key, value]) => {
    const given = own(answer, key);
    const part = value === null ? given : isPlain(value) ? keptFields(value, given) : undefined;
    return part === undefined || isSame(part, undefined) ? [] : [[key, part] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
};

/** Keeps a field whose value differs from the API server's, so that it counts as a change. */
const without = (spec: Plain, fields: Plain): Plain =>
  Object.fromEntries(
    Object.entries(spec).flatMap(([key, value]) => {
      const field = own(fields, key);
      if (field === undefined) return [[key, value]];
      if (isSame(value, field)) return [];
      return [[key, isPlain(value) && isPlain(field) ? without(value, field) : value]];
    }),
  );
