import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { AgentClusterReport, ClusterEvent, type LockStatus, PolicyReport, type RevisionFacts } from '../api/index.ts';
import { canonicalJson, sha256 } from '../encoding/index.ts';
import { weakMemo } from '../runtime/index.ts';
import { isWhole, type NamedPolicy, textOfDeviation } from '../status/index.ts';
import type { NamedTotal, Report } from './frames.ts';
import { type Validation, validate } from './validation.ts';

/**
 * Entry of a report, validated alone, so that an invalid one does not affect the others. The agent
 * validates it before it sends or stores it, the hub when it reads it, with the same result.
 */
export interface ValidatedEntries<T> {
  /** Entry that matches its schema; undefined if nothing of it is usable. */
  readonly entry: T | undefined;
  /** Description of what the schema refuses, if anything. */
  readonly problem?: string;
}

/** Longest description, in UTF-16 code units. */
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
  enforcement: { admission: UNKNOWN_LOCK, gatekeeper: UNKNOWN_LOCK, binding: UNKNOWN_LOCK },
  violations: 0,
  violationSamples: [],
  conditions: [],
  lastUpdated: EPOCH,
};

const UNKNOWN_CLUSTER: AgentClusterReport = {
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

/** Valid fields of a value. */
const validFields = <S extends z.ZodObject>({ shape }: S, value: unknown, { wrong }: Invalid): Partial<z.infer<S>> => {
  if (typeof value !== 'object' || value === null) return {};
  const fields = Object.entries(shape).flatMap(([name, schema]) => {
    if (wrong.has(name)) return [];
    const parsed = (schema as z.ZodType).safeParse(Reflect.get(value, name));
    return parsed.success && parsed.data !== undefined ? [[name, parsed.data]] : [];
  });
  return Object.fromEntries(fields) as Partial<z.infer<S>>;
};

/**
 * Validates the report of a policy. An invalid one becomes a report with phase Failed that contains
 * the reason and the valid fields.
 */
export const judgePolicyReport = (value: unknown): ValidatedEntries<PolicyReport> => {
  const validation = validate(PolicyReport, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  const { problem } = validation;
  const { namespace, name, ...fields } = validFields(PolicyReport, value, validation);
  if (namespace === undefined || name === undefined) return { entry: undefined, problem };
  const message = `The report of this policy is not valid, so that its state is unknown: ${problem}`;
  return { entry: PolicyReport.parse({ ...UNKNOWN_POLICY, ...fields, namespace, name, phase: 'Failed', message }), problem };
};

/**
 * Validates the report of a cluster. An invalid one is reduced to its valid fields, and `problem`
 * describes the others.
 */
export const judgeClusterReport = (value: unknown): ValidatedEntries<AgentClusterReport> & { readonly entry: AgentClusterReport } => {
  const validation = validate(AgentClusterReport, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  return { entry: { ...UNKNOWN_CLUSTER, ...validFields(AgentClusterReport, value, validation) }, problem: validation.problem };
};

/**
 * Validates an event. Invalid fields are dropped; without a time, a severity and a reason, the
 * event is unusable.
 */
export const judgeEvent = (value: unknown): ValidatedEntries<ClusterEvent> => {
  const validation = validate(ClusterEvent, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  const { problem } = validation;
  const { time, severity, reason, message = '', ...fields } = validFields(ClusterEvent, value, validation);
  if (time === undefined || severity === undefined || reason === undefined) return { entry: undefined, problem };
  return { entry: { ...fields, time, severity, reason, message }, problem };
};

type Named = Iterable<readonly [key: string, named: NamedPolicy]>;

const digestOfReport: (report: PolicyReport) => string = weakMemo((report) => sha256(JSON.stringify(report)));

/**
 * Share of a policy in the digest of all policies reported by name. Fields are in the order of the
 * schema, as after validation.
 */
const hashOf = ([key, named]: readonly [string, NamedPolicy]): bigint =>
  BigInt(`0x${isWhole(named) ? digestOfReport(named) : sha256(`${key}\n${textOfDeviation(named)}`)}`);

/**
 * Updates the digest of a set of policies after additions and removals. The digest is the sum of
 * the policies' hashes modulo 2²⁵⁶, so that the cost depends only on the changes and the order is
 * irrelevant. It detects differences but is not a commitment: an agent could forge reports with a
 * given sum.
 *
 * @param before 64 hex digits
 */
export const changeDigest = (before: string, came: Named, went: Named): string => {
  let sum = BigInt(`0x${before}`);
  for (const each of came) sum += hashOf(each);
  for (const each of went) sum -= hashOf(each);
  return digestOfSum(sum);
};

const digestOfSum = (sum: bigint): string => BigInt.asUintN(256, sum).toString(16).padStart(64, '0');

/** Digest of the union of two disjoint sets of policies, from the digest of each. */
export const joinDigests = (a: string, b: string): string => digestOfSum(BigInt(`0x${a}`) + BigInt(`0x${b}`));

/** Digest of the empty set. */
export const EMPTY_DIGEST: string = '0'.repeat(64);

/**
 * Digest of the policies reported by name. The agent computes it over what it sent, the hub over
 * what it received.
 */
export const digestOfNamed = (named: Named): string => changeDigest(EMPTY_DIGEST, named, []);

/**
 * Whether a policy reported by name belongs to the hub. Other policies must not make a cluster
 * count as unknown.
 */
export const isOfHub = (named: NamedPolicy): boolean => !isWhole(named) || named.managedBy === 'hub';

/** Count and root of the policies reported by name. */
export const totalOf = (named: ReadonlyMap<string, NamedPolicy>): NamedTotal => ({
  count: named.size,
  root: digestOfNamed([...named].filter(([, each]) => isOfHub(each))),
});

/** Splits the report of a cluster into the part that a commit changes, and the rest. */
export const splitFacts = (
  report: AgentClusterReport,
): { readonly revision: RevisionFacts; readonly rest: Omit<AgentClusterReport, keyof RevisionFacts> } => {
  const { revision, provenRevision, verification, signer, verificationReason, held, verifiedRevision, ...rest } = report;
  return { revision: { revision, provenRevision, verification, signer, verificationReason, held, verifiedRevision }, rest };
};

type ChangedFacts = Pick<Report, 'cluster' | 'revision'>;

/** Fields of a report that contain the changes of the cluster's own facts. */
export const changedFacts = (before: AgentClusterReport | undefined, now: AgentClusterReport): ChangedFacts => {
  const [was, is] = [before && splitFacts(before), splitFacts(now)];
  if (!isDeepStrictEqual(was?.rest, is.rest)) return { cluster: now };
  return isDeepStrictEqual(was?.revision, is.revision) ? {} : { revision: is.revision };
};

/** Facts of a cluster after a report; null: none. */
export const factsAfter = (before: AgentClusterReport | null, { cluster, revision }: ChangedFacts): AgentClusterReport | null => {
  if (cluster !== undefined || revision === undefined || before === null) return cluster ?? before;
  return { ...revision, ...splitFacts(before).rest };
};

/** Digest of a cluster's own facts. */
export const digestOfCluster = (report: AgentClusterReport): string => sha256(canonicalJson(report));
