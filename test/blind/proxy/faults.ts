import type { Deformation } from './deform.ts';
import type { Resource } from './requests.ts';

export const FAULTS = ['forbidden', 'list-fails', 'watch-frozen', 'list-lags', 'malformed'] as const;
export type FaultName = (typeof FAULTS)[number];

/** What a proxy does to the requests for one kind. */
export interface Fault {
  readonly name: FaultName;
  readonly resource: Resource;
  /**
   * `forbidden`: whether open watches end, or go on and bring nothing. `watch-frozen`: whether they end with the fault, or bring
   * then what was held back.
   */
  readonly endsWatches: boolean;
  /** Of `malformed`. */
  readonly deformation?: Deformation;
}

/** How often a fault bit. */
export interface Bites {
  /** Requests that got an error, or no answer. */
  readonly failed: number;
  /** Events and bookmarks that did not come, or came late. */
  readonly held: number;
  /** Objects with a wrong value. */
  readonly deformed: number;
  /** Lists from before the latest that there was. */
  readonly stale: number;
}

export const NO_BITES: Bites = { failed: 0, held: 0, deformed: 0, stale: 0 };

export const countBites = ({ failed, held, deformed, stale }: Bites): number => failed + held + deformed + stale;

/** What happens to an event of a watch. */
export type Treatment =
  | { readonly kind: 'pass' }
  | { readonly kind: 'hold' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'deform'; readonly deformation: Deformation };

const PASS: Treatment = { kind: 'pass' };
const HOLD: Treatment = { kind: 'hold' };

export const treatmentOf = (fault: Fault | undefined, lagMs: number): Treatment => {
  if (fault === undefined) return PASS;
  if (fault.name === 'list-lags') return { kind: 'delay', ms: lagMs };
  if (fault.name !== 'malformed') return HOLD;
  return fault.deformation === undefined ? PASS : { kind: 'deform', deformation: fault.deformation };
};

/** What a fault does to the watches that are open when it begins. */
export const beginningOf = ({ name, endsWatches }: Fault): 'keep' | 'break' | 'expire' => {
  switch (name) {
    case 'watch-frozen':
      return 'keep';
    case 'forbidden':
      return endsWatches ? 'break' : 'keep';
    case 'list-fails':
      return 'break';
    case 'list-lags':
    case 'malformed':
      // The client must list again: only lists lag, and only a new list shows every object.
      return 'expire';
  }
};
