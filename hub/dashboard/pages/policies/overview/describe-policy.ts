import type { EnforcementAction, Phase, PolicyView } from '@fso/shared/api';

const MANY = 6;

const listed = (items: readonly string[], word: string): string => {
  const last = items.at(-1);
  if (last === undefined) return '';
  return items.length === 1 ? last : `${items.slice(0, -1).join(', ')} ${word} ${last}`;
};

const whereOf = (target: string): string => {
  if (target === '*') return 'every namespace';
  if (!target.includes('*')) return `namespace ${target}`;
  const part = target.replaceAll('*', '');
  if (target.startsWith('*') && target.endsWith('*')) return `namespaces whose name contains “${part}”`;
  return `namespaces whose name ${target.endsWith('*') ? 'begins' : 'ends'} with “${part}”`;
};

const regionsOf = ({ allowedRegions, effectiveRegions }: Pick<PolicyView, 'allowedRegions' | 'effectiveRegions'>): string => {
  if (effectiveRegions.length === 0) return 'in no region';
  if (effectiveRegions.length <= MANY) return `only in ${listed(effectiveRegions, 'or')}`;
  return `only in the ${effectiveRegions.length} regions of ${listed(allowedRegions, 'and')}`;
};

const CONSEQUENCES: Readonly<Record<EnforcementAction, string>> = {
  deny: 'a pod that could run anywhere else is refused',
  warn: 'a pod that could run anywhere else is admitted with a warning',
  dryrun: 'a pod that could run anywhere else is admitted and recorded',
  custom: 'the source says what each lock does to a pod that could run anywhere else',
};

type PolicyTerms = Pick<PolicyView, 'targetNamespace' | 'allowedRegions' | 'effectiveRegions' | 'enforcementAction' | 'phase'>;

/**
 * Describes the requirements of a policy in a sentence or two, for readers who have never seen one.
 */
export const describePolicy = (policy: PolicyTerms): string => {
  const { targetNamespace, enforcementAction, phase } = policy;
  const [where, regions] = [whereOf(targetNamespace), regionsOf(policy)];
  if (phase === 'Expired') return `Until it expired, this policy allowed pods in ${where} to run ${regions}. It no longer applies.`;
  return `Pods in ${where} may run ${regions}; ${CONSEQUENCES[enforcementAction]}.`;
};

const CLUSTERS: Readonly<Record<Phase, readonly [one: string, many: string]>> = {
  Failed: ['does not enforce it', 'do not enforce it'],
  Pending: ['has not proven it yet, or is not connected', 'have not proven it yet, or are not connected'],
  Active: ['has proven it', 'have proven it'],
  Expired: ['no longer applies it', 'no longer apply it'],
};

/** Describes the clusters in a phase. The text follows their number. */
export const describeClusters = (phase: Phase, number: number): string => CLUSTERS[phase][number === 1 ? 0 : 1];
