import type { Listed } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import type { AcceptedPolicies } from '../observe/index.ts';
import type { PolicyStatements } from './policy-statements.ts';
import { ResyncRequest } from './resync-request.ts';

interface ListRequestOptions {
  readonly clock: Clock;
  readonly accepted: () => AcceptedPolicies | undefined;
  readonly statements: Pick<PolicyStatements, 'listed'>;
}

/**
 * The request of a hub for the policies of the accepted list, answered as often as
 * {@link ResyncRequest} says. It goes over the connection that it came over, or nowhere.
 */
export class ListRequest {
  readonly #options: ListRequestOptions;
  /** The request, and the answer: the same object each time, so that it is encoded once. */
  #open: { readonly list: string; readonly request: ResyncRequest; answer?: Listed | undefined } | undefined;

  constructor(options: ListRequestOptions) {
    this.#options = options;
  }

  /** Milliseconds until the answer is due; undefined: there is no request. */
  get dueInMs(): number | undefined {
    return this.#open?.request.dueInMs;
  }

  /** @returns whether the list is the accepted one; else nothing will answer */
  open(list: string): boolean {
    if (this.#options.accepted()?.digest !== list) return false;
    if (this.#open?.list !== list) this.#open = { list, request: new ResyncRequest(this.#options.clock) };
    this.#open.request.open();
    return true;
  }

  /** The connection that it came over has ended. */
  cancel(): void {
    this.#open?.request.cancel();
  }

  /**
   * @returns the answer that is due, which is then done; undefined: none is, or by now another list
   * is accepted
   */
  take(): Listed | undefined {
    if (this.#open === undefined || !this.#open.request.take()) return undefined;
    const { list } = this.#open;
    if (this.#options.accepted()?.digest !== list) return undefined;
    this.#open.answer ??= this.answer(list);
    return this.#open.answer;
  }

  /** @returns undefined: by now another list is accepted */
  answer(list: string): Listed | undefined {
    const accepted = this.#options.accepted();
    if (accepted?.digest !== list) return undefined;
    return { type: 'listed', list, policies: this.#options.statements.listed(accepted).map(({ name, digest }) => [name, digest]) };
  }
}
