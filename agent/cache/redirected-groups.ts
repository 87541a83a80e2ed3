import type { ApiService } from '@fso/shared/kube';
import { isRedirected } from '../enforce/index.ts';

/** API groups that another server was seen to serve. */
export class RedirectedGroups {
  readonly #groups = new Set<string>();

  /** @param api as it is now; undefined: it is gone @returns its group, where it was redirected and is the API server's again */
  takeRepaired(api: ApiService | undefined): string | undefined {
    if (api === undefined) return undefined;
    const group = api.metadata.name.slice(api.metadata.name.indexOf('.') + 1);
    if (!isRedirected(api)) return this.#groups.delete(group) ? group : undefined;
    this.#groups.add(group);
    return undefined;
  }
}
