import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ApiObject, type Conditions, hasCondition, objectPath, openApi, readManifest, type SetupApi } from '../local/api.ts';
import { clusterPaths, makeFolders, writeState } from '../local/state.ts';
import type { Provider, UpOptions } from '../provider.ts';
import { CommandError } from '../toolchain/command-error.ts';
import type { Environment } from '../toolchain/go/go.ts';
import { GATEKEEPER_MANIFEST } from '../toolchain/modules.ts';
import { ensureTools } from '../toolchain/tools.ts';
import { createArguments, deleteArguments, findKind, kindName, listsCluster, runKind } from './kind.ts';

const READY_MS = 1_200_000;
const POLL_MS = 1000;
const FIRST = new Set(['Namespace', 'CustomResourceDefinition']);

interface Container {
  readonly args?: readonly string[];
}
interface Deployment extends ApiObject {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
}

/** Returns the manifest with another audit interval. */
export function withAuditInterval(manifest: readonly ApiObject[], seconds: number): ApiObject[] {
  return manifest.map((object) => {
    if (object.kind !== 'Deployment' || object.metadata.name !== 'gatekeeper-audit') return object;
    const { spec } = object as Deployment;
    const containers = spec.template.spec.containers.map((container) => ({
      ...container,
      args: [...(container.args ?? []), `--audit-interval=${seconds}`],
    }));
    return { ...object, spec: { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, containers } } } };
  });
}

/** Installs Gatekeeper from its own manifest, and waits until its Deployments are available. */
async function installInCluster(api: SetupApi, manifest: readonly ApiObject[], signal: AbortSignal): Promise<void> {
  for (const object of manifest.filter(({ kind }) => FIRST.has(kind))) await api.apply(objectPath(object), object);
  for (const object of manifest.filter(({ kind }) => !FIRST.has(kind))) await api.apply(objectPath(object), object);
  const deployments = manifest.filter(({ kind }) => kind === 'Deployment');
  const deadline = performance.now() + READY_MS;
  for (const deployment of deployments) {
    while (!hasCondition(await api.send<Conditions>('GET', objectPath(deployment)), 'Available')) {
      if (performance.now() > deadline) {
        throw new CommandError(
          `${deployment.metadata.name} is not available within ${READY_MS / 1000} s; see: kubectl -n gatekeeper-system describe pods`,
        );
      }
      await delay(POLL_MS, undefined, { signal });
    }
  }
}

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

/**
 * Creates the provider that runs clusters as Docker containers, with kind
 * (https://kind.sigs.k8s.io).
 */
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
      // Written before the cluster is created, so that `down` finds it after a crash.
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
