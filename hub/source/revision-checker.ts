import type { ProblemView, RevisionVerification } from '@fso/shared/api';
import { createDecoder, type PolicySet, type SourceProblem } from '@fso/shared/decode';
import { GitObjectError, GitObjectTooLargeError, type RevisionFiles } from '@fso/shared/git';
import {
  type AcceptedRevision,
  findApproverProblem,
  judge,
  type Proposal,
  type StoredTrust,
  signersOf,
  type TrustConfig,
  TrustError,
} from '@fso/shared/trust';
import type { RevisionReader } from './object-access.ts';

interface RefusedRevision {
  readonly ok: false;
  readonly problems: readonly ProblemView[];
}

interface TrustedRevision {
  readonly ok: true;
  readonly verification: RevisionVerification;
  readonly trust: StoredTrust | undefined;
}

/** Result of the check of a commit. */
export type CheckedRevision = (TrustedRevision & { readonly set: PolicySet }) | RefusedRevision;

/** Returns the view of a problem. A problem of the whole commit has no place. */
const toView = ({ path, line, column, reason }: SourceProblem): ProblemView => (path === '.' ? { reason } : { path, line, column, reason });

/** Problems of the policy files of a commit that cannot be read. */
export const problemsOf = ({ problems, missing }: Extract<RevisionFiles, { ok: false }>): readonly ProblemView[] => [
  ...problems.map(({ message, ...place }) => ({ ...place, reason: message })),
  ...missing.map((object) => ({ reason: `object ${object} is not in the repository` })),
];

/**
 * Checks commits: whether a commit may follow the last accepted one, by the rules of agents, and
 * whether its policies are valid.
 */
export class RevisionChecker {
  readonly #config: TrustConfig;
  readonly #reader: RevisionReader;
  readonly #now: () => Date;
  readonly #decode = createDecoder();
  #accepted: AcceptedRevision | undefined;

  constructor(config: TrustConfig, reader: RevisionReader, now: () => Date) {
    this.#config = config;
    this.#reader = reader;
    this.#now = now;
  }

  /** Sets the last accepted revision; the caller keeps it over restarts. */
  accept(revision: AcceptedRevision): void {
    this.#accepted = revision;
  }

  /**
   * Checks a commit. Decodes nothing of one that is not trusted.
   *
   * @throws the error of a clone that cannot be read
   */
  async check(revision: string): Promise<CheckedRevision> {
    const judged = await this.#judge(revision);
    if (!judged.ok) return judged;
    const examined = await this.#examine(revision);
    if (!examined.ok) return examined;
    const { rollout } = examined.set;
    const signers = signersOf(this.#config, judged.trust);
    const reason = rollout && signers && findApproverProblem(rollout.document.spec, signers);
    return reason === undefined ? { ...judged, set: examined.set } : { ok: false, problems: [{ path: rollout?.source.path, reason }] };
  }

  /**
   * Reads the policies of a commit that was accepted before.
   *
   * @returns undefined if the clone does not have the commit, or its policies are no longer valid
   * @throws the error of a clone that cannot be read
   */
  async read(revision: string): Promise<PolicySet | undefined> {
    const examined = await this.#examine(revision);
    return examined.ok ? examined.set : undefined;
  }

  async #judge(revision: string): Promise<TrustedRevision | RefusedRevision> {
    const proposal = this.#config.mode === 'off' ? { revision, from: null, chain: [revision] } : await this.#propose(revision);
    const judgement = await judge(this.#config, this.#accepted, proposal, { getObject: this.#reader.object, now: this.#now() });
    return judgement.ok ? judgement : { ok: false, problems: [{ code: judgement.code, reason: judgement.message }] };
  }

  /**
   * Proposes the chain from the accepted revision. Without one, the judge sees a commit without
   * history.
   */
  async #propose(revision: string): Promise<Proposal> {
    const accepted = this.#accepted?.revision ?? null;
    const withoutPath = { revision, from: null, chain: [revision] };
    try {
      const chain = accepted === null || accepted === revision ? [revision] : await this.#reader.chain(accepted, revision);
      return chain === null ? withoutPath : { revision, from: accepted, chain };
    } catch (error) {
      // The history is malformed: Git itself would not have written it.
      if (!(error instanceof GitObjectError)) throw error;
      const code = error instanceof GitObjectTooLargeError ? 'proof-too-large' : 'chain-incomplete';
      return { ...withoutPath, problem: new TrustError(code, error.message) };
    }
  }

  async #examine(revision: string): Promise<{ readonly ok: true; readonly set: PolicySet } | RefusedRevision> {
    const read = await this.#reader.files(revision);
    if (!read.ok) return { ok: false, problems: problemsOf(read) };
    const decoded = this.#decode(read.files);
    return decoded.ok ? decoded : { ok: false, problems: decoded.problems.map(toView) };
  }
}
