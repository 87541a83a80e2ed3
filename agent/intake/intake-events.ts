import { type ClusterEvent, MAX_MESSAGE } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import type { Reason } from '@fso/shared/protocol';
import { listText, messageOf, truncate } from '@fso/shared/runtime';
import type { TargetCommit } from '../control/index.ts';
import { ALERT_AFTER } from '../enforce/index.ts';
import type { AgentRuntime } from '../runtime.ts';
import type { Target } from './compile-offer.ts';
import type { AcceptedState } from './state-store.ts';

/** Answer of the intake to an offer. */
export type IntakeOutcome =
  | { readonly type: 'ack'; readonly revision: string; readonly digest: string }
  /** The commit is good and waits for an approval. */
  | { readonly type: 'held'; readonly revision: string }
  /** The commit is good, and its policies wait for the wave of this cluster. */
  | { readonly type: 'verified' }
  | Refusal;

/** Answer to a commit that is not taken. */
interface Refusal {
  readonly type: 'nack';
  readonly revision: string;
  readonly reasons: readonly Reason[];
  /** Whether the hub has to send a full offer, as this agent lacks objects that the hub assumed. */
  readonly missing: boolean;
}

/** Commit whose policies are written, with the registration and scope of the cluster in it. */
type WrittenCommit = TargetCommit & Pick<Target, 'registration' | 'outside'>;

/** Logs and emits the cluster's events about commits. */
export class IntakeEvents {
  readonly #runtime: Pick<AgentRuntime, 'clock' | 'logger'>;
  readonly #emit: (event: ClusterEvent) => void;
  #alerted = '';

  constructor(runtime: Pick<AgentRuntime, 'clock' | 'logger'>, emit: (event: ClusterEvent) => void) {
    this.#runtime = runtime;
    this.#emit = emit;
  }

  /** Records that a commit is refused. */
  refused(revision: string, { reasons, missing }: Pick<Refusal, 'reasons' | 'missing'>): void {
    this.#runtime.logger.warn({ revision, reasons: reasons.slice(0, 5), missing }, 'offer refused, the last good revision stays in force');
    const [first] = reasons;
    if (first?.code !== undefined && first.code !== 'object-missing') this.notTrusted(revision, `refused, ${first.code}: ${first.message}`);
  }

  /**
   * Raises an alert in addition to the nack, for the cluster's events. Does not repeat the last
   * alert.
   */
  notTrusted(revision: string, why: string): void {
    const message = truncate(why, MAX_MESSAGE);
    if (this.#alerted === revision + message) return;
    this.#alerted = revision + message;
    this.#send({ severity: 'alert', reason: 'RevisionNotTrusted', message, revision });
  }

  /** Logs that the accepted state could not be written, and raises an alert once this lasts. */
  notPersisted(revision: string, attempt: number, error: unknown): void {
    this.#runtime.logger.warn({ revision, attempt, err: error }, 'accepted state could not be written');
    if (attempt !== ALERT_AFTER) return;
    const message = truncate(`the accepted state: ${messageOf(error)}; trying again`, MAX_MESSAGE);
    this.#send({ severity: 'alert', reason: 'PolicyWriteFailed', message, revision });
  }

  /**
   * Emits one event if the cluster has left the repository or a scope: its policies are removed
   * here, though Git still has them.
   */
  scopeLeft(before: AcceptedState | undefined, now: WrittenCommit): void {
    const gone = [...(before?.policies ?? [])].filter(([name]) => !now.desired.has(name)).map(([, { policy }]) => policy);
    const left = describeLeft(before, now, gone);
    if (left === undefined) return;
    const names = gone.map(({ name }) => name);
    const which = names.length === 0 ? '' : `: ${names.length} policies do not hold here any more (${listText(names)})`;
    const message = truncate(`${left}${which}`, MAX_MESSAGE);
    this.#send({ severity: 'warning', reason: 'ScopeLeft', message, revision: now.revision });
  }

  #send(event: Omit<ClusterEvent, 'time'>): void {
    this.#emit({ time: this.#runtime.clock.now().toISOString(), ...event });
  }
}

const describeLeft = (
  before: AcceptedState | undefined,
  { registration, outside }: WrittenCommit,
  gone: readonly CompiledPolicy[],
): string | undefined => {
  if (typeof before?.registration === 'string' && registration === null)
    return `${before.registration} is gone, this cluster is not registered any more`;
  const left = outside.filter((folder) => gone.some(({ sourcePath }) => sourcePath.startsWith(`${folder}/`)));
  return left.length === 0 ? undefined : `this cluster has left the scope of ${listText(left)}`;
};
