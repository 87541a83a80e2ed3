import { FINALIZER, type SovereignPolicy, type SovereignPolicySpec, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { definedOnly, pick } from '../compare.ts';
import { decoderOf, LOCAL_POLICY_METADATA, type Malformed, POLICY_FIELDS, SHAPES } from './decode.ts';
import { withSpecFields } from './managed-fields.ts';

const decodeOwnPolicy = decoderOf<SovereignPolicy>(SHAPES.policy);
const decodeLocalPolicy = decoderOf<SovereignPolicy>(SHAPES.localPolicy);

/**
 * Reduces a policy. In the agent's namespace it is kept whole, as the agent has to know who changed
 * it. Elsewhere only the fields that are read are kept, as tenants may fill the others. An
 * unreadable spec is dropped.
 */
export const reducePolicy = (policy: SovereignPolicy): SovereignPolicy & Malformed =>
  (policy as Partial<SovereignPolicy>).metadata?.namespace === SYSTEM_NAMESPACE
    ? withSpecFields(decodeOwnPolicy(policy))
    : reduceLocalPolicy(decodeLocalPolicy(policy));

/**
 * Reduces a local policy to at most 40 KB, not counting the status, which only the agent writes,
 * and what governance derives from a policy in force.
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
 * Reduces the spec of a policy that is being deleted. It governs nothing, and foreign finalizers
 * can keep any number of such policies.
 */
const endedSpec = ({ targetNamespace, enforcementAction }: SovereignPolicySpec): SovereignPolicySpec => ({
  targetNamespace,
  allowedRegions: [],
  enforcementAction,
});

/**
 * Most finalizers of a policy that are kept. A policy with this many may have more at the API
 * server.
 */
export const MAX_FINALIZERS = 32;

const keptFinalizers = (finalizers: readonly string[]): string[] => {
  if (finalizers.length <= MAX_FINALIZERS) return [...finalizers];
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER);
  return [...finalizers.filter((finalizer) => finalizer === FINALIZER), ...others].slice(0, MAX_FINALIZERS);
};
