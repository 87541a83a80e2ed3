import type { KubeObject } from '@fso/shared/api';
import { type ApiService, type KindDescriptor, keyOfObject, type ObjectKey } from '@fso/shared/kube';
import { isRedirected } from '../enforce/index.ts';
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

/** API groups that another server was seen to serve. */
export class RedirectedGroups {
  readonly #groups = new Set<string>();

  /**
   * @param api as it is now; undefined: it is gone
   * @returns its group, where it was redirected and is the API server's again
   */
  takeRepaired(api: ApiService | undefined): string | undefined {
    if (api === undefined) return undefined;
    const group = api.metadata.name.slice(api.metadata.name.indexOf('.') + 1);
    if (!isRedirected(api)) return this.#groups.delete(group) ? group : undefined;
    this.#groups.add(group);
    return undefined;
  }
}
