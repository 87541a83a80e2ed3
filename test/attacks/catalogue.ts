import { BIND_ATTACKS } from './bind-attacks.ts';
import { CLUSTER_ATTACKS } from './cluster-attacks.ts';
import { NAMESPACE_ATTACKS } from './namespace-attacks.ts';
import { PLACE_ATTACKS } from './place-attacks.ts';
import { PLACEMENT_ATTACKS } from './placement-attacks.ts';
import type { Attack } from './scene.ts';
import { UPDATE_ATTACKS } from './update-attacks.ts';
import { WORKLOAD_ATTACKS } from './workload-attacks.ts';

/** Every known way to bind a pod of a governed namespace outside of its regions. */
export const CATALOGUE: readonly Attack[] = [
  ...PLACEMENT_ATTACKS,
  ...PLACE_ATTACKS,
  ...UPDATE_ATTACKS,
  ...WORKLOAD_ATTACKS,
  ...BIND_ATTACKS,
  ...NAMESPACE_ATTACKS,
  ...CLUSTER_ATTACKS,
];
