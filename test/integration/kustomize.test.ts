import { readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeObject } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { POD_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { agentWith, hubWith, MONITORED_AGENT, MONITORED_HUB } from '../harness/chart-releases.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { Helm, type Release, type Values } from '../harness/helm.ts';
import { Shell } from '../harness/shell.ts';
import { eventually, never } from '../harness/waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const HUB_URL = 'wss://hub.example.com:8443';
/** Labels that say how an object was installed. */
const HELM_LABELS = ['app.kubernetes.io/managed-by', 'helm.sh/chart'];

/** The folders below deploy/kustomize, and what each is in the charts. */
const BASES: Readonly<Record<string, Release>> = {
  agent: agentWith({ cluster: 'standalone' }),
  'agent-with-hub': agentWith({ cluster: 'standalone', hub: { url: HUB_URL } }),
  hub: hubWith({ keys: { existingSecret: 'fso-keys' }, access: { apiTokenSecret: { name: 'fso-api' } } }),
};

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
/** The images of the overlays in docs/operate/gitops.md. */
const imageOf = (repository: string): Values => ({ image: { registry: 'registry.example.com', repository, tag: version } });

let cluster: ClusterHarness;
let helm: Helm;
let shell: Shell;

beforeAll(async () => {
  cluster = await ClusterHarness.start({ name: 'kustomize', gatekeeper: false }, never);
  helm = await Helm.open(cluster.folder, never);
  shell = await Shell.open(cluster, never);
  return () => cluster.close();
});

const withoutHelm = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, part: unknown) => (HELM_LABELS.includes(key) ? undefined : part)));

const namespaceOf = ({ namespace }: Release): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
});

/** A release as objects that need no Helm, the namespace included. */
const objectsOf = async (release: Release): Promise<readonly unknown[]> => [
  namespaceOf(release),
  ...((await helm.render(release)).map(withoutHelm) as object[]),
];

/**
 * Kustomize puts the variables that it changes first; their order means nothing, as none refers to
 * another.
 */
const withSortedVariables = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part: unknown) =>
      key === 'env' ? (part as { name: string }[]).toSorted((x, y) => byText(x.name, y.name)) : part,
    ),
  );

const byName = (objects: readonly unknown[]): ReadonlyMap<string, unknown> =>
  new Map((objects as KubeObject[]).map((object) => [`${object.kind} ${object.metadata.name}`, withSortedVariables(object)]));

const podsOf = ({ chart, namespace }: Release): Promise<readonly KubeObject[]> =>
  cluster.client.list(POD_KIND, { namespace, labelSelector: `app.kubernetes.io/name=${chart}` }, never);

describe.each(Object.entries(BASES))('deploy/kustomize/%s', (name, release) => {
  it('is what the chart renders: npx vitest run --project integration kustomize -u', async () => {
    const texts = (await objectsOf(release)).map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
    const text = `# Generated from deploy/charts/${release.chart} by test/integration/kustomize.test.ts. Do not edit.\n${texts.join('---\n')}`;
    await expect(text).toMatchFileSnapshot(join(ROOT, 'deploy/kustomize', name, 'manifests.yaml'));
  });

  it('is applied by kubectl alone, and again, and gets its pods', async () => {
    const apply = `kubectl apply -k deploy/kustomize/${name}`;
    await shell.run(apply);
    expect(await shell.run(apply)).not.toMatch(/created/);
    const { replicas = 2 } = release.values as { replicas?: number };
    await eventually(async () => (await podsOf(release)).length >= replicas);
  });
});

const WITHOUT_REPORTS = BASES['agent-with-hub'] as Release;
const WITH_REPORTS: Release = { ...WITHOUT_REPORTS, values: { ...WITHOUT_REPORTS.values, openReports: { enabled: true } } };

/** Makes a kustomization of a documented text. */
const buildOverlay = async (folder: string, text: string): Promise<readonly unknown[]> => {
  const place = join(cluster.folder, folder);
  await mkdir(place);
  await writeFile(join(place, 'kustomization.yaml'), text);
  await symlink(ROOT, join(place, 'federated-sovereignty-operator'));
  return parseAllDocuments(await shell.run(`kubectl kustomize ${place}`)).map((document) => document.toJS() as unknown);
};

describe('deploy/kustomize/openreports', () => {
  it('is what the chart adds: npx vitest run --project integration kustomize -u', async () => {
    const before = new Set((await objectsOf(WITHOUT_REPORTS)).map((object) => JSON.stringify(object)));
    const added = (await objectsOf(WITH_REPORTS)).filter(
      (object) => (object as KubeObject).kind?.startsWith('ClusterRole') && !before.has(JSON.stringify(object)),
    );
    const texts = added.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
    const text = `# Generated from deploy/charts/fso-agent by test/integration/kustomize.test.ts. Do not edit.\n${texts.join('---\n')}`;
    await expect(text).toMatchFileSnapshot(join(ROOT, 'deploy/kustomize/openreports/manifests.yaml'));
  });

  it('makes with an agent what the chart makes, as docs/operate/monitor.md uses it', async () => {
    const page = readFileSync(join(ROOT, 'docs/operate/monitor.md'), 'utf8');
    const [, text = ''] = /^```yaml\n(# kustomization\.yaml with reports\n.*?)^```/ms.exec(page) ?? [];
    expect(byName(await buildOverlay('reports', text))).toEqual(byName(await objectsOf(WITH_REPORTS)));
  });
});

describe.each([
  ['hub', MONITORED_HUB],
  ['agent', MONITORED_AGENT],
])('deploy/monitoring/%s', (name, release) => {
  it('is what the chart renders, without the labels and links that are yours', async () => {
    const made = parseAllDocuments(await shell.run(`kubectl kustomize deploy/monitoring/${name}`)).map(
      (document) => document.toJS() as KubeObject,
    );
    const { serviceMonitor, podMonitor } = release.values['monitoring'] as Record<string, { enabled: boolean } | undefined>;
    const monitoring = {
      ...(serviceMonitor && { serviceMonitor: { enabled: true } }),
      ...(podMonitor && { podMonitor: { enabled: true } }),
      rules: { enabled: true },
      dashboards: { enabled: true },
    };
    const rendered = await helm.render({ ...release, values: { ...release.values, monitoring } });
    const contentOf = ({ metadata: _, ...content }: KubeObject): unknown => content;
    for (const object of made) {
      const twin = rendered.find(({ kind, metadata }) => kind === object.kind && metadata.name === object.metadata.name);
      expect(contentOf(twin ?? expect.fail(`the chart has no ${object.kind} ${object.metadata.name}`))).toEqual(contentOf(object));
      expect(twin?.metadata.namespace).toBe(object.metadata.namespace);
    }
    const monitor = name === 'hub' ? 'ServiceMonitor' : 'PodMonitor';
    expect(new Set(made.map(({ kind }) => kind))).toEqual(new Set(['ConfigMap', monitor, 'PrometheusRule']));
  });
});

describe('docs/operate/gitops.md', () => {
  const page = readFileSync(join(ROOT, 'docs/operate/gitops.md'), 'utf8');
  const overlays = [...page.matchAll(/^```yaml\n(# kustomization\.yaml of the (\w+)\n.*?)^```/gms)].map(([, text = '', folder = '']) => ({
    text,
    folder,
  }));

  it.each<[string, Values]>([
    ['agent', { cluster: 'eu', hub: { url: HUB_URL }, ...imageOf('fso-agent') }],
    ['hub', { git: { url: 'https://git.example.com/org/policies.git' }, ...imageOf('fso-hub') }],
  ])('has an overlay for the %s that makes what the chart makes of the same values', async (folder, values) => {
    const overlay = overlays.find((found) => found.folder === folder);
    const made = await buildOverlay(folder, overlay?.text ?? '');
    const base = BASES[folder === 'agent' ? 'agent-with-hub' : folder] as Release;
    const wanted = await objectsOf({ ...base, values: { ...base.values, ...values } });
    expect(byName(made)).toEqual(byName(wanted));
  });
});
