import type { KindDescriptor } from '@fso/shared/kube';
import { createRandom, shuffled } from '../harness/random.ts';
import type { BlindWorld } from './blind-world.ts';
import type { BlindCase } from './cases.ts';
import { type Deformation, type Field, fieldsOf, wrongValuesFor } from './proxy/deform.ts';
import { readObjects } from './touch.ts';

/** Wrong values for fields of the objects that are there, in an order by the seed. */
export const deformationsFor = async (
  world: BlindWorld,
  kind: KindDescriptor,
  { seed, fields }: BlindCase,
): Promise<readonly Deformation[]> => {
  const random = createRandom(seed);
  const found = fieldsOf(await readObjects(world, kind));
  const pick = ({ path, example }: Field): Deformation => {
    const values = wrongValuesFor(example);
    return { path, value: values[Math.floor(random() * values.length)] };
  };
  return shuffled(found, random).slice(0, fields).map(pick);
};

export const describeDeformation = ({ path, value }: Deformation): string => `${path.join('.')} = ${JSON.stringify(value)}`;
