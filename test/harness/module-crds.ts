import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CustomResourceDefinition } from '@fso/shared/kube';
import { parse } from 'yaml';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';

/**
 * CRDs of others in a Go module that test/harness/crds pins. @param files name in the cache → path
 * in the module
 */
export const crdsOf = (name: string, upstream: string, files: ToolModule['files']): ToolModule => ({
  name,
  dir: join(import.meta.dirname, 'crds'),
  upstream,
  programs: [],
  files,
  linkerFlags: () => [],
});

export const readCrds = async (modules: readonly ToolModule[], signal: AbortSignal): Promise<readonly CustomResourceDefinition[]> => {
  const folders = await ensureTools({ env: process.env, log: () => undefined, modules }, signal);
  const files = modules.flatMap(({ name, files: wanted }) => Object.keys(wanted).map((file) => join(folders[name] ?? '', file)));
  return Promise.all(files.map(async (file) => parse(await readFile(file, 'utf8')) as CustomResourceDefinition));
};

/** The CRD of the reports that openreports.io defines. @throws Error when the module has none */
export const readReportCrd = async (signal: AbortSignal): Promise<CustomResourceDefinition> => {
  const module = crdsOf('openreports-crds', 'github.com/openreports/reports-api', {
    'reports.yaml': 'config/crd/openreports.io_reports.yaml',
  });
  const [crd] = await readCrds([module], signal);
  if (crd === undefined) throw new Error('the module has no CRD');
  return crd;
};
