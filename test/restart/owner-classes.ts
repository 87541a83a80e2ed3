import type { RiskView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { fleetKey } from './hub-answers.ts';

/** Owners of a class as the hub predicted, and as Kubernetes treated them. */
export interface Comparison {
  readonly what: string;
  readonly said: readonly string[];
  readonly done: readonly string[];
}

/** Returns the elements of one list that the other lacks. */
export const missingIn = (all: readonly string[], of: readonly string[]): readonly string[] => all.filter((each) => !of.includes(each));

export const isSame = ({ said, done }: Comparison): boolean => missingIn(said, done).length === 0 && missingIn(done, said).length === 0;

export const isDaemonSet = ({ kind }: { readonly kind: string }): boolean => kind === 'DaemonSet';
export const unique = (keys: Iterable<string>): readonly string[] => [...new Set(keys)].sort(byText);

/** Sorts owners by class. DaemonSets include the number of their pods. */
export const classesOf = (risks: readonly Pick<RiskView, 'risk' | 'cluster' | 'kind' | 'namespace' | 'name' | 'nodes'>[]) => ({
  refused: unique(risks.filter(({ risk }) => risk === 'Refused').map(fleetKey)),
  pending: unique(risks.filter((each) => each.risk === 'Pending' && !isDaemonSet(each)).map(fleetKey)),
  waiting: unique(risks.filter((each) => each.risk === 'Pending' && isDaemonSet(each)).map((each) => `${fleetKey(each)}: ${each.nodes}`)),
});
export type Classes = ReturnType<typeof classesOf>;
