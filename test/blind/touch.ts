import { API_GROUP, type KubeObject, LABELS } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, type KindDescriptor } from '@fso/shared/kube';
import { GATEKEEPER_WEBHOOKS } from '../harness/locks.ts';
import type { BlindWorld } from './blind-world.ts';

/** Objects of a kind that the agent reads, where it does not read all of them. */
const READ: Readonly<Record<string, (object: KubeObject) => boolean>> = {
  CustomResourceDefinition: ({ metadata }) => metadata.name.endsWith(`.${API_GROUP}`),
  APIService: ({ metadata }) => metadata.name.endsWith(`.${API_GROUP}`),
  ConstraintTemplate: ({ metadata }) => metadata.name === GEO_RESIDENCY_KIND.plural,
  ValidatingWebhookConfiguration: ({ metadata }) => GATEKEEPER_WEBHOOKS.endsWith(metadata.name),
};

const isOwned = ({ metadata }: KubeObject): boolean => metadata.labels?.[LABELS.component] !== undefined;

/** Objects of a kind that the agent reads. */
export const readObjects = async ({ client, signal }: BlindWorld, kind: KindDescriptor): Promise<readonly KubeObject[]> => {
  const isRead = READ[kind.kind] ?? (kind.kind.includes('AdmissionPolicy') ? isOwned : () => true);
  return (await client.list(kind, {}, signal)).filter(isRead);
};

/**
 * Changes objects of a kind so that each has a new version and its watch brings an event, and
 * nothing else.
 */
export const touch = async (world: BlindWorld, kind: KindDescriptor): Promise<void> => {
  const { client, signal } = world;
  const change = { metadata: { annotations: { 'example.com/touched': String(performance.now()) } } };
  for (const { metadata } of await readObjects(world, kind)) {
    const { namespace, name } = metadata;
    // One that is gone meanwhile needs no touch.
    await client.mergePatch(kind, namespace === undefined ? { name } : { namespace, name }, change, signal).catch(() => undefined);
  }
};
