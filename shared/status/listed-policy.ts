import { z } from 'zod';
import { EnforcementAction, FLOOR_ACTIONS, type FloorAction, type SovereignPolicySpec } from '../api/index.ts';
import { type CompiledPolicy, isGlob } from '../compile/index.ts';
import { weakMemo } from '../runtime/index.ts';

/** Enforcement points of Gatekeeper for the API server's own admission, where the floor is. */
const FLOOR_POINTS: ReadonlySet<string> = new Set(['vap.k8s.io', '*']);

/** The actions of a policy that the floor evaluates. */
export const floorActionsOf = ({
  enforcementAction,
  scopedEnforcementActions = [],
}: Pick<SovereignPolicySpec, 'enforcementAction' | 'scopedEnforcementActions'>): readonly FloorAction[] => {
  if (enforcementAction !== 'custom') return [enforcementAction];
  return FLOOR_ACTIONS.filter((action) =>
    scopedEnforcementActions.some((entry) => entry.action === action && entry.enforcementPoints.some(({ name }) => FLOOR_POINTS.has(name))),
  );
};

/** Whether Gatekeeper enforces a part of a policy: not if every action is scoped to the API server's own admission. */
export const isForGatekeeper = ({
  enforcementAction,
  scopedEnforcementActions = [],
}: Pick<SovereignPolicySpec, 'enforcementAction' | 'scopedEnforcementActions'>): boolean =>
  enforcementAction !== 'custom' ||
  scopedEnforcementActions.some(({ enforcementPoints }) => enforcementPoints.some(({ name }) => name !== 'vap.k8s.io'));

/** Policy of a compiled list, as far as the state of it that is expected depends on it. */
export const ListedPolicy = z.object({
  name: z.string(),
  /** Digest of the compiled policy. */
  digest: z.string(),
  /** First commit, in the hub's order, in which the policy reads like this. */
  since: z.string(),
  targetNamespace: z.string(),
  excludedNamespaces: z.array(z.string()).optional(),
  enforcementAction: EnforcementAction,
  effectiveRegions: z.array(z.string()),
  expiryDate: z.string().optional(),
  /** The locks that its action asks for. */
  locks: z.object({ admission: z.boolean(), gatekeeper: z.boolean(), binding: z.boolean() }),
});
export type ListedPolicy = Readonly<z.infer<typeof ListedPolicy>>;

/** Expiry dates of the policies of a list, in milliseconds since 1970. */
const expiriesOf = weakMemo((policies: readonly ListedPolicy[]) =>
  policies.flatMap(({ expiryDate }) => (expiryDate === undefined ? [] : [Date.parse(expiryDate)])),
);

/**
 * Number of the policies of a list that have expired, and so which: they expire in the order of their dates. Dates are read once for each array.
 *
 * @param asOf milliseconds since 1970
 */
export const countExpired = (policies: readonly ListedPolicy[], asOf: number): number =>
  expiriesOf(policies).filter((expiry) => expiry <= asOf).length;

/** A compiled policy as an entry of a list. @param since first commit in which it reads like this */
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

/** Whether a policy governs the namespaces that a glob matches. */
export const isGlobPolicy = ({ targetNamespace }: Pick<ListedPolicy, 'targetNamespace'>): boolean => isGlob(targetNamespace);
