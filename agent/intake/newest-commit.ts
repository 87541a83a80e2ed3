import { FIELD_MANAGERS, MAX_MESSAGE, RevisionVerification } from '@fso/shared/api';
import type { ConfigMap, KubeClient } from '@fso/shared/kube';
import type { Advance } from '@fso/shared/protocol';
import { createBackoff, messageOf, truncate, Wakeup } from '@fso/shared/runtime';
import {
  type AcceptedRevision,
  checkStillTrusted,
  isJudged,
  type Judgement,
  type KnownCommits,
  StoredTrust,
  signersOf,
  TrustError,
  type VerifiedAhead,
} from '@fso/shared/trust';
import { z } from 'zod';
import { applyState } from '../config-map-store.ts';
import { type AgentRuntime, API_RETRY } from '../runtime.ts';
import { type CompiledOffer, type VerifiedOffer, type VerifyContext, verifyAdvance } from './compile-offer.ts';

/**
 * Longest path from the commit in force to the newest one. Older commits of a longer path are
 * dropped, and refused if they are offered.
 */
const MAX_PATH = 500;
/** Longest stored value, in characters. It shares its ConfigMap with the policies. */
const MAX_STORED_LENGTH = 64 * 1024;

/** Id of a commit as the agent stores it. */
export const CommitId = z.string().regex(/^[0-9a-f]{40}$/);
const Names = z.array(z.string());

const StoredAhead = z.object({
  revision: CommitId,
  from: CommitId,
  path: z.array(CommitId).min(1).max(MAX_PATH),
  verification: RevisionVerification,
  trust: StoredTrust,
  signer: z.object({ name: z.string(), fingerprint: z.string(), principals: Names, aliases: Names }),
});
/** A {@link VerifiedAhead}, with the commit in force from which its path starts. */
export type StoredAhead = z.infer<typeof StoredAhead>;

/** Reads the newest verified commit; undefined if none is stored or it cannot be read. */
export const readAhead = ({ data }: ConfigMap): StoredAhead | undefined => {
  try {
    return StoredAhead.parse(JSON.parse(data?.['verified'] ?? ''));
  } catch {
    return undefined;
  }
};

/** @returns whether the commit is stored; one that is too large is not */
const saveAhead = async (client: KubeClient, ahead: StoredAhead | undefined, signal: AbortSignal): Promise<boolean> => {
  const verified = JSON.stringify(ahead);
  const fits = ahead !== undefined && verified.length <= MAX_STORED_LENGTH;
  // Applying without the key removes an older commit that is stored.
  await applyState(client, { data: fits ? { verified } : {} }, FIELD_MANAGERS.trust, signal);
  return fits;
};

const failed = (error: unknown): Refusal => ({
  ok: false,
  reason: { message: truncate(`the agent failed on this commit: ${messageOf(error)}`, MAX_MESSAGE) },
  missing: false,
});

type Refusal = Extract<VerifiedOffer, { ok: false }>;

/** Trust by which commits are verified, and receivers of the results. */
export interface NewestCommitOptions extends Pick<AgentRuntime, 'client' | 'clock' | 'random' | 'logger'> {
  readonly verify: Pick<VerifyContext, 'trust' | 'held'>;
  readonly onRefused: (revision: string, refusal: Refusal) => void;
  /** Called once the newest commit is stored and so survives a restart. */
  readonly onStored: () => void;
}

/**
 * Tracks the newest verified commit while it is ahead of the commit in force, because its policies
 * wait for a wave or an approval. Any commit that comes into force meanwhile must lead to it or
 * follow it.
 */
export class NewestCommit {
  readonly #options: NewestCommitOptions;
  readonly #wakeup = new Wakeup();
  /** Newest commit that is not verified yet. */
  #offered: Advance | undefined;
  #accepted: AcceptedRevision | undefined;
  #ahead: VerifiedAhead | undefined;
  /** Newest commit as of the last write, stored or found too large. */
  #saved: VerifiedAhead | undefined;
  #isStored: boolean = false;

  constructor(options: NewestCommitOptions) {
    this.#options = options;
  }

  /** Commit in force, and the newest verified one if it is ahead. */
  get known(): KnownCommits {
    return { accepted: this.#accepted, ahead: this.#ahead };
  }

  /** Commits that the next one has to follow, in the form of a `hello`. */
  get anchors(): { readonly anchor: string | null; readonly verified?: string } {
    const ahead = this.#ahead;
    return { anchor: this.#accepted?.revision ?? null, ...(ahead && { verified: ahead.revision }) };
  }

  /** Newest commit if it is stored and so survives a restart. */
  get stored(): string | undefined {
    return this.#isStored && this.#saved === this.#ahead ? this.#ahead?.revision : undefined;
  }

  /** Takes a commit whose policies wait. {@link verifyOffered} verifies it. */
  offer(advance: Advance): void {
    this.#offered = advance;
  }

  /**
   * Verifies the commit that was offered last. Does nothing while no commit is in force: the first
   * enforced commit decides who may sign.
   */
  async verifyOffered(): Promise<void> {
    const { clock, verify, onRefused } = this.#options;
    const [offered, known] = [this.#offered, this.known];
    const { accepted, ahead } = known;
    this.#offered = undefined;
    if (offered === undefined || accepted === undefined) return;
    const { revision } = offered;
    if (revision === accepted.revision || ahead?.path.includes(revision) === true) return;
    const verified = await verifyAdvance(offered, { ...verify, now: clock.now(), known }).catch(failed);
    if (this.#accepted !== accepted) {
      // Another commit came into force meanwhile, which this one has to be judged by.
      this.#offered ??= offered;
      return this.verifyOffered();
    }
    if (verified.ok) this.note(revision, verified);
    else onRefused(revision, verified);
  }

  /** Whether the newest commit has removed the key that signed an older commit on its path. */
  async distrusts({ revision, objects }: Pick<CompiledOffer, 'revision' | 'objects'>): Promise<boolean> {
    const { clock, verify } = this.#options;
    const ahead = this.#ahead;
    const signers = ahead && signersOf(verify.trust, ahead.trust);
    if (ahead === undefined || signers === undefined || !ahead.path.includes(revision)) return false;
    const judging = { getObject: (id: string) => objects.get(id), now: clock.now() };
    return checkStillTrusted(revision, { revision: ahead.revision, signers }, judging).then(
      () => false,
      (error: unknown) => error instanceof TrustError,
    );
  }

  /** Makes a commit the newest one after it was verified against `known`. */
  note(revision: string, { verification, trust, signer, path }: Extract<Judgement, { ok: true }>): void {
    if (verification.state !== 'verified' || path.length === 0 || this.#ahead?.path.includes(revision) === true) return;
    const before = this.#ahead?.path ?? [];
    this.#ahead = { revision, verification, trust, signer, path: [...before, ...path].slice(-MAX_PATH) };
    this.#wakeup.wake();
  }

  /**
   * Records the commit that is in force now. The newest commit stays ahead only if its path
   * contains this one.
   */
  noteAccepted(accepted: AcceptedRevision): void {
    const isSame = accepted.revision === this.#accepted?.revision;
    this.#accepted = accepted;
    const ahead = this.#ahead;
    if (ahead === undefined || isSame) return;
    const at = ahead.path.indexOf(accepted.revision);
    const path = at < 0 ? [] : ahead.path.slice(at + 1);
    const isSaved = this.#saved === ahead;
    this.#ahead = path.length > 0 ? { ...ahead, path } : undefined;
    if (isSaved) this.#saved = this.#ahead;
  }

  /** Resumes with the commits that were stored before a restart. */
  restore(accepted: AcceptedRevision, stored: StoredAhead | undefined): void {
    // If other signers are configured, the hub offers the commit again and these judge it.
    if (stored !== undefined && isJudged(this.#options.verify.trust, stored)) {
      const { from, ...ahead } = stored;
      this.#ahead = ahead;
      this.#saved = ahead;
      this.#isStored = true;
      if (from === accepted.revision) this.#accepted = accepted;
    }
    this.noteAccepted(accepted);
  }

  /**
   * Stores each newest commit. Retries while the API server refuses.
   *
   * @throws the signal's reason
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    const backoff = createBackoff({ ...API_RETRY, random });
    for (;;) {
      await this.#wakeup.wait(signal);
      try {
        await this.#store(signal);
        backoff.reset();
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ revision: this.#ahead?.revision, err: error }, 'newest verified commit could not be stored');
        await clock.sleep(backoff.next(), signal);
        this.#wakeup.wake();
      }
    }
  }

  async #store(signal: AbortSignal): Promise<void> {
    const ahead = this.#ahead;
    if (ahead === this.#saved) return;
    const stored = StoredAhead.safeParse({ ...ahead, from: this.#accepted?.revision });
    this.#isStored = await saveAhead(this.#options.client, stored.data, signal);
    this.#saved = ahead;
    if (ahead === this.#ahead) this.#options.onStored();
  }
}
