import type { Deformation } from './deform.ts';
import type { Resource } from './requests.ts';

export const FAULTS = ['forbidden', 'list-fails', 'watch-frozen', 'list-lags', 'malformed'] as const;
export type FaultName = (typeof FAULTS)[number];

/** Fault of a proxy in the requests for one kind. */
export interface Fault {
  readonly name: FaultName;
  readonly resource: Resource;
  /**
   * `forbidden`: whether open watches end, or go on and bring nothing. `watch-frozen`: whether they
   * end with the fault, or bring then what was held back.
   */
  readonly endsWatches: boolean;
  /** Deformation of `malformed`. */
  readonly deformation?: Deformation;
}

/** Number of effects that a fault had. */
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

/** Treatment of an event of a watch. */
export interface Treatment {
  /** Delay of the event, ms; Infinity: held back while the fault lasts. */
  readonly delayMs: number;
  readonly deformation?: Deformation | undefined;
}

export const treatmentOf = (fault: Fault | undefined, lagMs: number): Treatment => {
  if (fault === undefined) return { delayMs: 0 };
  if (fault.name === 'malformed') return { delayMs: 0, deformation: fault.deformation };
  return { delayMs: fault.name === 'list-lags' ? lagMs : Number.POSITIVE_INFINITY };
};

/** Returns what the beginning of a fault does to the open watches. */
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

/** Returns what the end of a fault does to the open watches. */
export const endingOf = ({ name, endsWatches }: Fault): 'thaw' | 'break' | 'expire' => {
  // What was malformed is read again, as nothing shows that it is right now.
  if (name === 'malformed') return 'expire';
  return name === 'watch-frozen' && endsWatches ? 'break' : 'thaw';
};
