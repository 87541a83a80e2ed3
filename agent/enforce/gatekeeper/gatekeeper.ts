import { FIELD_MANAGERS, LABELS } from '@fso/shared/api';
import { CONSTRAINT_TEMPLATE_KIND, GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { hasMore, isSame, readsAs, replacementOf, sortedSet } from '../../compare.ts';
import type { Action, DesiredConstraint, Governance } from '../types.ts';
import { CANARY_NAME, canaryBody } from './canary.ts';
import {
  type BindGate,
  constraintBody,
  entriesOf,
  entryText,
  groupIdentityOf,
  groupOf,
  hasBindGate,
  isOwnName,
  withBindGate,
} from './constraint.ts';
import type { Constraint, ConstraintEntry, Template } from './kinds.ts';
import { desiredTemplate } from './template.ts';

/** Desired constraints, and the Gatekeeper objects in the cluster. */
export interface GatekeeperInput {
  readonly governance: Pick<Governance, 'constraints'>;
  readonly template: Template | undefined;
  /** Every K8sGeoResidency of the cluster; undefined while that kind is not served. */
  readonly constraints: readonly Constraint[] | undefined;
  /** Whether the cluster serves ConstraintTemplates, i.e. Gatekeeper is installed. */
  readonly gatekeeperServed: boolean;
  /** Rules of lock 2 for bindings; absent: they are not judged. */
  readonly bindGate?: BindGate | undefined;
}

/**
 * Plans lock 2: the template first, constraints once their kind is served.
 *
 * A policy that moves to another constraint stays in the old one until Gatekeeper enforces the new
 * one. A policy that no longer governs is removed at once.
 */
export const planGatekeeper = ({ governance, template, constraints, gatekeeperServed, bindGate }: GatekeeperInput): Action[] => {
  if (!gatekeeperServed) return [];
  const templateActions = planTemplate(template);
  if (constraints === undefined) return templateActions;
  const canary = constraints.find(({ metadata }) => metadata.name === CANARY_NAME);
  const others = constraints.filter((constraint) => constraint !== canary);
  const loaded = template !== undefined && templateActions.length === 0 && isTemplateReady(template);
  const desired = bindGate === undefined ? governance.constraints : gated(governance.constraints, others, { bindGate, loaded });
  return [...templateActions, ...planCanary(canary), ...planConstraints(desired, others)];
};

/**
 * Adds the bind gate to the constraints once Gatekeeper has loaded the template: an older CRD would
 * silently drop the trusted binders, and the scheduler could not bind.
 */
const gated = (
  desired: readonly DesiredConstraint[],
  observed: readonly Constraint[],
  { bindGate, loaded }: { readonly bindGate: BindGate; readonly loaded: boolean },
): readonly DesiredConstraint[] => {
  const known = new Set(observed.filter(hasBindGate).map(({ metadata }) => metadata.name));
  return desired.map((constraint) =>
    loaded || known.has(constraint.name) ? { ...constraint, body: withBindGate(constraint.body, bindGate) } : constraint,
  );
};

const planCanary = (observed: Constraint | undefined): Action[] => {
  const body = canaryBody();
  if (observed !== undefined && isAsWanted(observed, body)) return [];
  const reason = observed === undefined ? 'Install' : 'Drift';
  return writesOf(observed, applyAction(GEO_RESIDENCY_KIND, body, { reason, policies: [] }));
};

const planTemplate = (observed: Template | undefined): Action[] => {
  if (observed !== undefined && isDesiredTemplate(observed)) return [];
  const reason = observed === undefined ? 'Install' : 'Drift';
  return writesOf(observed, applyAction(CONSTRAINT_TEMPLATE_KIND, desiredTemplate(), { reason, policies: [] }));
};

const isDesiredTemplate = weakMemo((observed: Template) => readsAs(observed, desiredTemplate()));

type ApplyAction = Extract<Action, { type: 'apply' }>;

const applyAction = (
  kind: typeof CONSTRAINT_TEMPLATE_KIND | typeof GEO_RESIDENCY_KIND,
  body: Template | Constraint,
  facts: { reason: string; policies: readonly string[] },
): ApplyAction => ({
  type: 'apply',
  key: `${kind.kind}/${body.metadata.name}`,
  kind,
  body,
  fieldManager: FIELD_MANAGERS.gatekeeper,
  ...facts,
});

const deleteAction = (observed: Constraint, reason: string): Action => ({
  type: 'delete',
  key: `${GEO_RESIDENCY_KIND.kind}/${observed.metadata.name}`,
  kind: GEO_RESIDENCY_KIND,
  ref: { name: observed.metadata.name },
  reason,
  policies: namesOf(entriesOf(observed)),
});

const planConstraints = (desired: readonly DesiredConstraint[], observed: readonly Constraint[]): Action[] => {
  const wanted = new Map(desired.map((constraint) => [constraint.name, constraint]));
  const present = new Map(observed.map((constraint) => [constraint.metadata.name, constraint]));
  const moving = findMoving(desired, present);
  const kept = [...present.values()].filter((constraint) => wanted.has(constraint.metadata.name) || isOurs(constraint));
  const names = sortedSet([...wanted.keys(), ...kept.map((constraint) => constraint.metadata.name)]);
  return names.flatMap((name) => planConstraint(wanted.get(name), present.get(name), moving));
};

/** Policies whose desired constraint is not enforced yet. */
const findMoving = (desired: readonly DesiredConstraint[], present: ReadonlyMap<string, Constraint>): ReadonlySet<string> =>
  new Set(desired.flatMap(({ name, body }) => movingInto(body, present.get(name))));

const movingInto = (body: Constraint, observed: Constraint | undefined): readonly string[] => {
  const enforced = observed !== undefined && isConstraintEnforced(observed);
  if (enforced && isAsWanted(observed, body)) return [];
  const held = new Set(enforced && isUndisturbed(observed, body) ? entriesOf(observed).map(entryText) : []);
  return entriesOf(body)
    .filter((entry) => !held.has(entryText(entry)))
    .map(({ name }) => name);
};

const planConstraint = (wanted: DesiredConstraint | undefined, observed: Constraint | undefined, moving: ReadonlySet<string>): Action[] =>
  wanted !== undefined && observed !== undefined && isAsWanted(observed, wanted.body) ? [] : changeConstraint(wanted, observed, moving);

const changeConstraint = (
  wanted: DesiredConstraint | undefined,
  observed: Constraint | undefined,
  moving: ReadonlySet<string>,
): Action[] => {
  const own = wanted === undefined ? [] : entriesOf(wanted.body);
  const staying = stayingEntries(own, observed, moving);
  if (wanted !== undefined && observed !== undefined && groupIdentityOf(observed) !== wanted.group)
    return moveConstraint(wanted, observed, staying.length > 0);
  const entries = [...own, ...staying];
  // Its content is unknown, and the last policy of a group may still need it.
  if (wanted === undefined && observed !== undefined && observed.spec === undefined) return [];
  const model = wanted?.body ?? observed ?? { metadata: { name: '' } };
  if (entries.length === 0) return observed === undefined ? [] : [deleteAction(observed, 'Leave')];
  return applyEntries(constraintBody(groupOf(model), entries, model.metadata.name), observed);
};

const applyEntries = (body: Constraint, observed: Constraint | undefined): Action[] => {
  if (observed !== undefined && readsAs(observed, body)) return [];
  const reason = observed === undefined ? 'Join' : reasonFor(observed, body);
  return writesOf(observed, applyAction(GEO_RESIDENCY_KIND, body, { reason, policies: namesOf(entriesOf(body)) }));
};

/**
 * Moves a constraint away from a former group once no policy needs it there: policies that left
 * keep it until their new constraint is in force. Any other content is another writer's.
 */
const moveConstraint = ({ body, policies, former }: DesiredConstraint, observed: Constraint, isNeeded: boolean): Action[] => {
  const isFormer = former?.groups.includes(groupIdentityOf(observed)) ?? false;
  if (isFormer && isNeeded) return [];
  return writesOf(observed, applyAction(GEO_RESIDENCY_KIND, body, { reason: isFormer ? 'Move' : 'Drift', policies }));
};

/**
 * Plans the apply, preceded by a patch if another writer added fields, as server-side apply cannot
 * remove those. A selector added to `match` would open the lock.
 */
const writesOf = (observed: Template | Constraint | undefined, apply: ApplyAction): Action[] => {
  const wanted: Template | Constraint = apply.body;
  if (observed === undefined || !hasMore(observed.spec, wanted.spec)) return [apply];
  const { key, kind, policies } = apply;
  const patch = { spec: replacementOf(observed.spec, { ...wanted.spec }) };
  // Fields left over from a move, or from former nodes, were this system's own.
  const reason = ['Move', 'Place'].includes(apply.reason) ? apply.reason : 'Drift';
  return [{ type: 'patch', key, kind, ref: { name: wanted.metadata.name }, patch, reason, policies }, apply];
};

/** Whether no field of the constraint is missing, foreign or left over. */
const isAsWanted = weakMemo2((observed: Constraint, body: Constraint): boolean => readsAs(observed, body));

const stayingEntries = (
  own: readonly ConstraintEntry[],
  observed: Constraint | undefined,
  moving: ReadonlySet<string>,
): readonly ConstraintEntry[] => {
  if (observed === undefined) return [];
  const owned = new Set(namesOf(own));
  return entriesOf(observed).filter((entry) => moving.has(entry.name) && !owned.has(entry.name));
};

const reasonFor = (observed: Constraint, body: Constraint): string => {
  const before = new Set(entriesOf(observed).map(entryText));
  const after = new Set(entriesOf(body).map(entryText));
  if (![...after].every((id) => before.has(id))) return 'Join';
  if (![...before].every((id) => after.has(id))) return 'Leave';
  return differsByNodes(observed, body) ? 'Place' : 'Drift';
};

/** Whether a constraint differs only in the lists of nodes, regions and zones. */
const differsByNodes = (observed: Constraint, body: Constraint): boolean => {
  const [{ bindGate: live }, { bindGate }] = [groupOf(observed), groupOf(body)];
  if (live === undefined || bindGate === undefined) return false;
  return readsAs(
    observed,
    constraintBody({ ...groupOf(body), bindGate: { ...live, binders: bindGate.binders } }, entriesOf(body), body.metadata.name),
  );
};

/** Whether the constraint equals its group's in all fields except the entries. */
const isUndisturbed = (observed: Constraint, body: Constraint): boolean => {
  const expected = constraintBody(groupOf(body), entriesOf(observed));
  return isSame(observed.spec, expected.spec);
};

const isOurs = (constraint: Constraint): boolean =>
  isOwnName(constraint) || constraint.metadata.labels?.[LABELS.component] === 'constraint';

const namesOf = (entries: readonly ConstraintEntry[]): string[] => sortedSet(entries.map((entry) => entry.name));

/**
 * Whether every Gatekeeper pod enforces the current form of the constraint, with at least one
 * webhook among them.
 *
 * @see https://open-policy-agent.github.io/gatekeeper/website/docs/howto/#constraints
 */
export const isConstraintEnforced: (constraint: Constraint) => boolean = weakMemo(({ metadata, status }) => {
  const pods = status?.byPod ?? [];
  if (metadata.generation === undefined || metadata.uid === undefined) return false;
  const upToDate = pods.every(
    (pod) =>
      pod.enforced === true &&
      pod.observedGeneration === metadata.generation &&
      pod.constraintUID === metadata.uid &&
      (pod.errors ?? []).length === 0,
  );
  return upToDate && pods.some((pod) => pod.operations?.includes('webhook') === true);
});

/** Whether every Gatekeeper pod has compiled the current form of the template. */
export const isTemplateReady = ({ metadata, status }: Template): boolean => {
  const pods = status?.byPod ?? [];
  if (status?.created !== true || pods.length === 0 || metadata.generation === undefined) return false;
  return pods.every(
    (pod) => pod.observedGeneration === metadata.generation && pod.templateUID === metadata.uid && (pod.errors ?? []).length === 0,
  );
};
