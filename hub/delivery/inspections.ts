import { PolicyKey, PolicyReport, policyKey, ResourceName } from '@fso/shared/api';
import { readJson } from '@fso/shared/encoding';
import type { HubFrame, Inspected } from '@fso/shared/protocol';
import { answerWithin, type Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import type { Lease } from '../ledger/index.ts';

/** Longest wait for an answer, in milliseconds. An agent has the report in memory. */
const ANSWER_MS = 2_000;
/** Most open questions to one agent; one more is refused. */
const MAX_OPEN = 8;

interface Question {
  readonly policy: string;
  readonly answer: (report: PolicyReport | null) => void;
}

/**
 * Report of an agent about a policy. null: it does not have it; undefined: it cannot be asked, or
 * does not answer.
 */
export type Told = PolicyReport | null | undefined;

/**
 * Questions to one agent for the full reports of policies: of those that conform the hub is sent
 * none.
 */
export class Inspections {
  readonly #open = new Map<number, Question>();
  #asked: number = 0;

  async ask(
    policy: string,
    send: (frame: HubFrame) => void,
    { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ): Promise<Told> {
    if (this.#open.size >= MAX_OPEN) return undefined;
    this.#asked += 1;
    const id = this.#asked;
    const { promise, resolve } = Promise.withResolvers<PolicyReport | null>();
    this.#open.set(id, { policy, answer: resolve });
    send({ type: 'inspect', id, policy });
    try {
      return await answerWithin(promise, ANSWER_MS, clock, signal);
    } finally {
      this.#open.delete(id);
    }
  }

  /** Takes an answer. One that was not requested, or comes too late, leaves nothing. */
  take({ id, report }: Inspected): void {
    const question = this.#open.get(id);
    if (report === null || policyKey(report) === question?.policy) question?.answer(report);
  }
}

/** The streams that this hub holds. */
interface HeldStreams {
  holds(cluster: string): boolean;
  inspect(cluster: string, policy: string): Promise<Told>;
}

/** Question of one hub to another. */
const HubQuestion = z.strictObject({ cluster: ResourceName, policy: PolicyKey });
const HubAnswer = z.strictObject({ report: PolicyReport.nullable() });

/**
 * Requests full reports from agents, through whichever hub holds their streams. Callers with the
 * same question at the same time share the answer.
 */
export class Inspector {
  readonly #streams: HeldStreams;
  readonly #ledger: Pick<Lease, 'ask' | 'onAsked'>;
  readonly #asking = new Map<string, Promise<Told>>();

  constructor(streams: HeldStreams, ledger: Pick<Lease, 'ask' | 'onAsked'>) {
    this.#streams = streams;
    this.#ledger = ledger;
    ledger.onAsked(async (text) => {
      const question = readJson(HubQuestion, text);
      const report = question && (await streams.inspect(question.cluster, question.policy));
      return report === undefined ? undefined : JSON.stringify({ report });
    });
  }

  /** @param policy its key */
  inspect(cluster: string, policy: string): Promise<Told> {
    const question = JSON.stringify({ cluster, policy } satisfies z.input<typeof HubQuestion>);
    const asking = this.#asking.get(question) ?? this.#ask(cluster, policy, question).finally(() => this.#asking.delete(question));
    this.#asking.set(question, asking);
    return asking;
  }

  async #ask(cluster: string, policy: string, question: string): Promise<Told> {
    if (this.#streams.holds(cluster)) return this.#streams.inspect(cluster, policy);
    const answer = await this.#ledger.ask(question);
    return answer === undefined ? undefined : readJson(HubAnswer, answer)?.report;
  }
}
