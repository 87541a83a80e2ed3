import { REGION_LABEL, type RiskClass } from '@fso/shared/api';
import { createRandom, shuffled } from '../harness/random.ts';
import { CLUSTERS, type ClusterName, INSIDE, type Placements, placementsIn } from './regions.ts';
import { type PatchStep, type Placement, type PodLabels, setField, setPlacement, specOf, type WorkloadKind } from './workload.ts';

/**
 * Namespaces of policies that refuse pods outside of the allowed regions. No policy has more owners
 * than agents name.
 */
export const TEAMS = Array.from({ length: 8 }, (_, index) => `team-${index + 1}`);
/** Namespace of a policy that only warns. */
export const WATCHED = 'watched';
/** Namespace of a policy that injects the placement. */
export const INJECTED = 'injected';

/** Owner of pods. */
export interface Workload {
  readonly cluster: ClusterName;
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
  /** Name of the example that it is, for people. */
  readonly recipe: string;
  /** Risk of the next pods. */
  readonly next: RiskClass | 'None';
  /** Whether its pods run outside of the allowed regions before the restart. */
  readonly runsOutside: boolean;
  /** Whether its controller is an operator's custom resource. */
  readonly isOfOperator: boolean;
  /** Whether it creates no more pods, even after a restart. */
  readonly isOver: boolean;
  /** Whether it is a finished Job that is created again at the restart. */
  readonly isRerun: boolean;
  readonly spec: object;
  /** Changes to apply once its first pods exist. */
  readonly change: readonly PatchStep[];
  /** Whether a Job of it is started before the changes. */
  readonly startsJob: boolean;
  /** Whether it has pods before the restart. */
  readonly hasPods: boolean;
}

type Next = Workload['next'];

/** Workload without the fields that all recipes share. Absent fields are as in {@link DEFAULTS}. */
interface Draft {
  readonly kind: WorkloadKind;
  readonly placement: Placement;
  readonly labels?: PodLabels;
  readonly next: Next;
  readonly runsOutside?: boolean;
  /** Fields of the spec that differ. */
  readonly fields?: object;
  readonly change?: readonly PatchStep[];
  readonly startsJob?: boolean;
  readonly isOfOperator?: boolean;
  readonly isOver?: boolean;
  readonly isRerun?: boolean;
  readonly namespace?: string;
}

const DEFAULTS = { runsOutside: false, change: [], startsJob: false, isOver: false, isRerun: false } as const;

type Choose = (...of: readonly (keyof Placements)[]) => Placement;
type Recipe = (choose: Choose) => Draft;
type Recipes = Readonly<Record<string, Recipe>>;

const RUNNING = ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController'] as const;
/**
 * Kinds whose pods stay unchanged when the template changes; a StatefulSet depending on its
 * strategy.
 */
const KEEPING = ['StatefulSet', 'ReplicaSet', 'ReplicationController'] as const;

const IN_OPEN: Placement = { nodeSelector: { [REGION_LABEL]: INSIDE.open } };

/**
 * Fields of workloads without pods. No operator controls them, since such workloads of an operator
 * count as past revisions.
 */
const stopped = { fields: { replicas: 0 }, isOfOperator: false } as const;
const onDelete = { updateStrategy: { type: 'OnDelete' } };
const partitioned = (partition: number): PatchStep =>
  setField('/spec/updateStrategy', { type: 'RollingUpdate', rollingUpdate: { partition } });

/** Creates a recipe for each kind. */
const each = <K extends WorkloadKind>(
  kinds: readonly K[],
  name: string,
  recipe: (kind: K, choose: Choose) => Omit<Draft, 'kind'>,
): Recipes => Object.fromEntries(kinds.map((kind) => [`${name} ${kind}`, (choose: Choose): Draft => ({ kind, ...recipe(kind, choose) })]));

/** Pods placed as `before`, whose template has changed since. */
const changed = (name: string, before: keyof Placements, [after, next]: readonly [keyof Placements, Next]): Recipes =>
  each(KEEPING, name, (kind, choose) => ({
    placement: choose(before),
    next,
    runsOutside: before === 'outside',
    ...(kind === 'StatefulSet' && { fields: onDelete }),
    change: setPlacement(choose(after)),
  }));

/**
 * Paused Deployment, and StatefulSet below its partition, whose pods are created from the old
 * template.
 */
const held = (of: keyof Placements, next: Next, newer: keyof Placements): Recipes => ({
  'paused Deployment': (choose) => ({
    kind: 'Deployment',
    placement: choose(of),
    next,
    runsOutside: of === 'outside',
    change: [setField('/spec/paused', true), ...setPlacement(choose(newer))],
  }),
  'StatefulSet below its partition': (choose) => ({
    kind: 'StatefulSet',
    placement: choose(of),
    next,
    runsOutside: of === 'outside',
    change: [partitioned(1), ...setPlacement(choose(newer))],
  }),
});

/** Workloads without pods, which are scaled up, resumed or started manually. */
const dormant = (next: Next, ...of: readonly (keyof Placements)[]): Recipes => ({
  ...each(RUNNING, 'stopped', (_kind, choose) => ({ placement: choose(...of), next, ...stopped })),
  ...each(['Job', 'CronJob'], 'suspended', (_kind, choose) => ({ placement: choose(...of), next })),
  'scheduled CronJob': (choose) => ({ kind: 'CronJob', placement: choose(...of), next, fields: { suspend: false } }),
});

/** StatefulSet whose first pod has the old, valid template and whose second has the new one. */
const split = (of: keyof Placements, next: Next): Recipes => ({
  'StatefulSet across its partition': (choose) => ({
    kind: 'StatefulSet',
    placement: choose('fine'),
    next,
    fields: { replicas: 2 },
    change: [partitioned(1), ...setPlacement(choose(of))],
  }),
});

const setCronPlacement = (placement: Placement): readonly PatchStep[] =>
  setPlacement(placement).map(({ path, value }) => setField(path.replace('/spec', '/spec/jobTemplate/spec'), value));

/**
 * Pods that no controller creates again, standalone or of an operator. They do not set a node name,
 * because that would be indistinguishable from a scheduled pod.
 */
const untemplated = (next: Next, of: keyof Placements, runsOutside = false): Recipes =>
  each(['Pod', 'Database'], 'pod', (kind, choose) => {
    let placement = choose(of);
    while (placement.nodeName !== undefined) placement = choose(of);
    return { placement, next, runsOutside, isOfOperator: kind === 'Database' };
  });

const OUTSIDE_NOW: Recipes = {
  ...each(RUNNING, 'running', (_kind, choose) => ({ placement: choose('outside'), next: 'Refused', runsOutside: true })),
  ...changed('since mended', 'outside', ['fine', 'None']),
  ...changed('since moved', 'outside', ['pending', 'Pending']),
  ...held('outside', 'Refused', 'fine'),
  ...untemplated('Refused', 'outside', true),
  // Its controller assigns the node of each pod, so pods outside stay pending at the bind gate.
  DaemonSet: () => ({ kind: 'DaemonSet', placement: {}, next: 'Pending', runsOutside: true }),
  'watched Deployment': (choose) => ({
    kind: 'Deployment',
    placement: choose('outside'),
    next: 'None',
    runsOutside: true,
    namespace: WATCHED,
  }),
};

const REFUSED: Recipes = {
  ...dormant('Refused', 'outside', 'lucky', 'unconfined'),
  ...each(RUNNING, 'running', (_kind, choose) => ({ placement: choose('lucky'), next: 'Refused' })),
  ...changed('since spoiled', 'fine', ['unconfined', 'Refused']),
  ...held('lucky', 'Refused', 'fine'),
  ...split('lucky', 'Refused'),
  ...untemplated('Refused', 'lucky'),
  // No pod of it runs: the agent has seen the finished pod.
  'Job that is run again': (choose) => ({
    kind: 'Job',
    placement: choose('outside'),
    next: 'Refused',
    fields: { suspend: false },
    isRerun: true,
  }),
};

const PENDING: Recipes = {
  ...dormant('Pending', 'pending'),
  ...each([...RUNNING, 'Job'], 'waiting', (kind, choose) => ({
    placement: choose('pending'),
    next: 'Pending',
    ...(kind === 'Job' && { fields: { suspend: false } }),
  })),
  ...changed('since moved', 'fine', ['pending', 'Pending']),
  ...split('pending', 'Pending'),
  ...untemplated('Pending', 'pending'),
  'Deployment amid a rollout': (choose) => ({
    kind: 'Deployment',
    placement: choose('fine'),
    next: 'Pending',
    change: setPlacement(choose('pending')),
  }),
  'CronJob with a Job that waits': (choose) => ({
    kind: 'CronJob',
    placement: choose('pending'),
    next: 'Pending',
    startsJob: true,
    change: setCronPlacement(choose('fine')),
  }),
};

const FINE: Recipes = {
  ...dormant('None', 'fine'),
  ...each(RUNNING, 'running', (_kind, choose) => ({ placement: choose('fine'), next: 'None' })),
  ...held('fine', 'None', 'unconfined'),
  ...untemplated('None', 'fine'),
  'DaemonSet inside': () => ({ kind: 'DaemonSet', placement: IN_OPEN, next: 'None' }),
  'past revision of an operator': (choose) => ({
    kind: 'ReplicaSet',
    placement: choose('outside'),
    next: 'None',
    ...stopped,
    isOfOperator: true,
    isOver: true,
  }),
};

/** Templates of workloads that do not run yet, whose pods the webhook changes. */
const webhook = (asked: string, next: Next, placement: (choose: Choose) => Placement): Recipes => ({
  ...each(RUNNING, asked, (_kind, choose) => ({ placement: placement(choose), next, labels: { webhook: asked }, ...stopped })),
  ...each(['Job', 'CronJob'], asked, (_kind, choose) => ({ placement: placement(choose), next, labels: { webhook: asked } })),
});

const INJECTING: Recipes = {
  'injected Deployment': () => ({ kind: 'Deployment', placement: {}, next: 'None', namespace: INJECTED, ...stopped }),
  'injected CronJob': () => ({ kind: 'CronJob', placement: { nodeSelector: { disk: 'hdd' } }, next: 'Pending', namespace: INJECTED }),
};

/** Number of workloads of each group of recipes in one cluster. */
const PLAN: readonly (readonly [sort: string, count: number, recipes: Recipes])[] = [
  ['outside', 28, OUTSIDE_NOW],
  ['refused', 28, REFUSED],
  ['pending', 28, PENDING],
  ['fine', 28, FINE],
  ['mended by a webhook', 6, webhook('mend', 'None', (choose) => choose('unconfined'))],
  ['spoiled by a webhook', 6, webhook('spoil', 'Refused', () => IN_OPEN)],
  ['stranded by a webhook', 4, webhook('strand', 'Pending', (choose) => choose('fine'))],
  ['injected', 6, INJECTING],
];

/** Share of the workloads that an operator controls. */
const OPERATOR_SHARE = 0.15;

const generateCluster = (cluster: ClusterName, random: () => number): readonly Workload[] => {
  const placements = placementsIn(cluster);
  const choose: Choose = (...of) => {
    const all = of.flatMap((each) => placements[each]);
    return all[Math.floor(random() * all.length)] ?? {};
  };
  const drafts = PLAN.flatMap(([sort, count, recipes]) => {
    const order = shuffled(Object.entries(recipes), random);
    return Array.from({ length: count }, (_, index) => order[index % order.length])
      .filter((recipe) => recipe !== undefined)
      .map(([name, recipe]) => ({ recipe: `${sort}: ${name}`, draft: { isOfOperator: random() < OPERATOR_SHARE, ...recipe(choose) } }));
  });
  return drafts.map(({ recipe, draft: { placement, labels = {}, fields = {}, ...draft } }, index) => {
    const name = `w${String(index + 1).padStart(3, '0')}`;
    const spec = { ...specOf(draft.kind, { name, placement, labels }), ...fields };
    const { replicas, suspend } = spec as { replicas?: number; suspend?: boolean };
    const hasPods = draft.kind === 'CronJob' ? draft.startsJob === true : replicas !== 0 && suspend !== true;
    return { ...DEFAULTS, namespace: TEAMS[index % TEAMS.length] ?? '', ...draft, cluster, name, recipe, spec, hasPods };
  });
};

/**
 * Returns the kind of a workload's owner, for people: `Deployment`, `Deployment of an operator`.
 */
export const ownerKind = ({ kind, isOfOperator }: Workload): string =>
  isOfOperator && kind !== 'Database' ? `${kind} of an operator` : kind;

/** Generates the workloads of all clusters. The same seed produces the same workloads. */
export const generateWorkloads = (seed: number): readonly Workload[] => {
  const random = createRandom(seed);
  return CLUSTERS.flatMap((cluster) => generateCluster(cluster, random));
};
