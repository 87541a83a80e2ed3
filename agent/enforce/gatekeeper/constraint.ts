import { LABELS } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { sortedSet, weakMemo, weakMemo2 } from '../../compare.ts';
import { shortHash } from '../labels.ts';
import { shardOf } from '../tenants.ts';
import type { Constraint, ConstraintEntry, ConstraintSpec, ScopedEnforcementAction } from './kinds.ts';

/** What the policies of one constraint have in common. */
export interface ConstraintGroup {
  readonly regions: readonly string[];
  /** Gatekeeper's word: deny | warn | dryrun | scoped. */
  readonly action: string;
  readonly excludedNamespaces: readonly string[];
  readonly scoped: readonly ScopedEnforcementAction[];
  /** Policies of namespaces for themselves are kept apart from all others, in a few constraints; see tenants.ts. */
  readonly shard?: number | undefined;
  /** User names that may bind pods; absent: bindings are not asked about. A setting of the agent, so no part of the identity. */
  readonly binders?: readonly string[] | undefined;
}

/** `geo-<action>-<hash of the group>`: equal groups share one object, and another region list is another object. */
export const constraintName = (group: ConstraintGroup): string => {
  const shard = group.shard === undefined ? [] : [group.shard];
  const identity = [sortedSet(group.regions), group.action, sortedSet(group.excludedNamespaces), group.scoped, ...shard];
  return `geo-${group.action}-${shortHash(JSON.stringify(identity), 10)}`;
};

/** Whether a constraint in the cluster has the name of what it says. */
export const isTrueToItsName = (constraint: Constraint): boolean => {
  const group = groupOf(constraint);
  const shards = new Set(entriesOf(constraint).map(({ pattern }) => shardOf(pattern)));
  return [undefined, ...shards].some((shard) => constraintName({ ...group, shard }) === constraint.metadata.name);
};

const OWN_CONSTRAINT = /\[geo-[a-z]+-[0-9a-f]{10}\]/;

/** Whether a refusal of Gatekeeper's names a constraint of ours; Gatekeeper writes `[<constraint>] <message>`. */
export const isRefusedByOwnConstraint = (message: string): boolean => OWN_CONSTRAINT.test(message);

/** The whole body for server-side apply. @param name of a constraint that is there already: it does not say its shard */
export const constraintBody = (
  group: ConstraintGroup,
  entries: readonly ConstraintEntry[],
  name: string = constraintName(group),
): Constraint => ({
  apiVersion: GEO_RESIDENCY_KIND.apiVersion,
  kind: GEO_RESIDENCY_KIND.kind,
  metadata: { name, labels: { [LABELS.component]: 'constraint' } },
  spec: specFor(group, entries),
});

const specFor = (group: ConstraintGroup, entries: readonly ConstraintEntry[]): NonNullable<Constraint['spec']> => {
  const spec: ConstraintSpec = {
    enforcementAction: group.action,
    ...(group.action === 'scoped' ? { scopedEnforcementActions: group.scoped } : {}),
    match: {
      kinds: [{ apiGroups: [''], kinds: group.binders === undefined ? ['Pod'] : ['Pod', 'Binding'] }],
      namespaces: sortedSet(entries.map((entry) => entry.pattern)),
      ...(group.excludedNamespaces.length > 0 ? { excludedNamespaces: sortedSet(group.excludedNamespaces) } : {}),
    },
    parameters: {
      regions: sortedSet(group.regions),
      policies: sortedSet(entries.map(entryText)),
      ...(group.binders === undefined ? {} : { trustedBinders: sortedSet(group.binders) }),
    },
  };
  return spec as NonNullable<Constraint['spec']>;
};

/** Neither part has a space. */
export const entryText = ({ name, pattern }: ConstraintEntry): string => `${name} ${pattern}`;

const specOf = (constraint: Constraint): ConstraintSpec => (constraint.spec ?? {}) as ConstraintSpec;

/** The group that a constraint in the cluster stands for, as far as it says. */
export const groupOf = (constraint: Constraint): ConstraintGroup => {
  const { enforcementAction = 'deny', scopedEnforcementActions = [], match, parameters } = specOf(constraint);
  return {
    regions: parameters?.regions ?? [],
    action: enforcementAction,
    excludedNamespaces: match?.excludedNamespaces ?? [],
    scoped: scopedEnforcementActions,
    ...(parameters?.trustedBinders === undefined ? {} : { binders: parameters.trustedBinders }),
  };
};

export const entriesOf: (constraint: Constraint) => readonly ConstraintEntry[] = weakMemo((constraint) =>
  (specOf(constraint).parameters?.policies ?? []).map((text) => {
    // Others may have written anything there.
    const [name = '', pattern = ''] = String(text).split(' ');
    return { name, pattern };
  }),
);

/** Actions that can refuse a Binding; a warning to the scheduler has no reader. */
const GATING: ReadonlySet<string> = new Set(['deny', 'scoped']);

/**
 * The constraint with the bind gate. A pod that was there before the policy, or that only a bind can judge (a
 * DaemonSet's), meets lock 2 there.
 */
export const withBindGate: (body: Constraint, binders: readonly string[]) => Constraint = weakMemo2((body, binders) => {
  const group = groupOf(body);
  return GATING.has(group.action) ? constraintBody({ ...group, binders }, entriesOf(body), body.metadata.name) : body;
});

/** Whether the constraint carries the bind gate already: its CRD has the field. */
export const hasBindGate = (constraint: Constraint): boolean => specOf(constraint).parameters?.trustedBinders !== undefined;
