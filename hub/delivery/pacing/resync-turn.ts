import { type Clock, WAIT_OVERTAKEN } from '@fso/shared/runtime';
import type { TurnLimiter } from './turn-limiter.ts';

/** Longest turn of an agent that does not send what it was asked for, in milliseconds. */
const ANSWER_MS = 10_000;

/**
 * The turn of one agent to send what it is asked for: a full report, or the policies of a list. A
 * bounded number of agents have a turn at a time. After an upgrade of the hub that changes digests,
 * those of a whole fleet may differ within a minute.
 */
export class ResyncTurn {
  /** Turns of all agents. */
  readonly #turns: TurnLimiter;
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #closed: AbortSignal;
  #ended: AbortController | undefined;
  #isWaiting: boolean = false;

  /** @param closed aborts when the connection of the agent has ended */
  constructor(turns: TurnLimiter, clock: Pick<Clock, 'sleep'>, closed: AbortSignal) {
    this.#turns = turns;
    this.#clock = clock;
    this.#closed = closed;
  }

  /** Whether the agent waits for its turn. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /**
   * Takes a turn. An agent that waits already keeps its place in the line.
   *
   * @param ask called when it is the agent's turn; not if {@link end} comes before, or the
   * connection closes
   * @param onOver called when the turn is over without {@link end}
   */
  take(ask: () => void, onOver: () => void = () => undefined): void {
    if (this.#isWaiting) return;
    this.end();
    this.#isWaiting = true;
    const ended = new AbortController();
    this.#ended = ended;
    this.#ask(ask, onOver, AbortSignal.any([ended.signal, this.#closed])).catch(() => undefined);
  }

  /** Ends the turn, because what was asked for has come: the next agent may be asked. */
  end(): void {
    this.#ended?.abort(WAIT_OVERTAKEN);
    this.#ended = undefined;
    this.#isWaiting = false;
  }

  /** @throws the signal's reason when it aborts before the turn */
  async #ask(ask: () => void, onOver: () => void, until: AbortSignal): Promise<void> {
    const leave = await this.#turns.enter(until);
    if (until.aborted) {
      leave();
      return;
    }
    this.#isWaiting = false;
    const over = (): void => {
      onOver();
      leave();
    };
    void this.#clock.sleep(ANSWER_MS, until).then(over, leave);
    ask();
  }
}
