export * from './compile.ts';
export { createMatcher, isGlob, matchesNamespace } from './namespace-glob.ts';
export { type GatekeeperPlace, isUngovernable, protectedFrom, USUAL_PLACE } from './system-namespaces.ts';
