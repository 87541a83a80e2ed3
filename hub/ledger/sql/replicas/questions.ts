import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { readJson } from '@fso/shared/encoding';
import { answerWithin, type Clock } from '@fso/shared/runtime';
import { z } from 'zod';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/**
 * Channel on which hubs ask each other and answer. A notification may have 8,000 bytes
 * (https://www.postgresql.org/docs/current/sql-notify.html).
 */
export const QUESTION_CHANNEL = 'hub_questions';
const PIECE = 7_000;
/** Maximum number of pieces of one answer. Larger answers are not sent. */
const MAX_PIECES = 500;
/**
 * Default time to wait for an answer, in milliseconds. The hub with the stream waits 2 s for the
 * agent, unless the question says otherwise.
 */
const ANSWER_MS = 3_000;
/** Maximum number of open questions of one hub. Further ones are not sent. */
const MAX_OPEN = 200;

const Message = z.union([
  z.strictObject({ id: z.uuid(), from: z.string(), question: z.string() }),
  z.strictObject({
    id: z.uuid(),
    from: z.string(),
    to: z.string(),
    piece: z.int().min(0),
    pieces: z.int().min(1).max(MAX_PIECES),
    data: z.base64(),
  }),
]);
type Message = z.infer<typeof Message>;
type Piece = Extract<Message, { to: string }>;

interface OpenQuestion {
  /** Pieces of answers, by answering hub and number. Several hubs may answer. */
  readonly pieces: Map<string, Map<number, string>>;
  readonly resolve: (answer: string) => void;
}

/** Function that answers a question of another hub; undefined: this hub does not know. */
export type AnswerQuestion = (question: string) => Promise<string | undefined>;

/** Channel between the hubs on one database. */
export interface QuestionsDeps {
  /** Unique name of this process on the database. */
  readonly replica: string;
  readonly clock: Clock;
  /** Notifies all hubs on the database, including this one. */
  readonly notify: (payload: string) => Promise<void>;
}

/**
 * Questions between the hubs on one database, needed because only one hub holds the stream of an
 * agent. Answers are compressed and split into several notifications.
 */
export class Questions {
  readonly #deps: QuestionsDeps;
  readonly #open = new Map<string, OpenQuestion>();
  #answer: AnswerQuestion = async () => undefined;

  constructor(deps: QuestionsDeps) {
    this.#deps = deps;
  }

  onAsked(answer: AnswerQuestion): void {
    this.#answer = answer;
  }

  /** Asks all hubs. @returns the first answer; undefined: none in time */
  async ask(question: string, withinMs = ANSWER_MS): Promise<string | undefined> {
    const { replica, clock, notify } = this.#deps;
    if (this.#open.size >= MAX_OPEN) return undefined;
    const id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#open.set(id, { pieces: new Map(), resolve });
    try {
      // If the database is unavailable, this fails only later.
      const asked = notify(JSON.stringify({ id, from: replica, question } satisfies Message)).then(() => promise);
      return await answerWithin(asked, withinMs, clock);
    } finally {
      this.#open.delete(id);
    }
  }

  /**
   * Handles a notification of the channel.
   *
   * @throws the error of the answer function or of the database
   */
  async take(payload: string): Promise<void> {
    const message = readJson(Message, payload);
    if (message === undefined) return;
    if ('to' in message) return this.#takePiece(message);
    if (message.from !== this.#deps.replica) await this.#reply(message.id, message.from, await this.#answer(message.question));
  }

  async #reply(id: string, to: string, answer: string | undefined): Promise<void> {
    if (answer === undefined) return;
    const data = (await pack(answer)).toString('base64');
    const pieces = Math.ceil(data.length / PIECE);
    if (pieces > MAX_PIECES) return;
    for (let piece = 0; piece < pieces; piece += 1) {
      const message: Message = { id, from: this.#deps.replica, to, piece, pieces, data: data.slice(piece * PIECE, (piece + 1) * PIECE) };
      await this.#deps.notify(JSON.stringify(message));
    }
  }

  async #takePiece({ id, from, to, piece, pieces, data }: Piece): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined || to !== this.#deps.replica) return;
    const known = open.pieces.get(from) ?? new Map<number, string>();
    open.pieces.set(from, known.set(piece, data));
    if (known.size < pieces) return;
    const whole = Array.from({ length: pieces }, (_, at) => known.get(at) ?? '').join('');
    open.resolve((await unpack(Buffer.from(whole, 'base64'))).toString('utf8'));
  }
}
