import { CONDITIONS, type Condition } from '@fso/shared/api';

export type Verdict = 'bad' | 'unknown' | 'good';

/** Conditions that are bad when true, as those of Kubernetes nodes (DiskPressure, …) are. */
const BAD_WHEN_TRUE: ReadonlySet<string> = new Set([CONDITIONS.conflict, CONDITIONS.expiring, CONDITIONS.tampered]);

/** `good`: as it should be; `unknown` never is. */
export const verdictOf = ({ type, status }: Pick<Condition, 'type' | 'status'>): Verdict => {
  if (status === 'Unknown') return 'unknown';
  return (status === 'True') === BAD_WHEN_TRUE.has(type) ? 'bad' : 'good';
};
