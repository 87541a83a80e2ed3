import { MAX_MESSAGE } from '@fso/shared/api';
import { type CompiledCluster, compileCluster } from '@fso/shared/compile';
import { type AloneDecoder, type DecodeResult, type PolicySet, registrationPaths, type SourceFile } from '@fso/shared/decode';
import { type ClusterPart, filesOfRevision, type RawObject, reasonOf } from '@fso/shared/git';
import type { Advance, Offer, Reason } from '@fso/shared/protocol';
import { truncate } from '@fso/shared/runtime';
import type { Signers } from '@fso/shared/signatures';
import {
  type AcceptedRevision,
  type ApprovalRule,
  approvalRuleOf,
  asksImmediate,
  findApproverProblem,
  type Judgement,
  judgeNext,
  type KnownCommits,
  signersOf,
  type TrustConfig,
} from '@fso/shared/trust';
import type { CommitPlaces } from '../cache/index.ts';
import type { TargetCommit } from '../control/index.ts';
import { type CheckedObjects, checkObjects, type ObjectStore } from './object-store.ts';

/** Verified offer: its policies for this cluster and the Git objects that it consists of. */
export interface CompiledOffer {
  readonly revision: string;
  readonly compiled: CompiledCluster;
  readonly places: CommitPlaces;
  readonly objects: ReadonlyMap<string, RawObject>;
  /** Part of the repository that concerns this cluster. */
  readonly part: ClusterPart;
  /** Rule for approving the next commit; undefined: none is needed. */
  readonly approval: ApprovalRule | undefined;
  /** Whether the commit's trailer asks to skip waves. */
  readonly isImmediate: boolean;
  /** Signer of the commit, and the signers trusted for its descendants. */
  readonly verified: Extract<VerifiedOffer, { ok: true }>;
}

/** Commit that the reconciles write. */
export interface Target extends TargetCommit, AcceptedRevision {
  readonly digest: string;
  readonly registration: string | null | undefined;
  readonly places: CommitPlaces;
  /** Folders whose scope excludes this cluster. */
  readonly outside: ClusterPart['outside'];
  /** Empty after a restart: objects are not persisted. */
  readonly objects: ReadonlyMap<string, RawObject>;
}

/** Result of compiling an offer: the policies of this cluster, or the reasons of a nack. */
export type OfferResult =
  | { readonly ok: true; readonly offer: CompiledOffer }
  /** `missing`: the hub assumed objects that this agent does not have. */
  | { readonly ok: false; readonly reasons: readonly Reason[]; readonly missing: boolean };

/** Trust, decoders and the cluster by which an offer is compiled. */
export interface CompileContext {
  readonly cluster: string;
  /** Whether a commit that does not register this cluster may remove its policies. */
  readonly mayLeave: boolean;
  readonly verify: VerifyContext;
  readonly decode: (files: readonly SourceFile[]) => DecodeResult;
  /** Decodes the files that select what concerns this cluster. */
  readonly decodeAlone: AloneDecoder;
}

const MAX_REASONS = 100;

/**
 * Checks every object and the commit's signature, rebuilds the policy files that concern this
 * cluster and compiles them. Decodes nothing of an untrusted commit, and writes nothing.
 */
export const compileOffer = async (offer: Offer, context: CompileContext): Promise<OfferResult> => {
  const { cluster, mayLeave, verify, decode, decodeAlone } = context;
  const { held } = verify;
  if (offer.chain.at(-1) !== offer.revision)
    return refuse([{ code: 'chain-incomplete', message: 'the chain of the offer does not end at its revision' }]);
  const checked = await checkObjects(offer.objects, held);
  if (!checked.ok) return refuse(checked.reasons, checked.missing);
  const verified = await verifyOffer(offer, checked, verify);
  if (!verified.ok) return refuse([verified.reason], verified.missing);
  const walked = await filesOfRevision(offer.revision, (id) => checked.objects.get(id) ?? held.get(id), {
    cluster,
    decode: decodeAlone,
  });
  if (!walked.ok) return walked.missing.length > 0 ? refuseMissing(walked.missing) : refuse(walked.problems);
  const { part, files, objects } = walked;
  if (part.registration === null && !mayLeave) return refuse([notRegistered(cluster)]);
  const decoded = decode(files);
  if (!decoded.ok) return refuse(decoded.problems.map(reasonOf));
  const unapprovable = approverProblem(decoded.set, signersOf(verify.trust, verified.trust));
  if (unapprovable !== undefined) return refuse([unapprovable]);
  const compiled = compileCluster(decoded.set, cluster);
  const places = placesFor(decoded.set, cluster);
  const approval = approvalFor(decoded.set, cluster);
  const isImmediate = isImmediateCommit(objects.get(offer.revision));
  return { ok: true, offer: { revision: offer.revision, compiled, places, objects, part, approval, isImmediate, verified } };
};

const isImmediateCommit = (commit: RawObject | undefined): boolean => commit !== undefined && asksImmediate(commit.data);

const placesFor = ({ catalog, clusters }: PolicySet, cluster: string): CommitPlaces => {
  const provider = clusters.find(({ document }) => document.metadata.name === cluster)?.document.spec.provider;
  return { ...(catalog && { catalog: catalog.document.spec }), ...(provider !== undefined && { provider }) };
};

const approverProblem = ({ rollout }: PolicySet, signers: Signers | undefined): Reason | undefined => {
  const message = rollout && signers && findApproverProblem(rollout.document.spec, signers);
  return message === undefined ? undefined : { path: rollout?.source.path, message };
};

const approvalFor = ({ rollout, clusters }: PolicySet, cluster: string): ApprovalRule | undefined => {
  const own = clusters.find(({ document }) => document.metadata.name === cluster)?.document;
  return own && approvalRuleOf(rollout?.document.spec, own.metadata.labels ?? {});
};

/**
 * An agent that never saw its registration must not read a commit without it as its removal: the
 * cluster may be registered elsewhere.
 */
const notRegistered = (cluster: string): Reason => ({
  path: registrationPaths(cluster)[0],
  message: `this cluster is not registered in this commit, and not known to have been before: what it has stays (${registrationPaths(cluster).join(' or ')} registers it)`,
});

const refuse = (reasons: readonly Reason[], missing = false): OfferResult => ({
  ok: false,
  reasons: reasons.slice(0, MAX_REASONS),
  missing,
});

const refuseMissing = (ids: readonly string[]): OfferResult =>
  refuse(
    ids.map((id) => ({ code: 'object-missing', message: `object ${id} is neither in the offer nor held by this agent` })),
    true,
  );

/** Signers, held objects and known commits by which an offer is verified. */
export interface VerifyContext {
  readonly trust: TrustConfig;
  readonly held: ObjectStore;
  readonly now: Date;
  /** Commits that the offer must follow, with the signers that they trust. */
  readonly known: KnownCommits;
}

/** Result of the checks that precede decoding. */
export type VerifiedOffer =
  | Extract<Judgement, { ok: true }>
  /**
   * `missing`: an object is not there, or the hub started from another commit than the accepted
   * one. The hub has to send a full offer.
   */
  | { readonly ok: false; readonly reason: Reason; readonly missing: boolean };

/** Verifies signature and descent of a commit whose policies still wait for their wave. */
export const verifyAdvance = async (advance: Advance, context: VerifyContext): Promise<VerifiedOffer> => {
  const checked = await checkObjects(advance.objects, context.held);
  if (checked.ok) return verifyOffer(advance, checked, context);
  const [reason = { message: 'no object can be used' }] = checked.reasons;
  return { ok: false, reason, missing: checked.missing };
};

/**
 * Verifies that a permitted signer signed the commit and that it descends from the accepted one.
 */
export const verifyOffer = async (
  { revision, anchor, chain }: Pick<Offer, 'revision' | 'anchor' | 'chain'>,
  { objects }: Extract<CheckedObjects, { ok: true }>,
  { trust, held, now, known }: VerifyContext,
): Promise<VerifiedOffer> => {
  const getObject = (id: string) => objects.get(id) ?? held.get(id);
  const judgement = await judgeNext(trust, known, { revision, from: anchor, chain }, { getObject, now });
  if (judgement.ok) return judgement;
  const { code, message, missing } = judgement;
  return { ok: false, reason: { code, message: truncate(message, MAX_MESSAGE) }, missing };
};
