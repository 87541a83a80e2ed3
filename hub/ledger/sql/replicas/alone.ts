import type { LedgerHealth } from '../../types.ts';
import type { AnswerQuestion } from './questions.ts';

/** Reason why the database takes no writes, and since when. */
export type Outage = Extract<LedgerHealth, { ok: false }>;

/** Role of this hub among those that share a database. */
export interface Replicas {
  leads(): boolean;
  /** Number of the term that this hub leads in; undefined: it does not lead, or is alone. */
  epoch(): number | undefined;
  onLead(handler: () => void): void;
  shareHint(): void;
  onSharedHint(handler: () => void): void;
  ask(question: string, withinMs?: number): Promise<string | undefined>;
  onAsked(answer: AnswerQuestion): void;
  /** Milliseconds since all was known here that the others had written. */
  behindMs(): number;
  /** Returns the outage if that is too long; undefined: it is not. */
  outage(): Outage | undefined;
  close(): Promise<void>;
}

/** The only hub on its database. */
export const SINGLE_REPLICA: Replicas = {
  leads: () => true,
  epoch: () => undefined,
  onLead: (handler) => handler(),
  shareHint: () => undefined,
  onSharedHint: () => undefined,
  ask: async () => undefined,
  onAsked: () => undefined,
  behindMs: () => 0,
  outage: () => undefined,
  close: async () => undefined,
};
