import type { LedgerHealth } from '../../types.ts';
import type { AnswerQuestion } from './questions.ts';

/** Time and reason of an outage of the database. */
export type Outage = Extract<LedgerHealth, { ok: false }>;

/** Role of this hub among the hubs on one database. */
export interface Replicas {
  leads(): boolean;
  /**
   * Number of the term in which this hub leads; undefined: it does not lead, or is the only hub.
   */
  epoch(): number | undefined;
  onLead(handler: () => void): void;
  shareHint(): void;
  onSharedHint(handler: () => void): void;
  ask(question: string, withinMs?: number): Promise<string | undefined>;
  onAsked(answer: AnswerQuestion): void;
  /** Milliseconds since this hub last had all changes of the other hubs. */
  behindMs(): number;
  /** Returns an outage if `behindMs` is too large; undefined if not. */
  outage(): Outage | undefined;
  close(): Promise<void>;
}

/** Role of the only hub on a database. */
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
