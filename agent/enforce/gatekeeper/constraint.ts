import { LABELS } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { sortedSet } from '../../compare.ts';
import { shortHash } from '../labels.ts';
import { isTenantsKey, shardOf } from '../tenants.ts';
import type { NodeExceptions } from '../types.ts';
import { CANARY_NAME } from './canary.ts';
import type { Constraint, ConstraintEntry, ConstraintSpec, ScopedEnforcementAction } from './kinds.ts';

/** Properties that all policies of a constraint share. */
export interface ConstraintGroup {
  readonly regions: readonly string[];
  /** Gatekeeper's enforcementAction: deny | warn | dryrun | scoped. */
  readonly action: string;
  readonly excludedNamespaces: readonly string[];
  readonly scoped: readonly ScopedEnforcementAction[];
  /**
   * Number of the constraint for namespaces' own policies, which are kept apart; see tenants.ts.
   */
  readonly shard?: number | undefined;
  /**
   * Rules for bindings; absent: they are not judged. No part of the group's identity, as they
   * follow from the agent's settings and the cluster.
   */
  readonly bindGate?: BindGate | undefined;
}

/** Rules by which lock 2 judges bindings, beside the regions of a constraint. */
export interface BindGate extends NodeExceptions {
  /** User names that may bind pods. */
  readonly binders: readonly string[];
}

/**
 * Hexadecimal digits (128 bits): tenants choose regions and must not find two lists with the same
 * hash.
 */
const HASH_LENGTH = 32;

/**
 * Identity of a group as text: the prefix of its constraints' names, a space, and everything that
 * the policies have in common. It is compared as a whole, never by a hash.
 */
export const groupIdentity = (group: ConstraintGroup): string => {
  const shard = group.shard === undefined ? [] : [group.shard];
  const content = [sortedSet(group.regions), group.action, sortedSet(group.excludedNamespaces), group.scoped, ...shard];
  return `${['geo', group.action, ...shard.map((number) => `own${number}`)].join('-')} ${JSON.stringify(content)}`;
};

/** Name prefix of a group's constraints: `geo-<action>` or `geo-<action>-own<shard>`. */
export const namePrefixOf = (identity: string): string => identity.slice(0, identity.indexOf(' '));

/**
 * Name of a new constraint: `geo-<action>-<hash>`, with `own<shard>` before the hash for
 * namespaces' own policies.
 *
 * @param attempt number of its names that other constraints have taken
 */
export const constraintName = (identity: string, attempt = 0): string => {
  const prefix = namePrefixOf(identity);
  const content = identity.slice(prefix.length + 1);
  return `${prefix}-${shortHash(attempt === 0 ? content : `${content} ${attempt}`, HASH_LENGTH)}`;
};

/** Identity of a constraint's group, from its content and not from its name. */
export const groupIdentityOf: (constraint: Constraint) => string = weakMemo((constraint) => {
  const [first, ...others] = entriesOf(constraint);
  const isShard = first !== undefined && [first, ...others].every(({ name, pattern }) => isTenantsKey(name, pattern));
  return groupIdentity({ ...groupOf(constraint), shard: isShard ? shardOf(first.pattern) : undefined });
});

/** Earlier versions wrote 10 digits of the hash. Their constraints keep their names. */
const NAME = 'geo-(?:deny|warn|dryrun|scoped)-(?:own[0-9]+-)?(?:[0-9a-f]{32}|[0-9a-f]{10})';
const OWN_NAME = new RegExp(`^${NAME}$`);

/** Whether a constraint's name has the form that this system gives. */
export const isOwnName = ({ metadata }: Constraint): boolean => OWN_NAME.test(metadata.name);

/** Whether a constraint belongs to this system, by its name or its label. */
export const isOwnConstraint = (constraint: Constraint): boolean =>
  isOwnName(constraint) || constraint.metadata.name === CANARY_NAME || constraint.metadata.labels?.[LABELS.component] !== undefined;

const OWN_CONSTRAINT = new RegExp(`\\[${NAME}\\]`);

/**
 * Whether a refusal by Gatekeeper names a constraint of ours; its form is `[<constraint>]
 * <message>`.
 */
export const isRefusedByOwnConstraint = (message: string): boolean => OWN_CONSTRAINT.test(message);

/**
 * Builds the whole body for server-side apply.
 *
 * @param name of an existing constraint; default: the first name of the group
 */
export const constraintBody = (
  group: ConstraintGroup,
  entries: readonly ConstraintEntry[],
  name: string = constraintName(groupIdentity(group)),
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
      kinds: [{ apiGroups: [''], kinds: group.bindGate === undefined ? ['Pod'] : ['Pod', 'Binding'] }],
      namespaces: sortedSet(entries.map((entry) => entry.pattern)),
      ...(group.excludedNamespaces.length > 0 ? { excludedNamespaces: sortedSet(group.excludedNamespaces) } : {}),
    },
    parameters: {
      regions: sortedSet(group.regions),
      policies: sortedSet(entries.map(entryText)),
      ...(group.bindGate && bindGateParameters(group.bindGate)),
    },
  };
  return spec as NonNullable<Constraint['spec']>;
};

/** Omits empty lists, as most clusters have no exceptions. */
const bindGateParameters = ({ binders, ...exceptions }: BindGate): ConstraintSpec['parameters'] => ({
  trustedBinders: sortedSet(binders),
  ...Object.fromEntries(Object.entries(exceptions).flatMap(([name, list]) => (list.length === 0 ? [] : [[name, sortedSet(list)]]))),
});

/** Text of an entry. Neither part contains a space. */
export const entryText = ({ name, pattern }: ConstraintEntry): string => `${name} ${pattern}`;

const specOf = (constraint: Constraint): ConstraintSpec => (constraint.spec ?? {}) as ConstraintSpec;

/** Reads the group of a constraint in the cluster, except for its shard. */
export const groupOf = (constraint: Constraint): ConstraintGroup => {
  const { enforcementAction = 'deny', scopedEnforcementActions = [], match, parameters } = specOf(constraint);
  return {
    regions: parameters?.regions ?? [],
    action: enforcementAction,
    excludedNamespaces: match?.excludedNamespaces ?? [],
    scoped: scopedEnforcementActions,
    ...(parameters?.trustedBinders !== undefined && { bindGate: bindGateIn(parameters, parameters.trustedBinders) }),
  };
};

const bindGateIn = (
  { disputedNodes = [], disputedRegions = [], zones = [] }: NonNullable<ConstraintSpec['parameters']>,
  binders: readonly string[],
): BindGate => ({ binders, disputedNodes, disputedRegions, zones });

/**
 * Returns the entries of a constraint, parsed from its parameters: the key of each policy, with the
 * namespace pattern it targets.
 */
export const entriesOf: (constraint: Constraint) => readonly ConstraintEntry[] = weakMemo((constraint) =>
  (specOf(constraint).parameters?.policies ?? []).map((text) => {
    // Other writers may have put any value there.
    const [name = '', pattern = ''] = String(text).split(' ');
    return { name, pattern };
  }),
);

/** Actions that can refuse a Binding. A warning would only reach the scheduler. */
const GATING: ReadonlySet<string> = new Set(['deny', 'scoped']);

/**
 * Adds the bind gate to a constraint. There lock 2 judges pods that are older than the policy, and
 * pods of DaemonSets, which only their Binding places.
 */
export const withBindGate: (body: Constraint, bindGate: BindGate) => Constraint = weakMemo2((body, bindGate) => {
  const group = groupOf(body);
  return GATING.has(group.action) ? constraintBody({ ...group, bindGate }, entriesOf(body), body.metadata.name) : body;
});

/** Whether the constraint also judges Bindings: it lists the users that may bind. */
export const hasBindGate = (constraint: Constraint): boolean => specOf(constraint).parameters?.trustedBinders !== undefined;
