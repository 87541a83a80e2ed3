import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalCluster, startLocalCluster } from '@fso/clusters/local';
import { REGION_LABEL } from '@fso/shared/api';
import { POD_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { removeLocks } from '../harness/locks.ts';
import { eventually } from '../harness/waiting.ts';
import { partsBetween, readTotals } from './admission-parts.ts';
import { type AdmissionReport, admissionReport, type Sample } from './admission-report.ts';
import { makeNamespaces } from './namespaces.ts';
import { REGION_SETS, REGIONS, regionSet } from './regions.ts';

const HELP = `npm run bench -- admission: what governance costs a pod at admission, on a real control plane with Gatekeeper

  --requests N   measured requests of each kind per state (1000)
  --levels L     numbers of policies, ascending (1,100,1000)
  --create       create the pods, and delete them; otherwise dry runs: all of admission, without the write that would hide its cost

States: ungoverned (Gatekeeper runs; no agent, floor or template), each level, ungoverned again. In each, requests for governed
namespaces, by nodeSelector and by required node affinity, take turns with requests for namespaces that no policy names, and with
requests to a second cluster that nothing governs: ratios are corrected by what the machine does to that one. Every policy has a
namespace of its own; there are ten region sets. Exits with 1 where a target is missed.
`;

/** As Gatekeeper has it, where nobody says otherwise. */
const AUDIT_SECONDS = 60;
const IN_FLIGHT = 16;
const WARM_UP = 200;
/**
 * Requests go round this many namespaces in every state (fewer where fewer are governed). Not round all: the API server itself looks
 * quotas and limits up for a namespace that it has not seen for 30 s, and that would be counted.
 */
const TOUCHED = 10;
const PATIENCE_MS = 600_000;
const GOVERNED = 'governed-';
const OTHER = 'other-';

interface Scene {
  readonly world: AgentHarness;
  /** A second cluster, with Gatekeeper too. */
  readonly control: AgentHarness;
  readonly requests: number;
  readonly create: boolean;
}

interface Question {
  readonly namespace: string;
  readonly index: number;
  /** How the pod says its region. A nodeSelector alone is passed at once; what an affinity means has to be found out. */
  readonly by: 'nodeSelector' | 'affinity';
}

const placementBy = (by: Question['by'], region: string): object => {
  if (by === 'nodeSelector') return { nodeSelector: { [REGION_LABEL]: region } };
  const nodeSelectorTerms = [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: [region] }] }];
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
};

/** A pod that both locks judge and admit. @returns ms until the answer */
const onePod = async ({ client, signal }: AgentHarness, { namespace, index, by }: Question, create: boolean): Promise<number> => {
  const name = `pod-${index}`;
  const spec = {
    containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }],
    ...placementBy(by, regionSet(index)[0] ?? ''),
  };
  const started = performance.now();
  await client.create(POD_KIND, { metadata: { name, namespace }, spec }, { dryRun: !create }, signal);
  const took = performance.now() - started;
  if (create) {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    await client.raw({ method: 'DELETE', path, query: { gracePeriodSeconds: '0' } }, signal);
  }
  return took;
};

/** One request at a time, so that none waits for another; the kinds take turns, so that noise hits all. */
const sample = async ({ world, control, create, requests }: Scene, name: string, policies: number): Promise<Sample> => {
  const took = { governed: [] as number[], affinity: [] as number[], other: [] as number[], control: [] as number[] };
  const before = await readTotals(world);
  for (let turn = -WARM_UP; turn < requests; turn += 1) {
    const index = (turn + WARM_UP) % Math.min(TOUCHED, policies);
    const governed = await onePod(world, { namespace: `${GOVERNED}${index}`, index, by: 'nodeSelector' }, create);
    const affinity = await onePod(world, { namespace: `${GOVERNED}${index}`, index, by: 'affinity' }, create);
    const other = await onePod(world, { namespace: `${OTHER}${index}`, index, by: 'nodeSelector' }, create);
    const elsewhere = await onePod(control, { namespace: `${OTHER}${index}`, index, by: 'nodeSelector' }, create);
    if (turn < 0) continue;
    took.governed.push(governed);
    took.affinity.push(affinity);
    took.other.push(other);
    took.control.push(elsewhere);
  }
  return { name, ...took, parts: partsBetween(before, await readTotals(world)) };
};

/** Writes policies `from` ≤ index < `to` and waits until the agent has proven all of them by both locks. */
const govern = async ({ world }: Scene, from: number, to: number): Promise<void> => {
  const indexes = Array.from({ length: to - from }, (_item, offset) => from + offset);
  await mapConcurrently(indexes, IN_FLIGHT, (index) =>
    world.applyPolicy(`${GOVERNED}${index}`, { targetNamespace: `${GOVERNED}${index}`, allowedRegions: regionSet(index) }),
  );
  await eventually(async () => {
    const policies = await world.client.list(SOVEREIGN_POLICY_KIND, {}, world.signal);
    const proven = policies.filter(({ status }) => status?.phase === 'Active' && status.enforcement?.gatekeeper.state === 'Enforced');
    return proven.length === to;
  }, PATIENCE_MS);
};

const isRefused = async (world: AgentHarness, namespace: string): Promise<boolean> => (await world.tryPod(namespace)).includes(namespace);

const measure = async (scene: Scene, levels: readonly number[], startAgent: () => Promise<AgentProcess>): Promise<AdmissionReport> => {
  const { world, control } = scene;
  const say = (text: string): void => console.error(text);
  const most = levels.at(-1) ?? 1;
  for (const cluster of [world, control]) await makeNamespaces(cluster, OTHER, TOUCHED);
  await makeNamespaces(world, GOVERNED, most);
  const ungoverned = (name: string): Promise<Sample> => sample(scene, name, most);
  const before = await ungoverned('ungoverned');
  const agent = await startAgent();
  const measured: { policies: number; sample: Sample }[] = [];
  try {
    for (const [at, policies] of levels.entries()) {
      say(`writing policies up to ${policies}`);
      await govern(scene, levels[at - 1] ?? 0, policies);
      if (!(await isRefused(world, `${GOVERNED}${policies - 1}`))) throw new Error('a pod without a region is admitted');
      measured.push({ policies, sample: await sample(scene, `${policies} ${policies === 1 ? 'policy' : 'policies'}`, policies) });
    }
  } finally {
    await agent.stop();
  }
  await removeLocks(world.client, world.signal);
  await eventually(async () => !(await isRefused(world, `${GOVERNED}0`)), PATIENCE_MS);
  return admissionReport({ ungoverned: [before, await ungoverned('ungoverned again')], levels: measured });
};

const numbers = (text: string): number[] => {
  const levels = text.split(',').map(Number);
  if (levels.every((level, at) => Number.isInteger(level) && level > (levels[at - 1] ?? 0))) return levels;
  throw new Error(`--levels ${text}: must be whole numbers above 0, ascending, e.g. 1,100,1000`);
};

/** What governance costs a pod at admission, and whether that grows with the number of policies. */
export const admission = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      requests: { type: 'string', default: '1000' },
      levels: { type: 'string', default: '1,100,1000' },
      create: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  const levels = numbers(values.levels);
  const [requests = 0] = numbers(values.requests);
  const folder = await mkdtemp(join(tmpdir(), 'fso-bench-'));
  const log = (text: string): void => console.error(text);
  const opened: (() => Promise<void>)[] = [];
  const open = async (name: string): Promise<{ cluster: LocalCluster; world: AgentHarness }> => {
    const cluster = await startLocalCluster(
      { name, stateDir: folder, regions: REGIONS, gatekeeper: true, gatekeeperAuditSeconds: AUDIT_SECONDS, log },
      signal,
    );
    opened.push(() => cluster.stop());
    const world = new AgentHarness(cluster.kubeconfig, signal);
    opened.push(() => world.close());
    return { cluster, world };
  };
  try {
    const { cluster, world } = await open('bench');
    const { world: control } = await open('control');
    const scene = { world, control, requests, create: values.create };
    const { lines, isMet } = await measure(scene, levels, () => startAgentProcess(cluster, { folder }));
    const what = values.create ? 'created pods' : 'dry runs of pods';
    console.log(`\nadmission: ${requests} ${what} of each kind per state, one at a time, ${REGION_SETS.length} region sets`);
    for (const line of lines) console.log(line);
    if (!isMet) process.exitCode = 1;
  } finally {
    for (const close of opened.toReversed()) await close();
    await rm(folder, { recursive: true, force: true });
  }
};
