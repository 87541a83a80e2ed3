import { FIELD_MANAGERS, RevisionVerification } from '@fso/shared/api';
import type { ConfigMap, KubeClient } from '@fso/shared/kube';
import type { Advance } from '@fso/shared/protocol';
import { createBackoff, messageOf, Wakeup } from '@fso/shared/runtime';
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
import type { AgentRuntime } from '../runtime.ts';
import { type CompiledOffer, type VerifiedOffer, type VerifyContext, verifyAdvance } from './compile-offer.ts';

/** Commits of the way to the newest one that are kept; one before them is refused. */
const MAX_PATH = 500;
/** Longest text that is stored, in characters: the ConfigMap has the policies as well. */
const MAX_STORED_LENGTH = 64 * 1024;
const RETRY = { baseMs: 500, maxMs: 30_000 };

/** Id of a commit as the agent stores it. */
export const CommitId = z.string().regex(/^[0-9a-f]{40}$/);
const Names = z.array(z.string());

/** A {@link VerifiedAhead}, and the commit in force at which its path begins. */
const StoredAhead = z.object({
  revision: CommitId,
  from: CommitId,
  path: z.array(CommitId).min(1).max(MAX_PATH),
  verification: RevisionVerification,
  trust: StoredTrust,
  signer: z.object({ name: z.string(), fingerprint: z.string(), principals: Names, aliases: Names }),
});
export type StoredAhead = z.infer<typeof StoredAhead>;

/** Reads the newest verified commit; undefined: none is stored, or it cannot be read. */
export const readAhead = ({ data }: ConfigMap): StoredAhead | undefined => {
  try {
    return StoredAhead.parse(JSON.parse(data?.['verified'] ?? ''));
  } catch {
    return undefined;
  }
};

/** @returns whether it is stored; what is too large is not */
const saveAhead = async (client: KubeClient, ahead: StoredAhead | undefined, signal: AbortSignal): Promise<boolean> => {
  const verified = JSON.stringify(ahead);
  const fits = ahead !== undefined && verified.length <= MAX_STORED_LENGTH;
  // Without it, what is stored of an older commit goes.
  await applyState(client, { data: fits ? { verified } : {} }, FIELD_MANAGERS.trust, signal);
  return fits;
};

const failed = (error: unknown): Refusal => ({
  ok: false,
  reason: { message: `the agent failed on this commit: ${messageOf(error)}`.slice(0, 4096) },
  missing: false,
});

type Refusal = Extract<VerifiedOffer, { ok: false }>;

/** Trust by which commits are verified, and the receivers of what comes of it. */
export interface NewestCommitOptions extends Pick<AgentRuntime, 'client' | 'clock' | 'random' | 'logger'> {
  readonly verify: Pick<VerifyContext, 'trust' | 'held'>;
  readonly onRefused: (revision: string, refusal: Refusal) => void;
  /** Called once a restart no longer loses the newest commit. */
  readonly onStored: () => void;
}

/**
 * The newest verified commit while it is ahead of the one in force. Only its policies wait, for
 * their wave or an approval: what is put in force meanwhile has to lead to it or to follow it.
 */
export class NewestCommit {
  readonly #options: NewestCommitOptions;
  readonly #wakeup = new Wakeup();
  /** Newest one that is still to be verified. */
  #offered: Advance | undefined;
  #accepted: AcceptedRevision | undefined;
  #ahead: VerifiedAhead | undefined;
  /** The one that was written last, or was too large for that. */
  #saved: VerifiedAhead | undefined;
  #isStored: boolean = false;

  constructor(options: NewestCommitOptions) {
    this.#options = options;
  }

  /** The commit in force and, where another one is the newest, that. */
  get known(): KnownCommits {
    return { accepted: this.#accepted, ahead: this.#ahead };
  }

  /** Commits that the next one has to follow, as a hello names them. */
  get anchors(): { readonly anchor: string | null; readonly verified?: string } {
    const ahead = this.#ahead;
    return { anchor: this.#accepted?.revision ?? null, ...(ahead && { verified: ahead.revision }) };
  }

  /** The one that a restart does not lose. */
  get stored(): string | undefined {
    return this.#isStored && this.#saved === this.#ahead ? this.#ahead?.revision : undefined;
  }

  /** Takes a commit whose policies wait, for {@link verifyOffered}. */
  offer(advance: Advance): void {
    this.#offered = advance;
  }

  /**
   * Verifies what was offered last. Without a commit in force nothing is taken: the first one that
   * is to be enforced decides who may sign.
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
      // Another commit is in force meanwhile, by which it has to be judged.
      this.#offered ??= offered;
      return this.verifyOffered();
    }
    if (verified.ok) this.note(revision, verified);
    else onRefused(revision, verified);
  }

  /** Whether the newest commit has taken out the key that signed a commit on the way to it. */
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

  /** Takes a verified commit that was judged by those that are known. */
  note(revision: string, { verification, trust, signer, path }: Extract<Judgement, { ok: true }>): void {
    if (verification.state !== 'verified' || path.length === 0 || this.#ahead?.path.includes(revision) === true) return;
    const before = this.#ahead?.path ?? [];
    this.#ahead = { revision, verification, trust, signer, path: [...before, ...path].slice(-MAX_PATH) };
    this.#wakeup.wake();
  }

  /** Takes the commit that is in force now. Unless it leads to the one ahead, it follows that. */
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

  /** Goes on from what was stored before a restart. */
  restore(accepted: AcceptedRevision, stored: StoredAhead | undefined): void {
    // Where other signers are configured, the hub shows it again, to be judged by them.
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
   * Stores each newest commit; retries while the API server refuses. @throws the signal's reason
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    const backoff = createBackoff({ ...RETRY, random });
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
