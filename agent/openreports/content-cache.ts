import { isDeepStrictEqual } from 'node:util';
import {
  buildContent,
  firstResults,
  type NamespaceFindings,
  type PolicyRisk,
  type PolicyViolation,
  type ReportContent,
  type ReportResult,
} from './report.ts';

/** Results of all namespaces without findings. A shared object, so that it is hashed once. */
const NO_RESULTS: readonly ReportResult[] = [];

interface Known {
  readonly findings: NamespaceFindings;
  readonly results: readonly ReportResult[];
}

/**
 * Rebuilds the results of a namespace only if its findings change. Until then they are the same
 * object.
 */
export class ContentCache {
  readonly #known = new Map<string, Known>();

  /** @param pods see {@link buildContent} */
  contentOf(namespace: string, findings: NamespaceFindings, pods: number): ReportContent {
    if (findings.violations.length + findings.risks.length === 0) {
      this.#known.delete(namespace);
      return buildContent(findings, pods, NO_RESULTS);
    }
    const known = this.#known.get(namespace);
    const isSame = known !== undefined && isSameFindings(known.findings, findings);
    const results = isSame ? known.results : firstResults(findings);
    this.#known.set(namespace, { findings, results });
    return buildContent(findings, pods, results);
  }

  /** Drops all other namespaces. */
  retain(namespaces: Pick<ReadonlySet<string>, 'has'>): void {
    for (const namespace of this.#known.keys()) if (!namespaces.has(namespace)) this.#known.delete(namespace);
  }
}

const isSameFindings = (a: NamespaceFindings, b: NamespaceFindings): boolean =>
  a.fail === b.fail &&
  a.warn === b.warn &&
  isSameList(a.violations, b.violations, isSameFinding) &&
  isSameList(a.risks, b.risks, isSameRisk);

/**
 * Whether two lists have equal items. A plain loop, because it runs over all named findings of the
 * cluster.
 */
const isSameList = <T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean): boolean => {
  if (a.length !== b.length) return false;
  for (const [index, one] of a.entries()) {
    const other = b[index];
    if (other === undefined || !isSame(one, other)) return false;
  }
  return true;
};

const isSameFinding = (a: PolicyViolation, b: PolicyViolation): boolean => isSamePolicy(a, b) && isSameViolation(a, b);

const isSameRisk = (a: PolicyRisk, b: PolicyRisk): boolean =>
  isSamePolicy(a, b) && (a.risk === b.risk || isDeepStrictEqual(a.risk, b.risk));

/**
 * Whether two findings concern the same policy. An unchanged policy has the same list of regions.
 */
const isSamePolicy = ({ policy: a }: Pick<PolicyRisk, 'policy'>, { policy: b }: Pick<PolicyRisk, 'policy'>): boolean =>
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
