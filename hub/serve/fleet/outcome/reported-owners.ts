import { isUnlisted, type RiskClass } from '@fso/shared/api';
import type { ReportedOwners } from '@fso/shared/effects';
import { memoByKey } from '@fso/shared/runtime';
import { isUnjudged } from '@fso/shared/status';
import { namedIn } from '../../../ledger/index.ts';
import type { IsChanged } from '../../../plans/index.ts';
import type { ClusterEntry } from '../cluster-entry.ts';

/** Findings of one class of a policy in a cluster. */
interface PolicyFindings {
  /** Namespaces that the policy governs. */
  readonly namespaces: readonly string[];
  readonly count: number;
  /**
   * Number of findings that may be none: without a dry run yet, or of a policy that may not deny.
   */
  readonly uncertain: number;
  /** Names of the first findings, such as `Deployment web/api`. */
  readonly named: readonly string[];
}

/** Findings in the namespaces that a plan changes. */
interface CountedFindings extends ReportedOwners {
  readonly to: number;
  /** Names of the named findings. */
  readonly named: ReadonlySet<string>;
  /** Whether all findings are named. */
  readonly isAllNamed: boolean;
}

interface Named {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const nameOf = ({ kind, namespace, name }: Named): string => `${kind} ${namespace}/${name}`;

const namespaceOf = (name: string): string => name.slice(name.indexOf(' ') + 1, name.indexOf('/'));

/** Counts the findings of policies without a common namespace, whose namespaces all change. */
const countApart = (findings: readonly PolicyFindings[], isChanged: IsChanged): number => {
  const counted = new Set<string>();
  let sum = 0;
  for (const { namespaces, count, uncertain } of findings.toSorted((left, right) => right.count - left.count)) {
    if (namespaces.some((each) => counted.has(each) || isChanged(each) !== true)) continue;
    sum += count - uncertain;
    for (const namespace of namespaces) counted.add(namespace);
  }
  return sum;
};

/**
 * Counts the owners in the findings of several policies. Only bounds can be given: an owner counts
 * under each policy that it violates, and a policy counts findings in all its namespaces. The lower
 * bound counts named owners, or policies without a common namespace. The upper bound counts every
 * finding once.
 */
const countFindings = (all: readonly PolicyFindings[], isChanged: IsChanged): CountedFindings => {
  const findings = all.filter(({ namespaces }) => namespaces.some((each) => isChanged(each) !== false));
  const names = [...new Set(findings.flatMap(({ named }) => named))];
  const named = new Set(names.filter((name) => isChanged(namespaceOf(name)) !== false));
  const sure = names.filter((name) => isChanged(namespaceOf(name)) === true).length;
  const sumOf = (number: (each: PolicyFindings) => number): number => findings.reduce((sum, each) => sum + number(each), 0);
  const unnamed = sumOf((each) => each.count - each.named.length);
  const uncertain = sumOf((each) => each.uncertain);
  return {
    from: Math.max(countApart(findings, isChanged), sure - uncertain),
    to: named.size + unnamed,
    named,
    isAllNamed: unnamed === 0,
  };
};

/** Policies of a cluster with findings. Conforming policies are skipped. */
const reportsOf = ({ record: { policies } }: Pick<ClusterEntry, 'record'>) =>
  [...namedIn(policies)].flatMap(([policy, { violations, risks }]) => {
    const report = violations > 0 || risks !== undefined ? policies.get(policy) : undefined;
    return report === undefined ? [] : [{ policy, report }];
  });

/**
 * Whether a policy of the cluster is not judged by the commit yet, or its namespaces are unknown.
 * Its findings may then be those of another rule.
 */
export const hasUnjudged = ({ record: { policies } }: Pick<ClusterEntry, 'record'>): boolean =>
  [...namedIn(policies).keys()].some((key) => {
    const report = policies.get(key);
    return report !== undefined && (isUnlisted(report) || isUnjudged(report));
  });

/** Counts the owners of a class of risk in the namespaces that a plan changes. Pure. */
export const countRisksWhere = (entry: ClusterEntry, risk: RiskClass, isChanged: IsChanged): CountedFindings => {
  const named = entry.namedRisks.filter(({ view }) => view.risk === risk);
  const findings = reportsOf(entry).flatMap(({ policy, report: { namespaces, risks } }) => {
    const { refused = 0, pending = 0, untried = 0 } = risks ?? {};
    const [count, uncertain] = risk === 'Refused' ? [refused, untried] : [pending, 0];
    const own = named.filter(({ view }) => view.policy === policy).map(({ view }) => nameOf(view));
    return count === 0 ? [] : [{ namespaces, count, uncertain, named: own }];
  });
  return countFindings(findings, memoByKey(isChanged));
};

/**
 * Bounds the number of owners with pods that run outside, in the namespaces that a plan changes.
 * Agents report pods; those not named may only be allowed to run outside. Pure.
 */
export const countOutsideWhere = (entry: ClusterEntry, isChanged: IsChanged): ReportedOwners & { readonly to: number } => {
  const findings = reportsOf(entry).flatMap(({ policy, report: { namespaces, violations, enforcementAction } }) => {
    const own = entry.named.filter(({ view }) => view.policy === policy);
    const named = own.filter(({ view }) => view.node !== undefined).map(({ view }) => nameOf(view));
    const count = violations - (own.length - named.length);
    const isOfDeny = enforcementAction === 'deny';
    if (count === 0 || (!isOfDeny && enforcementAction !== 'custom')) return [];
    return [{ namespaces, count, uncertain: isOfDeny ? 0 : count, named }];
  });
  const { to } = countFindings(findings, memoByKey(isChanged));
  const runs = entry.named.some(
    ({ view }) => view.node !== undefined && view.enforcementAction === 'deny' && isChanged(view.namespace) === true,
  );
  return { from: Math.min(to, Number(runs)), to };
};
