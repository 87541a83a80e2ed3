import { type EnforcementAction, type KubeObject, LABELS, OPEN_REPORT, type PolicyReport, policyKey, type Risk } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { KindDescriptor } from '@fso/shared/kube';
import { truncate } from '@fso/shared/runtime';
import { type AgentSnapshot, type FoundViolation, NAMED_PER_NAMESPACE, type NamespaceViolations } from '../observe/index.ts';
import { isOwnerKind, ownerDescriptor } from '../risk/index.ts';

type Outcome = 'pass' | 'fail' | 'warn' | 'error' | 'skip';

/** Entry of a Report of openreports.io. */
export interface ReportResult {
  readonly policy: string;
  readonly rule: string;
  readonly category: string;
  readonly severity: 'high' | 'medium' | 'low';
  readonly result: Outcome;
  readonly scored: boolean;
  /** Absent if the time is unknown. */
  readonly timestamp?: { readonly seconds: number; readonly nanos: number };
  readonly message: string;
  readonly resources: readonly Readonly<Record<string, string>>[];
  readonly properties: Readonly<Record<string, string>>;
}

/** Content of a report, except its name and owner. */
export interface ReportContent {
  readonly source: string;
  readonly configuration: { readonly limits: { readonly maxResults: number; readonly statusFilter: readonly Outcome[] } };
  readonly summary: Readonly<Record<Outcome, number>>;
  readonly results: readonly ReportResult[];
}

/**
 * Report as read from the API server. Other writers may have put anything into it.
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
   * Hash of what the agent writes, except the number of conforming pods; see plan-reports.ts. The
   * cache keeps it instead of the rest.
   */
  readonly digest?: string;
}

/** Kind of the reports of openreports.io, whose CRD belongs to that project. */
export const REPORT_KIND: KindDescriptor<Report> = {
  apiVersion: 'openreports.io/v1alpha1',
  kind: 'Report',
  plural: 'reports',
  namespaced: true,
};

/**
 * Field selector for the agent's reports by name: a list of all reports would hold those of every
 * scanner.
 */
export const REPORT_FIELDS: string = `metadata.name=${OPEN_REPORT}`;
const COMPONENT = 'report';
/** Labels that mark a report as written by this system. */
export const REPORT_LABELS: Readonly<Record<string, string>> = { [LABELS.component]: COMPONENT };
/** Label selector of the reports that this system has written. */
export const REPORT_SELECTOR: string = `${LABELS.component}=${COMPONENT}`;

/**
 * Largest size of results, in bytes. With results of the longest messages a report stays below the
 * 1.5 MiB of a request to etcd.
 */
export const MAX_RESULT_BYTES = 262_144;
/** Longest text of regions in a report. A policy may allow a hundred regions. */
const MAX_REGIONS_TEXT = 1_024;

/**
 * Rating of each action in a report. In openreports.io a policy that refuses nothing is not scored,
 * and its violations are warnings.
 */
const RATINGS: Readonly<Record<EnforcementAction, Pick<ReportResult, 'severity' | 'result'>>> = {
  deny: { severity: 'high', result: 'fail' },
  custom: { severity: 'high', result: 'fail' },
  warn: { severity: 'medium', result: 'warn' },
  dryrun: { severity: 'low', result: 'warn' },
};
const RANKS = { high: 0, medium: 1, low: 2 } as const;

/** Findings in one governed namespace. */
export interface NamespaceFindings {
  /** Number of policies that govern the namespace. */
  readonly policies: number;
  /** Number of all violations of policies that refuse them. */
  readonly fail: number;
  /** Number of all violations of other policies. */
  readonly warn: number;
  /** First violations of each policy. */
  readonly violations: readonly PolicyViolation[];
  /** Owners whose next pods would be refused or stay pending: the first ones of each policy. */
  readonly risks: readonly PolicyRisk[];
}

/** Owner at risk, with the policy that puts it at risk. */
export interface PolicyRisk {
  readonly policy: PolicyReport;
  readonly risk: Risk;
}

/** Violating pod, with the policy that it violates. */
export interface PolicyViolation extends FoundViolation {
  readonly policy: PolicyReport;
}

interface MutableFindings {
  policies: number;
  fail: number;
  warn: number;
  readonly violations: PolicyViolation[];
  readonly risks: PolicyRisk[];
}

/** Collects the findings of each namespace that a policy governs, by name. */
export const findingsByNamespace = (policies: AgentSnapshot['policies']): ReadonlyMap<string, NamespaceFindings> => {
  const findings = new Map<string, MutableFindings>();
  for (const { report, violations } of policies.values()) {
    for (const namespace of report.namespaces) {
      const known = findings.get(namespace);
      if (known === undefined) findings.set(namespace, { policies: 1, fail: 0, warn: 0, violations: [], risks: [] });
      else known.policies += 1;
    }
    for (const some of violations) addViolations(findings.get(some.namespace), report, some);
    for (const risk of report.risks?.named ?? []) addRisk(findings.get(risk.namespace), report, risk);
  }
  return findings;
};

const addViolations = (findings: MutableFindings | undefined, policy: PolicyReport, { count, first }: NamespaceViolations): void => {
  // The policy no longer governs this namespace.
  if (findings === undefined) return;
  findings[RATINGS[policy.enforcementAction].result === 'fail' ? 'fail' : 'warn'] += count;
  for (const { pod, violation } of first) findings.violations.push({ pod, violation, policy });
};

const addRisk = (findings: MutableFindings | undefined, policy: PolicyReport, risk: Risk): void => {
  // A pod without an owner that is outside now, and would be refused again, is reported once.
  const isViolation = ({ policy: by, violation }: PolicyViolation): boolean => by === policy && violation.name === risk.name;
  if (risk.kind === 'Pod' && findings?.violations.some(isViolation)) return;
  findings?.risks.push({ policy, risk });
};

/**
 * Builds the content of a namespace's report.
 *
 * @param pods number of pods in the namespace that have not ended, each of which counts for each
 * policy
 * @param results results of these findings
 */
export const buildContent = (
  { policies, fail, warn, risks }: NamespaceFindings,
  pods: number,
  results: readonly ReportResult[],
): ReportContent => ({
  source: 'federated-sovereignty-operator',
  configuration: { limits: { maxResults: NAMED_PER_NAMESPACE, statusFilter: ['fail', 'warn'] } },
  // Pods and violations are not counted at the same moment, so a pod may be gone since.
  summary: { pass: Math.max(0, pods * policies - fail - warn), fail, warn: warn + risks.length, error: 0, skip: 0 },
  results,
});

const violationResult = ({ policy, pod, violation }: PolicyViolation): ReportResult => {
  const { kind, namespace, name, node, region, reason, since } = violation;
  const sinceMs = Date.parse(since);
  const uid = pod.metadata.uid === undefined ? {} : { uid: pod.metadata.uid };
  const { result, severity } = RATINGS[policy.enforcementAction];
  return {
    policy: policyKey(policy),
    // A bound pod is judged by its node, any other by its own constraints.
    rule: node === undefined ? 'node-constraints' : 'node-region',
    category: 'Residency',
    severity,
    result,
    scored: result === 'fail',
    timestamp: { seconds: Math.floor(sinceMs / 1000), nanos: (sinceMs % 1000) * 1_000_000 },
    message: reason,
    resources: [{ apiVersion: 'v1', kind, namespace, name, ...uid }],
    properties: {
      ...policyProperties(policy),
      ...(node === undefined ? {} : { node }),
      ...(region === undefined ? {} : { nodeRegion: region }),
    },
  };
};

const policyProperties = ({ effectiveRegions, enforcementAction, revision }: PolicyReport): ReportResult['properties'] => ({
  allowedRegions: truncate(effectiveRegions.join(','), MAX_REGIONS_TEXT),
  enforcementAction,
  ...(revision === undefined ? {} : { revision }),
});

/** Builds the result of an owner at risk: a warning, as none of its pods is outside yet. */
const riskResult = ({ policy, risk }: PolicyRisk): ReportResult => {
  const { kind, namespace, name, reason, fix, confirmation, nodes, lastSeen } = risk;
  const isRefused = risk.risk === 'Refused';
  // The name of past pods is a pattern and not the name of an object.
  const known = lastSeen === undefined && isOwnerKind(kind) ? { apiVersion: ownerDescriptor(kind).apiVersion } : {};
  return {
    policy: policyKey(policy),
    rule: isRefused ? 'next-pods-refused' : 'next-pods-pending',
    category: 'Risk',
    severity: isRefused ? 'medium' : 'low',
    result: 'warn',
    scored: false,
    message: reason,
    resources: [{ ...known, kind, namespace, name }],
    properties: {
      ...policyProperties(policy),
      fix,
      confirmation,
      ...(nodes === undefined ? {} : { nodes: String(nodes) }),
      ...(lastSeen === undefined ? {} : { lastSeen }),
    },
  };
};

const rankOf = ({ policy }: PolicyViolation): number => RANKS[RATINGS[policy.enforcementAction].severity];

const compare = (a: PolicyViolation, b: PolicyViolation): number =>
  rankOf(a) - rankOf(b) || byText(a.violation.name, b.violation.name) || byText(policyKey(a.policy), policyKey(b.policy));

const riskText = ({ policy, risk: { risk, kind, name } }: PolicyRisk): string =>
  // Refused comes before Pending.
  [risk === 'Refused' ? 0 : 1, kind, name, policyKey(policy)].join('/');

/**
 * Selects the results of a namespace, as many as fit into a report: violations, those of the
 * strictest policies first, then by pod and policy; then owners at risk.
 */
export const firstResults = ({ violations, risks }: Pick<NamespaceFindings, 'violations' | 'risks'>): readonly ReportResult[] => {
  const shown = violations.toSorted(compare).slice(0, NAMED_PER_NAMESPACE);
  const atRisk = risks.toSorted((a, b) => byText(riskText(a), riskText(b))).slice(0, NAMED_PER_NAMESPACE - shown.length);
  const first: ReportResult[] = [];
  let bytes = 0;
  for (const result of [...shown.map(violationResult), ...atRisk.map(riskResult)]) {
    bytes += Buffer.byteLength(JSON.stringify(result));
    if (bytes > MAX_RESULT_BYTES) break;
    first.push(result);
  }
  return first;
};
