import { REGION_LABEL } from '@fso/shared/api';
import type { Pod } from '@fso/shared/kube';
import type { NodeFacts } from '@fso/shared/risk';
import { systemClock } from '@fso/shared/runtime';
import { planGovernance } from '../../../agent/enforce/index.ts';
import { PreviewedCluster } from '../../../agent/preview/testing/previewed-cluster.ts';
import { type Owner, readTemplate, ShapeRecorder } from '../../../agent/risk/index.ts';
import type { OwnerKind } from '../../../agent/risk/owners/owner-kinds.ts';
import { reduceOwner } from '../../../agent/risk/owners/reduce-owner.ts';
import { RiskFinder } from '../../../agent/risk/risk-finder.ts';
import { combine, decide, outcomeOf } from '../../../hub/dashboard/pages/compliance/checker/decide.ts';
import { readWorkloads } from '../../../hub/dashboard/pages/compliance/checker/workloads.ts';
import type { ApiServer } from './api-server.ts';
import { FREE_NAMESPACE, POLICIES, WORLDS } from './cases.ts';
import { rego } from './implementations.ts';
import type { GoOracle } from './pipe.ts';
import { isFree, keyOf, objectOf, type Workload } from './workloads.ts';

/** Outcome for the next pods of a workload at admission. */
export type Verdict = { readonly state: 'admitted' } | { readonly state: 'unknown' } | { readonly state: 'refused'; readonly text: string };

/** A part of the system that judges workloads. */
export interface VerdictSource {
  readonly name: string;
  /** @param workloads at most {@link BATCH} */
  judge(workloads: readonly Workload[]): Promise<readonly Verdict[]>;
}

/** Owners that an agent names in one answer. */
export const BATCH = 200;

const NAMESPACES = [...WORLDS.map(({ namespace }) => namespace), FREE_NAMESPACE];
const ADMITTED: Verdict = { state: 'admitted' };

const verdictOf = (text: string | undefined): Verdict => (text === undefined ? ADMITTED : { state: 'refused', text });

/** Whether an agent keeps so much of a template that it judges it whole. */
const isKept = ({ pod }: Workload): boolean => {
  const template = readTemplate({ spec: pod });
  return template !== undefined && template.isCut !== true;
};

/**
 * Verdicts of an agent by the owners that it names.
 *
 * @param unjudged the number of owners of which it says that they are not judged whole
 */
const byOwners = (workloads: readonly Workload[], refused: ReadonlyMap<string, string>, unjudged: number): readonly Verdict[] => {
  const verdicts = workloads.map((workload): Verdict => {
    const text = refused.get(keyOf({ ...workload, namespace: workload.governed.namespace }));
    return text === undefined && !isKept(workload) && !isFree(workload) ? { state: 'unknown' } : verdictOf(text);
  });
  const unknown = verdicts.filter(({ state }) => state === 'unknown').length;
  if (unjudged !== unknown) throw new Error(`${unknown} owners are not judged whole, and ${unjudged} are counted`);
  return verdicts;
};

const ownerOf = (kind: Exclude<Workload['kind'], 'Pod'>, workload: Workload): Owner => reduceOwner(kind)(objectOf(workload));

/** An agent that is asked what the policies would do, where none is in force. */
export const plan: VerdictSource = {
  name: 'plan',
  judge: async (workloads) => {
    const cluster = new PreviewedCluster();
    for (const name of NAMESPACES) cluster.addNamespace(name);
    for (const workload of workloads) {
      const { kind } = workload;
      if (kind === 'Pod') cluster.shapes.see(objectOf(workload));
      else cluster.addObject(kind, ownerOf(kind, workload));
    }
    const answer = await cluster.ask({ put: POLICIES.map(({ name, spec }) => ({ name, spec })) });
    if (answer.state !== 'Answered') throw new Error(`${answer.reason}: ${answer.message}`);
    const { owners = [], begins } = answer.refused;
    if (owners.length !== begins) throw new Error(`the answer names ${owners.length} of ${begins} owners`);
    return byOwners(workloads, new Map(owners.map((owner) => [keyOf(owner), owner.reason])), answer.omitted);
  },
};

const NODES: readonly NodeFacts[] = ['eu-west-1', 'us-west-2'].map((region) => ({
  ...{ name: region, region, labels: { [REGION_LABEL]: region }, taints: [] },
}));
const NO_ANSWERS = {};

/** An agent that looks for owners at risk under the policies in force. */
export const risks: VerdictSource = {
  name: 'audit',
  judge: async (workloads) => {
    const shapes = new ShapeRecorder({ clock: systemClock, isInjecting: () => false, hasPod: () => true });
    shapes.begin();
    const owners = new Map<string, Map<OwnerKind, Map<string, Owner>>>();
    for (const workload of workloads) {
      const { kind, name, governed } = workload;
      if (kind === 'Pod') shapes.see(objectOf(workload));
      else {
        const kinds = owners.get(governed.namespace) ?? new Map<OwnerKind, Map<string, Owner>>();
        owners.set(governed.namespace, kinds.set(kind, (kinds.get(kind) ?? new Map()).set(name, ownerOf(kind, workload))));
      }
    }
    const finder = new RiskFinder({ expect: () => undefined, answer: () => undefined, answersIn: () => NO_ANSWERS }, shapes);
    const namespaces = NAMESPACES.map((name) => ({ name, terminating: false, labels: {}, annotations: {} }));
    const governance = planGovernance(POLICIES, namespaces, new Date());
    const ownersIn = (namespace: string) => owners.get(namespace) ?? new Map();
    finder.update({ governance, ownersIn, nodes: NODES, injects: true, webhooks: '', nowMs: 0 });
    const steps = finder.judge();
    while (steps.next().done !== true);
    const found = NAMESPACES.flatMap((namespace) => finder.refusedOwnersIn(namespace));
    return byOwners(workloads, new Map(found.map(({ risk }) => [keyOf(risk), risk.reason])), finder.found(0).unjudged);
  },
};

/** Workloads that are pasted at once: the checker takes 256 KiB, and one has 12 at most. */
const PASTED = 20;

const paste = (workloads: readonly Workload[]): ReturnType<typeof readWorkloads>['workloads'] => {
  const { workloads: read, problems } = readWorkloads(JSON.stringify({ kind: 'List', items: workloads.map(objectOf) }));
  if (problems.length > 0 || read.length !== workloads.length) throw new Error(JSON.stringify(problems));
  return read;
};

/** The checker of the dashboard. */
export const checker: VerdictSource = {
  name: 'checker',
  judge: async (workloads) => {
    const starts = workloads.flatMap((_workload, index) => (index % PASTED === 0 ? index : []));
    const read = starts.flatMap((start) => paste(workloads.slice(start, start + PASTED)));
    return workloads.map(({ governed }, index): Verdict => {
      const governing = POLICIES.filter(({ key }) => governed.policies.includes(key));
      const rules = combine(governing.map(({ key, spec }) => ({ key, action: 'deny', regions: spec.allowedRegions })));
      const pasted = read[index];
      if (pasted === undefined) throw new Error('a workload is missing');
      const { boundTo, placement, kind } = pasted;
      if (boundTo !== undefined) throw new Error('a workload reads as if it ran');
      const { level, failed } = outcomeOf(decide(placement, rules), { kind });
      return level === 'danger' && failed?.decision.admitted === false ? verdictOf(failed.decision.violation) : ADMITTED;
    });
  },
};

const DAEMON_SETS = 'system:serviceaccount:kube-system:daemon-set-controller';

/** A pod as the controller of its workload asks for it. */
const podOf = ({ kind, name, governed: { namespace }, pod }: Workload): Pod => {
  const spec = { containers: [{ name: 'main', image: 'example.com/none' }], ...pod };
  if (kind !== 'DaemonSet') return { metadata: { name: 'probe', namespace }, spec } as Pod;
  const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['eu-west-1-a'] }] }];
  const ownerReferences = [{ apiVersion: 'apps/v1', kind, name, uid: name, controller: true, blockOwnerDeletion: true }];
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
  return {
    metadata: { name: 'probe', namespace, ownerReferences },
    spec: { ...spec, affinity: { ...spec.affinity, nodeAffinity } },
  } as Pod;
};

/** Dry runs of the pods at a real API server with both locks. */
export const bothLocks = (server: ApiServer): VerdictSource => ({
  name: 'both locks',
  judge: async (workloads) => {
    const texts = new Map<Workload, string | undefined>();
    for (const user of [undefined, DAEMON_SETS]) {
      const ofUser = workloads.filter(({ kind }) => (kind === 'DaemonSet') === (user !== undefined));
      const answers = await server.dryRun(ofUser.map(podOf), user);
      for (const [index, workload] of ofUser.entries()) texts.set(workload, answers[index]);
    }
    return workloads.map((workload) => verdictOf(texts.get(workload)));
  },
});

/** The Rego of lock 2 alone, which the API server asks only for what lock 1 admits. */
export const lockTwo = (oracle: GoOracle): VerdictSource => ({
  name: 'lock 2',
  judge: async (workloads) => {
    const asked = workloads.filter((workload) => workload.kind !== 'DaemonSet' && !isFree(workload));
    const answers = await rego(oracle).answers(asked);
    const texts = new Map(asked.map((workload, index) => [workload, answers[index]]));
    return workloads.map((workload) => verdictOf(texts.get(workload)));
  },
});
