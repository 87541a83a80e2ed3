import { floorLabel, NAMESPACES_PARAMETERS } from '@fso/shared/api';
import { FLOOR_PARAMETERS_KIND, GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { type BlindWorld, GOVERNED, OUTSIDE } from './blind-world.ts';

/** Whether the index of lock 1 still has the governed namespace. */
const isIndexed = async ({ client, signal }: BlindWorld): Promise<boolean> => {
  const parameters = await client.get(FLOOR_PARAMETERS_KIND, { name: NAMESPACES_PARAMETERS }, signal);
  return parameters?.spec?.namespaces?.[GOVERNED] !== undefined;
};

const isConstrained = async ({ client, signal }: BlindWorld): Promise<boolean> => {
  const constraints = await client.list(GEO_RESIDENCY_KIND, {}, signal);
  return constraints.some(({ spec }) => spec?.match?.namespaces?.includes(GOVERNED) === true);
};

/**
 * Finds enforcement that is open though it was not taken away. An agent that sees badly must not
 * release what it no longer sees.
 *
 * @returns a sentence for each
 */
export const findOpenings = async (world: BlindWorld): Promise<readonly string[]> => {
  const [admitted, namespace, indexed, constrained] = await Promise.all([
    world.tryPod(GOVERNED, OUTSIDE),
    world.namespace(GOVERNED),
    isIndexed(world),
    isConstrained(world),
  ]);
  return [
    ...(admitted === '' ? ['a pod outside is admitted'] : []),
    ...(namespace?.metadata.labels?.[floorLabel('deny')] === 'active' ? [] : ['the label of the namespace is gone']),
    ...(indexed ? [] : ['the namespace is not in the index']),
    ...(constrained ? [] : ['no constraint has the namespace']),
    ...world.events.filter(({ reason }) => reason === 'Released').map(({ message }) => `released: ${message}`),
  ];
};
