import { EVENT_KIND, type KubeClient, POD_KIND, type Pod } from '@fso/shared/kube';
import type { NodeText } from '../harness/node-places.ts';
import { eventually } from '../harness/waiting.ts';
import type { Attacker } from './attacker.ts';

/** A pod with the condition that the scheduler writes. */
interface ScheduledPod extends Pod {
  spec: Pod['spec'] & { schedulerName?: string };
  status?: { phase?: string; reason?: string; conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** The namespaces, nodes and users of one attack. */
export interface Scene {
  /**
   * Governed by a policy that allows eu-west-1 and eu-central-1, except in the control without
   * locks.
   */
  readonly namespace: string;
  /** Every namespace of the attack; steps add their own. */
  readonly namespaces: string[];
  /** A namespace that does not exist yet and that the policy's pattern matches. */
  readonly freshNamespace: (suffix: string) => string;
  /**
   * A node outside for this scene only, which admits only pods with tolerations; it exists if the
   * attack asks for it.
   */
  readonly node: string;
  /** Rights of a namespace administrator, and those that the attack needs. */
  readonly mallory: Attacker;
  /**
   * Rights on namespaces, nodes, policies, constraints of the whole cluster; not a cluster
   * administrator.
   */
  readonly meddler: Attacker;
  /** A user of this name, with Mallory's rights in the namespace. */
  as(user: string, groups?: readonly string[]): Promise<Attacker>;
  /** Prepares the scene and observes it; never attacks. */
  readonly admin: KubeClient;
  readonly signal: AbortSignal;
}

export interface Attack {
  readonly name: string;
  readonly tries: string;
  /** Steps before any policy governs the namespace. */
  readonly before?: (scene: Scene) => Promise<void>;
  readonly steps: (scene: Scene) => Promise<void>;
  /** The reason why the attack places no pod outside even without locks. */
  readonly harmlessBecause?: string;
  /** Labels and providerID of the node of the scene; absent: it has none. */
  readonly ownNode?: NodeText;
  /** Whether it changes objects that other attacks need: then it runs alone, after them. */
  readonly shared?: boolean;
  /**
   * Whether the namespace has a policy of its own, which the agent wrote as one of the hub's; else
   * a local policy's pattern matches it.
   */
  readonly hubPolicy?: boolean;
  /**
   * The users who have the right to open lock 2 like this; test/integration/lock-two.test.ts checks
   * that it shows.
   */
  readonly ownersOfLockTwo?: string;
}

export const podsOf = async ({ admin, namespaces, signal }: Scene): Promise<ScheduledPod[]> =>
  (await Promise.all([...new Set(namespaces)].map((namespace) => admin.list(POD_KIND, { namespace }, signal)))).flat() as ScheduledPod[];

/**
 * Whether the scheduler reports that it does not bind the pod in its current form; it still does so
 * for a moment after the last gate is removed.
 */
const isGivenUp = ({ spec, status }: ScheduledPod): boolean =>
  status?.conditions?.some(
    ({ type, status: value, reason }) =>
      type === 'PodScheduled' && value === 'False' && (reason !== 'SchedulingGated' || (spec.schedulingGates ?? []).length > 0),
  ) === true;

/** Whether the scheduler has decided on the pod; it never handles pods of another scheduler. */
const isSettled = (pod: ScheduledPod): boolean =>
  pod.spec.nodeName !== undefined || (pod.spec.schedulerName ?? 'default-scheduler') !== 'default-scheduler' || isGivenUp(pod);

/** Waits until every pod of the attack is bound, or the scheduler has given up on it for now. */
export const settled = async (scene: Scene): Promise<ScheduledPod[]> =>
  eventually(async () => {
    const pods = await podsOf(scene);
    const open = pods.filter((pod) => !isSettled(pod)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    if (open.length > 0) throw new Error(`not settled: ${open.join(', ')}`);
    return pods;
  });

/**
 * Waits until the scheduler has tried to bind a pod for which a node fits now: the pod is bound, or
 * its binding was refused.
 */
export const bindingTried = ({ admin, namespace, signal }: Scene): Promise<unknown> =>
  eventually(async () => {
    const pod = (await admin.get(POD_KIND, { namespace, name: 'attack' }, signal)) as ScheduledPod | undefined;
    const said = pod?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    if (pod?.spec.nodeName !== undefined || said?.reason === 'SchedulerError') return true;
    throw new Error(JSON.stringify(said));
  });

/** Whether a pod of the workload's controller was refused. */
export const isRefused = async ({ admin, namespace, signal }: Scene): Promise<boolean> =>
  (await admin.list(EVENT_KIND, { namespace }, signal)).some(({ reason }) => reason === 'FailedCreate');

/** Waits until the controller of a workload has created a pod (that fits), or was refused. */
export const controllerTried = (scene: Scene, fits: (pod: Pod) => boolean = () => true): Promise<unknown> =>
  eventually(async () => {
    return (await podsOf(scene)).some(fits) || isRefused(scene);
  });
