export { createNamespaces, everyClusterProven } from './steps.ts';
export { createWorld, type World } from './world.ts';
