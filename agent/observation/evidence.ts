import { OBSERVED_KINDS, type Observation, type ObservedKind, ROUND_PARTS, type RoundPart } from '@fso/shared/protocol';

/** Claim that an agent makes about its cluster. */
export type Claim = 'floor' | 'guard' | 'gatekeeper' | 'injection' | 'violations' | 'policies';

interface Evidence {
  readonly parts: readonly RoundPart[];
  readonly kinds: readonly ObservedKind[];
}

/** Parts and kinds that decide which policies govern which namespaces. */
const GOVERNANCE: Evidence = { parts: ['governance'], kinds: ['SovereignPolicy', 'Namespace'] };
/** Part and kinds of the API through which everything is read. */
const FOUNDATION: Evidence = { parts: ['foundation'], kinds: ['CustomResourceDefinition', 'APIService'] };

const join = (...evidence: readonly Evidence[]): Evidence => ({
  parts: evidence.flatMap(({ parts }) => parts),
  kinds: evidence.flatMap(({ kinds }) => kinds),
});

/**
 * Parts of a reconcile and kinds that each claim depends on. If one of them is out of date, the
 * claim is not made.
 */
export const EVIDENCE: Readonly<Record<Claim, Evidence>> = {
  floor: join(FOUNDATION, GOVERNANCE, {
    parts: ['floor', 'index'],
    kinds: ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding', 'FloorParameters', 'Node'],
  }),
  guard: join(FOUNDATION, { parts: ['guard'], kinds: ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'] }),
  gatekeeper: join(GOVERNANCE, {
    parts: ['gatekeeper'],
    kinds: ['ConstraintTemplate', 'K8sGeoResidency', 'ValidatingWebhookConfiguration'],
  }),
  injection: join(GOVERNANCE, { parts: ['injection'], kinds: ['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'] }),
  violations: join(GOVERNANCE, { parts: ['violations'], kinds: ['Pod', 'Node'] }),
  policies: { parts: ROUND_PARTS, kinds: OBSERVED_KINDS },
};

/** Evidence of a claim that is out of date. */
export const missingEvidence = (claim: Claim, outOfDate: readonly Observation[]): readonly Observation[] => {
  const names: readonly string[] = [...EVIDENCE[claim].parts, ...EVIDENCE[claim].kinds];
  return outOfDate.filter((name) => name === 'Pause' || names.includes(name));
};
