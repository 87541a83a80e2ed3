import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { AgentClusterReport, ClusterEvent, type LockStatus, PolicyReport, type RevisionFacts } from '../api/index.ts';
import { canonicalJson, sha256 } from '../encoding/index.ts';
import { weakMemo } from '../runtime/index.ts';
import { isWhole, type NamedPolicy, textOfDeviation } from '../status/index.ts';
import type { NamedTotal, Report } from './frames.ts';
import { type Validation, validate } from './validation.ts';

/**
 * Entries of a report, each validated alone: one that its schema refuses must not take the others
 * with it. The agent validates one before it sends or keeps it, the hub when it reads it, so that
 * both come to the same result.
 */
export interface ValidatedEntries<T> {
  /** Entry that matches its schema; undefined: nothing of it can be used. */
  readonly entry: T | undefined;
  /** Explanation of what the schema refuses; undefined: nothing. */
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

/**
 * A report that its schema refuses becomes one with phase Failed that says why, with the fields
 * that are right.
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
 * The report of a cluster, with the fields that are valid where the whole is not; `problem` says
 * what was wrong.
 */
export const judgeClusterReport = (value: unknown): ValidatedEntries<AgentClusterReport> & { readonly entry: AgentClusterReport } => {
  const validation = validate(AgentClusterReport, value, MAX_PROBLEM);
  if (validation.ok) return { entry: validation.data };
  return { entry: { ...UNKNOWN_CLUSTER, ...validFields(AgentClusterReport, value, validation) }, problem: validation.problem };
};

/** An event without its invalid fields; without a time, a severity and a reason there is none. */
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
 * Returns the share of a policy reported by name in the digest of all of them. Fields are in the
 * order of the schema, as they come out of a check.
 */
const hashOf = ([key, named]: readonly [string, NamedPolicy]): bigint =>
  BigInt(`0x${isWhole(named) ? digestOfReport(named) : sha256(`${key}\n${textOfDeviation(named)}`)}`);

/**
 * The digest of a set of policies after some were added and some removed: the sum of their hashes
 * modulo 2²⁵⁶, so that a change costs what changed and their order does not matter. It finds
 * differences; it is no commitment, as an agent could forge reports with a wanted sum.
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

/** The digest of two sets of policies without a policy in common, by the digest of each. */
export const joinDigests = (a: string, b: string): string => digestOfSum(BigInt(`0x${a}`) + BigInt(`0x${b}`));

/** Digest of no policies. */
export const EMPTY_DIGEST: string = '0'.repeat(64);

/**
 * Digest of the policies reported by name. Agent and hub each compute it over what the one has sent
 * and the other has taken.
 */
export const digestOfNamed = (named: Named): string => changeDigest(EMPTY_DIGEST, named, []);

/**
 * Whether a policy that is reported by name is one of the hub: an agent that reports others must
 * not make its cluster count as unknown.
 */
export const isOfHub = (named: NamedPolicy): boolean => !isWhole(named) || named.managedBy === 'hub';

/** Count and root of what is reported by name. */
export const totalOf = (named: ReadonlyMap<string, NamedPolicy>): NamedTotal => ({
  count: named.size,
  root: digestOfNamed([...named].filter(([, each]) => isOfHub(each))),
});

/** Splits the report of a cluster into what a commit changes and the rest. */
export const splitFacts = (
  report: AgentClusterReport,
): { readonly revision: RevisionFacts; readonly rest: Omit<AgentClusterReport, keyof RevisionFacts> } => {
  const { revision, provenRevision, verification, signer, verificationReason, held, verifiedRevision, ...rest } = report;
  return { revision: { revision, provenRevision, verification, signer, verificationReason, held, verifiedRevision }, rest };
};

type ChangedFacts = Pick<Report, 'cluster' | 'revision'>;

/** The fields of a report that say what changed of what a cluster reports of itself. */
export const changedFacts = (before: AgentClusterReport | undefined, now: AgentClusterReport): ChangedFacts => {
  const [was, is] = [before && splitFacts(before), splitFacts(now)];
  if (!isDeepStrictEqual(was?.rest, is.rest)) return { cluster: now };
  return isDeepStrictEqual(was?.revision, is.revision) ? {} : { revision: is.revision };
};

/** Returns what a cluster has reported of itself after a report; null: nothing. */
export const factsAfter = (before: AgentClusterReport | null, { cluster, revision }: ChangedFacts): AgentClusterReport | null => {
  if (cluster !== undefined || revision === undefined || before === null) return cluster ?? before;
  return { ...revision, ...splitFacts(before).rest };
};

/** Digest of what a cluster reports of itself. */
export const digestOfCluster = (report: AgentClusterReport): string => sha256(canonicalJson(report));
