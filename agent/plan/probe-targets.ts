import { CANARY_NAMESPACE, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { sameItems, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import type { NamespaceGovernance, WriteFailure } from '../enforce/index.ts';
import { CANARY_GOVERNANCE, CANARY_NAME, GATEKEEPER_IGNORE, isFloorName } from '../enforce/index.ts';
import { type CanaryTarget, NO_REGION, type ProbeTarget } from '../probe/index.ts';
import type { ClusterPlan } from './plan.ts';

const actionsText = weakMemo(({ actions }: NamespaceGovernance) => JSON.stringify(actions));

/** Namespaces whose labels cannot be written now. */
export const unwritableNamespaces = (failures: readonly WriteFailure[]): ReadonlySet<string> =>
  new Set(failures.filter(({ key }) => key.startsWith('Namespace/')).map(({ key }) => key.slice('Namespace/'.length)));

/** Picks those of the namespaces that the index of lock 1 covers. */
export const indexedNamespaces = (plan: Pick<ClusterPlan, 'isIndexed'>, unwritable: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...unwritable].filter((namespace) => plan.isIndexed(namespace)));

/**
 * Time for which a probe waits for pending labels, in ms. Another writer may change them
 * repeatedly.
 */
const SETTLE_MS = 5_000;

/** Tracks how long the labels of namespaces differ from the desired ones. */
export class UnsettledNamespaces {
  readonly #since = new Map<string, number>();

  /**
   * Updates the namespaces that differ.
   *
   * @param now monotonic ms
   * @returns namespaces that have differed for so long that probes no longer wait for them
   */
  update(unapplied: ReadonlySet<string>, now: number): ReadonlySet<string> {
    for (const namespace of this.#since.keys()) if (!unapplied.has(namespace)) this.#since.delete(namespace);
    for (const namespace of unapplied) if (!this.#since.has(namespace)) this.#since.set(namespace, now);
    return new Set([...this.#since].filter(([, since]) => now - since >= SETTLE_MS).map(([namespace]) => namespace));
  }

  /** Time in ms until the next namespace reaches this limit; undefined if none will. */
  nextMs(now: number): number | undefined {
    const left = [...this.#since.values()].map((since) => since + SETTLE_MS - now).filter((ms) => ms > 0);
    return left.length === 0 ? undefined : Math.min(...left);
  }
}

interface Wanted {
  readonly governance: NamespaceGovernance;
  readonly before: ProbeTarget | undefined;
  readonly by: 'labels' | 'index';
}

/**
 * Chooses the namespaces to prove, with their expected rules. An unchanged target is the same
 * object.
 */
export class ProbeTargets {
  #known: ReadonlyMap<string, ProbeTarget> = new Map();
  #indexed: ReadonlySet<string> = new Set();
  /**
   * Inputs that the known targets follow from; undefined if pending labels or an incomplete floor
   * affect them too.
   */
  #inputs: readonly unknown[] | undefined;
  #canary: ReadonlyMap<string, ProbeTarget> = new Map();
  #floor = '';
  /** Counts the versions of the floor. A proof holds for one version only. */
  #floorVersion = 0;

  /**
   * Returns as targets the namespaces whose labels are as desired, and those that the index covers
   * (`indexed`); for others a probe would prove nothing. While the floor is incomplete, only known
   * targets with unchanged governance remain: new proofs are impossible then, and earlier ones stay
   * valid.
   */
  of(plan: ClusterPlan, view: ClusterView, indexed: ReadonlySet<string>): ReadonlyMap<string, ProbeTarget> {
    if (plan.floorWhole) this.#noteFloor([...view.admissionPolicies.list(), ...view.admissionBindings.list()]);
    const isPlain = plan.floorWhole && plan.unapplied.size + indexed.size === 0;
    const inputs = isPlain ? [plan.governance.namespaces, plan.uids, this.#floorVersion] : undefined;
    if (inputs !== undefined && this.#inputs !== undefined && sameItems(inputs, this.#inputs)) return this.#known;
    const targets = this.#choose(plan, view, indexed);
    this.#known = targets;
    this.#indexed = indexed;
    this.#inputs = inputs;
    return targets;
  }

  #choose(plan: ClusterPlan, view: ClusterView, indexed: ReadonlySet<string>): ReadonlyMap<string, ProbeTarget> {
    const targets = new Map<string, ProbeTarget>();
    for (const [namespace, governance] of plan.governance.namespaces) {
      if (plan.unapplied.has(namespace) && !indexed.has(namespace)) continue;
      const before = this.#knownOf(namespace, indexed);
      const target = this.#target({ governance, before, by: indexed.has(namespace) ? 'index' : 'labels' }, view);
      if (plan.floorWhole || target === before) targets.set(namespace, target);
    }
    return targets;
  }

  /**
   * Returns the canary of the index. While the floor is incomplete, its earlier proof stays valid.
   */
  ofIndex(plan: Pick<ClusterPlan, 'floorWhole'>, view: ClusterView): ReadonlyMap<string, ProbeTarget> {
    const uid = view.namespaces.get(CANARY_NAMESPACE)?.metadata.uid;
    if (uid === undefined) return new Map();
    if (!plan.floorWhole) return this.#canary;
    const target = { governance: CANARY_GOVERNANCE, fingerprint: `${uid} ${this.#floorVersion}`, uid, floorVersion: this.#floorVersion };
    if (this.#canary.get(CANARY_NAMESPACE)?.fingerprint !== target.fingerprint) this.#canary = new Map([[CANARY_NAMESPACE, target]]);
    return this.#canary;
  }

  /**
   * Returns the known target of a namespace, if it was proven the same way: a proof of the index
   * does not hold for the labels, or the reverse.
   */
  #knownOf(namespace: string, indexed: ReadonlySet<string>): ProbeTarget | undefined {
    return this.#indexed.has(namespace) === indexed.has(namespace) ? this.#known.get(namespace) : undefined;
  }

  #target({ governance, before, by }: Wanted, view: ClusterView): ProbeTarget {
    const uid = view.namespaces.get(governance.namespace)?.metadata.uid ?? '';
    const same = before?.governance === governance && before.uid === uid && before.floorVersion === this.#floorVersion;
    if (same) return before;
    const fingerprint = `${uid} ${this.#floorVersion} ${by} ${actionsText(governance)}`;
    return { governance, fingerprint, uid, floorVersion: this.#floorVersion };
  }

  #noteFloor(objects: readonly KubeObject[]): void {
    const floor = objects
      .filter(({ metadata }) => isFloorName(metadata.name))
      .map(({ metadata }) => `${metadata.uid}:${metadata.generation}`)
      .sort()
      .join();
    if (floor !== this.#floor) this.#floorVersion += 1;
    this.#floor = floor;
  }
}

const NOWHERE: ReadonlyMap<string, CanaryTarget> = new Map();

/**
 * Chooses the namespaces in which to prove lock 2: the governed ones, and the agent's own, which
 * shows whether Gatekeeper is down or only skips a namespace. There are none while the canary
 * constraint is not in force. A namespace in which nothing may run has no region to ask for, and
 * lock 1 refuses everything there.
 *
 * @param lasting namespaces whose labels will stay as they are, right or not
 */
export const canaryTargets = (
  plan: Pick<ClusterPlan, 'governance' | 'templateReady' | 'constraintEnforced' | 'unapplied'>,
  { namespaces }: Pick<ClusterView, 'namespaces'>,
  lasting: ReadonlySet<string>,
): ReadonlyMap<string, CanaryTarget> => {
  if (!plan.templateReady || !plan.constraintEnforced(CANARY_NAME)) return NOWHERE;
  const isLasting = (name: string): boolean => !plan.unapplied.has(name) || lasting.has(name);
  const targets = new Map<string, CanaryTarget>();
  for (const [name, governance] of plan.governance.namespaces) {
    const namespace = namespaces.get(name);
    const target = namespace && targetOf(namespace, governance);
    if (target !== undefined) targets.set(name, isLasting(name) ? target : unsettled(target));
  }
  const own = namespaces.get(SYSTEM_NAMESPACE);
  if (own !== undefined) targets.set(SYSTEM_NAMESPACE, ownTarget(own));
  return targets;
};

/** Marks a target as one whose labels are about to change. */
const unsettled = weakMemo((target: CanaryTarget): CanaryTarget => ({ ...target, isSettled: false }));

const targetOf = weakMemo2((namespace: KubeObject, governance: NamespaceGovernance): CanaryTarget | undefined => {
  const { deny } = governance.actions;
  const region = deny === undefined ? NO_REGION : deny.regions[0];
  if (region === undefined) return undefined;
  return { region, fingerprint: `${identityOf(namespace)} ${actionsText(governance)}`, hint: hintOf(namespace), isSettled: true };
});

const ownTarget = weakMemo(
  (namespace: KubeObject): CanaryTarget => ({
    region: NO_REGION,
    fingerprint: identityOf(namespace),
    hint: hintOf(namespace),
    isSettled: true,
  }),
);

/**
 * Identity of a namespace for its proofs. It contains the labels, which decide whether the webhook
 * is called.
 */
const identityOf = ({ metadata: { uid, labels } }: KubeObject): string => `${uid} ${JSON.stringify(labels ?? {})}`;

const hintOf = ({ metadata: { labels = {} } }: KubeObject): string | undefined =>
  Object.hasOwn(labels, GATEKEEPER_IGNORE) ? `take the label ${GATEKEEPER_IGNORE} off the namespace` : undefined;

/** Finds a node that is known to be in none of the regions, if there is one. */
export const findNodeOutside = ({ places }: Pick<ClusterView, 'places'>, regions: readonly string[]): string | undefined =>
  places.list().find(({ region }) => region !== undefined && !regions.includes(region))?.name;
