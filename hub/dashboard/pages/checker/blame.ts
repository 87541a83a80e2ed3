import type { ValuePath } from '@fso/shared/decode/portable';
import { REGION_LABEL, VIOLATIONS } from '@fso/shared/residency';
import type { LineRange } from './pasted-text.ts';
import type { Workload } from './workloads.ts';

export const TERMS: readonly string[] = ['affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms'];
export const SELECTED: readonly string[] = ['nodeSelector', REGION_LABEL];

const TERM = /^required node affinity term (\d+) /;

/** Within the pod spec: what a violation speaks of. */
const blamed = (violation: string): ValuePath => {
  if (violation === VIOLATIONS.nodeName) return ['nodeName'];
  if (violation === VIOLATIONS.tooLarge) return TERMS;
  const term = TERM.exec(violation)?.[1];
  if (term !== undefined) return [...TERMS, Number(term) - 1];
  return violation === VIOLATIONS.unconfined ? [] : SELECTED;
};

/** Lines of the pasted text that a violation speaks of. */
export const blamedLines = ({ document, podSpec }: Pick<Workload, 'document' | 'podSpec'>, violation: string): LineRange => {
  const path = blamed(violation);
  const lines = document.linesOf([...podSpec, ...path]);
  return path.length === 0 ? { from: lines.from, to: lines.from } : lines;
};
