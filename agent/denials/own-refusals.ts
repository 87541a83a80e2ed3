import { messageOf } from '@fso/shared/runtime';
import { type ProbeClient, refuserOf } from '../probe/index.ts';
import { concernOf, type Refusals } from './metrics-page.ts';

/**
 * Counts the agent's own dry runs that lock 1 refused, because the API server counts them like all
 * others. A request that both the label and the index refuse counts once here and twice there. This
 * only happens while a namespace changes.
 */
export class OwnRefusals {
  readonly #counts = { pods: 0, bindings: 0 };

  /** Numbers since the agent's start. */
  get counts(): Refusals {
    return { ...this.#counts };
  }

  /** Wraps a client for proofs so that its refusals are counted. */
  counting(client: ProbeClient): ProbeClient {
    return {
      list: (kind, options, signal) => client.list(kind, options, signal),
      raw: async (request, signal) => {
        try {
          return await client.raw(request, signal);
        } catch (error) {
          const concern = concernOf(refuserOf(messageOf(error)).policy ?? '');
          if (concern !== undefined) this.#counts[concern] += 1;
          throw error;
        }
      },
    };
  }
}
