import { setTimeout as delay } from 'node:timers/promises';
import { type ApiObject, type Conditions, hasCondition, objectPath, type SetupApi } from '../local/api.ts';
import { CommandError } from '../toolchain/command-error.ts';

const READY_MS = 1_200_000;
const POLL_MS = 1000;
const FIRST = new Set(['Namespace', 'CustomResourceDefinition']);

interface Container {
  readonly args?: readonly string[];
}
interface Deployment extends ApiObject {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
}

/** The manifest with another audit interval in the Deployment that audits. */
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

/** Installs Gatekeeper as its project ships it and waits until its Deployments are available. */
export async function installInCluster(api: SetupApi, manifest: readonly ApiObject[], signal: AbortSignal): Promise<void> {
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
