import type { HeldRevision } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import type { Approvals, Offer } from '@fso/shared/protocol';
import { type Allowance, type Clock, createAllowance, threadCpuMs, type Wakeup, weakMemo } from '@fso/shared/runtime';
import type { Signers } from '@fso/shared/signatures';
import {
  type AcceptedRevision,
  findMissingApproval,
  type KnownCommits,
  type StoredTrust,
  signersOf,
  type TrustConfig,
} from '@fso/shared/trust';
import type { CompiledOffer } from './compile-offer.ts';
import { digestOfPlaces } from './places-store.ts';
import type { AcceptedState } from './state-store.ts';

/** Commit in force. The optional fields are missing where its stored state could not be read. */
type EnforcedCommit = AcceptedRevision & Partial<Pick<AcceptedState, 'digest' | 'places' | 'registration'>>;

/**
 * Interval at which a waiting commit is judged again: approvals become valid and expire with time.
 */
const RECHECK_MS = 60_000;
/**
 * CPU budget for judging waiting commits again, in milliseconds. Bounds the work that a hub can
 * cause by sending tags.
 */
const JUDGING_CPU = { burst: 1_000, perSecond: 100 };

/**
 * Whether a commit changes nothing for this cluster (policies, places, registration), nor who may
 * sign and approve later commits.
 */
const isUnchanged = ({ compiled, places, part, approval, verified }: CompiledOffer, enforced: EnforcedCommit): boolean =>
  compiled.digest === enforced.digest &&
  digestOfPlaces(places) === enforced.places &&
  part.registration === enforced.registration &&
  canonicalJson([approval, verified.trust]) === canonicalJson([enforced.approval, enforced.trust]);

/** Holds verified commits back until they have the approvals that the commit in force requires. */
export class ApprovalGate {
  readonly #trust: TrustConfig;
  readonly #clock: Clock;
  readonly #cpu: Allowance;
  /** Memoized, because parsing a keyring checks each of its keys. */
  readonly #signersOf: (trust: StoredTrust) => Signers | undefined;
  /** Tags of the newest `approvals` frame. */
  #approvals: Approvals | undefined;
  #waiting: { readonly offer: CompiledOffer; readonly held: HeldRevision } | undefined;
  /** Offer of the waiting commit, kept while another commit is being put in force. */
  #again: Offer | undefined;

  constructor(trust: TrustConfig, clock: Clock) {
    this.#trust = trust;
    this.#clock = clock;
    this.#cpu = createAllowance(clock, JUDGING_CPU);
    this.#signersOf = weakMemo((stored: StoredTrust) => signersOf(trust, stored));
  }

  /** Commit that waits for an approval. */
  get waiting(): CompiledOffer | undefined {
    return this.#waiting?.offer;
  }

  /** Commit that waits, with the approval that it lacks. */
  get held(): HeldRevision | undefined {
    return this.#waiting?.held;
  }

  setApprovals(approvals: Approvals): void {
    this.#approvals = approvals;
  }

  /**
   * Stops waiting: the hub offered another commit, or the newest commit removed the key that signed
   * the waiting one.
   */
  drop(): void {
    this.#waiting = undefined;
    this.#again = undefined;
  }

  /**
   * Keeps the offer of the waiting commit, to judge it again if another commit comes into force
   * first.
   */
  keepOffer(offer: Offer): void {
    if (this.#waiting !== undefined) this.#again = offer;
  }

  /**
   * Records that another commit came into force, which the next one has to descend from.
   *
   * @returns the kept offer, which has to be judged again; undefined if there is none
   */
  noteAccepted(): Offer | undefined {
    const again = this.#again;
    this.#again = undefined;
    return again;
  }

  /**
   * Waits for a frame of the hub. While a commit waits, resolves after a minute at the latest.
   *
   * @throws the signal's reason
   */
  async wait(wakeup: Wakeup, signal: AbortSignal): Promise<void> {
    if (this.#waiting === undefined) return wakeup.wait(signal);
    await wakeup.waitAtMost(RECHECK_MS, this.#clock, signal);
    const restMs = this.#cpu.charge(0);
    if (restMs > 0) await this.#clock.sleep(restMs, signal);
  }

  /**
   * Whether a verified commit may be enforced now. If not, it waits here.
   *
   * @param enforced undefined: no commit is in force, so no rule applies
   * @param ahead newest verified commit, if it is neither `offer` nor `enforced`
   */
  admits(offer: CompiledOffer, enforced: EnforcedCommit | undefined, ahead?: KnownCommits['ahead']): boolean {
    this.#waiting = undefined;
    const before = threadCpuMs();
    const held = this.#findMissing(offer, { enforced, ahead });
    this.#cpu.charge(threadCpuMs() - before);
    if (held === undefined) {
      this.#again = undefined;
      return true;
    }
    this.#waiting = { offer, held };
    return false;
  }

  /** Approval rule of the commit in force. It does not apply once other signers are configured. */
  #ruleOf(enforced: EnforcedCommit | undefined): AcceptedRevision['approval'] {
    const isRoot = this.#trust.mode !== 'off' && enforced?.trust?.root === this.#trust.signers.digest;
    return isRoot ? enforced?.approval : undefined;
  }

  #findMissing(
    offer: CompiledOffer,
    { enforced, ahead }: { readonly enforced: EnforcedCommit | undefined } & Pick<KnownCommits, 'ahead'>,
  ): HeldRevision | undefined {
    const now = this.#clock.now();
    const rule = this.#ruleOf(enforced);
    const { revision, isImmediate, verified } = offer;
    // A commit taken without a signature has no signer whom an approver could differ from.
    if (rule === undefined || verified.verification.state !== 'verified') return undefined;
    if (enforced === undefined || enforced.revision === revision || isUnchanged(offer, enforced)) return undefined;
    // If the offer leads to a newer verified commit, the keys of that commit count.
    const last = ahead?.path.includes(revision) === true ? ahead : verified;
    const [base, newest] = [enforced, last].map(({ trust }) => trust && this.#signersOf(trust));
    const { signer } = verified;
    if (base === undefined || newest === undefined || signer === undefined)
      throw new Error(`the signer of commit ${revision} is not known`);
    const tags = this.#approvals?.revision === revision ? this.#approvals.tags : [];
    const raw = tags.map((tag) => Buffer.from(tag, 'base64'));
    return findMissingApproval({ revision, rule, isImmediate, signer, base, newest, tags: raw, now });
  }
}
