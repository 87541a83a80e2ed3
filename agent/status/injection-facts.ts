import { listText } from '@fso/shared/runtime';
import type { Governance, PolicyInput, PolicyOutcome, WriteFailure } from '../enforce/index.ts';

/** Facts for the condition `PlacementInjection` of a policy. */
export interface InjectionFacts {
  readonly active: boolean;
  readonly reason: string;
  readonly message: string;
}

/** State of placement injection in the cluster. */
export interface InjectionInput {
  readonly governance: Pick<Governance, 'namespaces'>;
  /** Whether the API server has MutatingAdmissionPolicy. */
  readonly served: boolean;
  /** Whether policy and binding are as desired. */
  readonly installed: boolean;
  /** Namespaces whose labels differ from the desired ones. */
  readonly unapplied: ReadonlySet<string>;
  readonly failures: readonly WriteFailure[];
}

const inactive = (reason: string, message: string): InjectionFacts => ({ active: false, reason, message });

const UNAVAILABLE = inactive(
  'Unavailable',
  'the API server does not serve MutatingAdmissionPolicy: it needs Kubernetes 1.36 or newer, or 1.34 with admissionregistration.k8s.io/v1beta1 switched on; until then pods must name an allowed region themselves',
);
const PENDING = inactive('Pending', 'the mutating policy or the label of a namespace is not in place yet');
const UNGOVERNED = inactive('NotGoverning', 'the policy governs no namespace now');

const IS_INJECTION = /^MutatingAdmissionPolicy(Binding)?\//;

/**
 * Derives the facts for the condition PlacementInjection of a policy. A message stays the same
 * while nothing changes, so that unchanged statuses compare equal.
 *
 * @returns undefined if the policy does not ask for injection
 */
export const injectionFacts = ({ spec }: PolicyInput, outcome: PolicyOutcome, input: InjectionInput): InjectionFacts | undefined => {
  if (spec.placementInjection !== true) return undefined;
  if (outcome.kind !== 'governing') return UNGOVERNED;
  if (!input.served) return UNAVAILABLE;
  const failure = input.failures.find(({ key }) => IS_INJECTION.test(key));
  if (failure !== undefined) return inactive('Failed', `${failure.key}: ${failure.error}`);
  const without = outcome.namespaces.filter((namespace) => input.governance.namespaces.get(namespace)?.injection !== true);
  if (without.length > 0) return inactive('NothingToInject', `no deny or warn policy allows a region in ${listText(without)}`);
  if (!input.installed || outcome.namespaces.some((namespace) => input.unapplied.has(namespace))) return PENDING;
  return { active: true, reason: 'Active', message: 'pods that say nothing of their region get the allowed ones when they are created' };
};
