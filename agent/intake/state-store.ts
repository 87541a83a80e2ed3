import { AGENT_STATE, FIELD_MANAGERS, type KubeObject, RevisionVerification, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type CompiledPolicy, digestOfPolicies, digestOfPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { CONFIG_MAP_KIND, type ConfigMap, type KubeClient, NAMESPACE_KIND } from '@fso/shared/kube';
import { createBackoff, messageOf } from '@fso/shared/runtime';
import { type AcceptedRevision, ApprovalRule, StoredTrust } from '@fso/shared/trust';
import { z } from 'zod';
import type { CommitPlaces } from '../cache/index.ts';
import { applyState, packJson, unpackJson } from '../config-map-store.ts';
import type { DesiredPolicies } from '../enforce/index.ts';
import { type AgentRuntime, API_RETRY } from '../runtime.ts';
import { CommitId, readAhead, type StoredAhead } from './newest-commit.ts';
import { getPlaces, readPlaces } from './places-store.ts';

/**
 * Longest packed policies, in characters. A ConfigMap may have 1 MiB
 * (https://kubernetes.io/docs/concepts/configuration/configmap/); the rest is for signers and
 * metadata.
 */
const MAX_POLICIES_LENGTH = 800 * 1024;
/** Bounds the memory that a tampered state can take once unpacked. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

/** State accepted last, from which the agent resumes after a restart without a hub. */
export interface AcceptedState extends AcceptedRevision {
  readonly digest: string;
  /**
   * Path of the cluster's registration; null: not registered; undefined: an older agent wrote the
   * state.
   */
  readonly registration: string | null | undefined;
  /** Digest of the commit's places; undefined if it has none. */
  readonly places: string | undefined;
  /**
   * undefined: too many to be stored; after a restart, drift of policies is not repaired until the
   * next offer.
   */
  readonly policies: DesiredPolicies | undefined;
}

const StateData = z.object({
  revision: CommitId,
  digest: z.string().max(128),
  verification: RevisionVerification,
  trust: StoredTrust.optional(),
  approval: ApprovalRule.optional(),
  registration: z.string().nullish().catch(undefined),
  places: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  policies: z.enum(['stored', 'too-large']),
});

// Anyone who may write ConfigMaps in this namespace could have changed the data. The shape is
// checked as far as it could crash the agent; the content is checked by recomputing its digests.
// Policies that agree with each other but not with Git are detected by the hub, which compares the
// digest of all of them with its own.
const StoredPolicies = z.array(
  z.object({
    since: z.string(),
    policy: z.custom<CompiledPolicy>(
      (value) =>
        z.looseObject({ name: z.string(), digest: z.string(), sourcePath: z.string(), spec: z.looseObject({}) }).safeParse(value).success,
    ),
  }),
);

/** Accepted commit as read from the ConfigMap; undefined if none is stored or none can be read. */
export interface LoadedState {
  readonly state: AcceptedState | undefined;
  /** Newest verified commit; undefined if none is stored. */
  readonly ahead?: StoredAhead | undefined;
  /** Reason why stored data could not be used. */
  readonly problem?: string;
  /**
   * Readable part of a state whose policies cannot be read. It still prevents older revisions from
   * being accepted.
   */
  readonly kept?: AcceptedRevision;
}

/** Reads the accepted commit from the ConfigMap. @throws the error of the API server */
export const loadState = async (client: KubeClient, signal: AbortSignal): Promise<LoadedState> => {
  const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
  if (map === undefined) return { state: undefined };
  const stored = await getPlaces(client, signal);
  let kept: AcceptedRevision | undefined;
  try {
    const { policies, trust, registration, places, approval, ...data } = parseState(map);
    const state = { ...data, trust, registration, places, approval };
    kept = { revision: state.revision, verification: state.verification, trust, approval };
    // Throws for unreadable places, so that the agent asks the hub for the commit again.
    await readPlaces(stored, places);
    const whole = policies === 'stored' ? await withPolicies(state, map) : { ...state, policies: undefined };
    return { state: whole, ahead: readAhead(map) };
  } catch (error) {
    const problem = messageOf(error);
    return { state: undefined, problem, ...(kept && { kept, ahead: readAhead(map) }) };
  }
};

/** Loads the state; retries while the API server cannot be reached. @throws the signal's reason */
export const restoreState = async (
  { client, clock, random, logger }: AgentRuntime,
  isReady: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<LoadedState> => {
  const backoff = createBackoff({ ...API_RETRY, random });
  for (;;) {
    try {
      await isReady(signal);
      await ensureNamespace(client, signal);
      return await loadState(client, signal);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ err: error, attempt: backoff.failures }, 'accepted state could not be read');
      await clock.sleep(backoff.next(), signal);
    }
  }
};

const parseState = (map: ConfigMap) => StateData.parse(JSON.parse(map.data?.['state'] ?? ''));

/**
 * Loads the places of the accepted commit.
 *
 * @returns the places; undefined if they cannot be read
 * @throws the error of the API server
 */
export const loadAcceptedPlaces = async (client: KubeClient, signal: AbortSignal): Promise<CommitPlaces | undefined> => {
  const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
  if (map === undefined) return {};
  const stored = await getPlaces(client, signal);
  try {
    return await readPlaces(stored, parseState(map).places);
  } catch {
    return undefined;
  }
};

const withPolicies = async (state: Omit<AcceptedState, 'policies'>, map: ConfigMap): Promise<AcceptedState> => {
  const policies = await unpack(map.binaryData?.['policies'] ?? '');
  return { ...state, digest: checkedDigest(policies, state.digest), policies };
};

/**
 * Computes the digest of the stored policies.
 *
 * @throws Error if a digest that was stored with them differs
 */
const checkedDigest = (policies: DesiredPolicies, stored: string): string => {
  const all = [...policies.values()].map(({ policy }) => policy);
  const changed = all.filter((policy) => digestOfPolicy(policy) !== policy.digest);
  if (changed.length > 0)
    throw new Error(
      `stored policies are not what was accepted: ${changed
        .slice(0, 5)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  const digest = digestOfPolicies(all.sort((left, right) => byText(left.name, right.name)));
  if (digest !== stored) throw new Error(`stored policies have the digest ${digest}, accepted were those with ${stored}`);
  return digest;
};

/** Writes the accepted commit into the ConfigMap. @throws the error of the API server */
export const saveState = async (client: KubeClient, state: AcceptedState, signal: AbortSignal): Promise<void> => {
  const packed = state.policies === undefined ? undefined : await packJson([...state.policies.values()]);
  const fits = packed !== undefined && packed.length <= MAX_POLICIES_LENGTH;
  const data: z.infer<typeof StateData> = {
    revision: state.revision,
    digest: state.digest,
    verification: state.verification,
    trust: state.trust,
    approval: state.approval,
    registration: state.registration,
    places: state.places,
    policies: fits ? 'stored' : 'too-large',
  };
  const part = { data: { state: JSON.stringify(data) }, ...(fits ? { binaryData: { policies: packed } } : {}) };
  await applyState(client, part, FIELD_MANAGERS.intake, signal);
};

const unpack = async (packed: string): Promise<DesiredPolicies> => {
  const stored = StoredPolicies.parse(await unpackJson(packed, MAX_UNPACKED_BYTES));
  return new Map(stored.map((desired) => [desired.policy.name, desired]));
};

/**
 * Creates the agent's namespace if it is missing. It is part of the installation, but nothing can
 * be written without it.
 *
 * @throws the error of the API server
 */
export const ensureNamespace = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  if ((await client.get(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, signal)) !== undefined) return;
  const body: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM_NAMESPACE } };
  await client.apply(NAMESPACE_KIND, body, { fieldManager: FIELD_MANAGERS.intake }, signal);
};
