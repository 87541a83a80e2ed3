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

/** The commit in force, as far as it is known. */
type EnforcedCommit = AcceptedRevision & Partial<Pick<AcceptedState, 'digest' | 'places' | 'registration'>>;

/** Time after which a commit that waits is judged again, as approvals come of age and end. */
const RECHECK_MS = 60_000;
/**
 * CPU time of judging a commit that waits again, in milliseconds: a hub may send tags without end.
 */
const JUDGING_CPU = { burst: 1_000, perSecond: 100 };

/** Whether a commit changes nothing for this cluster, nor who signs and approves after it. */
const isUnchanged = ({ compiled, places, part, approval, verified }: CompiledOffer, enforced: EnforcedCommit): boolean =>
  compiled.digest === enforced.digest &&
  digestOfPlaces(places) === enforced.places &&
  part.registration === enforced.registration &&
  canonicalJson([approval, verified.trust]) === canonicalJson([enforced.approval, enforced.trust]);

/** Holds verified commits back until they are approved as the commit in force asks for it. */
export class ApprovalGate {
  readonly #trust: TrustConfig;
  readonly #clock: Clock;
  readonly #cpu: Allowance;
  /** Parses a keyring once: each of its keys is checked. */
  readonly #signersOf: (trust: StoredTrust) => Signers | undefined;
  /** Newest frame only. */
  #approvals: Approvals | undefined;
  #waiting: { readonly offer: CompiledOffer; readonly held: HeldRevision } | undefined;
  /** Offer of the commit that waits, while another commit is on its way to be in force. */
  #again: Offer | undefined;

  constructor(trust: TrustConfig, clock: Clock) {
    this.#trust = trust;
    this.#clock = clock;
    this.#cpu = createAllowance(clock, JUDGING_CPU);
    this.#signersOf = weakMemo((stored: StoredTrust) => signersOf(trust, stored));
  }

  /** The commit that waits. */
  get waiting(): CompiledOffer | undefined {
    return this.#waiting?.offer;
  }

  /** Approval that the commit lacks which waits. */
  get held(): HeldRevision | undefined {
    return this.#waiting?.held;
  }

  setApprovals(approvals: Approvals): void {
    this.#approvals = approvals;
  }

  /** Lets the commit that waits go, as another one is wanted. */
  drop(): void {
    this.#waiting = undefined;
    this.#again = undefined;
  }

  /** Keeps the offer of the commit that waits: another commit may be in force before it. */
  keepOffer(offer: Offer): void {
    if (this.#waiting !== undefined) this.#again = offer;
  }

  /**
   * Takes note that another commit is in force: the next one has to descend from it. @returns offer
   * that waits and was judged before that; undefined: none
   */
  noteAccepted(): Offer | undefined {
    const again = this.#again;
    this.#again = undefined;
    return again;
  }

  /**
   * Waits until there is something to judge: a frame of the hub, or the commit that waits, after a
   * minute. @throws the signal's reason
   */
  async wait(wakeup: Wakeup, signal: AbortSignal): Promise<void> {
    if (this.#waiting === undefined) return wakeup.wait(signal);
    await wakeup.waitAtMost(RECHECK_MS, this.#clock, signal);
    const restMs = this.#cpu.charge(0);
    if (restMs > 0) await this.#clock.sleep(restMs, signal);
  }

  /**
   * Whether a verified commit may be enforced now; if not, it waits here.
   *
   * @param enforced undefined: there is none, and nothing to judge by
   * @param ahead newest verified commit, if it is another one than both
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

  /** Rule of the commit in force. Other configured signers are a new root, without a rule. */
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
    // What is taken without a signature has no signer that an approver could differ from.
    if (rule === undefined || verified.verification.state !== 'verified') return undefined;
    if (enforced === undefined || enforced.revision === revision || isUnchanged(offer, enforced)) return undefined;
    // Keys count now: those of a newer commit, where the offer only leads to it.
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
