import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const clusters = dirname(dirname(fileURLToPath(import.meta.url)));

/** Go module of this repository that declares programs of one upstream as tools. */
export interface ToolModule {
  readonly name: string;
  /** Folder of its go.mod. */
  readonly dir: string;
  /** The upstream's module path; its version is the tool's version. */
  readonly upstream: string;
  /** Path of the package to build; absent if only files are wanted. */
  readonly package?: string;
  /**
   * Names of the program. Several names are links to one program, which behaves according to the
   * name it is started with.
   */
  readonly programs: readonly string[];
  /**
   * Go files in `dir`, if the program is this repository's own; absent for programs of the
   * upstream.
   */
  readonly sources?: readonly string[];
  /**
   * Files of the upstream's module to keep beside the programs, by name; the value is the path in
   * the module.
   */
  readonly files?: Readonly<Record<string, string>>;
  /** Build tags: parts of the upstream to leave out. */
  readonly tags?: readonly string[];
  /** Linker flags for a version, in addition to those of all modules. */
  readonly linkerFlags?: (version: string) => readonly string[];
}

// Kubernetes' own build sets these. Without them the API server reports v0.0.0-master as its
// version.
function kubernetesVersionFlags(version: string): string[] {
  const [major = '', minor = ''] = version.replace(/^v/, '').split('.');
  const variable = 'k8s.io/component-base/version';
  return [`-X ${variable}.gitVersion=${version}`, `-X ${variable}.gitMajor=${major}`, `-X ${variable}.gitMinor=${minor}`];
}

/** The programs and files of a local cluster. */
export const LOCAL_TOOLS: readonly ToolModule[] = [
  {
    name: 'etcd',
    dir: join(clusters, 'local', 'tools', 'etcd'),
    upstream: 'go.etcd.io/etcd/server/v3',
    package: 'go.etcd.io/etcd/server/v3',
    programs: ['etcd'],
  },
  {
    name: 'kwok',
    dir: join(clusters, 'local', 'tools', 'kwok'),
    upstream: 'sigs.k8s.io/kwok',
    package: 'sigs.k8s.io/kwok/cmd/kwok',
    programs: ['kwok'],
    files: {
      'node-initialize.yaml': 'kustomize/stage/node/fast/node-initialize.yaml',
      'node-heartbeat-with-lease.yaml': 'kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
      'pod-ready.yaml': 'kustomize/stage/pod/fast/pod-ready.yaml',
      'pod-complete.yaml': 'kustomize/stage/pod/fast/pod-complete.yaml',
      'pod-delete.yaml': 'kustomize/stage/pod/fast/pod-delete.yaml',
    },
  },
  {
    name: 'kubernetes',
    dir: join(clusters, 'local', 'tools', 'kubernetes'),
    upstream: 'k8s.io/kubernetes',
    package: '.',
    programs: ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'],
    sources: ['main.go'],
    linkerFlags: kubernetesVersionFlags,
  },
  {
    name: 'gatekeeper',
    dir: join(clusters, 'local', 'tools', 'gatekeeper'),
    upstream: 'github.com/open-policy-agent/gatekeeper/v3',
    package: 'github.com/open-policy-agent/gatekeeper/v3',
    programs: ['gatekeeper'],
    files: { 'gatekeeper.yaml': 'deploy/gatekeeper.yaml' },
  },
];

/** Tool for people without kubectl on PATH. */
export const KUBECTL_TOOL: ToolModule = {
  name: 'kubectl',
  dir: join(clusters, 'local', 'tools', 'kubernetes'),
  upstream: 'k8s.io/kubernetes',
  package: 'k8s.io/kubernetes/cmd/kubectl',
  programs: ['kubectl'],
  linkerFlags: kubernetesVersionFlags,
};

/** Gatekeeper's manifest only, for clusters that run its image. Needs no build. */
export const GATEKEEPER_MANIFEST: ToolModule = {
  name: 'gatekeeper-manifest',
  dir: join(clusters, 'local', 'tools', 'gatekeeper'),
  upstream: 'github.com/open-policy-agent/gatekeeper/v3',
  programs: [],
  files: { 'gatekeeper.yaml': 'deploy/gatekeeper.yaml' },
};

/** Module of the command `kind`, for the provider of that name. */
export const KIND_TOOL: ToolModule = {
  name: 'kind',
  dir: join(clusters, 'kind', 'tools'),
  upstream: 'sigs.k8s.io/kind',
  package: 'sigs.k8s.io/kind',
  programs: ['kind'],
};

/** Returns the version of `path` that a go.mod requires. */
export function requiredVersion(goMod: string, path: string): string {
  for (const line of goMod.split('\n')) {
    const [first, second, third] = line.trim().split(/\s+/);
    if (first === path && second) return second;
    if (first === 'require' && second === path && third) return third;
  }
  throw new Error(`go.mod does not require ${path}`);
}

/** Returns the Go version that a go.mod requires, e.g. `1.26.0`. */
export function goDirective(goMod: string): string {
  return /^go\s+(\S+)/m.exec(goMod)?.[1] ?? '1.21';
}

/** Files that a tool needs beside its program, by name. */
export const filesOf = ({ files = {} }: ToolModule): Readonly<Record<string, string>> => files;
export const readGoMod = (module: ToolModule): string => readFileSync(join(module.dir, 'go.mod'), 'utf8');
/** Version of a tool, as required by its go.mod. */
export const toolVersion = (module: ToolModule): string => requiredVersion(readGoMod(module), module.upstream);
