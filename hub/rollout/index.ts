export { compileDesired, Pipeline } from './pipeline.ts';
