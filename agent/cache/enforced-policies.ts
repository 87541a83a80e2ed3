import { isHubManaged, parsePolicyKey, policyKeyOf, revisionOf, type SovereignPolicy, type SovereignPolicySpec } from '@fso/shared/api';
import { type ApiService, type Informer, keyOf } from '@fso/shared/kube';
import type { PolicyInput } from '../enforce/index.ts';
import { isRedirected, POLICY_API } from '../enforce/index.ts';
import type { Malformed } from './decode.ts';

/** Informers of {@link EnforcedPolicies}, and the recovery of unreadable specs. */
export interface EnforcedPoliciesDeps {
  readonly policies: Informer<SovereignPolicy>;
  readonly apiServices: Informer<ApiService>;
  /**
   * Recovers what the cluster enforces for a policy whose spec cannot be read, by its key. Throws
   * if the enforcing objects are not read yet.
   */
  readonly recover: (key: string) => readonly SovereignPolicySpec[];
}

/** Spec of a policy that cannot be read and was never enforced. It has no effect. */
const UNREADABLE: SovereignPolicySpec = { targetNamespace: '', allowedRegions: [], enforcementAction: 'deny' };

/**
 * The policies to enforce. If their kind cannot be read, the last known ones stay in force: an API
 * server that does not know the kind, a deleted CRD, or a server that impersonates the API must not
 * open the locks. A policy that cannot be read keeps what it last enforced.
 */
export class EnforcedPolicies {
  readonly #deps: EnforcedPoliciesDeps;
  readonly #signal: AbortSignal;
  /** Policies as last read before their kind became unreadable; undefined while it is readable. */
  #held: ReadonlyMap<string, SovereignPolicy> | undefined;
  #isServed: boolean = true;
  /** Whether the API server itself serves the policies. */
  #isOwnApi: boolean = true;
  /** Number of times that the API group was seen redirected to another server. */
  #redirects = 0;
  #onHoldEnd: () => void = () => undefined;
  readonly #inputs = new WeakMap<SovereignPolicy, PolicyInput>();
  /** Specs that each policy last enforced, by key. */
  readonly #enforced = new Map<string, readonly SovereignPolicySpec[]>();

  constructor(deps: EnforcedPoliciesDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    deps.policies.onServed((served) => {
      this.#isServed = served;
      this.#hold();
    });
    deps.policies.onChange((key, current) => {
      if (current === undefined) this.#enforced.delete(keyOfName(key));
    });
    deps.apiServices.onChange((key) => {
      if (key === POLICY_API) this.#checkApi();
    });
  }

  /** Registers a handler for the moment at which newly read policies replace the held ones. */
  onHoldEnd(handler: () => void): void {
    this.#onHoldEnd = handler;
  }

  list(): readonly SovereignPolicy[] {
    return this.#held === undefined ? this.#deps.policies.list() : [...this.#held.values()];
  }

  get({ key, namespace, name }: Pick<PolicyInput, 'key' | 'namespace' | 'name'>): SovereignPolicy | undefined {
    return this.#held === undefined ? this.#deps.policies.get(keyOf({ namespace, name })) : this.#held.get(key);
  }

  inputs(): PolicyInput[] {
    return this.list().map((policy) => this.#inputOf(policy));
  }

  #inputOf(policy: SovereignPolicy & Malformed): PolicyInput {
    const known = this.#inputs.get(policy);
    if (known !== undefined) return known;
    const input = isReadable(policy) ? toPolicyInput(policy) : this.#unreadable(policy);
    // An empty recovery is not cached: the enforcing objects may be read later.
    if (input.lastEnforced?.length !== 0) this.#inputs.set(policy, input);
    this.#enforced.set(input.key, input.lastEnforced ?? [input.spec]);
    return input;
  }

  #unreadable(policy: SovereignPolicy & Malformed): PolicyInput {
    const key = policyKeyOf(policy);
    const before = this.#enforced.get(key) ?? [];
    const lastEnforced = before.length > 0 ? before : this.#deps.recover(key);
    const spec = lastEnforced[0] ?? UNREADABLE;
    return { ...toPolicyInput({ ...policy, spec }), problem: policy.malformed ?? 'spec: cannot be read', lastEnforced };
  }

  #hold(): void {
    if (this.#isServed && this.#isOwnApi) this.#held = undefined;
    else this.#held ??= new Map(this.#deps.policies.list().map((policy) => [policyKeyOf(policy), policy]));
  }

  /**
   * Checks who serves the API group. A foreign service may list no policies. The earlier policies
   * stay in force until two consecutive lists are read while the API server serves the group
   * itself.
   */
  #checkApi(): void {
    const api: (ApiService & Malformed) | undefined = this.#deps.apiServices.get(POLICY_API);
    if (api !== undefined && !isRedirected(api) && api.malformed === undefined) {
      if (!this.#isOwnApi) void this.#readTwice().catch(() => undefined);
      return;
    }
    this.#redirects += 1;
    this.#isOwnApi = false;
    this.#hold();
  }

  async #readTwice(): Promise<void> {
    const redirects = this.#redirects;
    for (let read = 0; read < 2; read += 1) await this.#deps.policies.relist(this.#signal);
    // The group may have been redirected again meanwhile.
    if (redirects !== this.#redirects) return;
    this.#isOwnApi = true;
    this.#hold();
    this.#onHoldEnd();
  }
}

/** Converts a cache key to the key of a policy. */
const keyOfName = (objectKey: string): string => {
  const [namespace = '', name = ''] = objectKey.split('/');
  return policyKeyOf({ metadata: { namespace, name } } as SovereignPolicy);
};

/** Whether the spec could be read. An unreadable one is absent. */
const isReadable = ({ spec }: { readonly spec?: SovereignPolicySpec }): boolean => spec !== undefined;

/** Converts a SovereignPolicy of the cluster to the input of plans. */
export const toPolicyInput = (policy: SovereignPolicy): PolicyInput => {
  const { metadata, spec } = policy;
  return {
    key: policyKeyOf(policy),
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    managedBy: isHubManaged(policy) ? 'hub' : 'local',
    revision: revisionOf(policy),
    generation: metadata.generation ?? 0,
    created: metadata.creationTimestamp,
    spec,
    deleting: metadata.deletionTimestamp !== undefined,
  };
};

/** Splits a policy key into the parts by which the policy is found in the cache. */
export const partsOfKey = (key: string): Pick<PolicyInput, 'key' | 'namespace' | 'name'> => ({ key, ...parsePolicyKey(key) });
