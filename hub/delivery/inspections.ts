import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { ClusterPreview, ClusterProcessing, PolicyKey, PolicyReport, PREVIEW_MS, policyKey, ResourceName } from '@fso/shared/api';
import { readJson } from '@fso/shared/encoding';
import { encodeFrame, type HubFrame, type Inspected, type Located, type Previewed } from '@fso/shared/protocol';
import { answerWithin, type Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import type { FleetState, Lease } from '../ledger/index.ts';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Longest wait for an answer, in milliseconds. An agent has the report in memory. */
const ANSWER_MS = 2_000;
/** Additional time for an answer through another hub, in milliseconds. */
const RELAY_MS = 1_000;
/** Most questions to one agent that are open or wait; one more is refused. */
const MAX_OPEN = 8;
/**
 * Largest question that is passed on to another hub, as text and packed: a notification of the
 * database has 8,000 bytes.
 */
const MAX_PASSED_ON = { text: 64 * 1024, packed: 7_000 };

/**
 * Schema of an {@link AgentQuestion}: `policy` is the key of a policy, `preview` the text of a
 * `preview` frame without its type and id.
 */
const AgentQuestion = z.strictObject({ policy: PolicyKey.optional(), preview: z.string().optional() });
/**
 * Question to one agent: for the full report of a policy, for what a change of policies would do,
 * or, without either, where pods run.
 */
export type AgentQuestion = z.infer<typeof AgentQuestion>;

const AgentAnswer = z.union([
  z.strictObject({ report: PolicyReport.nullable() }),
  z.strictObject({ processing: ClusterProcessing.nullable() }),
  z.strictObject({ preview: ClusterPreview }),
]);
/**
 * Answer of an agent to a question of the hub. `report` is null if the agent does not have the
 * policy, `processing` if it does not know.
 */
export type AgentAnswer = z.infer<typeof AgentAnswer>;

/**
 * Report of an agent about a policy. Null if the agent does not have the policy; undefined if it
 * cannot be asked, or does not answer.
 */
export type InspectedReport = PolicyReport | null | undefined;

/** Reasons why an agent is not asked what a change would do, or does not answer. */
export type NoPreview = 'NotConnected' | 'NoAnswer' | 'NotAsked';

interface Open {
  readonly question: AgentQuestion;
  readonly answer: (answer: AgentAnswer) => void;
}

/** Connection to the agent. */
interface Sender {
  /** Whether an offer is in flight: nothing large is sent meanwhile. */
  readonly isBusy: boolean;
  send(frame: string): void;
}

interface Until {
  readonly clock: Clock;
  /** Aborts with the stream. */
  readonly signal: AbortSignal;
  /** Aborts once the caller no longer waits for the answer; undefined if it always does. */
  readonly caller?: AbortSignal | undefined;
}

/** Answer on behalf of an agent that is still at another preview. */
const BUSY: AgentAnswer = { preview: { state: 'NotAnswered', reason: 'Busy', message: 'the agent answers other questions' } };

/** Encodes a question as a frame. */
const textOf = ({ policy, preview }: AgentQuestion, id: number): string => {
  if (preview !== undefined) return `{"type":"preview","id":${id},${preview.slice(1)}`;
  const frame: HubFrame = policy === undefined ? { type: 'locate', id } : { type: 'inspect', id, policy };
  return encodeFrame(frame);
};

/** Returns the answer in a frame; undefined if it answers another question. */
const answerTo = ({ policy, preview }: AgentQuestion, frame: Inspected | Located | Previewed): AgentAnswer | undefined => {
  switch (frame.type) {
    case 'previewed':
      return preview === undefined ? undefined : { preview: frame.answer };
    case 'located':
      return policy === undefined && preview === undefined ? { processing: frame.processing } : undefined;
    case 'inspected':
      return policy !== undefined && (frame.report === null || policyKey(frame.report) === policy) ? { report: frame.report } : undefined;
  }
};

/**
 * Asks one agent for what it does not report by itself: full reports of policies, as it sends none
 * for those that conform, where pods run, and what a change would do.
 */
export class Inspections {
  readonly #open = new Map<number, Open>();
  #asked: number = 0;
  #waiting: number = 0;
  /** The end of the last preview: an agent works on one at a time. */
  #lastPreview: Promise<unknown> = Promise.resolve();

  async ask(question: AgentQuestion, sender: Sender, until: Until): Promise<AgentAnswer | undefined> {
    if (this.#open.size + this.#waiting >= MAX_OPEN) return undefined;
    return question.preview === undefined ? this.#ask(question, sender, ANSWER_MS, until) : this.#preview(question, sender, until);
  }

  /** Asks once the previous previews are answered, if that is soon and the caller still waits. */
  async #preview(question: AgentQuestion, sender: Sender, until: Until): Promise<AgentAnswer | undefined> {
    const turn = this.#lastPreview.then(() => 'come' as const);
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.#lastPreview = turn.then(() => over);
    const { clock, signal, caller = signal } = until;
    const given = AbortSignal.any([signal, caller]);
    try {
      this.#waiting += 1;
      const come = await answerWithin(turn, PREVIEW_MS, clock, given).finally(() => (this.#waiting -= 1));
      if (given.aborted) return undefined;
      if (come === undefined) return BUSY;
      // Once this one is sent, the next one waits for its answer even if the caller leaves.
      return await this.#ask(question, sender, PREVIEW_MS, until);
    } finally {
      end();
    }
  }

  async #ask(question: AgentQuestion, sender: Sender, ms: number, { clock, signal }: Until) {
    if (question.preview !== undefined && sender.isBusy) return undefined;
    this.#asked += 1;
    const id = this.#asked;
    const { promise, resolve } = Promise.withResolvers<AgentAnswer>();
    this.#open.set(id, { question, answer: resolve });
    sender.send(textOf(question, id));
    try {
      return await answerWithin(promise, ms, clock, signal);
    } finally {
      this.#open.delete(id);
    }
  }

  /** Handles an answer. One that was not requested, or comes too late, is ignored. */
  take(frame: Inspected | Located | Previewed): void {
    const open = this.#open.get(frame.id);
    const answer = open && answerTo(open.question, frame);
    if (answer !== undefined) open?.answer(answer);
  }
}

/** The streams that this hub holds. */
interface HeldStreams {
  holds(cluster: string): boolean;
  /** @param caller aborts once the caller no longer waits for the answer */
  ask(cluster: string, question: AgentQuestion, caller?: AbortSignal): Promise<AgentAnswer | undefined>;
}

/** Question of one hub to another; the preview is packed. */
const HubQuestion = AgentQuestion.extend({ cluster: ResourceName });
type HubQuestion = z.infer<typeof HubQuestion>;

type AskingLedger = Pick<Lease, 'ask' | 'onAsked'> & Pick<FleetState, 'cluster'>;

const unpackQuestion = async ({ policy, preview }: HubQuestion): Promise<AgentQuestion> => {
  if (preview === undefined) return { policy };
  return { preview: String(await unpack(Buffer.from(preview, 'base64'), { maxOutputLength: MAX_PASSED_ON.text })) };
};

/**
 * Asks an agent for a policy's report, for where pods run, or for a preview of a change, also if
 * another hub holds its stream. Equal concurrent questions share an answer, except previews.
 */
export class Inspector {
  readonly #streams: HeldStreams;
  readonly #ledger: AskingLedger;
  readonly #asking = new Map<string, Promise<AgentAnswer | undefined>>();

  constructor(streams: HeldStreams, ledger: AskingLedger) {
    this.#streams = streams;
    this.#ledger = ledger;
    ledger.onAsked(async (text) => {
      const question = readJson(HubQuestion, text);
      const answer = question && (await streams.ask(question.cluster, await unpackQuestion(question)));
      return answer && JSON.stringify(answer);
    });
  }

  /** Asks for the full report of a policy. @param policy key of the policy */
  async inspect(cluster: string, policy: string): Promise<InspectedReport> {
    const answer = await this.#share({ cluster, policy });
    return answer !== undefined && 'report' in answer ? answer.report : undefined;
  }

  /** Asks where pods of a cluster run; undefined if that is not known. */
  async locate(cluster: string): Promise<ClusterProcessing | undefined> {
    const answer = await this.#share({ cluster });
    return answer !== undefined && 'processing' in answer ? (answer.processing ?? undefined) : undefined;
  }

  /**
   * Asks what a change would do to the workloads of a cluster, for 16 s at most: a turn may take as
   * long as the answer.
   *
   * @param preview text of a `preview` frame without its type and id
   * @param caller aborts once the caller no longer waits for the answer: a question that still
   * waits for its turn at this hub is then not asked
   */
  async preview(cluster: string, preview: string, caller?: AbortSignal): Promise<ClusterPreview | NoPreview> {
    const isHere = this.#streams.holds(cluster);
    if (!isHere && (await this.#ledger.cluster(cluster))?.connected !== true) return 'NotConnected';
    const answer = isHere ? await this.#streams.ask(cluster, { preview }, caller) : await this.#passOn(cluster, preview);
    if (answer === 'NotAsked') return answer;
    return answer !== undefined && 'preview' in answer ? answer.preview : 'NoAnswer';
  }

  async #passOn(cluster: string, preview: string): Promise<AgentAnswer | 'NotAsked' | undefined> {
    if (preview.length > MAX_PASSED_ON.text) return 'NotAsked';
    const packed = (await pack(preview)).toString('base64');
    if (packed.length > MAX_PASSED_ON.packed) return 'NotAsked';
    const answer = await this.#ledger.ask(JSON.stringify({ cluster, preview: packed } satisfies HubQuestion), 2 * PREVIEW_MS + RELAY_MS);
    return answer === undefined ? undefined : readJson(AgentAnswer, answer);
  }

  #share(question: HubQuestion): Promise<AgentAnswer | undefined> {
    const text = JSON.stringify(question);
    const asking = this.#asking.get(text) ?? this.#ask(question, text).finally(() => this.#asking.delete(text));
    this.#asking.set(text, asking);
    return asking;
  }

  async #ask({ cluster, policy }: HubQuestion, text: string): Promise<AgentAnswer | undefined> {
    if (this.#streams.holds(cluster)) return this.#streams.ask(cluster, { policy });
    const answer = await this.#ledger.ask(text);
    return answer === undefined ? undefined : readJson(AgentAnswer, answer);
  }
}
