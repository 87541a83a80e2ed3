import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CustomResourceDefinition } from '@fso/shared/kube';
import { parse } from 'yaml';
import { filesOf, type ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';

/**
 * Declares third-party CRDs in a Go module that test/harness/crds pins.
 *
 * @param files paths in the module, by name in the cache
 */
export const crdsOf = (name: string, upstream: string, files: Readonly<Record<string, string>>): ToolModule => ({
  name,
  dir: join(import.meta.dirname, 'crds'),
  upstream,
  programs: [],
  files,
});

export const readCrds = async (modules: readonly ToolModule[], signal: AbortSignal): Promise<readonly CustomResourceDefinition[]> => {
  const folders = await ensureTools({ env: process.env, log: () => undefined, modules }, signal);
  const files = modules.flatMap((module) => Object.keys(filesOf(module)).map((file) => join(folders[module.name] ?? '', file)));
  return Promise.all(files.map(async (file) => parse(await readFile(file, 'utf8')) as CustomResourceDefinition));
};

/** Reads the CRD of openreports.io's reports. @throws Error if the module has none */
export const readReportCrd = async (signal: AbortSignal): Promise<CustomResourceDefinition> => {
  const module = crdsOf('openreports-crds', 'github.com/openreports/reports-api', {
    'reports.yaml': 'config/crd/openreports.io_reports.yaml',
  });
  const [crd] = await readCrds([module], signal);
  if (crd === undefined) throw new Error('the module has no CRD');
  return crd;
};
