import { isUnlisted, type RiskClass } from '@fso/shared/api';
import type { ReportedOwners } from '@fso/shared/effects';
import { isUnjudged } from '@fso/shared/status';
import { namedIn } from '../../../ledger/index.ts';
import type { IsChanged } from '../../../plans/index.ts';
import type { ClusterEntry } from '../cluster-entry.ts';

/** The findings of one class under one policy of a cluster. */
interface PolicyFindings {
  /** Namespaces that the policy governs. */
  readonly namespaces: readonly string[];
  readonly count: number;
  /** Number of those that may be none: of no dry run yet, or that the policy may not deny. */
  readonly uncertain: number;
  /** The first ones, as `Deployment web/api`. */
  readonly named: readonly string[];
}

/** Findings in the namespaces that a plan changes. */
interface CountedFindings extends ReportedOwners {
  readonly to: number;
  /** Those that are known by name. */
  readonly named: ReadonlySet<string>;
  /** Whether these are all. */
  readonly isAllNamed: boolean;
}

interface Named {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const nameOf = ({ kind, namespace, name }: Named): string => `${kind} ${namespace}/${name}`;

const namespaceOf = (name: string): string => name.slice(name.indexOf(' ') + 1, name.indexOf('/'));

/** Asks for each namespace once: policies govern the same ones. */
const remembering = (isChanged: IsChanged): IsChanged => {
  const known = new Map<string, boolean | undefined>();
  return (namespace) => {
    if (!known.has(namespace)) known.set(namespace, isChanged(namespace));
    return known.get(namespace);
  };
};

/** Counts the findings of policies without a common namespace, all of whose namespaces count. */
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
 * Adds up findings of several policies. An owner counts under each policy that it breaks, and a
 * policy counts those of all its namespaces, so that the sum lies between two bounds: those known
 * by name, or of policies without a common namespace, are there, and no more than the others.
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

/** The policies of a cluster that report something; those that conform are not read. */
const reportsOf = ({ record: { policies } }: Pick<ClusterEntry, 'record'>) =>
  [...namedIn(policies)].flatMap(([policy, { violations, risks }]) => {
    const report = violations > 0 || risks !== undefined ? policies.get(policy) : undefined;
    return report === undefined ? [] : [{ policy, report }];
  });

/**
 * Whether a policy of a cluster is not judged as the commit has it, or it is not known what the
 * policy governs: then its findings may be those of another rule.
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
  return countFindings(findings, remembering(isChanged));
};

/**
 * Bounds the owners with pods that run outside in the namespaces that a plan changes: pods are
 * reported, and beyond those that are named also such as only may be scheduled outside. Pure.
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
  const { to } = countFindings(findings, remembering(isChanged));
  const runs = entry.named.some(
    ({ view }) => view.node !== undefined && view.enforcementAction === 'deny' && isChanged(view.namespace) === true,
  );
  return { from: Math.min(to, Number(runs)), to };
};
