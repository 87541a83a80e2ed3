import type { KubeObject } from '@fso/shared/api';
import { type KindDescriptor, keyOfObject, type ObjectKey } from '@fso/shared/kube';
import type { Malformed } from './decode.ts';

/** Objects with fields that could not be read. */
export class MalformedObjects {
  readonly #problems = new Map<string, string>();

  /** The fields, for people, by `Kind/key` of the object. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  /** @returns the object */
  note<T extends KubeObject>(kind: KindDescriptor, object: T & Malformed): T {
    if (object.malformed === undefined) this.delete(kind, keyOfObject(object));
    else this.#problems.set(`${kind.kind}/${keyOfObject(object)}`, object.malformed);
    return object;
  }

  delete({ kind }: KindDescriptor, key: ObjectKey): void {
    this.#problems.delete(`${kind}/${key}`);
  }
}
