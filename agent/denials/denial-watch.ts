import { isDeepStrictEqual } from 'node:util';
import { type ClusterDenials, MAX_DENYING_POLICIES, MAX_NAMED_DENIALS, MAX_REPORTED_DENIALS, type PolicyDenials } from '@fso/shared/api';
import { isForbidden, type KindDescriptor } from '@fso/shared/kube';
import { type Clock, messageOf } from '@fso/shared/runtime';
import { z } from 'zod';
import type { Governance } from '../enforce/index.ts';
import type { FoundRisk, Owner, OwnerCache } from '../risk/index.ts';
import type { AgentRuntime } from '../runtime.ts';
import { CountedRefusals, type RefusalCounts } from './counted-refusals.ts';
import { EventWatch } from './event-watch.ts';
import { readMetrics } from './metrics-page.ts';
import { NamedDenials, type OwnerDenial, type OwnerName } from './named-denials.ts';
import type { OwnRefusals } from './own-refusals.ts';

/** Time between two readings of the counters, in ms. The page has megabytes. */
const READ_EVERY_MS = 60_000;
/** Time for which the status of a policy keeps its counts while its owners are unchanged, in ms. */
const POLICIES_EVERY_MS = 300_000;

/** Knowledge of the denials in the cluster. */
export interface KnownDenials {
  /** undefined: nothing is known yet. */
  readonly cluster: ClusterDenials | undefined;
  /** Denials by policy; policies without any are absent. Unchanged values are the same objects. */
  readonly policies: ReadonlyMap<string, PolicyDenials>;
  /** Reason why denials are unknown, or (`isPartial`) some of them; undefined if all are known. */
  readonly problem: { readonly text: string; readonly isPartial: boolean } | undefined;
}

/** Sources of {@link DenialWatch}: the API server, owners, and the agent's own refusals. */
export interface DenialWatchDeps {
  readonly runtime: Pick<AgentRuntime, 'client' | 'random' | 'logger'>;
  readonly clock: Clock;
  readonly owners: Pick<OwnerCache, 'ownersIn'>;
  readonly risks: { refusedOwnersIn(namespace: string): readonly FoundRisk[] };
  readonly own: Pick<OwnRefusals, 'counts'>;
  /** Time between two readings of the counters, in ms. Default one minute. */
  readonly readEveryMs?: number | undefined;
  /** Requests the next reconcile. */
  readonly wake: () => void;
}

const ENDPOINT_SLICE: KindDescriptor = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
};
const NOT_READ = 'the metrics of the API server are not read yet';
/** EndpointSlice with the addresses of the API servers, which they maintain themselves. */
const API_SERVERS = { namespace: 'default', name: 'kubernetes' };
const Endpoints = z.looseObject({ endpoints: z.array(z.looseObject({ addresses: z.array(z.string()) })).nullish() });

/**
 * Watches what lock 1 refuses: numbers from the metrics of the API server, names from the events of
 * owners. Enforcement does not depend on it.
 */
export class DenialWatch {
  readonly #deps: DenialWatchDeps;
  readonly #counted = new CountedRefusals();
  readonly #named = new NamedDenials();
  readonly #events: EventWatch;
  #governance: Pick<Governance, 'namespaces'> | undefined;
  #readProblem: string | undefined = NOT_READ;
  #policiesAtMs = Number.NEGATIVE_INFINITY;
  #known: KnownDenials = { cluster: undefined, policies: new Map(), problem: { text: NOT_READ, isPartial: false } };

  constructor(deps: DenialWatchDeps) {
    const { runtime, clock } = deps;
    this.#deps = deps;
    this.#events = new EventWatch({ ...runtime, clock, onRefusal: (controller) => this.#see(controller) });
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#events.run(signal), this.#keepReading(signal)]);
  }

  /** @returns knowledge as of the last reading */
  look(governance: Pick<Governance, 'namespaces'>): KnownDenials {
    this.#governance = governance;
    return this.#known;
  }

  /** Records an event if its object may have an owner whose pods lock 1 refuses. */
  #see({ kind, namespace, name }: OwnerName): void {
    if (this.#governance?.namespaces.get(namespace)?.actions.deny === undefined) return;
    const owners: ReadonlyMap<string, ReadonlyMap<string, Owner>> = this.#deps.owners.ownersIn(namespace);
    const owner = owners.get(kind)?.get(name);
    if (owner === undefined) return;
    const { controller } = owner;
    const isOwned = controller !== undefined && owners.get(controller.kind)?.has(controller.name) === true;
    this.#named.see({ namespace, ...(isOwned ? { kind: controller.kind, name: controller.name } : { kind, name }) }, this.#moment());
  }

  #moment() {
    const { clock } = this.#deps;
    return { atMs: clock.monotonicMs(), now: clock.now() };
  }

  async #keepReading(signal: AbortSignal): Promise<void> {
    const { clock, readEveryMs = READ_EVERY_MS } = this.#deps;
    while (!signal.aborted) {
      await this.#read(signal).then(
        () => {
          this.#readProblem = undefined;
        },
        (error: unknown) => this.#noteFailure(error, signal),
      );
      if (!signal.aborted) this.#publish();
      await clock.sleep(readEveryMs, signal).catch(() => undefined);
    }
  }

  #noteFailure(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (this.#readProblem === undefined || this.#readProblem === NOT_READ)
      this.#deps.runtime.logger.warn({ err: error }, 'the metrics of the API server cannot be read');
    this.#readProblem = isForbidden(error)
      ? 'the agent may not read /metrics of the API server: its ClusterRole is older than it is'
      : `the metrics of the API server cannot be read: ${messageOf(error)}`;
  }

  /**
   * Reads the counters once. Events are confirmed and own dry runs are counted before the request,
   * so that neither is newer than the counters.
   */
  async #read(signal: AbortSignal): Promise<void> {
    const { runtime, risks, own } = this.#deps;
    this.#named.confirm((namespace) => risks.refusedOwnersIn(namespace), this.#moment());
    const { counts } = own;
    const [server, servers] = await Promise.all([readMetrics(runtime.client, signal), this.#countServers(signal)]);
    const { atMs, now } = this.#moment();
    this.#counted.take({ server, servers, own: counts, atMs, nowMs: now.getTime() });
  }

  /** @returns undefined if unknown */
  async #countServers(signal: AbortSignal): Promise<number | undefined> {
    try {
      const parsed = Endpoints.safeParse(await this.#deps.runtime.client.get(ENDPOINT_SLICE, API_SERVERS, signal));
      const addresses = (parsed.data?.endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
      return new Set(addresses).size || undefined;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  #publish(): void {
    const { atMs } = this.#moment();
    const counts = this.#counted.now(atMs);
    const denials = this.#named.list(counts && totalOf(counts), atMs);
    const cluster: ClusterDenials = {
      minutes: counts?.minutes ?? 0,
      pods: counts?.pods ?? null,
      recent: counts?.recent ?? null,
      bindings: counts?.bindings ?? null,
      owners: denials.length,
      named: denials.reduce((sum, { count = 0 }) => sum + count, 0),
      denials: reportedOf(denials),
    };
    const known = { cluster, policies: this.#policiesOf(denials, atMs), problem: this.#problemOf(counts, atMs) };
    if (isDeepStrictEqual(known, this.#known)) return;
    this.#known = known;
    this.#deps.wake();
  }

  #problemOf(counts: RefusalCounts | undefined, atMs: number): KnownDenials['problem'] {
    if (counts === undefined) return { text: this.#readProblem ?? this.#counted.problem(atMs) ?? NOT_READ, isPartial: false };
    const events = this.#events.problem === undefined ? undefined : `no owners are named: events cannot be read: ${this.#events.problem}`;
    const text = [counts.partial, events].filter((each) => each !== undefined).join('; ');
    return text === '' ? undefined : { text, isPartial: true };
  }

  /**
   * Denials by policy. Each write of a status has a cost, so changes of counts alone are applied
   * only at intervals.
   */
  #policiesOf(denials: readonly OwnerDenial[], atMs: number): ReadonlyMap<string, PolicyDenials> {
    const before = this.#known.policies;
    const next = denialsByPolicy(denials);
    const isDue = atMs - this.#policiesAtMs >= POLICIES_EVERY_MS;
    if (isDue) this.#policiesAtMs = atMs;
    for (const [policy, value] of next) {
      const known = before.get(policy);
      if (known !== undefined && (isDue ? isDeepStrictEqual(known, value) : isSameOwners(known, value))) next.set(policy, known);
    }
    return next;
  }
}

/**
 * Total for the names. It is a lower bound if the counts cover less than the hour that names cover.
 */
const totalOf = ({ pods, minutes, partial }: RefusalCounts) => ({ total: pods, isLowerBound: partial !== undefined || minutes < 60 });

/**
 * Selects owners for the report: by turns of the namespaces, those with the most refusals first, so
 * that a namespace with many leaves room for others.
 */
const reportedOf = (denials: readonly OwnerDenial[]): ClusterDenials['denials'] => {
  const seen = new Map<string, number>();
  return denials
    .toSorted(byCount)
    .map((denial) => {
      const turn = seen.get(denial.namespace) ?? 0;
      seen.set(denial.namespace, turn + 1);
      return { turn, denial };
    })
    .sort((a, b) => a.turn - b.turn)
    .slice(0, MAX_REPORTED_DENIALS)
    .map(({ denial }) => ({ ...denial, policies: denial.policies.slice(0, MAX_DENYING_POLICIES) }));
};

const byCount = (a: OwnerDenial, b: OwnerDenial): number => (b.count ?? 0) - (a.count ?? 0);

const withoutPolicies = ({ policies: _policies, ...denial }: OwnerDenial) => denial;

interface PolicyGroup {
  owners: number;
  /** NaN: some owners have no count. */
  count: number;
  readonly named: PolicyDenials['named'];
}

const denialsByPolicy = (denials: readonly OwnerDenial[]): Map<string, PolicyDenials> => {
  const grouped = new Map<string, PolicyGroup>();
  for (const denial of denials) {
    for (const policy of denial.policies) {
      const group = grouped.get(policy) ?? { owners: 0, count: 0, named: [] };
      grouped.set(policy, group);
      group.owners += 1;
      group.count += denial.count ?? Number.NaN;
      if (group.named.length < MAX_NAMED_DENIALS) group.named.push(withoutPolicies(denial));
    }
  }
  return new Map([...grouped].map(([policy, { count, ...rest }]) => [policy, { ...rest, ...(!Number.isNaN(count) && { count }) }]));
};

/** Whether two values differ at most in counts and times. */
const isSameOwners = (a: PolicyDenials, b: PolicyDenials): boolean => {
  const reduce = ({ owners, count, named }: PolicyDenials) => [
    owners,
    count === undefined,
    named.map(({ kind, namespace, name, reason, fix }) => [kind, namespace, name, reason, fix]),
  ];
  return isDeepStrictEqual(reduce(a), reduce(b));
};
