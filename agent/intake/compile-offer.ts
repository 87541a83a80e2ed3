import { type CompiledCluster, compileCluster, type DecodeResult, type SourceFile, type SourceProblem } from '@fso/shared/compile';
import { filesOfRevision, type Offer, type RawObject, type Reason } from '@fso/shared/protocol';
import { checkObjects, type ObjectStore } from './object-store.ts';
import { type Verification, verifyRevision } from './verify.ts';

/** An offer that proved to be good: what it means for this cluster and the objects it stands on. */
export interface CompiledOffer {
  readonly revision: string;
  readonly compiled: CompiledCluster;
  readonly objects: ReadonlyMap<string, RawObject>;
  readonly verification: Verification['state'];
}

export type OfferResult =
  | { readonly ok: true; readonly offer: CompiledOffer }
  /** `missing`: objects were not there that the hub thought this agent has. */
  | { readonly ok: false; readonly reasons: readonly Reason[]; readonly missing: boolean };

export interface CompileContext {
  readonly cluster: string;
  readonly held: ObjectStore;
  readonly decode: (files: readonly SourceFile[]) => DecodeResult;
}

const MAX_REASONS = 100;

/** Checks every object, rebuilds the commit's policy files from them, and compiles them for this cluster. Writes nothing. */
export const compileOffer = async (offer: Offer, { cluster, held, decode }: CompileContext): Promise<OfferResult> => {
  if (offer.chain.at(-1) !== offer.revision) return refuse([{ message: 'the chain of the offer does not end at its revision' }]);
  const checked = checkObjects(offer.objects);
  if (!checked.ok) return refuse(checked.reasons);
  const walked = await filesOfRevision(offer.revision, (id) => checked.objects.get(id) ?? held.get(id));
  if (!walked.ok) return walked.missing.length > 0 ? refuseMissing(walked.missing) : refuse(walked.problems);
  const decoded = decode(walked.files);
  if (!decoded.ok) return refuse(decoded.problems.map(toReason));
  const compiled = compileCluster(decoded.set, cluster);
  return { ok: true, offer: { revision: offer.revision, compiled, objects: walked.objects, verification: verifyRevision().state } };
};

const refuse = (reasons: readonly Reason[], missing = false): OfferResult => ({
  ok: false,
  reasons: reasons.slice(0, MAX_REASONS),
  missing,
});

const refuseMissing = (ids: readonly string[]): OfferResult =>
  refuse(
    ids.map((id) => ({ message: `object ${id} is neither in the offer nor held by this agent` })),
    true,
  );

const toReason = ({ path, line, column, reason }: SourceProblem): Reason => ({
  path,
  line: Math.max(1, line),
  column: Math.max(1, column),
  message: reason.slice(0, 4096),
});
