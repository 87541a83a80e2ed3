import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManagedClusterDocument } from '@fso/shared/api';
import { parse } from 'yaml';
import { CommandError } from './toolchain/command-error.ts';

/** Cluster of the fleet, as in its registration (`clusters/<name>/cluster.yaml`). */
export interface FleetCluster {
  readonly name: string;
  readonly regions: readonly string[];
  /** Folder of its documents. */
  readonly dir: string;
}

const DOCUMENT = 'cluster.yaml';

function readCluster(dir: string): FleetCluster {
  const file = join(dir, DOCUMENT);
  const parsed = ManagedClusterDocument.safeParse(parse(readFileSync(file, 'utf8')));
  if (!parsed.success) {
    const reasons = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new CommandError(`${file} is no ManagedCluster: ${reasons.join('; ')}`);
  }
  return { name: parsed.data.metadata.name, regions: parsed.data.spec.regions, dir };
}

const hasDocument = (dir: string): boolean => {
  try {
    return readdirSync(dir).includes(DOCUMENT);
  } catch {
    return false;
  }
};

/** Returns all clusters with a registration below `root`, by name. */
export function readDefinition(root: string): FleetCluster[] {
  return readdirSync(root)
    .map((entry) => join(root, entry))
    .filter(hasDocument)
    .map(readCluster)
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Selects clusters by name. @throws CommandError for an unknown name, with the known ones */
export function selectClusters(all: readonly FleetCluster[], names: readonly string[] | undefined): FleetCluster[] {
  if (!names) return [...all];
  const unknown = names.filter((name) => !all.some((cluster) => cluster.name === name));
  if (unknown.length > 0) {
    throw new CommandError(`no cluster named ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`);
  }
  return all.filter(({ name }) => names.includes(name));
}
