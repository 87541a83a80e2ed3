export { createNamespaces, everyClusterProven } from './steps.ts';
export { World } from './world.ts';
