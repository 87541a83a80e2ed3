import { OBSERVED_KINDS, type Observation, type ObservedKind, ROUND_PARTS, type RoundPart } from '@fso/shared/protocol';

/** Claim that an agent makes about its cluster. */
export type Claim = 'floor' | 'guard' | 'gatekeeper' | 'injection' | 'violations' | 'policies';

interface Evidence {
  readonly parts: readonly RoundPart[];
  readonly kinds: readonly ObservedKind[];
}

/** Parts and kinds that decide which policies govern which namespaces. */
const GOVERNANCE: Evidence = { parts: ['governance'], kinds: ['SovereignPolicy', 'Namespace'] };
/** The API that all of it is read from. */
const FOUNDATION: Evidence = { parts: ['foundation'], kinds: ['CustomResourceDefinition', 'APIService'] };

const join = (...evidence: readonly Evidence[]): Evidence => ({
  parts: evidence.flatMap(({ parts }) => parts),
  kinds: evidence.flatMap(({ kinds }) => kinds),
});

/**
 * Parts of a round and kinds that each claim rests on: where one of them is out of date, nothing is
 * claimed.
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

/** The evidence of a claim that is among what is out of date. */
export const missingEvidence = (claim: Claim, outOfDate: readonly Observation[]): readonly Observation[] => {
  const names: readonly string[] = [...EVIDENCE[claim].parts, ...EVIDENCE[claim].kinds];
  return outOfDate.filter((name) => name === 'Pause' || names.includes(name));
};
