import { join } from 'node:path';
import { GATEKEEPER_MANIFEST, KUBECTL_TOOL, type ToolModule } from '../../clusters/toolchain/modules.ts';

const tools = join(import.meta.dirname, '..', '..', 'clusters', 'local', 'tools');

/** Tool for clusters with real nodes. */
export const NODE_TOOL: ToolModule = {
  ...KUBECTL_TOOL,
  name: 'node',
  dir: join(tools, 'node'),
  package: '.',
  programs: ['kubelet', 'kube-proxy'],
  sources: ['main.go'],
};

/** Runs Gatekeeper's own tests of a template. */
export const GATOR_TOOL: ToolModule = {
  name: 'gator',
  dir: GATEKEEPER_MANIFEST.dir,
  upstream: GATEKEEPER_MANIFEST.upstream,
  package: `${GATEKEEPER_MANIFEST.upstream}/cmd/gator`,
  programs: ['gator'],
};

/** Renders and installs the charts of deploy/charts. */
export const HELM_TOOL: ToolModule = {
  name: 'helm',
  dir: join(tools, 'helm'),
  upstream: 'helm.sh/helm/v4',
  package: 'helm.sh/helm/v4/cmd/helm',
  programs: ['helm'],
  linkerFlags: (version) => [`-X helm.sh/helm/v4/internal/version.version=${version}`],
};

/** Signs published artifacts, and verifies them. */
export const COSIGN_TOOL: ToolModule = {
  name: 'cosign',
  dir: join(tools, 'cosign'),
  upstream: 'github.com/sigstore/cosign/v2',
  package: 'github.com/sigstore/cosign/v2/cmd/cosign',
  programs: ['cosign'],
};

/** Registry of images and charts, which stores nothing beyond its end. */
export const REGISTRY_TOOL: ToolModule = {
  name: 'registry',
  dir: join(tools, 'cosign'),
  upstream: 'github.com/google/go-containerregistry',
  package: 'github.com/google/go-containerregistry/cmd/registry',
  programs: ['registry'],
};
