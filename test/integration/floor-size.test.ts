import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NAMESPACES_PARAMETERS, REGION_LABEL } from '@fso/shared/api';
import { FLOOR_PARAMETERS_KIND, NODE_KIND, POD_KIND, type Pod } from '@fso/shared/kube';
import { indexCatalog, RegionResolver } from '@fso/shared/regions';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { BINDING_VIOLATIONS } from '@fso/shared/residency';
import { systemClock } from '@fso/shared/runtime';
import { beforeAll, describe, expect, it } from 'vitest';
import { runAction } from '../../agent/apply/apply-action.ts';
import { bootstrapCluster, whoAmI } from '../../agent/bootstrap.ts';
import { type Action, NO_EXCEPTIONS, planFloor, planFloorParameters, planGovernance } from '../../agent/enforce/index.ts';
import { NOW, namespaceOf, policyOf } from '../../agent/enforce/testing/policies.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { EU, MODES, US } from '../harness/floor-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually, never as signal } from '../harness/waiting.ts';

const named = (index: number): string => `team-payments-${String(index).padStart(6, '0')}`;
const nodeNamed = (index: number): string => `ip-10-0-${index}.compute.internal`;
const range = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

/** The countries of the EU, with all regions of all providers. */
const GROUP = new RegionResolver(indexCatalog(SEED_CATALOG), new Map()).resolve(['group:eu'], undefined).regions;
const policies = range(5_000, (index) =>
  policyOf(named(index), { targetNamespace: named(index), allowedRegions: [...GROUP] }, { managedBy: 'hub', revision: 'c'.repeat(40) }),
);
const namespaces = range(5_000, (index) => namespaceOf(named(index)));
/** The last one is outside. */
const OUTSIDE = 9_999;
const nodes = range(10_000, (index) => {
  const region = index === OUTSIDE ? US : EU;
  return { name: nodeNamed(index), region, labelled: region };
});

describe.each(MODES)('10,000 nodes and 5,000 namespaces under one group, bind gate by $mode', ({ mode, apiServerArgs }) => {
  /** A namespace of the index; it has no labels, so that only its entry in the index governs it. */
  const NAMESPACE = named(4_321);
  let world: AgentHarness;

  const podOf = (nodeSelector: Record<string, string>, name = 'tried'): Pod => ({
    metadata: { namespace: NAMESPACE, name },
    spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector },
  });
  const tryPod = (region: string) => refusalOf(world.client.create(POD_KIND, podOf({ [REGION_LABEL]: region }), { dryRun: true }, signal));
  const tryBind = (node: number) => {
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeNamed(node) };
    const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'waiting', namespace: NAMESPACE }, target };
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/waiting/binding`;
    return refusalOf(world.client.raw({ method: 'POST', path, body, query: { dryRun: 'All' } }, signal));
  };

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), `fso-size-${mode}-`));
    const options = { name: `size-${mode}`, stateDir: folder, regions: [EU], gatekeeper: false, apiServerArgs };
    const cluster = await startTestCluster(options, signal);
    world = new AgentHarness(cluster.kubeconfig, signal);
    await world.makeNamespace(NAMESPACE);
    await eventually(() => world.client.create(POD_KIND, podOf({ stage: 'never' }, 'waiting'), {}, signal));
    for (const node of [0, OUTSIDE]) {
      const metadata = { name: nodeNamed(node), labels: { [REGION_LABEL]: nodes[node]?.region ?? '' } };
      await world.client.create(NODE_KIND, { metadata }, {}, signal);
    }
    await bootstrapCluster(world.client, systemClock, signal);
    const runAll = async (actions: readonly Action[]) => {
      for (const action of actions) await runAction(world.client, action, signal);
    };
    const governance = planGovernance(policies, namespaces, NOW);
    const parameters = planFloorParameters({ governance, nodes, exceptions: NO_EXCEPTIONS, observed: [], bindGate: mode });
    expect(parameters.overflow).toEqual({ nodes: 0, namespaces: 0, patterns: 0 });
    await runAll(parameters.actions);
    const binders = [await whoAmI(world.client, signal)];
    await runAll(planFloor([], [], { bindGate: mode, binders }));
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  it('are kept whole by the API server', async () => {
    const spec = (await world.client.get(FLOOR_PARAMETERS_KIND, { name: NAMESPACES_PARAMETERS }, signal))?.spec;
    expect(Object.keys(spec?.namespaces ?? {}).filter((name) => name.startsWith('team-'))).toHaveLength(5_000);
    expect(Object.keys(spec?.nodes ?? {})).toHaveLength(mode === 'list' ? 10_000 : 0);
  });

  it('judge the admission of a pod', async () => {
    await eventually(async () => (await tryPod(US)).includes("'fso-floor-index-pods-deny'"));
    expect(await tryPod(US)).toContain(`policy team/${named(4_321)} allows regions`);
    for (const region of [EU, GROUP[0] ?? '', GROUP.at(-1) ?? '']) expect(await tryPod(region)).toBe('');
  });

  it('judge a Binding', async () => {
    await eventually(async () => (await tryBind(OUTSIDE)).includes("'fso-floor-index-bindings-deny'"));
    expect(await tryBind(OUTSIDE)).toContain(BINDING_VIOLATIONS.region(nodeNamed(OUTSIDE), US));
    expect(await tryBind(0)).toBe('');
  });
});
