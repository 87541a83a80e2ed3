import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import type { ClusterView } from '../cache/index.ts';
import { type Action, CANARY_NAME, type Governance, hasBindGate } from '../enforce/index.ts';
import { foreignManager } from '../observe/index.ts';
import type { InstallRecord } from './install-record.ts';

/** View and plan of the previous reconcile. */
export interface PreviousRound extends Pick<AttributionContext, 'governance' | 'present' | 'uids' | 'text'> {
  readonly gatekeeper: readonly Action[];
  readonly reasons: ReadonlyMap<string, AttributedReason>;
  readonly unapplied: ReadonlySet<string>;
  readonly gated: ReadonlySet<string>;
  readonly gate: object | undefined;
}

/** Facts of a reconcile from which the origin of a difference follows. */
export interface AttributionContext {
  readonly view: Pick<ClusterView, 'objectOf' | 'livePolicy'>;
  readonly governance: Governance;
  readonly present: ReadonlySet<string>;
  /**
   * UIDs of governed namespaces, by name. A namespace that was recreated has nothing to restore.
   */
  readonly uids: ReadonlyMap<string, string>;
  /** Record of earlier agents. */
  readonly installed: InstallRecord;
  /** Rules of lock 2 for bindings: the same object while they are unchanged. */
  readonly gate: object | undefined;
  /** Hash of the objects that this version writes. */
  readonly text: string;
  readonly previous: PreviousRound | undefined;
}

const NAMESPACE = 'Namespace';
const CONSTRAINT = GEO_RESIDENCY_KIND.kind;

const partsOf = (key: string): readonly [kind: string, name: string] => {
  const [kind = '', name = ''] = key.split('/');
  return [kind, name];
};

/**
 * Reason of an action with the version of its target, by which the next reconcile recognizes
 * unfinished work.
 */
export interface AttributedReason {
  readonly reason: string;
  readonly version: string | undefined;
}

/**
 * Collects the reasons of the actions by key. If a target has several steps, a repair takes
 * precedence.
 */
export const collectReasons = (actions: readonly Action[], view: Pick<ClusterView, 'objectOf'>): ReadonlyMap<string, AttributedReason> => {
  const given = new Map<string, AttributedReason>();
  for (const { key, kind, reason } of actions) {
    if (given.get(key)?.reason !== 'Drift') given.set(key, { reason, version: versionOf({ key, kind }, view) });
  }
  return given;
};

/**
 * Sets the reason of an action to `Drift` if another writer removed or changed the object, and to
 * `Upgrade` if an older version of this program wrote it.
 */
export const attributeReason = (action: Action, context: AttributionContext): Action => {
  const reason = context.previous === undefined ? firstReason(action, context) : laterReason(action, context, context.previous);
  return reason === action.reason ? action : { ...action, reason };
};

const firstReason = (action: Action, context: AttributionContext): string => {
  const missing = action.type === 'apply' && !context.present.has(action.key);
  if ((missing && stoodBefore(action, context)) || isSigned(action, context)) return 'Drift';
  return action.reason === 'Drift' && isOlderText(action, context) ? 'Upgrade' : action.reason;
};

/** Whether the object existed when an agent last looked. */
const stoodBefore = ({ key, policies }: Action, { installed, view }: AttributionContext): boolean => {
  const [kind] = partsOf(key);
  if (kind !== CONSTRAINT) return installed.keys.includes(key);
  return policies.length > 0 && policies.every((policy) => hadConstraint(view.livePolicy(policy)));
};

const hadConstraint = (policy: ReturnType<ClusterView['livePolicy']>): boolean =>
  policy?.status?.constraintCreated === true && policy.status.observedGeneration === policy.metadata.generation;

/** Whether the object names another field manager. */
const isSigned = ({ key, kind }: Action, { view }: AttributionContext): boolean => {
  const [, name] = partsOf(key);
  const live = view.objectOf(kind, name);
  return live !== undefined && foreignManager(live) !== undefined;
};

const isOlderText = ({ key, kind }: Action, { installed, text, view }: AttributionContext): boolean => {
  const [, name] = partsOf(key);
  if (kind.kind === NAMESPACE || installed.text === text) return false;
  const live = view.objectOf(kind, name);
  return live !== undefined && foreignManager(live) === undefined;
};

const versionOf = ({ key, kind }: Pick<Action, 'key' | 'kind'>, view: Pick<ClusterView, 'objectOf'>): string | undefined =>
  view.objectOf(kind, partsOf(key)[1])?.metadata.resourceVersion;

const laterReason = (action: Action, context: AttributionContext, previous: PreviousRound): string => {
  if (isForeign(action, context, previous)) return 'Drift';
  const kept = keptReason(action, context, previous);
  if (kept !== undefined || action.reason !== 'Drift' || action.type !== 'apply') return kept ?? action.reason;
  return isFirstGate(action.key, context, previous) ? 'Extend' : action.reason;
};

/**
 * Keeps the reason of an earlier reconcile: writes wait for others or fail, so that a later
 * reconcile finds the same difference, whose origin has not changed.
 */
const keptReason = (action: Action, context: AttributionContext, previous: PreviousRound): string | undefined => {
  const given = previous.reasons.get(action.key);
  if (action.reason !== 'Drift')
    return given?.reason === 'Drift' && given.version === versionOf(action, context.view) ? 'Drift' : undefined;
  const isUpgrade = given?.reason === 'Upgrade' || (previous.text !== context.text && isOlderText(action, context));
  return isUpgrade ? 'Upgrade' : undefined;
};

const isForeign = (action: Action, context: AttributionContext, previous: PreviousRound): boolean =>
  action.type === 'apply' &&
  (isSigned(action, context) ||
    isTaken(action.key, context, previous) ||
    isStripped(action.key, context, previous) ||
    isEdited(action, context, previous));

/** Whether a constraint gets its first bind gate. */
const isFirstGate = (key: string, { view }: AttributionContext, previous: PreviousRound): boolean => {
  const [kind, name] = partsOf(key);
  const live = kind === CONSTRAINT ? view.objectOf(GEO_RESIDENCY_KIND, name) : undefined;
  return live !== undefined && !hasBindGate(live) && !previous.gated.has(name);
};

/** Whether a desired object is gone. This program removes only objects that are not desired. */
const isTaken = (key: string, { present }: AttributionContext, previous: PreviousRound): boolean => {
  const [kind, name] = partsOf(key);
  if (!previous.present.has(key) || present.has(key)) return false;
  return kind !== CONSTRAINT || name === CANARY_NAME || wanted(name, previous) !== undefined;
};

/**
 * Whether another writer removed labels of a namespace: its labels differ although no write was due
 * and its governance did not change.
 */
const isStripped = (key: string, { governance, uids }: AttributionContext, previous: PreviousRound): boolean => {
  const [kind, name] = partsOf(key);
  if (kind !== NAMESPACE) return false;
  const before = previous.governance.namespaces.get(name);
  const same = before !== undefined && before === governance.namespaces.get(name) && previous.uids.get(name) === uids.get(name);
  return same && !previous.unapplied.has(name);
};

const wanted = (name: string, { governance }: Pick<PreviousRound, 'governance'>) =>
  governance.constraints.find((constraint) => constraint.name === name);

/**
 * Whether another writer edited a constraint: something is missing although no policy or node
 * changed.
 */
const isEdited = ({ key, reason }: Action, context: AttributionContext, previous: PreviousRound): boolean => {
  if (reason === 'Place' && context.gate !== previous.gate) return false;
  if (!['Join', 'Place'].includes(reason) || !context.present.has(key) || previous.gatekeeper.some((action) => action.key === key))
    return false;
  const [, name] = partsOf(key);
  const before = wanted(name, previous);
  return before !== undefined && before === wanted(name, context);
};
