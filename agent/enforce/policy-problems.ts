import { ENFORCEMENT_POINTS, Region, type SovereignPolicySpec } from '@fso/shared/api';
import { type GatekeeperPlace, isUngovernable } from '@fso/shared/compile';
import { truncate } from '@fso/shared/runtime';

const POINTS: ReadonlySet<string> = new Set(ENFORCEMENT_POINTS);

export const isRegion = (text: string): boolean => Region.safeParse(text).success;

/** The reason why a policy cannot be enforced here, if there is one. */
export const findProblem = (spec: SovereignPolicySpec, place: GatekeeperPlace): string | undefined => {
  const group = spec.allowedRegions.find((region) => region.startsWith('group:'));
  if (group !== undefined) {
    return `spec.allowedRegions: ${group} names a RegionGroup, which only a hub can expand; list the regions themselves`;
  }
  // The CRD refuses this and the following; a policy from before that CRD may still have it.
  const odd = spec.allowedRegions.find((region) => !isRegion(region));
  if (odd !== undefined) return `spec.allowedRegions: ${truncate(odd, 100)} cannot be the region of a node`;
  if (isUngovernable(spec.targetNamespace, place)) {
    return `spec.targetNamespace: ${spec.targetNamespace} runs the enforcement itself and cannot be governed`;
  }
  if (spec.enforcementAction === 'custom' && (spec.scopedEnforcementActions ?? []).length === 0) {
    return 'spec.scopedEnforcementActions: enforcementAction custom needs at least one scoped action';
  }
  const unknown = pointsOf(spec).find((point) => !POINTS.has(point));
  if (unknown !== undefined) {
    return `spec.scopedEnforcementActions: ${unknown} is not an enforcement point; use ${ENFORCEMENT_POINTS.join(', ')}`;
  }
  return undefined;
};

export const pointsOf = ({ scopedEnforcementActions = [] }: SovereignPolicySpec): readonly string[] =>
  scopedEnforcementActions.flatMap(({ enforcementPoints }) => enforcementPoints.map(({ name }) => name));
