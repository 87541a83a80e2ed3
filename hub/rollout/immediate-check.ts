import type { RolloutStrategySpec } from '@fso/shared/api';
import type { RawObject } from '@fso/shared/git';
import { type Clock, messageOf } from '@fso/shared/runtime';
import type { Signer, Signers } from '@fso/shared/signatures';
import { asksImmediate, judgeImmediate, labelOf, signerOf, signersIn, type TrustConfig } from '@fso/shared/trust';
import type { Source } from '../source/index.ts';
import type { ImmediateTags } from './waves/index.ts';

/** Commits, signed tags and signers by which a commit may skip its waves. */
export interface ImmediateCheckDeps {
  readonly trust: TrustConfig;
  readonly source: Pick<Source, 'hint' | 'state'> & {
    readonly objects: Pick<Source['objects'], 'object'>;
    readonly approvals: Pick<Source['approvals'], 'of' | 'hasUnreadRevocation'>;
  };
  readonly clock: Clock;
}

/** Commit that every wave has, and whose strategy and signers the next one is judged by. */
interface Base {
  readonly revision: string;
  readonly strategy: RolloutStrategySpec;
}

/** Signatures of a step, which do not change. */
type Step =
  | {
      readonly signer: Signer;
      /** Signer as the check of the commit has found it, for people. */
      readonly label: string;
      readonly base: Signers;
      readonly newest: Signers;
    }
  | { readonly problem: string };

/**
 * Judges by the same rules as agents do whether this hub may give the newest commit to every
 * cluster at once. Agents whose wave needs an approval judge the tags themselves.
 */
export class ImmediateCheck {
  readonly #deps: ImmediateCheckDeps;
  /** undefined: the commit does not ask for it. */
  #step: { readonly key: string; readonly read: Promise<Step | undefined> } | undefined;
  #awaited: string | null = null;

  constructor(deps: ImmediateCheckDeps) {
    this.#deps = deps;
  }

  /** The commit whose tags are looked for; null: none. */
  get awaited(): string | null {
    return this.#awaited;
  }

  /**
   * Judges the tags about the newest commit. What cannot be read is a reason to go by waves.
   *
   * @param base undefined: no waves are in force
   * @returns undefined: it does not ask to skip waves, or every wave has it
   */
  async check(base: Base | undefined, revision: string): Promise<ImmediateTags | undefined> {
    if (base === undefined) {
      this.#await(null);
      return undefined;
    }
    const key = `${base.revision} ${revision}`;
    if (this.#step?.key !== key) this.#step = { key, read: this.#read(base, revision) };
    const { read } = this.#step;
    const step = await read;
    // It may be another at the next look.
    if (step !== undefined && 'problem' in step && this.#step?.read === read) this.#step = undefined;
    this.#await(step === undefined ? null : revision);
    return step && this.#judge(step, base, revision);
  }

  #await(revision: string | null): void {
    const isNew = revision !== null && revision !== this.#awaited;
    this.#awaited = revision;
    if (isNew) this.#deps.source.hint();
  }

  #judge(step: Step, { strategy: { approvers = [], hostingSigners = [] } }: Base, revision: string): ImmediateTags {
    const refused = { isGiven: false, missing: 1, approvers: [] };
    if ('problem' in step) return { ...refused, signer: '', problems: [step.problem] };
    if (approvers.length === 0) return { ...refused, signer: step.label, problems: ['the strategy in force names no approvers'] };
    const tags = this.#deps.source.approvals.of(revision)?.tags ?? [];
    const raw = tags.map((tag) => Buffer.from(tag, 'base64'));
    const rule = { approvers, hostingSigners };
    const verdict = judgeImmediate({ revision, rule, tags: raw, now: this.#deps.clock.now(), ...step });
    const isGiven = verdict.isGiven && !this.#deps.source.approvals.hasUnreadRevocation(revision);
    return { ...verdict, isGiven, signer: step.label };
  }

  async #read(base: Base, revision: string): Promise<Step | undefined> {
    if (base.revision === revision) return undefined;
    try {
      const { trust, source, clock } = this.#deps;
      const getObject = (id: string): Promise<RawObject | undefined> => source.objects.object(id);
      const commit = await getObject(revision);
      if (commit === undefined) return { problem: 'the commit is not in the clone' };
      if (!asksImmediate(commit.data)) return undefined;
      const { verification, revision: current } = source.state();
      const isVerified = verification?.state === 'verified' && current?.revision === revision;
      if (trust.mode === 'off' || !isVerified) return { problem: 'this hub has not verified the commit' };
      const before = await signersIn(base.revision, trust.signers, getObject);
      const newest = await signersIn(revision, trust.signers, getObject);
      const keys = { known: [before, newest], configured: trust.signers };
      const signer = await signerOf(revision, keys, { getObject, now: clock.now() });
      if (signer === undefined) return { problem: 'no key among the signers before the commit has signed it' };
      return { signer, label: verification.signer ?? labelOf(signer), base: before, newest };
    } catch (error) {
      return { problem: messageOf(error) };
    }
  }
}
