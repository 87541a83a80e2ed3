import { isDeepStrictEqual } from 'node:util';
import {
  type ClusterEvent,
  type ClusterReport,
  CONDITIONS,
  type Condition,
  type PolicyReport,
  REGION_LABEL,
  type SovereignPolicyStatus,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import type { CompiledCluster } from '@fso/shared/compile';
import { type Node, setCondition } from '@fso/shared/kube';
import { NO_GATEKEEPER } from '@fso/shared/status';
import type { Pod } from '../../agent/cache/reduce.ts';
import { planGovernance } from '../../agent/enforce/governance.ts';
import { planNamespaces } from '../../agent/enforce/namespaces.ts';
import type { Governance, NamespaceInput, PolicyInput, PolicyOutcome } from '../../agent/enforce/types.ts';
import type { NamespaceLabels } from '../../agent/observe/namespace-labels.ts';
import { NEVER_TAMPERED, type Tampering, tamperedCondition } from '../../agent/observe/tampering.ts';
import { NO_VIOLATIONS, type PolicyViolations, ViolationFinder } from '../../agent/observe/violations.ts';
import type { PolicyLocks } from '../../agent/status/locks.ts';
import { planStatus, toReport } from '../../agent/status/plan-status.ts';
import { planPolicyEvents } from '../../agent/status/policy-events.ts';
import type { ReportedCluster } from '../harness/deviations.ts';
import { locksOf, type Trouble } from './cluster-locks.ts';
import { namespaceOf, pick, type SimulatedCluster } from './fleet-files.ts';

/**
 * A cluster without a control plane: its namespaces, nodes and pods are simulated, and the agent's own code judges them.
 */
export interface ClusterLife {
  readonly name: string;
  /** Applies the policies of a commit. */
  accept(revision: string, compiled: CompiledCluster): void;
  /** Adds a pod that runs outside. */
  addViolation(namespace: string, pod: string): void;
  /** Of each policy, in full. */
  reports(): PolicyReport[];
  /** What its reports follow from. */
  reported(): ReportedCluster;
  cluster(): ClusterReport;
  /** Of all that it is; the first time they are asked for. */
  events(): ClusterEvent[];
}

const MINUTE_MS = 60_000;
const NAMESPACES = 60;
const VERSIONS = ['v1.34.3', 'v1.35.1', 'v1.36.0', 'v1.36.1'];

const nodeOf = (name: string, region: string | undefined): Node =>
  ({ metadata: { name, labels: region === undefined ? {} : { [REGION_LABEL]: region } } }) as Node;

const podOf = (namespace: string, name: string, spec: Pod['spec']): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name, uid: `${namespace}/${name}` },
  spec,
});

type Random = () => number;

/** Each cluster has a few namespaces whose pods run outside of the allowed regions. */
const makePods = (home: string, outside: string, random: Random): Pod[] => {
  const suffix = (): string =>
    Math.floor(random() * 36 ** 5)
      .toString(36)
      .padStart(5, '0');
  const places: Pod['spec'][] = [
    { nodeName: outside },
    { nodeName: outside },
    { nodeName: 'node-without-region' },
    {},
    { nodeSelector: { [REGION_LABEL]: outside.replace(/^node-/, '') } },
    { nodeSelector: { 'kubernetes.io/os': 'linux' } },
  ];
  const count = 1 + Math.floor(random() * 4);
  return Array.from({ length: count }, () => namespaceOf(Math.floor(random() * NAMESPACES))).flatMap((namespace) =>
    Array.from({ length: 3 + Math.floor(random() * 14) }, (_, index) => {
      const workload = `${namespace}-${['main', 'worker', 'sync'][index % 3]}-${home.length}${index % 4}`;
      return podOf(namespace, `${workload}-${suffix()}`, pick(places, random));
    }),
  );
};

type Spaces = ReadonlyMap<string, NamespaceInput>;

/** Namespaces with the labels that the agent would write. */
const planLabels = (governance: Governance, spaces: Spaces, at: Date): [string, NamespaceInput][] =>
  planNamespaces(governance, [...spaces.values()], at).flatMap((action) => {
    if (action.type !== 'apply') return [];
    const { name, labels = {}, annotations = {} } = action.body.metadata;
    return [[name, { name, terminating: false, labels, annotations }]];
  });

const MAX_LABELLED = 20;

const labelsOf = (outcome: PolicyOutcome | undefined, spaces: Spaces): NamespaceLabels[] =>
  (outcome?.kind === 'governing' ? outcome.namespaces : [])
    .slice(0, MAX_LABELLED)
    .map((namespace) => ({ namespace, labels: { ...spaces.get(namespace)?.labels } }));

interface LifeOptions {
  readonly cluster: SimulatedCluster;
  readonly trouble: Trouble;
  readonly random: Random;
  readonly now: Date;
}

export const createClusterLife = ({ cluster, trouble, random, now }: LifeOptions): ClusterLife => {
  const names = [
    ...Array.from({ length: NAMESPACES }, (_, n) => namespaceOf(n)),
    ...Array.from({ length: 10 }, (_, n) => `backups-${n + 1}`),
  ];
  const spaces = new Map(
    names
      .filter(() => random() < 0.9995)
      .map((name): [string, NamespaceInput] => [name, { name, terminating: false, labels: {}, annotations: {} }]),
  );
  const outside = `node-${cluster.geo.outside}`;
  const nodes = new Map<string, Node>([
    [outside, nodeOf(outside, cluster.geo.outside)],
    ['node-without-region', nodeOf('node-without-region', undefined)],
  ]);
  for (const region of cluster.regions) {
    for (let n = 1 + Math.floor(random() * 8); n >= 0; n -= 1) nodes.set(`${region}-${n}`, nodeOf(`${region}-${n}`, region));
  }
  const pods = makePods(cluster.name, outside, random);
  const finder = new ViolationFinder();
  const past = (days: number): Date => new Date(now.getTime() - Math.ceil(random() * days * 24 * 60) * MINUTE_MS);
  const restored = new Map<string, string>();
  const version = pick(VERSIONS, random);
  const certificateMs = (random() < 0.02 ? 40 : 490 + Math.floor(random() * 940)) * MINUTE_MS;
  const skewMs = Math.floor((random() - 0.5) * 80);
  const tampering: Tampering | undefined =
    trouble === 'tampered'
      ? {
          time: `${new Date(now.getTime() - 12 * MINUTE_MS).toISOString().slice(0, 19)}Z`,
          message: 'ValidatingAdmissionPolicyBinding fso-floor-deny was deleted by someone else and put back',
        }
      : undefined;

  let inputs: readonly PolicyInput[] = [];
  let revision: string | null = null;
  let accepted: CompiledCluster | undefined;
  const digests = new Map<string, string>();
  const statuses = new Map<string, SovereignPolicyStatus>();
  const reported = new Map<string, PolicyReport>();
  let unsentEvents: ClusterEvent[] = [];

  const inputsOf = (next: string, compiled: CompiledCluster): PolicyInput[] =>
    compiled.policies.map((policy): PolicyInput => {
      const { name, spec } = policy;
      const key = name;
      const known = inputs.find((input) => input.key === key);
      if (known !== undefined && digests.get(key) === policy.digest) return known;
      digests.set(key, policy.digest);
      const generation = (known?.generation ?? 0) + 1;
      return { key, namespace: SYSTEM_NAMESPACE, name, managedBy: 'hub', revision: next, generation, spec, deleting: false };
    });
  /** What runs outside has done so for days. */
  const restorePast = (): void => {
    for (const { key } of inputs) {
      for (const { metadata } of pods) restored.set(`${key}|${metadata.uid}`, past(6).toISOString());
    }
  };

  const judgePolicy = (
    policy: PolicyInput,
    outcome: PolicyOutcome | undefined,
    locks: PolicyLocks | undefined,
    violations: PolicyViolations,
  ): void => {
    if (outcome === undefined || locks === undefined) return;
    const previous = statuses.get(policy.key);
    // Objects from before the start of the simulation have a past.
    const at = previous === undefined ? past(20) : new Date();
    const status = planStatus({ policy, outcome, previous, locks, observed: { violations: violations.count }, now: at });
    const events = planPolicyEvents(previous, status).filter(({ severity }) => previous !== undefined || severity !== 'info');
    if (status !== previous) unsentEvents.push(...events.map((event) => ({ ...event, time: at.toISOString(), policy: policy.key })));
    statuses.set(policy.key, status);
    const report = toReport(policy, status, { violations, labels: labelsOf(outcome, spaces) });
    if (!isDeepStrictEqual(report, reported.get(policy.key))) reported.set(policy.key, report);
  };
  const judge = (): void => {
    const governance = planGovernance(inputs, [...spaces.values()], now);
    const podsIn = (namespace: string): Pod[] => pods.filter(({ metadata }) => metadata.namespace === namespace);
    const found = finder.find({ governance, podsIn, nodes, restored, now: new Date() });
    for (const [name, labels] of planLabels(governance, spaces, reported.size === 0 ? past(20) : new Date())) spaces.set(name, labels);
    const locks = locksOf(trouble, accepted?.policies ?? [], governance.policies);
    for (const policy of inputs)
      judgePolicy(policy, governance.policies.get(policy.key), locks.get(policy.key), found.get(policy.key) ?? NO_VIOLATIONS);
  };
  const dropGone = (): void => {
    const keys = new Set(inputs.map(({ key }) => key));
    for (const key of reported.keys()) if (!keys.has(key)) reported.delete(key);
  };

  const conditions = (): Condition[] => {
    const floor = trouble === 'lockOneFails';
    return [
      {
        type: CONDITIONS.floorReady,
        status: floor ? 'False' : 'True',
        reason: floor ? 'WriteFailed' : 'Supported',
        message: floor ? 'the parameters of lock 1 cannot be written: admission webhook "quota.example" denied the request' : '',
      } as const,
      { type: CONDITIONS.guardReady, status: 'True', reason: 'InPlace', message: '' } as const,
      tamperedCondition(tampering, undefined) ?? NEVER_TAMPERED,
    ].reduce<Condition[]>((all, condition) => setCondition(all, condition, new Date(now.getTime() - 12 * MINUTE_MS)), []);
  };

  const nodesByRegion = (): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { metadata } of nodes.values()) {
      const region = metadata.labels?.[REGION_LABEL] ?? '';
      counts[region] = (counts[region] ?? 0) + 1;
    }
    return counts;
  };

  if (tampering !== undefined)
    unsentEvents.push({ time: tampering.time, severity: 'alert', reason: 'TamperingRepaired', message: tampering.message });

  return {
    name: cluster.name,
    accept: (next, compiled) => {
      const isFirst = revision === null;
      revision = next;
      // Most commits change nothing for most clusters.
      if (compiled.digest === accepted?.digest) return;
      accepted = compiled;
      inputs = inputsOf(next, compiled);
      if (isFirst) restorePast();
      dropGone();
      judge();
    },
    addViolation: (namespace, name) => {
      pods.push(podOf(namespace, name, { nodeName: outside }));
      judge();
    },
    reports: () => [...reported.values()],
    reported: () => {
      if (accepted === undefined) throw new Error(`${cluster.name} has accepted no commit`);
      const profile = { gatekeeper: trouble !== 'noGatekeeper' };
      return { compiled: accepted, reports: reported.values(), namespaces: [...spaces.keys()], profile, asOf: now };
    },
    cluster: () => ({
      revision,
      provenRevision: trouble === 'lockOneFails' || trouble === 'unproven' ? null : revision,
      verification: 'unverified',
      agentVersion: '0.1.0',
      kubernetesVersion: version,
      gatekeeper: trouble === 'noGatekeeper' ? { state: 'Absent', message: NO_GATEKEEPER } : { state: 'Ready', version: 'v3.23.0' },
      nodesByRegion: nodesByRegion(),
      conditions: conditions(),
      clockSkewMs: skewMs,
      certificateExpires: new Date(now.getTime() + certificateMs).toISOString(),
    }),
    events: () => {
      const events = unsentEvents;
      unsentEvents = [];
      return events;
    },
  };
};
