import { join } from 'node:path';
import type { ToolModule } from '../../../clusters/build/modules.ts';

/** The Go program of the oracle; its version is that of Kubernetes' matcher. */
export const ORACLE_TOOL: ToolModule = {
  name: 'oracle',
  dir: join(import.meta.dirname, 'go'),
  upstream: 'k8s.io/component-helpers',
  package: '.',
  programs: ['oracle'],
  sources: ['main.go', 'match.go', 'model.go', 'rego.go'],
  files: {},
  linkerFlags: () => [],
};
