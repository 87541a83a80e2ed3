import { messageOf } from '@fso/shared/runtime';
import { type ProbeClient, refuserOf } from '../probe/index.ts';
import { concernOf, type Refusals } from './metrics-page.ts';

/**
 * Counts the agent's own dry runs that lock 1 refused: the API server counts them as all others.
 * A request that both its label and its index refuse counts as one here and as two there, which
 * only happens while a namespace changes.
 */
export class OwnRefusals {
  readonly #counts = { pods: 0, bindings: 0 };

  /** Numbers since the start of the agent. */
  get counts(): Refusals {
    return { ...this.#counts };
  }

  /** A client for proofs whose refusals are counted. */
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
