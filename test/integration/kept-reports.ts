import { type KubeObject, LABELS, OPEN_REPORT, REGION_LABEL } from '@fso/shared/api';
import { CRD_KIND, DEPLOYMENT_KIND, type Deployment, POD_KIND } from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { REPORT_KIND, type Report } from '../../agent/openreports/index.ts';
import { uninstall } from '../../agent/uninstall/index.ts';
import { readManifest } from '../../clusters/local/api.ts';
import type { AgentHarness } from '../harness/agent-harness.ts';
import { readReportCrd } from '../harness/module-crds.ts';
import { eventually, never } from '../harness/waiting.ts';

const ROLE = new URL('../../deploy/agent/openreports.yaml', import.meta.url).pathname;
const OPTIONS = { fieldManager: 'test', force: true } as const;

/** An agent that keeps reports, and what is around it. */
class ReportingAgent {
  readonly #world: () => AgentHarness;
  readonly #kubeconfig: () => string;
  readonly showReports: () => Promise<string>;
  #agent: RunningAgent | undefined;

  constructor(world: () => AgentHarness, kubeconfig: () => string, showReports: () => Promise<string>) {
    this.#world = world;
    this.#kubeconfig = kubeconfig;
    this.showReports = showReports;
  }

  get world(): AgentHarness {
    return this.#world();
  }

  get agent(): RunningAgent {
    return this.#agent ?? expect.fail('the agent is not started');
  }

  async start(openReports: boolean): Promise<void> {
    const agent = await this.world.startAgent('reporting', { kubeconfig: this.#kubeconfig(), openReports });
    this.#agent = agent;
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
  }

  async stop(): Promise<void> {
    await this.world.stopAgent(this.agent);
  }

  async applyRole(): Promise<void> {
    for (const object of readManifest(ROLE) as KubeObject[]) {
      await this.world.client.apply(await this.world.kindOf(object), object, OPTIONS, never);
    }
  }

  async deleteRole(): Promise<void> {
    for (const object of readManifest(ROLE) as KubeObject[]) {
      await this.world.client.delete(await this.world.kindOf(object), { name: object.metadata.name }, never);
    }
  }

  reportIn(namespace: string): Promise<Report | undefined> {
    return this.world.client.get(REPORT_KIND, { namespace, name: OPEN_REPORT }, never);
  }

  govern(name: string, targetNamespace: string) {
    return this.world.applyPolicy(name, { targetNamespace, allowedRegions: ['eu-west-1'] });
  }

  /** A pod of the team, and one that stands outside once a policy comes. */
  async makePods(namespace: string): Promise<void> {
    await this.world.makeNamespace(namespace);
    for (const [name, region] of [
      ['stray', 'us-east-1'],
      ['settled', 'eu-west-1'],
    ] as const) {
      const spec = { containers: [{ name: 'main', image: 'app:1' }], nodeSelector: { [REGION_LABEL]: region } };
      await this.world.client.create(POD_KIND, { metadata: { namespace, name }, spec } as KubeObject, {}, never);
    }
  }

  showsViolation(namespace: string): Promise<Report> {
    return eventually(async () => {
      const report = await this.reportIn(namespace);
      return report?.results?.length === 1 && report.summary?.fail === 1 ? report : undefined;
    });
  }

  patchReport(namespace: string, patch: object) {
    return this.world.client.mergePatch(REPORT_KIND, { namespace, name: OPEN_REPORT }, patch, never);
  }
}

/** Reports from the moment on that the agent may write them. */
const itReportsViolations = (reporting: ReportingAgent): void => {
  it('works without them where the API server has no such kind, and where the agent has no right to it', async () => {
    await reporting.start(true);
    await reporting.makePods('team-a');
    await reporting.govern('team-a-eu', 'team-a');
    await reporting.world.reaches('team-a-eu', 'Active');
    await reporting.world.client.apply(CRD_KIND, await readReportCrd(never), OPTIONS, never);
    await eventually(() => reporting.world.client.list(REPORT_KIND, {}, never).then(() => true));
    await reporting.govern('late-eu', 'late');
    await reporting.world.makeNamespace('late');
    await reporting.world.reaches('late-eu', 'Active');
    expect(await reporting.reportIn('team-a')).toBeUndefined();
  });

  it('reports the violations of each governed namespace once it may', async () => {
    await reporting.applyRole();
    const report = await reporting.showsViolation('team-a');
    const pod = await reporting.world.client.get(POD_KIND, { namespace: 'team-a', name: 'stray' }, never);
    const since = reporting.agent.observatory.snapshot().policies.get('default/team-a-eu')?.report.violationSamples[0]?.since ?? '';
    // The API server drops fields that its schema does not have.
    expect({ ...report, apiVersion: undefined, kind: undefined, metadata: undefined }).toEqual({
      source: 'federated-sovereignty-operator',
      configuration: { limits: { maxResults: 100, statusFilter: ['fail', 'warn'] } },
      summary: { pass: 1, fail: 1, warn: 0, error: 0, skip: 0 },
      results: [
        {
          policy: 'default/team-a-eu',
          rule: expect.stringMatching(/^node-(region|constraints)$/),
          category: 'Residency',
          severity: 'high',
          result: 'fail',
          scored: true,
          timestamp: { seconds: Math.floor(Date.parse(since) / 1000), nanos: (Date.parse(since) % 1000) * 1_000_000 },
          message: expect.stringContaining('us-east-1'),
          resources: [{ apiVersion: 'v1', kind: 'Pod', namespace: 'team-a', name: 'stray', uid: pod?.metadata.uid }],
          properties: expect.objectContaining({ allowedRegions: 'eu-west-1', enforcementAction: 'deny' }),
        },
      ],
    });
    expect((await eventually(() => reporting.reportIn('late'))).results).toEqual([]);
  });

  it('warns of an owner whose next pods would be refused, until it is mended', async () => {
    const metadata = { namespace: 'late', name: 'web' };
    const template = {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector: { [REGION_LABEL]: 'us-east-1' } },
    };
    const spec = { replicas: 0, selector: { matchLabels: { app: 'web' } }, template };
    await reporting.world.client.create(DEPLOYMENT_KIND, { metadata, spec } as Deployment, {}, never);
    const report = await eventually(async () => {
      const live = await reporting.reportIn('late');
      return live?.results?.length === 1 ? live : undefined;
    });
    expect(report).toMatchObject({
      summary: { pass: 0, fail: 0, warn: 1 },
      results: [
        {
          policy: 'default/late-eu',
          rule: 'next-pods-refused',
          category: 'Risk',
          result: 'warn',
          scored: false,
          message: expect.stringContaining('us-east-1'),
          resources: [{ apiVersion: 'apps/v1', kind: 'Deployment', ...metadata }],
        },
      ],
    });
    await reporting.world.client.delete(DEPLOYMENT_KIND, metadata, never);
    await eventually(async () => (await reporting.reportIn('late'))?.results?.length === 0);
  });

  it('shows them to kubectl', async () => {
    expect(await reporting.showReports()).toMatch(/^team-a +fso-residency +1 +1 +0 +0 +0 /m);
  });
};

/** Reports that others change, and reports of others. */
const itKeepsItsReports = (reporting: ReportingAgent): void => {
  it.each<[what: string, patch: object]>([
    ['results and counts', { results: [], summary: { fail: 0 } }],
    ['a scope', { scope: { kind: 'Node', name: 'n' } }],
    ['label and source', { metadata: { labels: { [LABELS.component]: null } }, source: 'forged' }],
  ])('puts back %s that others change', async (_, patch) => {
    const { object } = await reporting.patchReport('team-a', patch);
    const report = await eventually(async () => {
      const live = await reporting.showsViolation('team-a');
      return live.metadata.resourceVersion === object.metadata.resourceVersion ? undefined : live;
    });
    expect(report).toMatchObject({ source: 'federated-sovereignty-operator', metadata: { labels: { [LABELS.component]: 'report' } } });
    expect(report).not.toHaveProperty('scope');
  });

  it('puts back one that others delete', async () => {
    const before = await reporting.reportIn('team-a');
    await reporting.world.client.delete(REPORT_KIND, { namespace: 'team-a', name: OPEN_REPORT }, never);
    await eventually(async () => (await reporting.showsViolation('team-a')).metadata.uid !== before?.metadata.uid);
  });

  it('adopts a report that others put in the place of its own', async () => {
    const ref = { namespace: 'team-a', name: OPEN_REPORT };
    const forged = { metadata: ref, source: 'scanner', results: [], summary: { fail: 0 } };
    // The agent may be the first to make it again.
    const uid = await eventually(async () => {
      await reporting.world.client.delete(REPORT_KIND, ref, never).catch(() => undefined);
      return (await reporting.world.client.create(REPORT_KIND, forged as Report, {}, never).catch(() => undefined))?.object.metadata.uid;
    });
    const live = await eventually(async () => {
      const report = await reporting.showsViolation('team-a');
      return report.metadata.labels?.[LABELS.component] === 'report' ? report : undefined;
    });
    expect(live).toMatchObject({ source: 'federated-sovereignty-operator', metadata: { uid } });
  });

  it('leaves reports of others alone, and writes no unchanged one', async () => {
    const body = { source: 'scanner', results: [] };
    const foreign = [
      { namespace: 'taken', name: OPEN_REPORT },
      { namespace: 'default', name: OPEN_REPORT },
      { namespace: 'team-a', name: 'scanner' },
    ];
    await reporting.world.makeNamespace('taken');
    for (const metadata of foreign) await reporting.world.client.create(REPORT_KIND, { metadata, ...body } as Report, {}, never);
    const versions = () =>
      Promise.all(
        [...foreign, { namespace: 'late', name: OPEN_REPORT }].map(
          async (ref) => (await reporting.world.client.get(REPORT_KIND, ref, never))?.metadata.resourceVersion,
        ),
      );
    const before = await versions();
    await reporting.makePods('zone');
    await reporting.govern('taken-eu', 'taken');
    await reporting.govern('zone-eu', 'zone');
    await reporting.showsViolation('zone');
    await reporting.world.client.delete(POD_KIND, { namespace: 'zone', name: 'stray' }, never);
    const report = await eventually(async () => {
      const live = await reporting.reportIn('zone');
      return live?.summary?.fail === 0 ? live : undefined;
    });
    // It came and went, and may come again.
    expect(report.results?.map((result) => Reflect.get(result, 'category'))).not.toContain('Residency');
    expect(await versions()).toEqual(before);
  });
};

/** The end of reports: of a namespace, of the rights, of the setting and of enforcement. */
const itDeletesReports = (reporting: ReportingAgent): void => {
  it('deletes the report of a namespace that is no longer governed', async () => {
    await reporting.world.removePolicies('zone-eu');
    await eventually(async () => (await reporting.reportIn('zone')) === undefined);
  });

  it('has its reports deleted with the role that grants the rights, and makes them again with the next one', async () => {
    const before = await reporting.showsViolation('team-a');
    await reporting.deleteRole();
    await eventually(async () => (await reporting.reportIn('team-a')) === undefined);
    await reporting.applyRole();
    const after = await reporting.showsViolation('team-a');
    expect(after.metadata.ownerReferences?.[0]?.uid).not.toBe(before.metadata.ownerReferences?.[0]?.uid);
  });

  it('deletes its reports when the setting is turned off', async () => {
    await reporting.stop();
    await reporting.start(false);
    await eventually(async () => (await reporting.reportIn('team-a')) === undefined);
    expect((await reporting.reportIn('taken'))?.source).toBe('scanner');
  });

  it('leaves none behind when enforcement is removed', async () => {
    await reporting.stop();
    await reporting.start(true);
    await reporting.showsViolation('team-a');
    await reporting.stop();
    const lines: string[] = [];
    const io = {
      client: reporting.world.client,
      clock: systemClock,
      print: (line: string) => void lines.push(line),
      confirm: () => Promise.resolve(true),
    };
    await uninstall({ dryRun: false, waitMs: 0 }, io, never);
    expect(lines).toContainEqual(expect.stringMatching(/^delete the reports of openreports\.io: \d+$/));
    expect(await reporting.reportIn('team-a')).toBeUndefined();
    expect((await reporting.reportIn('taken'))?.source).toBe('scanner');
  });
};

/**
 * An agent that keeps reports, with the rights of deploy/agent/rbac.yaml and those of
 * deploy/agent/openreports.yaml, in the cluster of `world`. The last test removes enforcement from
 * it.
 *
 * @param world its administrator @param kubeconfig of the agent @param showReports prints them as
 * its administrator does
 */
export const itKeepsReports = (world: () => AgentHarness, kubeconfig: () => string, showReports: () => Promise<string>): void => {
  const reporting = new ReportingAgent(world, kubeconfig, showReports);
  itReportsViolations(reporting);
  itKeepsItsReports(reporting);
  itDeletesReports(reporting);
};
