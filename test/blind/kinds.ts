import type { KindDescriptor, KubeClient } from '@fso/shared/kube';
import { OBSERVED_KINDS } from '@fso/shared/protocol';

interface GroupList {
  readonly groups: readonly { readonly name: string; readonly preferredVersion: { readonly groupVersion: string } }[];
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

const descriptorsOf = (apiVersion: string, { resources }: ResourceList): KindDescriptor[] =>
  resources.filter(({ name }) => !name.includes('/')).map(({ name, kind, namespaced }) => ({ apiVersion, kind, plural: name, namespaced }));

/**
 * Reads the kinds from the API server, so that a kind that agents begin to read is found by its
 * name alone.
 */
export const discoverKinds = async (client: KubeClient, signal: AbortSignal): Promise<ReadonlyMap<string, KindDescriptor>> => {
  const read = async <T>(path: string): Promise<T> => (await client.raw<T>({ method: 'GET', path }, signal)).object;
  const { groups } = await read<GroupList>('/apis');
  const versions = ['v1', ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)];
  const found = await Promise.all(
    versions.map(async (version) => descriptorsOf(version, await read<ResourceList>(version === 'v1' ? '/api/v1' : `/apis/${version}`))),
  );
  const observed = new Set<string>(OBSERVED_KINDS);
  return new Map(found.flat().flatMap((kind) => (observed.has(kind.kind) ? [[kind.kind, kind]] : [])));
};
