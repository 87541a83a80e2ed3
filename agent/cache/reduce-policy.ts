import { FINALIZER, type SovereignPolicy, type SovereignPolicySpec, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { definedOnly, pick } from '../compare.ts';
import { decoderOf, LOCAL_POLICY_METADATA, type Malformed, POLICY_FIELDS, SHAPES } from './decode.ts';
import { withSpecFields } from './managed-fields.ts';

const decodeOwnPolicy = decoderOf<SovereignPolicy>(SHAPES.policy);
const decodeLocalPolicy = decoderOf<SovereignPolicy>(SHAPES.localPolicy);

/**
 * Keeps a policy whole in the agent's namespace, where the agent must know its writers; elsewhere
 * the fields that are read, as others may fill the rest at will. One whose spec cannot be read has
 * none.
 */
export const reducePolicy = (policy: SovereignPolicy): SovereignPolicy & Malformed =>
  (policy as Partial<SovereignPolicy>).metadata?.namespace === SYSTEM_NAMESPACE
    ? withSpecFields(decodeOwnPolicy(policy))
    : reduceLocalPolicy(decodeLocalPolicy(policy));

/**
 * Takes 40 KB at most, beside the status, which the agent alone writes, and what governance derives
 * from a policy in force.
 */
const reduceLocalPolicy = ({ apiVersion, kind, metadata, spec, status, malformed }: SovereignPolicy & Malformed) => {
  const kept = pick(metadata, ['name', 'namespace', ...LOCAL_POLICY_METADATA]);
  const isDeleting = kept.deletionTimestamp !== undefined;
  return definedOnly({
    apiVersion,
    kind,
    metadata: definedOnly({ ...kept, finalizers: kept.finalizers && keptFinalizers(kept.finalizers) }),
    spec: spec && (isDeleting ? endedSpec(spec) : readSpec(spec)),
    status: isDeleting ? undefined : status,
    malformed,
  }) as SovereignPolicy & Malformed;
};

const readSpec = (spec: SovereignPolicySpec): SovereignPolicySpec => pick(spec, POLICY_FIELDS as readonly (keyof SovereignPolicySpec)[]);

/**
 * A policy that is being deleted governs nothing, and finalizers of others can keep any number of
 * them.
 */
const endedSpec = ({ targetNamespace, enforcementAction }: SovereignPolicySpec): SovereignPolicySpec => ({
  targetNamespace,
  allowedRegions: [],
  enforcementAction,
});

/**
 * Finalizers of a policy that are kept. The API server has all of them: one that has this many may
 * have more.
 */
export const MAX_FINALIZERS = 32;

const keptFinalizers = (finalizers: readonly string[]): string[] => {
  if (finalizers.length <= MAX_FINALIZERS) return [...finalizers];
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER);
  return [...finalizers.filter((finalizer) => finalizer === FINALIZER), ...others].slice(0, MAX_FINALIZERS);
};
