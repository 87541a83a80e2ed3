export { DenialWatch, type KnownDenials, READ_EVERY_MS } from './denial-watch.ts';
export { OwnRefusals } from './own-refusals.ts';
