import { ClusterProcessing, PolicyKey, PolicyReport, policyKey, ResourceName } from '@fso/shared/api';
import { readJson } from '@fso/shared/encoding';
import type { HubFrame, Inspected, Located } from '@fso/shared/protocol';
import { answerWithin, type Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import type { Lease } from '../ledger/index.ts';

/** Longest wait for an answer, in milliseconds. An agent has the report in memory. */
const ANSWER_MS = 2_000;
/** Most open questions to one agent; one more is refused. */
const MAX_OPEN = 8;

/** Question to one agent: for the full report of a policy, by key; without one, where pods run. */
const AgentQuestion = z.strictObject({ policy: PolicyKey.optional() });
export type AgentQuestion = z.infer<typeof AgentQuestion>;

const AgentAnswer = z.union([
  z.strictObject({ report: PolicyReport.nullable() }),
  z.strictObject({ processing: ClusterProcessing.nullable() }),
]);
/** `report` null: the agent does not have the policy. `processing` null: it does not know. */
export type AgentAnswer = z.infer<typeof AgentAnswer>;

/**
 * Report of an agent about a policy. null: it does not have it; undefined: it cannot be asked, or
 * does not answer.
 */
export type Told = PolicyReport | null | undefined;

interface Open {
  readonly policy: string | undefined;
  readonly answer: (answer: AgentAnswer) => void;
}

/**
 * Questions to one agent for what the hub is not sent: full reports of policies, of which those
 * that conform have none, and where pods run.
 */
export class Inspections {
  readonly #open = new Map<number, Open>();
  #asked: number = 0;

  async ask(
    { policy }: AgentQuestion,
    send: (frame: HubFrame) => void,
    { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ): Promise<AgentAnswer | undefined> {
    if (this.#open.size >= MAX_OPEN) return undefined;
    this.#asked += 1;
    const id = this.#asked;
    const { promise, resolve } = Promise.withResolvers<AgentAnswer>();
    this.#open.set(id, { policy, answer: resolve });
    send(policy === undefined ? { type: 'locate', id } : { type: 'inspect', id, policy });
    try {
      return await answerWithin(promise, ANSWER_MS, clock, signal);
    } finally {
      this.#open.delete(id);
    }
  }

  /** Takes an answer. One that was not requested, or comes too late, leaves nothing. */
  take(frame: Inspected | Located): void {
    const question = this.#open.get(frame.id);
    if (question === undefined) return;
    if (frame.type === 'located') {
      if (question.policy === undefined) question.answer({ processing: frame.processing });
    } else if (question.policy !== undefined && (frame.report === null || policyKey(frame.report) === question.policy))
      question.answer({ report: frame.report });
  }
}

/** The streams that this hub holds. */
interface HeldStreams {
  holds(cluster: string): boolean;
  ask(cluster: string, question: AgentQuestion): Promise<AgentAnswer | undefined>;
}

/** Question of one hub to another. */
const HubQuestion = AgentQuestion.extend({ cluster: ResourceName });
type HubQuestion = z.infer<typeof HubQuestion>;

/**
 * Asks agents through whichever hub holds their streams. Callers with the same question at the same
 * time share the answer.
 */
export class Inspector {
  readonly #streams: HeldStreams;
  readonly #ledger: Pick<Lease, 'ask' | 'onAsked'>;
  readonly #asking = new Map<string, Promise<AgentAnswer | undefined>>();

  constructor(streams: HeldStreams, ledger: Pick<Lease, 'ask' | 'onAsked'>) {
    this.#streams = streams;
    this.#ledger = ledger;
    ledger.onAsked(async (text) => {
      const question = readJson(HubQuestion, text);
      const answer = question && (await streams.ask(question.cluster, { policy: question.policy }));
      return answer && JSON.stringify(answer);
    });
  }

  /** @param policy its key */
  async inspect(cluster: string, policy: string): Promise<Told> {
    const answer = await this.#share({ cluster, policy });
    return answer !== undefined && 'report' in answer ? answer.report : undefined;
  }

  /** Asks where pods of a cluster run. @returns undefined: nobody knows */
  async locate(cluster: string): Promise<ClusterProcessing | undefined> {
    const answer = await this.#share({ cluster });
    return answer !== undefined && 'processing' in answer ? (answer.processing ?? undefined) : undefined;
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
