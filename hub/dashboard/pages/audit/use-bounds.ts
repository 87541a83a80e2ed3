import { useMemo } from 'react';
import { boundsOf, type Period } from './period.ts';

/** What a period means from the moment it was chosen: were it to move on with the clock, the list would be read anew each time. */
export const useBounds = ({ span, since, until }: Period): Pick<Period, 'since' | 'until'> =>
  useMemo(() => boundsOf({ span, since, until }, Date.now()), [span, since, until]);
