import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { type Action, CANARY_NAME, type Governance, hasBindGate } from '../enforce/index.ts';
import { foreignManager } from '../observe/tampering.ts';
import type { ClusterView } from '../observe/view.ts';
import type { Installed } from './installed.ts';
import type { ClusterPlan } from './plan.ts';

/** One round, as far as it tells whose doing a difference is. */
export interface Round {
  readonly view: Pick<ClusterView, 'objectOf' | 'livePolicy'>;
  readonly governance: Governance;
  readonly present: ReadonlySet<string>;
  /** Of governed namespaces, by name: one that was made anew under its name has nothing to be put back. */
  readonly uids: ReadonlyMap<string, string>;
  /** What the agents before this one left word of. */
  readonly installed: Installed;
  /** Hash of what this version writes. */
  readonly text: string;
  readonly previous: ClusterPlan | undefined;
}

const NAMESPACE = 'Namespace';
const CONSTRAINT = GEO_RESIDENCY_KIND.kind;

const partsOf = (key: string): readonly [kind: string, name: string] => {
  const [kind = '', name = ''] = key.split('/');
  return [kind, name];
};

/** The action with reason `Drift` where somebody else took away or changed what stood; `Upgrade` where an older version wrote it so. */
export const judged = (action: Action, round: Round): Action => {
  const reason = round.previous === undefined ? firstReason(action, round) : laterReason(action, round, round.previous);
  return reason === action.reason ? action : { ...action, reason };
};

const firstReason = (action: Action, round: Round): string => {
  const missing = action.type === 'apply' && !round.present.has(action.key);
  if ((missing && stoodBefore(action, round)) || isSigned(action, round)) return 'Drift';
  return action.reason === 'Drift' && isOlderText(action, round) ? 'Upgrade' : action.reason;
};

/** Whether it was there when an agent last looked. */
const stoodBefore = ({ key, policies }: Action, { installed, view }: Round): boolean => {
  const [kind] = partsOf(key);
  if (kind !== CONSTRAINT) return installed.keys.includes(key);
  return policies.length > 0 && policies.every((policy) => hadConstraint(view.livePolicy(policy)));
};

const hadConstraint = (policy: ReturnType<ClusterView['livePolicy']>): boolean =>
  policy?.status?.constraintCreated === true && policy.status.observedGeneration === policy.metadata.generation;

/** Whether somebody else left a name on what has to be changed. */
const isSigned = ({ key, kind }: Action, { view }: Round): boolean => {
  const [, name] = partsOf(key);
  const live = view.objectOf(kind, name);
  return live !== undefined && foreignManager(live) !== undefined;
};

const isOlderText = ({ key, kind }: Action, { installed, text, view }: Round): boolean => {
  const [, name] = partsOf(key);
  if (kind.kind === NAMESPACE || installed.text === text) return false;
  const live = view.objectOf(kind, name);
  return live !== undefined && foreignManager(live) === undefined;
};

const laterReason = (action: Action, round: Round, previous: ClusterPlan): string => {
  if (action.type !== 'apply') return action.reason;
  const isForeign =
    isSigned(action, round) ||
    isTaken(action.key, round, previous) ||
    isStripped(action.key, round, previous) ||
    isEdited(action, round, previous);
  if (isForeign) return 'Drift';
  return action.reason === 'Drift' && isFirstGate(action.key, round, previous) ? 'Extend' : action.reason;
};

/** The bind gate comes to a constraint that never had it. */
const isFirstGate = (key: string, { view }: Round, previous: ClusterPlan): boolean => {
  const [kind, name] = partsOf(key);
  const live = kind === CONSTRAINT ? view.objectOf(GEO_RESIDENCY_KIND, name) : undefined;
  return live !== undefined && !hasBindGate(live) && !previous.gated.has(name);
};

/** Gone, although it is wanted: this program removes only what is not. */
const isTaken = (key: string, { present }: Round, previous: ClusterPlan): boolean => {
  const [kind, name] = partsOf(key);
  if (!previous.present.has(key) || present.has(key)) return false;
  return kind !== CONSTRAINT || name === CANARY_NAME || wanted(name, previous) !== undefined;
};

/** Nothing was due for the namespace, nothing about its governance changed, and still it says something else. */
const isStripped = (key: string, { governance, uids }: Round, previous: ClusterPlan): boolean => {
  const [kind, name] = partsOf(key);
  if (kind !== NAMESPACE) return false;
  const before = previous.governance.namespaces.get(name);
  const same = before !== undefined && before === governance.namespaces.get(name) && previous.uids.get(name) === uids.get(name);
  return same && !previous.unapplied.has(name);
};

const wanted = (name: string, { governance }: Pick<ClusterPlan, 'governance'>) =>
  governance.constraints.find((constraint) => constraint.name === name);

/** A constraint to which nothing has to be added for the sake of any policy, and still something is missing. */
const isEdited = ({ key, reason }: Action, round: Round, previous: ClusterPlan): boolean => {
  if (reason !== 'Join' || !round.present.has(key) || previous.gatekeeper.some((action) => action.key === key)) return false;
  const [, name] = partsOf(key);
  const before = wanted(name, previous);
  return before !== undefined && before === wanted(name, round);
};
