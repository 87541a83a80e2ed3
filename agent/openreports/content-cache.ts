import {
  buildContent,
  firstResults,
  type NamespaceFindings,
  type PolicyViolation,
  type ReportContent,
  type ReportResult,
} from './report.ts';

/** Results of all namespaces without violations. They are one object, which is hashed once. */
const NO_RESULTS: readonly ReportResult[] = [];

interface Known {
  readonly findings: NamespaceFindings;
  readonly results: readonly ReportResult[];
}

/**
 * Builds the results of a namespace again only where its violations, or their number, changed;
 * until then they are the same object.
 */
export class ContentCache {
  readonly #known = new Map<string, Known>();

  /** @param pods see {@link buildContent} */
  contentOf(namespace: string, findings: NamespaceFindings, pods: number): ReportContent {
    const { violations } = findings;
    if (violations.length === 0) {
      this.#known.delete(namespace);
      return buildContent(findings, pods, NO_RESULTS);
    }
    const known = this.#known.get(namespace);
    const isSame = known !== undefined && isSameFindings(known.findings, findings);
    const results = isSame ? known.results : firstResults(violations);
    this.#known.set(namespace, { findings, results });
    return buildContent(findings, pods, results);
  }

  /** Forgets all other namespaces. */
  retain(namespaces: Pick<ReadonlySet<string>, 'has'>): void {
    for (const namespace of this.#known.keys()) if (!namespaces.has(namespace)) this.#known.delete(namespace);
  }
}

const isSameFindings = (a: NamespaceFindings, b: NamespaceFindings): boolean =>
  a.fail === b.fail && a.warn === b.warn && isSameList(a.violations, b.violations);

/**
 * Whether two lists of violations are the same. It is a loop, because it runs over all named
 * violations of the cluster.
 */
const isSameList = (a: readonly PolicyViolation[], b: readonly PolicyViolation[]): boolean => {
  if (a.length !== b.length) return false;
  for (const [index, one] of a.entries()) {
    const other = b[index];
    if (other === undefined || !isSamePolicy(one, other) || !isSameViolation(one, other)) return false;
  }
  return true;
};

/**
 * Whether two violations are of the same policy. A policy that did not change has the same list of
 * regions.
 */
const isSamePolicy = ({ policy: a }: PolicyViolation, { policy: b }: PolicyViolation): boolean =>
  a.effectiveRegions === b.effectiveRegions &&
  a.revision === b.revision &&
  a.enforcementAction === b.enforcementAction &&
  a.name === b.name &&
  a.namespace === b.namespace;

const isSameViolation = ({ pod: one, violation: a }: PolicyViolation, { pod: other, violation: b }: PolicyViolation): boolean =>
  one.metadata.uid === other.metadata.uid &&
  a.name === b.name &&
  a.node === b.node &&
  a.region === b.region &&
  a.reason === b.reason &&
  a.since === b.since;
