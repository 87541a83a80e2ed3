import { type EnforcementAction, type KubeObject, LABELS, OPEN_REPORT, type PolicyReport, policyKey } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { KindDescriptor } from '@fso/shared/kube';
import { truncate } from '@fso/shared/runtime';
import { type AgentSnapshot, type FoundViolation, NAMED_PER_NAMESPACE, type NamespaceViolations } from '../observe/index.ts';

type Outcome = 'pass' | 'fail' | 'warn' | 'error' | 'skip';

export interface ReportResult {
  readonly policy: string;
  readonly rule: string;
  readonly category: string;
  readonly severity: 'high' | 'medium' | 'low';
  readonly result: Outcome;
  readonly scored: boolean;
  readonly timestamp: { readonly seconds: number; readonly nanos: number };
  readonly message: string;
  readonly resources: readonly Readonly<Record<string, string>>[];
  readonly properties: Readonly<Record<string, string>>;
}

/** Content of a report, beside its name and its owner. */
export interface ReportContent {
  readonly source: string;
  readonly configuration: { readonly limits: { readonly maxResults: number; readonly statusFilter: readonly Outcome[] } };
  readonly summary: Readonly<Record<Outcome, number>>;
  readonly results: readonly ReportResult[];
}

/**
 * A report as the API server has it; others may have written anything into it.
 *
 * @see
 * https://github.com/openreports/reports-api/blob/main/apis/openreports.io/v1alpha1/report_types.go
 */
export interface Report extends KubeObject {
  readonly source?: string;
  readonly scope?: object;
  readonly scopeSelector?: object;
  readonly configuration?: object;
  readonly summary?: Readonly<Partial<Record<Outcome, number>>>;
  readonly results?: readonly object[];
  /**
   * Hash of what the agent writes, but for the number of pods that conform; see plan-reports.ts.
   * The cache keeps it in place of the rest.
   */
  readonly digest?: string;
}

export const REPORT_KIND: KindDescriptor<Report> = {
  apiVersion: 'openreports.io/v1alpha1',
  kind: 'Report',
  plural: 'reports',
  namespaced: true,
};

/**
 * Selects the reports of the agent, by their name: a list of all would hold those of every scanner.
 */
export const REPORT_FIELDS: string = `metadata.name=${OPEN_REPORT}`;
const COMPONENT = 'report';
/** Marks a report as the agent's. */
export const REPORT_LABELS: Readonly<Record<string, string>> = { [LABELS.component]: COMPONENT };
export const REPORT_SELECTOR: string = `${LABELS.component}=${COMPONENT}`;

/**
 * Below the 1.5 MiB of a request to etcd, for results of the longest messages; what readers load
 * for each namespace.
 */
export const MAX_RESULT_BYTES = 262_144;
/** Longest text of regions in a report. A policy may allow a hundred regions. */
const MAX_REGIONS_TEXT = 1_024;

/**
 * Rating of each action in a report. openreports.io calls a policy that refuses nothing not scored,
 * and its violations warnings.
 */
const RATINGS: Readonly<Record<EnforcementAction, Pick<ReportResult, 'severity' | 'result'>>> = {
  deny: { severity: 'high', result: 'fail' },
  custom: { severity: 'high', result: 'fail' },
  warn: { severity: 'medium', result: 'warn' },
  dryrun: { severity: 'low', result: 'warn' },
};
const RANKS = { high: 0, medium: 1, low: 2 } as const;

/** Findings of the agent in one governed namespace. */
export interface NamespaceFindings {
  /** Policies that govern it. */
  readonly policies: number;
  /** Violations of policies that refuse them; complete. */
  readonly fail: number;
  /** Those of the others. */
  readonly warn: number;
  /** The first of each policy. */
  readonly violations: readonly PolicyViolation[];
}

export interface PolicyViolation extends FoundViolation {
  readonly policy: PolicyReport;
}

interface MutableFindings {
  policies: number;
  fail: number;
  warn: number;
  readonly violations: PolicyViolation[];
}

/** The findings of each namespace that a policy governs, by name. */
export const findingsByNamespace = (policies: AgentSnapshot['policies']): ReadonlyMap<string, NamespaceFindings> => {
  const findings = new Map<string, MutableFindings>();
  for (const { report, violations } of policies.values()) {
    for (const namespace of report.namespaces) {
      const known = findings.get(namespace);
      if (known === undefined) findings.set(namespace, { policies: 1, fail: 0, warn: 0, violations: [] });
      else known.policies += 1;
    }
    for (const some of violations) addViolations(findings.get(some.namespace), report, some);
  }
  return findings;
};

const addViolations = (findings: MutableFindings | undefined, policy: PolicyReport, { count, first }: NamespaceViolations): void => {
  // A namespace that the policy no longer governs.
  if (findings === undefined) return;
  findings[RATINGS[policy.enforcementAction].result === 'fail' ? 'fail' : 'warn'] += count;
  for (const { pod, violation } of first) findings.violations.push({ pod, violation, policy });
};

/**
 * Builds the content of a namespace's report.
 *
 * @param pods number of pods of the namespace that have not ended: each is held against each policy
 * @param results of these violations
 */
export const buildContent = (
  { policies, fail, warn }: NamespaceFindings,
  pods: number,
  results: readonly ReportResult[],
): ReportContent => ({
  source: 'federated-sovereignty-operator',
  configuration: { limits: { maxResults: NAMED_PER_NAMESPACE, statusFilter: ['fail', 'warn'] } },
  // Pods and violations are not of the same moment: a pod may have gone since.
  summary: { pass: Math.max(0, pods * policies - fail - warn), fail, warn, error: 0, skip: 0 },
  results,
});

const resultOf = ({ policy, pod, violation }: PolicyViolation): ReportResult => {
  const { kind, namespace, name, node, region, reason, since } = violation;
  const { revision, enforcementAction } = policy;
  const sinceMs = Date.parse(since);
  const uid = pod.metadata.uid === undefined ? {} : { uid: pod.metadata.uid };
  const { result, severity } = RATINGS[enforcementAction];
  return {
    policy: policyKey(policy),
    // A pod that is bound is judged by its node, one that is not by what it asks for.
    rule: node === undefined ? 'node-constraints' : 'node-region',
    category: 'Residency',
    severity,
    result,
    scored: result === 'fail',
    timestamp: { seconds: Math.floor(sinceMs / 1000), nanos: (sinceMs % 1000) * 1_000_000 },
    message: reason,
    resources: [{ apiVersion: 'v1', kind, namespace, name, ...uid }],
    properties: {
      allowedRegions: truncate(policy.effectiveRegions.join(','), MAX_REGIONS_TEXT),
      enforcementAction,
      ...(node === undefined ? {} : { node }),
      ...(region === undefined ? {} : { nodeRegion: region }),
      ...(revision === undefined ? {} : { revision }),
    },
  };
};

const rankOf = ({ policy }: PolicyViolation): number => RANKS[RATINGS[policy.enforcementAction].severity];

const compare = (a: PolicyViolation, b: PolicyViolation): number =>
  rankOf(a) - rankOf(b) || byText(a.violation.name, b.violation.name) || byText(policyKey(a.policy), policyKey(b.policy));

/**
 * The results of a namespace: the violations of the strictest policies first, then by pod and
 * policy, as many as a report holds.
 */
export const firstResults = (violations: readonly PolicyViolation[]): readonly ReportResult[] => {
  const first: ReportResult[] = [];
  let bytes = 0;
  for (const violation of violations.toSorted(compare).slice(0, NAMED_PER_NAMESPACE)) {
    const result = resultOf(violation);
    bytes += Buffer.byteLength(JSON.stringify(result));
    if (bytes > MAX_RESULT_BYTES) break;
    first.push(result);
  }
  return first;
};
