import type { EnforcementAction } from '@fso/shared/api';
import type { Verdict } from './judge.ts';
import type { Workload } from './workloads.ts';

interface Outcome {
  readonly level: 'success' | 'danger' | 'warning' | 'info';
  /** What happens, in one sentence. */
  readonly text: string;
  /** The strongest ruling that the workload violates. */
  readonly failed: Verdict | undefined;
}

const OF_POD: Readonly<Record<EnforcementAction, Omit<Outcome, 'failed'>>> = {
  deny: { level: 'danger', text: 'Not admitted: the pod is refused.' },
  warn: { level: 'warning', text: 'Admitted with a warning, and reported as a violation.' },
  dryrun: { level: 'warning', text: 'Admitted, and reported as a violation.' },
  custom: { level: 'warning', text: 'Outside of the allowed regions: what follows depends on the scoped actions of the policy.' },
};

/** Both locks only warn of a workload: what makes the difference are its pods. */
const templateText = (action: EnforcementAction, kind: string): string => {
  if (action === 'deny') return `Not admitted: the ${kind} is taken with a warning, but each of its pods is refused.`;
  return `${kind} and pods: ${OF_POD[action].text.charAt(0).toLowerCase()}${OF_POD[action].text.slice(1)}`;
};

/** @param gaps why it is not known what governs the workload; undefined: it is known */
const admittedOutcome = (isGoverned: boolean, gaps: string | undefined): Outcome => {
  if (gaps !== undefined) return { level: 'warning', text: `Not known: ${gaps}. What is known would admit it.`, failed: undefined };
  return isGoverned
    ? { level: 'success', text: 'Admitted: it can run in allowed regions only.', failed: undefined }
    : { level: 'info', text: 'Admitted: nothing governs it.', failed: undefined };
};

/**
 * What happens to a workload, by the strongest action that it violates. Where it is not known what governs it, nothing is
 * said to be admitted.
 *
 * @param verdicts strongest first
 * @param gaps as of {@link admittedOutcome}
 */
export const outcomeOf = (verdicts: readonly Verdict[], { kind }: Pick<Workload, 'kind'>, gaps?: string): Outcome => {
  const failed = verdicts.find(({ decision }) => !decision.admitted);
  if (failed === undefined) return admittedOutcome(verdicts.length > 0, gaps);
  const { action } = failed.ruling;
  const { level, text } = OF_POD[action];
  const told = kind === 'Pod' ? text : templateText(action, kind);
  return { level, text: gaps === undefined ? told : `By what is known: ${told.charAt(0).toLowerCase()}${told.slice(1)}`, failed };
};
