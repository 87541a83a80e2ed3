import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { KubeObject } from '@fso/shared/api';
import type { CustomResourceDefinition } from '@fso/shared/kube';
import { parseAllDocuments } from 'yaml';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { crdsOf, readCrds } from './module-crds.ts';
import { HELM_TOOL } from './tools.ts';

const run = promisify(execFile);

export const CHARTS = join(import.meta.dirname, '..', '..', 'deploy', 'charts');

export const CHART_NAMES = ['fso-agent', 'fso-hub'] as const;

/** Helm 3, which is still in use. */
export const HELM3_TOOL: ToolModule = {
  name: 'helm3',
  dir: join(import.meta.dirname, 'helm3'),
  upstream: 'helm.sh/helm/v3',
  package: 'helm.sh/helm/v3/cmd/helm',
  programs: ['helm'],
  files: {},
  // Like Helm's own build, which without a cluster assumes the Kubernetes version that it was built
  // with.
  linkerFlags: (version) => [
    `-X helm.sh/helm/v3/internal/version.version=${version}`,
    ...['chartutil', 'lint/rules'].flatMap((name) => [
      `-X helm.sh/helm/v3/pkg/${name}.k8sVersionMajor=1`,
      `-X helm.sh/helm/v3/pkg/${name}.k8sVersionMinor=34`,
    ]),
  ],
};

/** Writes a chart with both of ours as conditional dependencies. @returns its folder */
export const makeUmbrella = (folder: string): string => {
  const parent = join(folder, 'platform');
  mkdirSync(join(parent, 'charts'), { recursive: true });
  for (const chart of CHART_NAMES) cpSync(join(CHARTS, chart), join(parent, 'charts', chart), { recursive: true });
  const dependencies = CHART_NAMES.map((name) => ({ name, version: '>=0.0.0-0', condition: `${name}.enabled` }));
  writeFileSync(join(parent, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: 'platform', version: '1.0.0', dependencies }));
  return parent;
};

export type Values = Readonly<Record<string, unknown>>;

/** Chart with the values of an installation. */
export interface Release {
  /** Folder of `deploy/charts`, or the path of another chart. */
  readonly chart: string;
  readonly namespace: string;
  readonly values: Values;
}

const GATEWAY_CRDS = 'config/crd/standard/gateway.networking.k8s.io';
const CRD_MODULES: readonly ToolModule[] = [
  crdsOf('gateway-api-crds', 'sigs.k8s.io/gateway-api', {
    'httproutes.yaml': `${GATEWAY_CRDS}_httproutes.yaml`,
    'tlsroutes.yaml': `${GATEWAY_CRDS}_tlsroutes.yaml`,
  }),
  crdsOf('cert-manager-crds', 'github.com/cert-manager/cert-manager', {
    'certificates.yaml': 'deploy/crds/cert-manager.io_certificates.yaml',
  }),
];

/** Serves all versions of a CRD, including alpha ones, like earlier releases of its project. */
const withAllVersions = ({ spec, ...crd }: CustomResourceDefinition): CustomResourceDefinition => ({
  ...crd,
  spec: {
    ...spec,
    versions: (spec.versions ?? []).map((version) => ({ ...version, served: true, deprecated: false, deprecationWarning: undefined })),
  },
});

/**
 * Reads the CRDs of the Gateway API and of cert-manager for the kinds that the charts may create.
 */
export const readChartCrds = async (signal: AbortSignal): Promise<readonly CustomResourceDefinition[]> =>
  (await readCrds(CRD_MODULES, signal)).map(withAllVersions);

const isHook = ({ metadata }: KubeObject): boolean => metadata.annotations?.['helm.sh/hook'] !== undefined;

/** Helm without the settings of this machine's user. A release has the name of its chart. */
export class Helm {
  readonly #program: string;
  readonly #folder: string;

  private constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
  }

  /** @param folder folder for Helm's own files */
  static async open(folder: string, signal: AbortSignal, tool: ToolModule = HELM_TOOL): Promise<Helm> {
    const tools = await ensureTools({ env: process.env, log: () => undefined, modules: [tool] }, signal);
    return new Helm(join(tools[tool.name] ?? '', 'helm'), folder);
  }

  /**
   * @returns standard output
   * @throws Error with the output of Helm
   */
  async #run(args: readonly string[], values?: Values): Promise<string> {
    const file = join(this.#folder, 'values.json');
    if (values !== undefined) await writeFile(file, JSON.stringify(values));
    const homes = ['CACHE', 'CONFIG', 'DATA'].map((name) => [`HELM_${name}_HOME`, join(this.#folder, name)]);
    const env = { PATH: process.env['PATH'], HOME: this.#folder, ...Object.fromEntries(homes) };
    const { stdout } = await run(this.#program, [...args, ...(values === undefined ? [] : ['--values', file])], {
      env,
      maxBuffer: 16 * 1024 ** 2,
    });
    return stdout;
  }

  async version(): Promise<string> {
    return this.#run(['version', '--template', '{{ .Version }}']);
  }

  /** @throws Error with the problems of the chart, warnings included */
  async lint({ chart, namespace, values }: Release): Promise<void> {
    await this.#run(['lint', '--strict', resolve(CHARTS, chart), '--namespace', namespace], values);
  }

  async #template({ chart, namespace, values }: Release): Promise<readonly KubeObject[]> {
    const text = await this.#run(['template', basename(chart), resolve(CHARTS, chart), '--namespace', namespace], values);
    return parseAllDocuments(text).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);
  }

  /**
   * Returns the objects of `helm template`, without a cluster and without hooks.
   *
   * @throws Error with the reason why the chart refuses its values
   */
  async render(release: Release): Promise<readonly KubeObject[]> {
    return (await this.#template(release)).filter((object) => !isHook(object));
  }

  /** Returns the objects that Helm creates before or after a release, or for `helm test`. */
  async hooks(release: Release): Promise<readonly KubeObject[]> {
    return (await this.#template(release)).filter(isHook);
  }

  /** Installs the release, or upgrades it to other values. Does not wait for its pods. */
  async install({ chart, namespace, values }: Release, kubeconfig: string): Promise<void> {
    const args = ['upgrade', '--install', basename(chart), resolve(CHARTS, chart), '--namespace', namespace, '--kubeconfig', kubeconfig];
    // Helm waits for a Job that creates keys.
    await this.#run([...args, '--timeout', '30m'], values);
  }

  /** Rolls the release back to the previous revision. Does not wait for its pods. */
  async rollback({ chart, namespace }: Release, kubeconfig: string): Promise<void> {
    await this.#run(['rollback', basename(chart), '--namespace', namespace, '--kubeconfig', kubeconfig]);
  }

  async uninstall({ chart, namespace }: Release, kubeconfig: string): Promise<void> {
    await this.#run(['uninstall', basename(chart), '--namespace', namespace, '--kubeconfig', kubeconfig]);
  }
}
