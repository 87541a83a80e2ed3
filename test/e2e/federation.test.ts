import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byText } from '@fso/shared/encoding';
import { ADMISSION_POLICY_BINDING_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { expect, type OpenOptions } from '../browser/harness/dashboard.ts';
import { openRealWorld, type RealWorld } from '../browser/harness/real-world.ts';
import { useDashboard } from '../browser/harness/suite.ts';
import { type CollectedSpan, Collector } from '../harness/collector.ts';
import { processesOf } from '../harness/left-processes.ts';
import { MONITORED_CHARTS, readRuleGroups } from '../harness/monitoring-files.ts';
import { Prometheus } from '../harness/prometheus.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { describeCommand, policy, runCommand } from './command.ts';
import { describePrometheus } from './prometheus.ts';

/**
 * Hub and agents as processes, three clusters, Git over HTTP; people with the `fso` command, and
 * with the dashboard in a browser.
 */

const signal = never;

let world: RealWorld;
/** Prometheus that scrapes hub and agents during all tests here. */
let prometheus: Prometheus | undefined;
let collector: Collector;
let collectorFolder: string;

const fso = (...args: string[]) => runCommand(world, args);

beforeAll(async () => {
  collectorFolder = await mkdtemp(join(tmpdir(), 'fso-collector-'));
  collector = await Collector.start(collectorFolder, signal);
  world = await openRealWorld({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const folder = join(world.folder, 'prometheus');
  const targets = [
    { job: 'fso-hub', urls: [world.hubUrl], token: world.apiToken },
    { job: 'fso-agent', urls: world.agentUrls() },
  ];
  prometheus = await Prometheus.start({ folder, targets, rules: MONITORED_CHARTS.map(readRuleGroups) }, signal);
});

afterAll(async () => {
  await prometheus?.stop();
  await world?.stop();
  await collector.stop();
  await rm(collectorFolder, { recursive: true, force: true });
  expect(processesOf(world.folder)).toEqual([]);
});

describeCommand(() => world);

const dashboard = useDashboard(() => world.hubUrl);
const open = (path: string, options: OpenOptions = {}): Promise<Page> => dashboard.open(path, { token: world.apiToken, ...options });

const SAMPLES = 5;

const isLive = (page: Page): Promise<void> => expect(page.locator('[data-live]')).toHaveAttribute('data-live', 'live');
/** Opens one commit from the list. */
const linkOf = (page: Page, subject: string) => page.getByRole('row', { name: subject }).getByRole('link').first();
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

describe('the dashboard of a live federation', () => {
  it('shows the clusters with their versions and states', async () => {
    const page = await open('/clusters');
    for (const cluster of ['apac', 'eu', 'us']) {
      const row = page.getByRole('row', { name: new RegExp(`^${cluster} `) });
      await expect(row).toContainText('Connected');
    }
    await page.getByRole('link', { name: 'eu', exact: true }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'eu' })).toBeVisible();
    await expect(page.getByText('eu-central-1').first()).toBeVisible();
    await expect(page.getByText(/v1\.\d+\.\d+/).first()).toBeVisible();
  });

  it('shows a policy with both locks in each cluster, and its text in Git', async () => {
    const page = await open('/policies');
    await page.getByRole('link', { name: 'finance-eu' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'finance-eu' })).toBeVisible();
    await expect(page.getByText('Enforced').first()).toBeVisible();
    await expect(page.getByText('policies/finance-eu.yaml').first()).toBeVisible();
  });

  it('shows a violation without a reload, and prints the time', async () => {
    const page = await open('/compliance');
    await isLive(page);
    const times: number[] = [];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const name = `live-${sample}`;
      // Its policy records and does not refuse.
      await world.createPod('apac', { namespace: 'analytics', name }, 'ap-northeast-1');
      const created = performance.now();
      await expect(page.getByRole('button', { name: `Pod analytics/${name}` })).toBeVisible();
      times.push(performance.now() - created);
    }
    console.log(
      `violation: median ${Math.round(median(times))} ms from the API server's answer to the screen (${times.map(Math.round).join(', ')})`,
    );
  });

  it('follows a commit through the hub and every cluster', async () => {
    const page = await open('/activity');
    await isLive(page);
    const policy = [
      'apiVersion: compliance.federated.io/v1',
      'kind: SovereignPolicy',
      'metadata: { name: archive-eu }',
      'spec: { targetNamespace: finance, allowedRegions: [eu-west-1, eu-central-1] }',
      '',
    ].join('\n');
    const revision = await world.repository.commit({ 'policies/archive-eu.yaml': policy }, 'Keep archives in the EU');
    await linkOf(page, 'Keep archives in the EU').click();
    await expect(page).toHaveURL(new RegExp(revision));
    for (const cluster of ['apac', 'eu', 'us']) await expect(page.getByRole('row', { name: new RegExp(`^${cluster} `) })).toBeVisible();
    await expect(page.getByText(/enforced/i).first()).toBeVisible();
  });

  it('explains why a commit was refused: file, line and reason', async () => {
    const page = await open('/activity');
    await isLive(page);
    const text =
      'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: { name: typo }\nspec: { targetNamespace: finance }\n';
    await world.repository.commit({ 'policies/typo.yaml': text }, 'Forget the regions');
    await linkOf(page, 'Forget the regions').click();
    await expect(page.getByText(/policies\/typo\.yaml/).first()).toBeVisible();
    await expect(page.getByText(/allowedRegions/).first()).toBeVisible();
    await world.repository.commit({ 'policies/typo.yaml': null }, 'Take it back');
  });

  it('reports tampering in a cluster', async () => {
    const page = await open('/clusters/apac');
    await isLive(page);
    await world.kube('apac').delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal);
    await expect(page.getByText(/Objects of the locks were changed/).first()).toBeVisible();
  });
});

const CLUSTERS = ['apac', 'eu', 'us'];

describe('a collector that watches', () => {
  /** `cluster: name < parent`, sorted. */
  const treeOf = (spans: readonly CollectedSpan[]): readonly string[] => {
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const labelOf = ({ name, attributes }: CollectedSpan): string => `${attributes['k8s.cluster.name'] ?? 'hub'}: ${name}`;
    return spans
      .map((span) => [span, byId.get(span.parentSpanId)] as const)
      .map(([span, parent]) => `${labelOf(span)}${parent === undefined ? '' : ` < ${labelOf(parent)}`}`)
      .toSorted(byText);
  };
  const logged = (program: string): readonly Readonly<Record<string, unknown>>[] =>
    readFileSync(join(world.folder, 'demo', 'logs', `${program}.log`), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('has one trace of a commit, from its fetch to the proof of every cluster, whose id the logs have', async () => {
    const text = policy('traced', 'finance', ['eu-west-1']);
    const revision = await world.repository.commit({ 'policies/traced.yaml': text }, 'Keep what is traced in Ireland');
    const spans = await waitFor(async () => {
      const found = await collector.traceOf(revision);
      expect(treeOf(found)).toEqual(
        [
          'hub: commit',
          ...['fetch', 'judge', 'release', 'compile'].map((name) => `hub: ${name} < hub: commit`),
          ...CLUSTERS.map((cluster) => `${cluster}: offer < hub: commit`),
          ...CLUSTERS.flatMap((cluster) =>
            ['intake', 'write policies', 'enforce', 'prove'].map((name) => `${cluster}: ${name} < ${cluster}: offer`),
          ),
        ].toSorted(byText),
      );
      return found;
    });
    expect(spans.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['fso-hub', 'fso-agent']));
    const [traceId] = spans.map((span) => span.traceId);
    const results = spans.map(({ name, attributes }) => `${name}: ${attributes['fso.result']}`);
    expect(results.filter((result) => result === 'prove: proven')).toHaveLength(3);
    expect(results).toContain('commit: enforced');
    const lines = ['hub', ...CLUSTERS.map((cluster) => `agent-${cluster}`)].map((program) =>
      logged(program)
        .filter((line) => line['revision'] === revision && line['trace_id'] === traceId)
        .map(({ msg }) => msg),
    );
    expect(lines[0]).toEqual(expect.arrayContaining(['revision accepted']));
    const ofAgents = ['offer is good, writing its policies', 'revision accepted'];
    for (const ofAgent of lines.slice(1)) expect(ofAgent).toEqual(expect.arrayContaining(ofAgents));
  });

  it('has a commit that is rejected as an error', async () => {
    const revision = await world.repository.commit({ 'policies/broken.yaml': 'kind: SovereignPolicy\n' }, 'Forget nearly everything');
    await waitFor(async () => {
      const spans = await collector.traceOf(revision);
      expect(treeOf(spans)).toEqual(['hub: commit', 'hub: fetch < hub: commit', 'hub: judge < hub: commit']);
      expect(
        spans
          .filter(({ error }) => error !== undefined)
          .map(({ name }) => name)
          .toSorted(),
      ).toEqual(['commit', 'judge']);
    });
    await world.repository.commit({ 'policies/broken.yaml': null }, 'Take it back');
  });
});

describe('a federation in trouble', () => {
  it('enforces commits while the collector is away', async () => {
    await collector.stop();
    const text = policy('untraced', 'payroll', ['eu-west-1']);
    const revision = await world.repository.commit({ 'policies/untraced.yaml': text }, 'Keep payrolls in Ireland');
    expect(await fso('wait', '--revision', revision, '--timeout', '300s')).toMatchObject({ code: 0 });
    await waitFor(() => expect(readFileSync(join(world.folder, 'demo', 'logs', 'hub.log'), 'utf8')).toContain('traces cannot be exported'));
  });

  it('refuses changes to a hub-managed policy, and restores and reports a deleted guard', async () => {
    const kube = world.kube('eu');
    const before = (await world.hub.status()).clusters.tampered;
    const ref = { namespace: 'federated-sovereignty-system', name: 'finance-eu' };
    const change = () => kube.mergePatch(SOVEREIGN_POLICY_KIND, ref, { spec: { allowedRegions: ['us-east-1'] } }, signal);
    await expect(change()).rejects.toThrow('comes from Git, and only the agent writes it');
    await expect(kube.delete(SOVEREIGN_POLICY_KIND, ref, signal)).rejects.toThrow('comes from Git, and only the agent writes it');
    await kube.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal);
    await waitFor(async () => expect(await kube.get(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal)).toBeDefined());
    await waitFor(async () => expect((await world.hub.status()).clusters.tampered).toBe(before + 1));
    expect((await fso('get', 'events', '--cluster', 'eu')).out).toMatch(/alert +eu +TamperingRepaired/);
  });

  it('catches up after agents were killed and commits went on', async () => {
    await world.killAgents();
    await waitFor(async () => expect((await world.hub.status()).clusters.connected).toBe(0));
    const { out } = await fso('get', 'clusters');
    expect(out).toMatch(/Disconnected/);
    const revision = await world.repository.commit({ 'policies/new.yaml': null }, 'Remove the policy');
    await world.startAgents();
    expect(await fso('wait', '--revision', revision, '--timeout', '600s')).toMatchObject({ code: 0 });
    expect((await world.hub.policies()).map(({ name }) => name)).not.toContain('new');
    expect(
      await world.kube('eu').get(SOVEREIGN_POLICY_KIND, { namespace: 'federated-sovereignty-system', name: 'new' }, signal),
    ).toBeUndefined();
  });
});

describePrometheus(
  () => world,
  () => {
    if (prometheus === undefined) throw new Error('Prometheus is available only in tests');
    return prometheus;
  },
);
