import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openApi, readManifest } from '../local/api.ts';
import { clusterPaths, makeFolders, writeState } from '../local/state.ts';
import type { Provider, UpOptions } from '../provider.ts';
import type { Environment } from '../toolchain/go/go.ts';
import { GATEKEEPER_MANIFEST } from '../toolchain/modules.ts';
import { ensureTools } from '../toolchain/tools.ts';
import { installInCluster, withAuditInterval } from './gatekeeper.ts';
import { createArguments, deleteArguments, findKind, kindName, listsCluster, runKind } from './kind.ts';

async function installGatekeeper(kubeconfig: string, options: UpOptions, signal: AbortSignal): Promise<void> {
  const folders = await ensureTools({ env: options.env, log: options.log, modules: [GATEKEEPER_MANIFEST] }, signal);
  const manifest = readManifest(join(folders[GATEKEEPER_MANIFEST.name] ?? '', 'gatekeeper.yaml'));
  const api = openApi(kubeconfig);
  try {
    await installInCluster(api, withAuditInterval(manifest, options.gatekeeperAuditSeconds), signal);
  } finally {
    api.close();
  }
}

/** Clusters as Docker containers, made by kind (https://kind.sigs.k8s.io). */
export function createKindProvider(env: Environment): Provider {
  let kind: string | undefined;
  const command = async (log: (line: string) => void, signal: AbortSignal): Promise<string> => {
    kind ??= await findKind(env, log, signal);
    return kind;
  };
  return {
    name: 'kind',
    prepare: async ({ log }, signal) => {
      await command(log, signal);
    },
    up: async (cluster, options, signal) => {
      const paths = clusterPaths(options.stateDir, cluster.name);
      const program = await command(options.log, signal);
      const exists = listsCluster(await runKind(program, ['get', 'clusters'], env, signal), cluster.name);
      if (exists && existsSync(paths.kubeconfig)) return false;
      makeFolders(paths);
      // Before the cluster is made, so that `down` finds it after a crash.
      writeState(paths, {
        version: 1,
        provider: 'kind',
        name: cluster.name,
        regions: [...cluster.regions],
        gatekeeper: options.gatekeeper,
      });
      if (exists)
        await runKind(program, ['export', 'kubeconfig', '--name', kindName(cluster.name), '--kubeconfig', paths.kubeconfig], env, signal);
      else await runKind(program, createArguments(cluster.name, join(cluster.dir, 'kind.yaml'), paths.kubeconfig), env, signal);
      if (options.gatekeeper) await installGatekeeper(paths.kubeconfig, options, signal);
      return true;
    },
    down: async (cluster, stateDir, signal) => {
      const paths = clusterPaths(stateDir, cluster);
      await runKind(await command(() => {}, signal), deleteArguments(cluster, paths.kubeconfig), env, signal);
      rmSync(paths.dir, { recursive: true, force: true });
      return `kind cluster ${kindName(cluster)} deleted`;
    },
  };
}
