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
 * Request of the hub for the policies of the accepted list, answered at the rate of
 * {@link ResyncRequest}. The answer is sent only over the connection of the request.
 */
export class ListRequest {
  readonly #options: ListRequestOptions;
  /** Open request with its answer: the same object each time, so that it is encoded once. */
  #open: { readonly list: string; readonly request: ResyncRequest; answer?: Listed | undefined } | undefined;

  constructor(options: ListRequestOptions) {
    this.#options = options;
  }

  /** Time in ms until the answer is due; undefined without a request. */
  get dueInMs(): number | undefined {
    return this.#open?.request.dueInMs;
  }

  /**
   * Opens a request. @returns false if the list is not the accepted one; then it is never answered
   */
  open(list: string): boolean {
    if (this.#options.accepted()?.digest !== list) return false;
    if (this.#open?.list !== list) this.#open = { list, request: new ResyncRequest(this.#options.clock) };
    this.#open.request.open();
    return true;
  }

  /** Drops the request, because its connection has ended. */
  cancel(): void {
    this.#open?.request.cancel();
  }

  /**
   * Takes the answer that is due, and closes the request.
   *
   * @returns undefined if none is due, or another list has been accepted
   */
  take(): Listed | undefined {
    if (this.#open === undefined || !this.#open.request.take()) return undefined;
    const { list } = this.#open;
    if (this.#options.accepted()?.digest !== list) return undefined;
    this.#open.answer ??= this.answer(list);
    return this.#open.answer;
  }

  /** @returns undefined if another list has been accepted */
  answer(list: string): Listed | undefined {
    const accepted = this.#options.accepted();
    if (accepted?.digest !== list) return undefined;
    return { type: 'listed', list, policies: this.#options.statements.listed(accepted).map(({ name, digest }) => [name, digest]) };
  }
}
