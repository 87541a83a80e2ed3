import { mkdtemp, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { KubeObject } from '@fso/shared/api';

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}

export interface Container {
  readonly image: string;
  readonly args?: readonly string[];
  readonly env: readonly Variable[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Item {
  readonly key: string;
  readonly path: string;
}

interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string; readonly items?: readonly Item[] };
  readonly configMap?: { readonly name: string };
  /** Sources other than Secrets lack this field. */
  readonly projected?: { readonly sources: readonly { readonly secret?: { readonly name: string; readonly items: readonly Item[] } }[] };
}

export interface Pod extends KubeObject {
  readonly spec: { readonly containers: readonly Container[]; readonly volumes: readonly Volume[] };
}

/**
 * Returns the pod template of the only workload among the objects. @throws Error if there is none
 */
export const podOf = (objects: readonly KubeObject[]): Pod => {
  const workload = objects.find(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind ?? ''));
  if (workload === undefined) throw new Error('the objects have no workload');
  const { template, volumeClaimTemplates = [] } = (
    workload as unknown as { spec: { template: Pod; volumeClaimTemplates?: readonly KubeObject[] } }
  ).spec;
  const claims = volumeClaimTemplates.map(({ metadata: { name } }) => ({ name, emptyDir: {} }));
  const spec = { ...template.spec, volumes: [...template.spec.volumes, ...claims] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: template.metadata, spec };
};

export type Secrets = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Returns the selected files of a Secret, by default all. */
const pick = (data: Secrets[string], items: readonly Item[] | undefined): Secrets[string] =>
  items === undefined ? data : Object.fromEntries(items.flatMap(({ key, path }) => (data[key] === undefined ? [] : [[path, data[key]]])));

/** Returns the contents of the files in a volume, by name. */
const contentOf = (volume: Volume, objects: readonly KubeObject[], secrets: Secrets): Readonly<Record<string, string>> => {
  const { secret, configMap, projected } = volume;
  if (secret !== undefined) return pick(secrets[secret.secretName] ?? {}, secret.items);
  if (configMap !== undefined) {
    const found = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap.name);
    return (found as { data?: Record<string, string> } | undefined)?.data ?? {};
  }
  const items = (projected?.sources ?? []).flatMap(({ secret: source }) =>
    (source?.items ?? []).map((item) => ({ name: source?.name ?? '', ...item })),
  );
  return Object.fromEntries(items.map(({ name, key, path }) => [path, secrets[name]?.[key] ?? '']));
};

/**
 * Returns the environment of the pod's first container. Variables that name its volumes, or files
 * in them, name folders and files with the same content below a folder on this machine.
 */
export const mountedEnvironment = async (
  objects: readonly KubeObject[],
  secrets: Secrets,
  folder: string,
): Promise<Readonly<Record<string, string>>> => {
  const { containers, volumes } = podOf(objects).spec;
  const [container] = containers;
  const files = new Map<string, string>();
  for (const { name, mountPath } of container?.volumeMounts ?? []) {
    const volume = volumes.find((candidate) => candidate.name === name);
    const target = await mkdtemp(join(folder, `${basename(mountPath)}-`));
    files.set(mountPath, target);
    for (const [file, content] of Object.entries(volume === undefined ? {} : contentOf(volume, objects, secrets))) {
      await writeFile(join(target, file), content);
      files.set(`${mountPath}/${file}`, join(target, file));
    }
  }
  const textOf = ({ value = '', valueFrom }: Variable): string => {
    if (valueFrom !== undefined) return secrets[valueFrom.secretKeyRef.name]?.[valueFrom.secretKeyRef.key] ?? '';
    return files.get(value) ?? value;
  };
  return Object.fromEntries((container?.env ?? []).map((variable) => [variable.name, textOf(variable)]));
};

interface NetworkPolicy extends KubeObject {
  readonly spec: { readonly egress: readonly { readonly ports: readonly { readonly port: number }[]; readonly to?: readonly unknown[] }[] };
}

/**
 * Returns the egress that the network policies among the objects allow: ports, and peers if they
 * are limited.
 */
export const egressOf = (objects: readonly KubeObject[]): readonly (readonly [readonly number[], readonly unknown[] | undefined])[] =>
  objects
    .filter((object): object is NetworkPolicy => object.kind === 'NetworkPolicy')
    .flatMap(({ spec }) => spec.egress.map(({ ports, to }) => [ports.map(({ port }) => port), to] as const));

export const findObject = (objects: readonly KubeObject[], kind: string, name?: string): KubeObject | undefined =>
  objects.find((object) => object.kind === kind && (name === undefined || object.metadata.name === name));

/** Returns a field of an object by its path, such as `spec.ports.0.nodePort`. */
export const fieldOf = (object: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => Reflect.get(Object(value), key), object);
