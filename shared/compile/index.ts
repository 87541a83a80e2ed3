export * from './compile.ts';
export { matchesNamespace } from './namespace-glob.ts';
