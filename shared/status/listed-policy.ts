import { z } from 'zod';
import { EnforcementAction, FLOOR_ACTIONS, type FloorAction, type SovereignPolicySpec } from '../api/index.ts';
import { type CompiledPolicy, isGlob } from '../compile/index.ts';
import { weakMemo } from '../runtime/index.ts';

/** Gatekeeper's names for admission in the API server, which lock 1 covers. */
const FLOOR_POINTS: ReadonlySet<string> = new Set(['vap.k8s.io', '*']);

/** Returns the actions of a policy that lock 1 evaluates. */
export const floorActionsOf = ({
  enforcementAction,
  scopedEnforcementActions = [],
}: Pick<SovereignPolicySpec, 'enforcementAction' | 'scopedEnforcementActions'>): readonly FloorAction[] => {
  if (enforcementAction !== 'custom') return [enforcementAction];
  return FLOOR_ACTIONS.filter((action) =>
    scopedEnforcementActions.some((entry) => entry.action === action && entry.enforcementPoints.some(({ name }) => FLOOR_POINTS.has(name))),
  );
};

/**
 * Whether Gatekeeper enforces any part of a policy. It does not if every action is scoped to the
 * API server's own admission.
 */
export const isForGatekeeper = ({
  enforcementAction,
  scopedEnforcementActions = [],
}: Pick<SovereignPolicySpec, 'enforcementAction' | 'scopedEnforcementActions'>): boolean =>
  enforcementAction !== 'custom' ||
  scopedEnforcementActions.some(({ enforcementPoints }) => enforcementPoints.some(({ name }) => name !== 'vap.k8s.io'));

/** Policy of a compiled list, reduced to what its expected state depends on. */
export const ListedPolicy = z.object({
  name: z.string(),
  /** Digest of the compiled policy. */
  digest: z.string(),
  /** First commit, in the hub's order, in which the policy has this content. */
  since: z.string(),
  targetNamespace: z.string(),
  excludedNamespaces: z.array(z.string()).optional(),
  enforcementAction: EnforcementAction,
  effectiveRegions: z.array(z.string()),
  expiryDate: z.string().optional(),
  /** Locks that the action of the policy requires. */
  locks: z.object({ admission: z.boolean(), gatekeeper: z.boolean(), binding: z.boolean() }),
});
export type ListedPolicy = Readonly<z.infer<typeof ListedPolicy>>;

/** Expiry dates of the policies of a list, in milliseconds since 1970. */
const expiriesOf = weakMemo((policies: readonly ListedPolicy[]) =>
  policies.flatMap(({ expiryDate }) => (expiryDate === undefined ? [] : [Date.parse(expiryDate)])),
);

/**
 * Counts the expired policies of a list. Policies expire in the order of their dates, so the number
 * also tells which ones. Dates are parsed once for each array.
 *
 * @param asOf milliseconds since 1970
 */
export const countExpired = (policies: readonly ListedPolicy[], asOf: number): number =>
  expiriesOf(policies).filter((expiry) => expiry <= asOf).length;

/**
 * Converts a compiled policy to an entry of a list.
 *
 * @param since first commit in which the policy has this content
 */
export const listPolicy = ({ name, digest, spec, enforcementAction, effectiveRegions }: CompiledPolicy, since: string): ListedPolicy => {
  const actions = floorActionsOf(spec);
  const { targetNamespace, excludedNamespaces, expiryDate } = spec;
  return {
    name,
    digest,
    since,
    targetNamespace,
    ...(excludedNamespaces === undefined ? {} : { excludedNamespaces }),
    enforcementAction,
    effectiveRegions: [...effectiveRegions],
    ...(expiryDate === undefined ? {} : { expiryDate }),
    locks: { admission: actions.length > 0, gatekeeper: isForGatekeeper(spec), binding: actions.includes('deny') },
  };
};

/** Whether the target namespace of a policy is a glob. */
export const isGlobPolicy = ({ targetNamespace }: Pick<ListedPolicy, 'targetNamespace'>): boolean => isGlob(targetNamespace);
