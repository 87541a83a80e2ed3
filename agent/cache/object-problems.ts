import type { KubeObject } from '@fso/shared/api';
import { type ApiService, type KindDescriptor, keyOfObject, type ObjectKey } from '@fso/shared/kube';
import { isRedirected } from '../enforce/index.ts';
import type { Malformed } from './decode.ts';

/** Objects with fields that could not be read. */
export class MalformedObjects {
  readonly #problems = new Map<string, string>();

  /** Descriptions of the unreadable fields, for people, by `Kind/key` of the object. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  /** Notes or clears the problem of an object. @returns the object */
  note<T extends KubeObject>(kind: KindDescriptor, object: T & Malformed): T {
    if (object.malformed === undefined) this.delete(kind, keyOfObject(object));
    else this.#problems.set(`${kind.kind}/${keyOfObject(object)}`, object.malformed);
    return object;
  }

  delete({ kind }: KindDescriptor, key: ObjectKey): void {
    this.#problems.delete(`${kind}/${key}`);
  }
}

/** API groups that were seen redirected to another server. */
export class RedirectedGroups {
  readonly #groups = new Set<string>();

  /**
   * Notes who serves the group of an APIService.
   *
   * @param api undefined if it was deleted
   * @returns the group, if it was redirected before and the API server serves it again
   */
  takeRepaired(api: ApiService | undefined): string | undefined {
    if (api === undefined) return undefined;
    const group = api.metadata.name.slice(api.metadata.name.indexOf('.') + 1);
    if (!isRedirected(api)) return this.#groups.delete(group) ? group : undefined;
    this.#groups.add(group);
    return undefined;
  }
}
