import type { RegionState } from './map-regions.ts';

const SHAPES: Readonly<Record<RegionState, string>> = {
  violated: 'M6 1 11.5 11H.5z',
  inUse: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1z',
  allowed: 'M6 1.5 10.5 6 6 10.5 1.5 6z',
};

/** The shape that the map has for a state; the word stands beside it. */
export const StateShape = ({ state }: { readonly state: RegionState }) => (
  <svg viewBox="0 0 12 12" className={`fso-shape fso-shape-${state}`} aria-hidden="true">
    <path d={SHAPES[state]} />
  </svg>
);
