import type { z } from 'zod';
import { ClusterEvent, ClusterReport, type LockStatus, PolicyReport } from '../api/index.ts';
import { canonicalJson, sha256 } from '../encoding/index.ts';
import { type Validation, validate } from './validation.ts';

/**
 * Entries of a report, each judged alone: one that its schema refuses must not take the others with it. The agent asks before it sends or
 * keeps one, the hub when it reads one, so that both make the same of it.
 */
export interface Judged<T> {
  /** Always as its schema has it; undefined: nothing of it is of use. */
  readonly entry: T | undefined;
  /** What the schema says against what came; undefined: nothing. */
  readonly problem?: string;
}

/** Longest explanation, in UTF-16 code units. */
const MAX_PROBLEM = 500;

const EPOCH = '1970-01-01T00:00:00.000Z';
const UNKNOWN_LOCK: LockStatus = { state: 'Pending', since: EPOCH };

const UNKNOWN_POLICY: Omit<PolicyReport, 'namespace' | 'name'> = {
  managedBy: 'local',
  targetNamespace: '',
  enforcementAction: 'deny',
  effectiveRegions: [],
  namespaces: [],
  phase: 'Failed',
  message: '',
  constraintCreated: false,
  enforcement: { admission: UNKNOWN_LOCK, gatekeeper: UNKNOWN_LOCK, binding: UNKNOWN_LOCK },
  violations: 0,
  violationSamples: [],
  conditions: [],
  lastUpdated: EPOCH,
};

const UNKNOWN_CLUSTER: ClusterReport = {
  revision: null,
  provenRevision: null,
  verification: 'unverified',
  agentVersion: 'unknown',
  kubernetesVersion: 'unknown',
  gatekeeper: { state: 'NotReady' },
  nodesByRegion: {},
  conditions: [],
};

type Invalid = Extract<Validation<unknown>, { ok: false }>;

/** The fields of a value in which nothing is wrong. */
const validFields = <S extends z.ZodObject>({ shape }: S, value: unknown, { wrong }: Invalid): Partial<z.infer<S>> => {
  if (typeof value !== 'object' || value === null) return {};
  const fields = Object.entries(shape).flatMap(([name, schema]) => {
    if (wrong.has(name)) return [];
    const parsed = (schema as z.ZodType).safeParse(Reflect.get(value, name));
    return parsed.success && parsed.data !== undefined ? [[name, parsed.data]] : [];
  });
  return Object.fromEntries(fields) as Partial<z.infer<S>>;
};

/** A report that its schema refuses becomes one with phase Failed that says why, with the fields that are right. */
export const judgePolicyReport = (value: unknown): Judged<PolicyReport> => {
  const validation = validate(PolicyReport, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  const { problem } = validation;
  const { namespace, name, ...fields } = validFields(PolicyReport, value, validation);
  if (namespace === undefined || name === undefined) return { entry: undefined, problem };
  const message = `The report of this policy is not valid, so that its state is unknown: ${problem}`;
  return { entry: PolicyReport.parse({ ...UNKNOWN_POLICY, ...fields, namespace, name, phase: 'Failed', message }), problem };
};

/** The report of a cluster, with the fields that are valid where the whole is not; `problem` says what was wrong. */
export const judgeClusterReport = (value: unknown): Judged<ClusterReport> & { readonly entry: ClusterReport } => {
  const validation = validate(ClusterReport, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  return { entry: { ...UNKNOWN_CLUSTER, ...validFields(ClusterReport, value, validation) }, problem: validation.problem };
};

/** An event loses the fields that are not right; without a time, a severity and a reason it is none. */
export const judgeEvent = (value: unknown): Judged<ClusterEvent> => {
  const validation = validate(ClusterEvent, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  const { problem } = validation;
  const { time, severity, reason, message = '', ...fields } = validFields(ClusterEvent, value, validation);
  if (time === undefined || severity === undefined || reason === undefined) return { entry: undefined, problem };
  return { entry: { ...fields, time, severity, reason, message }, problem };
};

/** What one report adds to the digest of all of them. @param report with its fields in the order of the schema, as it comes out of a check */
export const hashOfReport = (report: PolicyReport): bigint => BigInt(`0x${sha256(JSON.stringify(report))}`);

type Reports = Iterable<PolicyReport>;

/**
 * The digest of a set of reports of which some came and some went: the sum of their hashes modulo 2²⁵⁶, so that a change costs what changed
 * and their order does not matter. It finds differences; it is no commitment, as an agent could make up reports with a wanted sum.
 *
 * @param before 64 hex digits
 */
export const changeDigest = (before: string, came: Reports, went: Reports, hashOf = hashOfReport): string => {
  let sum = BigInt(`0x${before}`);
  for (const report of came) sum += hashOf(report);
  for (const report of went) sum -= hashOf(report);
  return BigInt.asUintN(256, sum).toString(16).padStart(64, '0');
};

/** Of no reports. */
export const EMPTY_DIGEST: string = '0'.repeat(64);

/** Agent and hub compute it each on its own over what the one has sent and the other has taken. */
export const digestOfReports = (reports: Reports, hashOf = hashOfReport): string => changeDigest(EMPTY_DIGEST, reports, [], hashOf);

/** Digest of what a cluster reports of itself. */
export const digestOfCluster = (report: ClusterReport): string => sha256(canonicalJson(report));
