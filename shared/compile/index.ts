export * from './compile.ts';
export { matchesNamespace } from './namespace-glob.ts';
export { type GatekeeperPlace, isGlob, isUngovernable, protectedFrom, USUAL_PLACE } from './system-namespaces.ts';
