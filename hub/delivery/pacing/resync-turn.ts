import { type Clock, OVER } from '@fso/shared/runtime';
import type { Admission } from './admission.ts';

/** An agent that does not send what it was asked for keeps the others waiting for no longer, in milliseconds. */
const ANSWER_MS = 10_000;

/**
 * The turn of one agent to send a full report. When the hub counts what agents report in another way, as a new version of it may, the digests
 * of a whole fleet differ within a minute: so many agents are asked at a time.
 */
export class ResyncTurn {
  /** Of all agents. */
  readonly #turns: Admission;
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #closed: AbortSignal;
  #ended: AbortController | undefined;

  /** @param closed the connection of the agent has ended */
  constructor(turns: Admission, clock: Pick<Clock, 'sleep'>, closed: AbortSignal) {
    this.#turns = turns;
    this.#clock = clock;
    this.#closed = closed;
  }

  /** @param ask called when it is the agent's turn; not if {@link end} comes before, or the connection closes */
  take(ask: () => void): void {
    this.end();
    const ended = new AbortController();
    this.#ended = ended;
    this.#ask(ask, AbortSignal.any([ended.signal, this.#closed])).catch(() => undefined);
  }

  /** The report has come: the next agent may be asked. */
  end(): void {
    this.#ended?.abort(OVER);
    this.#ended = undefined;
  }

  /** @throws the signal's reason when it aborts before the turn */
  async #ask(ask: () => void, until: AbortSignal): Promise<void> {
    const leave = await this.#turns.enter(until);
    void this.#clock.sleep(ANSWER_MS, until).then(leave, leave);
    ask();
  }
}
