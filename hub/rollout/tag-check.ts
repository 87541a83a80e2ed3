import type { RolloutStrategySpec } from '@fso/shared/api';
import type { GetObject } from '@fso/shared/git';
import { type Clock, messageOf } from '@fso/shared/runtime';
import type { Signer, Signers } from '@fso/shared/signatures';
import {
  asksImmediate,
  hasOtherApprover,
  judgeApproval,
  judgeImmediate,
  labelOf,
  signerOf,
  signersIn,
  type TagInput,
  type TagVerdict,
  type TrustConfig,
} from '@fso/shared/trust';
import type { Source } from '../source/index.ts';
import { findNoApprover, type JudgedTags, NO_APPROVERS, type RolloutInput, type RolloutRun, unseenWave } from './waves/index.ts';

/** Dependencies of {@link TagCheck}: signers, policy repository and clock. */
export interface TagCheckDeps {
  readonly trust: TrustConfig;
  readonly source: Pick<Source, 'hint' | 'state'> & {
    readonly objects: Pick<Source['objects'], 'object'>;
    readonly approvals: Pick<Source['approvals'], 'of' | 'hasUnreadRevocation'>;
  };
  readonly clock: Clock;
}

/** Signer and keys of the step from the commit that every wave has to the newest one. */
interface Signatures {
  readonly signer: Signer;
  /** Name of the signer for people, from the verification of the commit. */
  readonly label: string;
  readonly base: Signers;
  readonly newest: Signers;
}

/** Reason why the tags about a step cannot be judged. */
interface NotJudged {
  readonly problem: string;
  /** Whether the hub took the commit although it is not verified. */
  readonly isUnverified: boolean;
}

interface Step {
  /** Whether the commit asks to skip waves; also true if that cannot be read. */
  readonly isImmediate: boolean;
  /** undefined if no tags are needed: no wave is to be skipped, and none is halted as unseen. */
  readonly signatures: Signatures | NotJudged | undefined;
}

type Tags = Pick<RolloutInput['newest'], 'immediate' | 'approval'>;

/**
 * Judges tags about the newest commit by the rules that agents use: whether this hub may give it to
 * every cluster at once, and whether an unseen wave may continue. Agents whose wave needs an
 * approval judge the tags themselves.
 */
export class TagCheck {
  readonly #deps: TagCheckDeps;
  #step: { readonly key: string; readonly read: Promise<Step> } | undefined;
  #awaited: string | null = null;

  constructor(deps: TagCheckDeps) {
    this.#deps = deps;
  }

  /** Commit whose tags are looked for; null if none are. */
  get awaited(): string | null {
    return this.#awaited;
  }

  /**
   * Judges the tags about the newest commit. If something cannot be read, the commit goes by waves,
   * and a halted wave stays halted.
   *
   * @param run undefined if no waves are in force
   */
  async check(run: Pick<RolloutRun, 'base' | 'halt' | 'revision'> | undefined, revision: string): Promise<Tags> {
    const tags = run === undefined || run.base.revision === revision ? {} : await this.#judgeTags(run, revision);
    this.#await(tags.immediate !== undefined || tags.approval?.unneeded === null ? revision : null);
    return tags;
  }

  #await(revision: string | null): void {
    const isNew = revision !== null && revision !== this.#awaited;
    this.#awaited = revision;
    if (isNew) this.#deps.source.hint();
  }

  async #judgeTags({ base, ...run }: Pick<RolloutRun, 'base' | 'halt' | 'revision'>, revision: string): Promise<Tags> {
    const wave = run.revision === revision ? unseenWave(run) : undefined;
    const { isImmediate, signatures } = await this.#readStep(base.revision, revision, wave !== undefined);
    const { strategy } = base;
    if (signatures === undefined) return {};
    return {
      ...(isImmediate && { immediate: this.#judge(signatures, { strategy, revision }, judgeImmediate) }),
      ...(wave !== undefined && {
        approval: {
          ...this.#judge(signatures, { strategy, revision }, (input) => judgeApproval(input, wave)),
          wave,
          unneeded: findNoApprover(strategy, wave) ?? this.#findNoJudge(signatures, strategy),
        },
      }),
    };
  }

  async #readStep(base: string, revision: string, isHalted: boolean): Promise<Step> {
    const key = `${base} ${revision} ${isHalted}`;
    if (this.#step?.key !== key) this.#step = { key, read: this.#read(base, revision, isHalted) };
    const { read } = this.#step;
    const step = await read;
    // A problem is not cached, as it may be gone at the next check.
    if (step.signatures !== undefined && 'problem' in step.signatures && this.#step?.read === read) this.#step = undefined;
    return step;
  }

  /** Reason why no approval can count at this hub; null if one can. */
  #findNoJudge(signatures: Signatures | NotJudged, { approvers = [] }: RolloutStrategySpec): string | null {
    if (this.#deps.trust.mode === 'off') return 'this hub verifies no commits';
    if ('problem' in signatures) return signatures.isUnverified ? 'this hub took the commit although it is not verified' : null;
    if (hasOtherApprover(signatures, approvers)) return null;
    return 'no approver but its signer has a key among the signers of the commit that every wave has';
  }

  #judge(
    signatures: Signatures | NotJudged,
    { strategy, revision }: { readonly strategy: RolloutStrategySpec; readonly revision: string },
    judge: (input: TagInput) => TagVerdict,
  ): JudgedTags {
    const refused = { isGiven: false, missing: 1, approvers: [] };
    if ('problem' in signatures) return { ...refused, signer: '', problems: [signatures.problem] };
    const { approvers = [], hostingSigners = [] } = strategy;
    const { label: signer, ...keys } = signatures;
    if (approvers.length === 0) return { ...refused, signer, problems: [NO_APPROVERS] };
    const { approvals } = this.#deps.source;
    const tags = (approvals.of(revision)?.tags ?? []).map((tag) => Buffer.from(tag, 'base64'));
    const verdict = judge({ revision, rule: { approvers, hostingSigners }, tags, now: this.#deps.clock.now(), ...keys });
    return { ...verdict, isGiven: verdict.isGiven && !approvals.hasUnreadRevocation(revision), signer };
  }

  async #read(base: string, revision: string, isHalted: boolean): Promise<Step> {
    let isImmediate = true;
    try {
      const getObject: GetObject = (id) => this.#deps.source.objects.object(id);
      const commit = await getObject(revision);
      if (commit === undefined) return { isImmediate, signatures: { problem: 'the commit is not in the clone', isUnverified: false } };
      isImmediate = asksImmediate(commit.data);
      return { isImmediate, signatures: isImmediate || isHalted ? await this.#readSignatures(base, revision, getObject) : undefined };
    } catch (error) {
      return { isImmediate, signatures: { problem: messageOf(error), isUnverified: false } };
    }
  }

  async #readSignatures(base: string, revision: string, getObject: GetObject): Promise<Signatures | NotJudged> {
    const { trust, source, clock } = this.#deps;
    const { verification, revision: current } = source.state();
    const isCurrent = current?.revision === revision;
    if (trust.mode === 'off' || !isCurrent || verification?.state !== 'verified')
      return { problem: 'this hub has not verified the commit', isUnverified: isCurrent };
    const before = await signersIn(base, trust.signers, getObject);
    const newest = await signersIn(revision, trust.signers, getObject);
    const keys = { known: [before, newest], configured: trust.signers };
    const signer = await signerOf(revision, keys, { getObject, now: clock.now() });
    if (signer === undefined) return { problem: 'no key among the signers before the commit has signed it', isUnverified: false };
    return { signer, label: verification.signer ?? labelOf(signer), base: before, newest };
  }
}
