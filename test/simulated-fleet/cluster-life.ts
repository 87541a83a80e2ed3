import { isDeepStrictEqual } from 'node:util';
import {
  type ClusterEvent,
  type ClusterProcessing,
  type ClusterReport,
  CONDITIONS,
  type Condition,
  type PolicyReport,
  type PolicyRisks,
  REGION_LABEL,
  type SovereignPolicyStatus,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import type { CompiledCluster } from '@fso/shared/compile';
import { type Node, setCondition } from '@fso/shared/kube';
import { indexCatalog, judgeNode } from '@fso/shared/regions';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { NO_GATEKEEPER } from '@fso/shared/status';
import type { PlacedNode } from '../../agent/cache/index.ts';
import type { Pod } from '../../agent/cache/reduce.ts';
import { planGovernance } from '../../agent/enforce/governance.ts';
import { planNamespaces } from '../../agent/enforce/namespaces.ts';
import type { Governance, NamespaceInput, PolicyInput, PolicyOutcome } from '../../agent/enforce/types.ts';
import type { NamespaceLabels } from '../../agent/observe/namespace-labels.ts';
import { findProcessing } from '../../agent/observe/processing.ts';
import { NEVER_TAMPERED, type Tampering, tamperedCondition } from '../../agent/observe/tampering.ts';
import { NO_VIOLATIONS, type PolicyViolations, ViolationFinder } from '../../agent/observe/violations.ts';
import type { PolicyLocks } from '../../agent/status/locks.ts';
import { planStatus } from '../../agent/status/plan-status.ts';
import { planPolicyEvents } from '../../agent/status/policy-events.ts';
import { toReport } from '../../agent/status/snapshot-cache.ts';
import type { ReportedCluster } from '../harness/deviations.ts';
import { locksOf, type Trouble } from './cluster-locks.ts';
import { countByRegion, makeNodes, makePods, makeSpaces, podOf, type Random } from './cluster-objects.ts';
import { ClusterRisks } from './cluster-risks.ts';
import { pick, type SimulatedCluster } from './fleet-files.ts';

const MINUTE_MS = 60_000;
const CATALOG = indexCatalog(SEED_CATALOG);
/** Interval of the cells with owners at risk in their clusters. */
const RISKY_CELL = 12;
const VERSIONS = ['v1.34.3', 'v1.35.1', 'v1.36.0', 'v1.36.1'];

type Spaces = ReadonlyMap<string, NamespaceInput>;

/** Returns the namespaces with the labels that the agent would write. */
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

const tamperingAt = (time: Date): Tampering => ({
  time: `${time.toISOString().slice(0, 19)}Z`,
  message: 'ValidatingAdmissionPolicyBinding fso-floor-deny was deleted by someone else and put back',
});

/** @param since time of the last change of the conditions */
const conditionsOf = (trouble: Trouble, tampering: Tampering | undefined, since: Date): Condition[] => {
  const floor = trouble === 'lockOneFails';
  return [
    {
      type: CONDITIONS.floorReady,
      status: floor ? 'False' : 'True',
      reason: floor ? 'WriteFailed' : 'Supported',
      message: floor ? 'the parameters of lock 1 cannot be written: admission webhook "quota.example" denied the request' : '',
    } as const,
    { type: CONDITIONS.guardReady, status: 'True', reason: 'InPlace', message: '' } as const,
    { type: CONDITIONS.risksKnown, status: 'True', reason: 'Judged', message: '' } as const,
    tamperedCondition(tampering, undefined) ?? NEVER_TAMPERED,
  ].reduce<Condition[]>((all, condition) => setCondition(all, condition, since), []);
};

/** Locates a node with the catalogue of the release. */
const placedNode = ({ metadata: { name, uid, labels } }: Node, provider: string | undefined): PlacedNode => {
  const labelled = labels?.[REGION_LABEL];
  return { name, uid, labelled, zone: undefined, ...judgeNode({ region: labelled }, CATALOG, provider) };
};

/** Findings of the agent about one policy. */
interface PolicyFindings {
  readonly outcome: PolicyOutcome | undefined;
  readonly locks: PolicyLocks | undefined;
  readonly violations: PolicyViolations;
  readonly risks: PolicyRisks | undefined;
}

/**
 * Cluster without a control plane. Its namespaces, nodes and pods are simulated, and the agent's
 * own code judges them.
 */
export class ClusterLife {
  readonly #options: LifeOptions;
  readonly #outside: string;
  readonly #spaces: Map<string, NamespaceInput>;
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #places: ReadonlyMap<string, PlacedNode>;
  readonly #pods: Pod[];
  readonly #finder = new ViolationFinder();
  readonly #risks: ClusterRisks;
  readonly #restored = new Map<string, string>();
  readonly #version: string;
  readonly #certificateMs: number;
  readonly #skewMs: number;
  readonly #changed: Date;
  readonly #tampering: Tampering | undefined;
  readonly #digests = new Map<string, string>();
  readonly #statuses = new Map<string, SovereignPolicyStatus>();
  readonly #reported = new Map<string, PolicyReport>();
  #governance: Governance | undefined;
  #inputs: readonly PolicyInput[] = [];
  #revision: string | null = null;
  #accepted: CompiledCluster | undefined;
  #unsentEvents: ClusterEvent[] = [];

  constructor(options: LifeOptions) {
    const { cluster, trouble, random, now } = options;
    this.#options = options;
    this.#outside = `node-${cluster.geo.outside}`;
    // The order matters: the same seed must produce the same cluster.
    this.#spaces = makeSpaces(random);
    this.#nodes = makeNodes(cluster, this.#outside, random);
    this.#places = new Map([...this.#nodes].map(([name, node]) => [name, placedNode(node, cluster.provider)]));
    this.#pods = makePods(cluster.name, this.#outside, random);
    const [home = ''] = cluster.regions;
    this.#risks = new ClusterRisks(cluster.cell % RISKY_CELL === 0 ? this.#pods : [], this.#nodes.values(), home);
    this.#version = pick(VERSIONS, random);
    this.#certificateMs = (random() < 0.02 ? 40 : 490 + Math.floor(random() * 940)) * MINUTE_MS;
    this.#skewMs = Math.floor((random() - 0.5) * 80);
    this.#changed = new Date(now.getTime() - 12 * MINUTE_MS);
    this.#tampering = trouble === 'tampered' ? tamperingAt(this.#changed) : undefined;
    if (this.#tampering !== undefined) this.#unsentEvents.push({ severity: 'alert', reason: 'TamperingRepaired', ...this.#tampering });
  }

  get name(): string {
    return this.#options.cluster.name;
  }

  /** Applies the policies of a commit. */
  accept(revision: string, compiled: CompiledCluster): void {
    const isFirst = this.#revision === null;
    this.#revision = revision;
    // Most commits change nothing for most clusters.
    if (compiled.digest === this.#accepted?.digest) return;
    this.#accepted = compiled;
    this.#inputs = this.#inputsOf(revision, compiled);
    if (isFirst) this.#restorePast();
    this.#dropGone();
    this.#judge();
  }

  /** Adds a pod that runs outside. */
  addViolation(namespace: string, name: string): void {
    this.#pods.push(podOf(namespace, name, { nodeName: this.#outside }));
    this.#judge();
  }

  /** Returns the full reports of all policies. */
  reports(): PolicyReport[] {
    return [...this.#reported.values()];
  }

  /** Returns the places of its running pods. */
  processing(): ClusterProcessing {
    const governance = this.#governance ?? { policies: new Map() };
    return findProcessing({ governance, podsIn: (namespace) => this.#podsIn(namespace), judgementOf: (name) => this.#places.get(name) });
  }

  #podsIn(namespace: string): Pod[] {
    return this.#pods.filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** Returns the state of the cluster on which its reports are based. */
  reported(): ReportedCluster {
    const { trouble, now } = this.#options;
    if (this.#accepted === undefined) throw new Error(`${this.name} has accepted no commit`);
    const profile = { gatekeeper: trouble !== 'noGatekeeper' };
    const namespaces = [...this.#spaces.keys()];
    return { compiled: this.#accepted, reports: this.#reported.values(), namespaces, profile, asOf: now };
  }

  cluster(): ClusterReport {
    const { trouble, now } = this.#options;
    return {
      revision: this.#revision,
      provenRevision: trouble === 'lockOneFails' || trouble === 'unproven' ? null : this.#revision,
      verification: 'unverified',
      agentVersion: '0.1.0',
      kubernetesVersion: this.#version,
      gatekeeper: trouble === 'noGatekeeper' ? { state: 'Absent', message: NO_GATEKEEPER } : { state: 'Ready', version: 'v3.23.0' },
      nodesByRegion: countByRegion(this.#nodes.values()),
      conditions: conditionsOf(trouble, this.#tampering, this.#changed),
      clockSkewMs: this.#skewMs,
      certificateExpires: new Date(now.getTime() + this.#certificateMs).toISOString(),
    };
  }

  /** Takes the unsent events; each is returned once. */
  events(): ClusterEvent[] {
    const events = this.#unsentEvents;
    this.#unsentEvents = [];
    return events;
  }

  /** Returns a random time within the last days. */
  #past(days: number): Date {
    const { random, now } = this.#options;
    return new Date(now.getTime() - Math.ceil(random() * days * 24 * 60) * MINUTE_MS);
  }

  #inputsOf(revision: string, compiled: CompiledCluster): PolicyInput[] {
    return compiled.policies.map((policy): PolicyInput => {
      const { name, spec } = policy;
      const known = this.#inputs.find(({ key }) => key === name);
      if (known !== undefined && this.#digests.get(name) === policy.digest) return known;
      this.#digests.set(name, policy.digest);
      const generation = (known?.generation ?? 0) + 1;
      return { key: name, namespace: SYSTEM_NAMESPACE, name, managedBy: 'hub', revision, generation, spec, deleting: false };
    });
  }

  /** Sets the start of running violations to days ago. */
  #restorePast(): void {
    for (const { key } of this.#inputs) {
      for (const { metadata } of this.#pods) this.#restored.set(`${key}|${metadata.uid}`, this.#past(6).toISOString());
    }
  }

  #dropGone(): void {
    const keys = new Set(this.#inputs.map(({ key }) => key));
    for (const key of this.#reported.keys()) if (!keys.has(key)) this.#reported.delete(key);
  }

  #judge(): void {
    const { trouble, now } = this.#options;
    const governance = planGovernance(this.#inputs, [...this.#spaces.values()], now);
    this.#governance = governance;
    const podsIn = (namespace: string): Pod[] => this.#podsIn(namespace);
    const found = this.#finder.find({ governance, podsIn, nodes: this.#places, restored: this.#restored, now: new Date() });
    const labelledAt = this.#reported.size === 0 ? this.#past(20) : new Date();
    for (const [name, labels] of planLabels(governance, this.#spaces, labelledAt)) this.#spaces.set(name, labels);
    const risks = this.#risks.find(governance);
    const locks = locksOf(trouble, this.#accepted?.policies ?? [], governance.policies);
    for (const policy of this.#inputs) {
      const { key } = policy;
      this.#judgePolicy(policy, {
        outcome: governance.policies.get(key),
        locks: locks.get(key),
        violations: found.get(key) ?? NO_VIOLATIONS,
        risks: risks.get(key),
      });
    }
  }

  #judgePolicy(policy: PolicyInput, { outcome, locks, violations, risks }: PolicyFindings): void {
    if (outcome === undefined || locks === undefined) return;
    const previous = this.#statuses.get(policy.key);
    // Objects that exist at the start of the simulation get a past.
    const at = previous === undefined ? this.#past(20) : new Date();
    const status = planStatus({ policy, outcome, previous, locks, observed: { violations: violations.count, risks }, now: at });
    const events = planPolicyEvents(previous, status).filter(({ severity }) => previous !== undefined || severity !== 'info');
    if (status !== previous) this.#unsentEvents.push(...events.map((event) => ({ ...event, time: at.toISOString(), policy: policy.key })));
    this.#statuses.set(policy.key, status);
    const report = toReport(policy, status, { violations, labels: labelsOf(outcome, this.#spaces) });
    if (!isDeepStrictEqual(report, this.#reported.get(policy.key))) this.#reported.set(policy.key, report);
  }
}
