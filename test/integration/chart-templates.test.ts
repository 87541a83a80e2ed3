import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { loadAgentConfig } from '../../agent/config.ts';
import {
  agentWith,
  DIGEST,
  FULL_AGENT,
  FULL_HUB,
  GATEWAY_HUB,
  hubWith,
  KEYS,
  MONITORED_AGENT,
  MONITORED_HUB,
  PEER,
  signer,
} from '../harness/chart-releases.ts';
import { CHARTS, Helm, type Release, type Values } from '../harness/helm.ts';
import { type RuleGroups, readDashboards, readRules } from '../harness/monitoring-files.ts';
import { findMisfits } from '../harness/monitors.ts';
import { type Container, egressOf, fieldOf, mountedEnvironment, podOf } from '../harness/pod-template.ts';
import { never } from '../harness/waiting.ts';

/** Tests of the objects that the charts render from their values, without a cluster. */

let folder: string;
let helm: Helm;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-chart-templates-'));
  helm = await Helm.open(folder, never);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const ofKind = (objects: readonly KubeObject[], kind: string): readonly KubeObject[] => objects.filter((object) => object.kind === kind);

describe('what the charts refuse', () => {
  it.each<[string, Release, RegExp]>([
    ['an agent in another namespace', agentWith({}, 'kube-system'), new RegExp(`namespace ${SYSTEM_NAMESPACE} alone`)],
    ['an agent without the name of its cluster', agentWith({ cluster: '' }), /\/cluster/],
    ['an agent that dials in the clear', agentWith({ hub: { url: 'ws://hub' } }), /\/hub\/url/],
    ['a setting that the agent does not have', agentWith({ settings: { FSO_LOGLEVEL: 'debug' } }), /FSO_LOGLEVEL/],
    ['a collector that is no URL', agentWith({ telemetry: { otlpEndpoint: 'collector:4318' } }), /otlpEndpoint/],
    ['a value that the chart does not have', agentWith({ replica: 3 }), /replica/],
    ['a digest that is none', agentWith({ image: { digest: 'latest' } }), /digest/],
    ["a hub in the agent's namespace", hubWith(KEYS, SYSTEM_NAMESPACE), /namespace of agents alone/],
    ['several hubs without PostgreSQL', hubWith({ ...KEYS, replicas: 2 }), /share one PostgreSQL/],
    ['a hub that nobody can sign in to', hubWith({ ...KEYS, access: {} }), /nobody could sign in/],
    [
      'a provider without roles',
      hubWith({ ...KEYS, access: { oidc: { issuer: 'https://login.example.com', clientId: 'fso' } } }),
      /roleMap/,
    ],
    [
      'a provider that cannot send people back',
      hubWith({ ...KEYS, access: { oidc: { issuer: 'https://login.example.com', clientId: 'fso', roleMap: 'admin=fso-admins' } } }),
      /access\.publicUrl/,
    ],
    ['an ingress that the network policy shuts out', hubWith({ ...KEYS, ingress: { enabled: true, host: 'fso' } }), /apiFrom/],
    ['a gateway that the network policy shuts out', hubWith({ ...GATEWAY_HUB.values, networkPolicy: {} }), /apiFrom/],
    ['a gateway without a listener', hubWith({ ...GATEWAY_HUB.values, gateway: { enabled: true, host: 'fso' } }), /parentRefs/],
    [
      'an issuer without a Secret',
      hubWith({ ...FULL_HUB.values, ingress: { enabled: true, host: 'fso', issuerRef: { name: 'ca' } } }),
      /tlsSecret/,
    ],
    ['an ingress that would end the TLS of agents', hubWith({ ...KEYS, agents: { ingress: { enabled: true } } }), /pass TLS through/],
    [
      'TLS that is passed through for no name',
      hubWith({ ...GATEWAY_HUB.values, agents: { gatewayRefs: [{ name: 'public' }] } }),
      /hostnames/,
    ],
    [
      'TLS that is passed through, but not for what agents dial',
      hubWith({ ...GATEWAY_HUB.values, agents: { hostnames: ['192.0.2.10', 'hub.example.com'], gatewayRefs: [{ name: 'public' }] } }),
      /hostnames/,
    ],
    [
      'a Prometheus that the network policy shuts out of the hub',
      hubWith({ ...KEYS, monitoring: { serviceMonitor: { enabled: true } } }),
      /Prometheus.*apiFrom/,
    ],
    [
      'a Prometheus that the network policy shuts out of the agent',
      agentWith({ monitoring: { podMonitor: { enabled: true } } }),
      /Prometheus.*metricsFrom/,
    ],
    ['a version that TLSRoute never had', hubWith({ ...KEYS, agents: { tlsRouteVersion: 'v1beta1' } }), /tlsRouteVersion/],
    ['credentials among the values', hubWith({ ...KEYS, git: { url: 'https://bot:pw@git.example.com/p.git' } }), /\/git\/url/],
  ])('%s', async (_, release, reason) => {
    await expect(helm.render(release)).rejects.toThrow(reason);
  });
});

describe('the parts of the charts', () => {
  it("the rights of the agent are those of deploy/agent/rbac.yaml, in the agent's namespace", async () => {
    const wanted = ['rbac', 'openreports']
      .flatMap((name) => parseAllDocuments(readFileSync(join(CHARTS, '..', 'agent', `${name}.yaml`), 'utf8')))
      .map((document) => document.toJS() as KubeObject);
    const rendered = await helm.render(agentWith({ openReports: { enabled: true } }));
    const found = wanted.flatMap(({ kind, metadata }) =>
      ofKind(rendered, kind ?? '').filter((object) => object.metadata.name === metadata.name),
    );
    const bare = found.map((object) => ({ ...object, metadata: { ...object.metadata, labels: undefined } }));
    expect(bare).toEqual(wanted.filter(({ kind }) => kind !== 'Namespace').map((object) => expect.objectContaining(object)));
    expect(rendered.filter((object) => object.kind === 'Namespace')).toEqual([]);
    expect(new Set(rendered.map(({ metadata }) => metadata.namespace ?? SYSTEM_NAMESPACE))).toEqual(new Set([SYSTEM_NAMESPACE]));
  });

  it('the rights for reports come with the setting alone', async () => {
    const named = async (values: Values): Promise<string[]> =>
      (await helm.render(agentWith(values))).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    const added = await named({ openReports: { enabled: true } });
    for (const name of await named({})) added.splice(added.indexOf(name), 1);
    expect(added.toSorted(byText)).toEqual(['ClusterRole fso-agent-openreports', 'ClusterRoleBinding fso-agent-openreports']);
  });

  it('images are named by registry and digest', async () => {
    const imagesOf = async (release: Release): Promise<string[]> =>
      podOf(await helm.render(release)).spec.containers.map(({ image }: Container) => image);
    expect(await imagesOf(FULL_AGENT)).toEqual([`registry.example.com/mirror/fso-agent@${DIGEST}`]);
    expect(await imagesOf(FULL_HUB)).toEqual([`registry.example.com/mirror/fso-hub@${DIGEST}`]);
    const { version } = JSON.parse(readFileSync(join(CHARTS, '..', '..', 'package.json'), 'utf8')) as { version: string };
    expect(await imagesOf(agentWith())).toEqual([`fso-agent:${version}`]);
    expect(await imagesOf(hubWith(KEYS))).toEqual([`fso-hub:${version}`]);
  });

  it('their list of images is complete', async () => {
    for (const release of [agentWith(), hubWith(KEYS)]) {
      const chart = parse(readFileSync(join(CHARTS, release.chart, 'Chart.yaml'), 'utf8')) as {
        annotations: { 'artifacthub.io/images': string };
      };
      const listed = parse(chart.annotations['artifacthub.io/images']) as { name: string; image: string }[];
      const used = podOf(await helm.render(release)).spec.containers.map(({ image }: Container) => image);
      expect(listed.map(({ image }) => image)).toEqual(used);
    }
  });

  it('agents reach the hub by TLS that ends there, through a gateway or an ingress by its names, and people a route of their own', async () => {
    const byGateway = await helm.render(GATEWAY_HUB);
    expect(ofKind(byGateway, 'HTTPRoute')).toMatchObject([{ spec: { hostnames: ['fso.example.com'] } }]);
    expect(ofKind(byGateway, 'TLSRoute')).toMatchObject([
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        spec: { hostnames: ['hub.example.com'], rules: [{ backendRefs: [{ name: 'fso-hub-agents', port: 8443 }] }] },
      },
    ]);
    const env = await mountedEnvironment(byGateway, {}, folder);
    expect([env['FSO_PUBLIC_URL'], env['FSO_AGENT_HOSTNAMES']]).toEqual([
      'https://fso.example.com',
      'hub.example.com,192.0.2.10,2001:db8::1,fso-hub-agents.fso.svc',
    ]);
    const byIngress = await helm.render(FULL_HUB);
    expect(ofKind(byIngress, 'Ingress').find(({ metadata }) => metadata.name === 'fso-hub-agents')).toMatchObject({
      spec: { rules: [{ host: 'hub.example.com' }] },
    });
    expect(ofKind(byIngress, 'Certificate')).toMatchObject([{ spec: { secretName: 'fso-tls', dnsNames: ['fso.example.com'] } }]);
  });

  it('network policies let out what is needed, and no more', async () => {
    const portsOf = async (release: Release): Promise<unknown> => egressOf(await helm.render(release));
    expect(await portsOf(agentWith())).toEqual([
      [[53, 53], undefined],
      [[443, 6443], undefined],
    ]);
    expect(await portsOf(FULL_AGENT)).toEqual([
      [[53, 53], undefined],
      [[443, 6443], [{ ipBlock: { cidr: '10.0.0.0/8' } }]],
      [[8443], [{ ipBlock: { cidr: '192.0.2.0/24' } }]],
      [[4318], [PEER]],
    ]);
    expect(await portsOf(FULL_HUB)).toEqual([
      [[53, 53], undefined],
      [[8443], [PEER]],
      [[5432], [PEER]],
      [[443], [PEER]],
      [[443, 9093], [PEER]],
      [[4318], [PEER]],
    ]);
    const telemetry = { otlpEndpoint: 'http://collector.observability' };
    for (const release of [agentWith({ telemetry }), hubWith({ ...KEYS, telemetry })])
      expect(await portsOf(release)).toContainEqual([[80], undefined]);
  });

  const MONITORING = ['ServiceMonitor', 'PodMonitor', 'PrometheusRule'];
  const DASHBOARDS = { 'fso-hub': ['fleet.json', 'hub.json'], 'fso-agent': ['agent.json'] };

  it.each([hubWith(KEYS), agentWith()])('render nothing for Prometheus or Grafana by default: $chart', async (release) => {
    const objects = await helm.render(release);
    expect(objects.filter(({ kind, metadata }) => MONITORING.includes(kind ?? '') || metadata.name.endsWith('-dashboards'))).toEqual([]);
  });

  it.each([
    ['fso-hub', MONITORED_HUB],
    ['fso-agent', MONITORED_AGENT],
  ] as const)('have the labels by which Prometheus and Grafana select, and all of their content: %s', async (chart, release) => {
    await helm.lint(release);
    const objects = await helm.render(release);
    const [rule = expect.fail('no rules')] = ofKind(objects, 'PrometheusRule') as readonly (KubeObject & { spec: RuleGroups })[];
    expect(rule.metadata).toMatchObject({ name: chart, namespace: release.namespace, labels: { release: 'prometheus' } });
    const links = rule.spec.groups.flatMap(({ rules }) => rules.map(({ annotations }) => annotations['runbook_url']));
    expect(links).toEqual(
      readRules(chart).map(({ annotations }) =>
        annotations['runbook_url']?.replace('docs/operate/runbooks.md', 'https://docs.example.com/runbooks'),
      ),
    );
    const dashboards = objects.find(({ metadata }) => metadata.name === `${chart}-dashboards`) as KubeObject & {
      data: Record<string, string>;
    };
    expect(dashboards.metadata).toMatchObject({ labels: { grafana_dashboard: '1' }, annotations: { folder: 'FSO' } });
    expect(Object.keys(dashboards.data)).toEqual(DASHBOARDS[chart]);
    expect(Object.values(dashboards.data).map((text) => JSON.parse(text) as unknown)).toEqual(readDashboards(chart));
  });

  it('render objects that fit the types of the Prometheus Operator', async () => {
    const objects = [...(await helm.render(MONITORED_HUB)), ...(await helm.render(MONITORED_AGENT))];
    const ours = objects.filter(({ kind }) => MONITORING.includes(kind ?? ''));
    expect(ours).toHaveLength(4);
    expect(await findMisfits(ours, never)).toEqual([]);
    const [first = expect.fail('no objects')] = ours;
    expect(await findMisfits([{ ...first, spec: { selektor: {} } } as KubeObject], never)).toHaveLength(1);
  });

  it('Prometheus finds the API of the hub with the token, and the metrics of agents, at ports that there are', async () => {
    const hub = await helm.render(MONITORED_HUB);
    const service = ofKind(hub, 'Service').find(({ metadata }) => metadata.name === 'fso-hub');
    expect(ofKind(hub, 'ServiceMonitor')).toMatchObject([
      {
        metadata: { labels: { release: 'prometheus' } },
        spec: {
          selector: { matchLabels: { 'app.kubernetes.io/name': 'fso-hub', 'app.kubernetes.io/instance': 'fso-hub' } },
          endpoints: [{ port: 'api', authorization: { credentials: { name: 'fso-metrics', key: 'token' } } }],
        },
      },
    ]);
    expect(service).toMatchObject({
      metadata: { labels: { 'app.kubernetes.io/instance': 'fso-hub' } },
      spec: { ports: [{ name: 'api' }] },
    });
    const agent = await helm.render(MONITORED_AGENT);
    expect(ofKind(agent, 'PodMonitor')).toMatchObject([
      { spec: { selector: { matchLabels: { 'app.kubernetes.io/name': 'fso-agent' } }, podMetricsEndpoints: [{ port: 'metrics' }] } },
    ]);
    expect(podOf(agent)).toMatchObject({
      metadata: { labels: { 'app.kubernetes.io/name': 'fso-agent' } },
      spec: { containers: [{ ports: [{ name: 'metrics' }] }] },
    });
  });

  it('other public keys roll the pods out', async () => {
    const checksum = async (ssh: string): Promise<unknown> =>
      podOf(await helm.render(agentWith({ signers: { ssh } }))).metadata.annotations?.['checksum/trust'];
    const one = signer();
    expect(await checksum(one)).toBe(await checksum(one));
    expect(await checksum(one)).not.toBe(await checksum(signer()));
  });
});

describe('docs/operate/prepare-a-cluster.md', () => {
  const page = readFileSync(join(CHARTS, '..', '..', 'docs/operate/prepare-a-cluster.md'), 'utf8');

  it.each(['kubeadm', 'eks', 'gke', 'aks'])('names the identities that the chart trusts on %s', async (platform) => {
    const [row] = page.split('\n').filter((line) => line.startsWith(`| \`${platform}\` |`));
    const { trustedBinders, trustedNodeLabelers } = await loadAgentConfig(
      await mountedEnvironment(await helm.render(agentWith({ platform })), {}, folder),
    );
    for (const name of [trustedBinders.at(-1), ...trustedNodeLabelers]) expect(row).toContain(name?.replace(/.*:kube-system:/, ''));
  });
});

it('takes the values of the manifests for Argo CD and Flux', async () => {
  const page = readFileSync(join(CHARTS, '..', '..', 'docs/operate/gitops.md'), 'utf8').replaceAll(/\{\{ \.\w+ \}\}/g, 'eu');
  const texts = [...page.matchAll(/^```yaml\n# (?:applicationset|flux)\.yaml[^\n]*\n(.*?)^```/gms)].map(([, text = '']) => text);
  const specs = texts.flatMap((text) => parseAllDocuments(text).map((document) => (document.toJS() as { spec: object }).spec));
  const found = specs.flatMap((spec) => fieldOf(spec, 'template.spec.source.helm.valuesObject') ?? fieldOf(spec, 'values') ?? []);
  expect(found).toHaveLength(2);
  for (const values of found) expect(await helm.render(agentWith(values as Values))).not.toEqual([]);
});
