export { DenialWatch, type KnownDenials } from './denial-watch.ts';
export { OwnRefusals } from './own-refusals.ts';
