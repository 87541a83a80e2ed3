import { isDeepStrictEqual } from 'node:util';
import { type AgentClusterReport, MAX_NAMED_RISKS, MAX_SAMPLES, type PolicyReport } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { sameItems, weakMemo } from '@fso/shared/runtime';
import {
  type Baseline,
  countExpired,
  encodeBitmap,
  isGlobPolicy,
  isWhole,
  type ListedPolicy,
  listPolicy,
  MAX_BASELINE_NAMESPACES,
  type NamedPolicy,
} from '@fso/shared/status';
import { isSameMap, sortedSet } from '../compare.ts';
import type { DesiredPolicy } from '../enforce/index.ts';
import type { AcceptedPolicies, AgentSnapshot } from '../observe/index.ts';
import { isSameState, type Judgement, judgeListed, type ListedState } from './deviations.ts';
import type { ReportCheck } from './report-check.ts';

const listedOf = weakMemo(({ policy, since }: DesiredPolicy) => listPolicy(policy, since));

/** Accepted policies, in the form that expectations depend on. */
class AcceptedList {
  /** Policies in the order of their bits. */
  readonly policies: readonly ListedPolicy[];
  readonly globs: readonly ListedPolicy[];
  readonly #known: ReadonlyMap<string, ListedPolicy>;

  /** @param before earlier list; unchanged policies keep its entries */
  constructor(policies: AcceptedPolicies['policies'], before: AcceptedList | undefined) {
    const sorted = [...policies.values()].sort((a, b) => byText(a.policy.name, b.policy.name));
    this.policies = sorted.map((accepted) => {
      const { policy, since } = accepted;
      const known = before?.get(policy.name);
      return known?.digest === policy.digest && known.since === since ? known : listedOf(accepted);
    });
    this.#known = new Map(this.policies.map((policy) => [policy.name, policy]));
    this.globs = this.policies.filter(isGlobPolicy);
  }

  get(key: string): ListedPolicy | undefined {
    return this.#known.get(key);
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  /** Number of the policies that have expired. */
  countExpired(asOf: Date): number {
    return countExpired(this.policies, asOf.getTime());
  }
}

/** Everything that decides on the expected state of policies that are not named. */
export interface ReportBasis {
  /** Baseline without its time, which matters only when a policy expires. */
  readonly baseline: Omit<Baseline, 'asOf'>;
  /** Number of policies of the list that have expired. */
  readonly expired: number;
}

/** Statement of an agent about its policies. */
export interface Statement {
  /** null: the agent has no list, so every policy is reported by name. */
  readonly ground: ReportBasis | null;
  /** Deviations of policies of the list, and reports of policies outside the list, by key. */
  readonly policies: ReadonlyMap<string, NamedPolicy>;
  /** First violations of the policies that deviate. */
  readonly samples: NonNullable<AgentClusterReport['violationSamples']>;
  /** First owners at risk under the policies that deviate. */
  readonly risks: NonNullable<AgentClusterReport['riskSamples']>;
}

type Samples = Statement['samples'];

/**
 * Takes the first of each list, then the second of each, and so on, up to the limit of a report.
 */
const inTurns = <T>(lists: readonly (readonly T[])[], max: number): T[] => {
  const taken: T[] = [];
  for (let turn = 0; taken.length < max && lists.some(({ length }) => turn < length); turn += 1)
    for (const list of lists) taken.push(...list.slice(turn, turn + 1));
  return taken.slice(0, max);
};

interface Known<T> {
  readonly inputs: readonly unknown[];
  readonly value: T;
}

interface Judged {
  readonly state: ListedState;
  readonly judgement: Judgement;
}

const NO_NAMESPACES: readonly string[] = [];

/** Snapshot after a reconcile. */
type Seen = Required<Pick<AgentSnapshot, 'policies'>> & { readonly profile: NonNullable<AgentSnapshot['profile']>; readonly asOf: Date };

/**
 * Builds the statement of a list and a snapshot. Unchanged inputs are not judged again and give the
 * same object.
 */
export class PolicyStatements {
  readonly #check: ReportCheck;
  #list: { readonly of: AcceptedPolicies['policies']; readonly list: AcceptedList } | undefined;
  /** Last judgements of the policies of the list, by key. */
  readonly #judged = new Map<string, Judged>();
  #namespaces: Known<readonly string[]> = { inputs: [], value: NO_NAMESPACES };
  #last: Known<Statement> = { inputs: [], value: { ground: null, policies: new Map(), samples: [], risks: [] } };

  constructor(check: ReportCheck) {
    this.#check = check;
  }

  of(accepted: AcceptedPolicies | undefined, { policies, profile, asOf }: AgentSnapshot): Statement {
    const isSeen = accepted !== undefined && profile !== undefined && asOf !== undefined;
    const list = accepted && this.#listOf(accepted);
    const inputs = isSeen
      ? [policies, profile, accepted.policies, accepted.digest, accepted.version, list?.countExpired(asOf)]
      : [policies];
    if (sameItems(inputs, this.#last.inputs)) return this.#last.value;
    const now =
      isSeen && list ? this.#judgeAll(accepted, list, { policies, profile, asOf }) : { ground: null, policies: this.#unlisted(policies) };
    const { ground, policies: named } = this.#last.value;
    const value = {
      ground: isDeepStrictEqual(now.ground, ground) ? ground : now.ground,
      policies: isSameMap(named, now.policies) ? named : now.policies,
      samples: this.#samplesOf(now.policies, policies),
      risks: this.#risksOf(now.policies, policies),
    };
    this.#last = { inputs, value };
    return value;
  }

  /** Policies of the list, in the order of their bits. */
  listed(accepted: AcceptedPolicies): AcceptedList['policies'] {
    return this.#listOf(accepted).policies;
  }

  #listOf({ policies }: AcceptedPolicies): AcceptedList {
    if (this.#list?.of === policies) return this.#list.list;
    const list = new AcceptedList(policies, this.#list?.list);
    this.#list = { of: policies, list };
    for (const key of this.#judged.keys()) if (!list.has(key)) this.#judged.delete(key);
    return list;
  }

  #judgeAll(
    { digest, generationOf }: AcceptedPolicies,
    list: AcceptedList,
    { policies, profile, asOf }: Seen,
  ): Omit<Statement, 'samples' | 'risks'> {
    const namespaces = this.#namespacesOf(list, policies);
    const named = new Map<string, NamedPolicy>();
    const missing: boolean[] = [];
    for (const listed of list.policies) {
      const { name } = listed;
      const seen = policies.get(name);
      const entry = seen && this.#check.policy(name, seen.report);
      const state = {
        listed,
        entry,
        observedGeneration: seen?.observedGeneration,
        generation: generationOf(name),
        profile,
        namespaces,
        asOf,
      };
      const { deviation, isMissing } = this.#judge(name, state);
      missing.push(isMissing);
      if (deviation !== undefined) named.set(name, deviation);
    }
    for (const [key, entry] of this.#unlisted(policies, list)) named.set(key, entry);
    const bitmap = encodeBitmap(missing.length, (bit) => missing[bit] === true);
    const baseline = { list: digest, profile, missing: bitmap, namespaces: [...namespaces] };
    return { ground: { baseline, expired: list.countExpired(asOf) }, policies: named };
  }

  #judge(key: string, state: ListedState): Judgement {
    const known = this.#judged.get(key);
    const judgement = known !== undefined && isSameState(known.state, state) ? known.judgement : judgeListed(state);
    // Always the newest state: an earlier one retains the names of earlier namespaces.
    this.#judged.set(key, { state, judgement });
    return judgement;
  }

  /** Picks violations by turns, one per policy, those of policies that deny first. */
  #samplesOf(named: Statement['policies'], policies: AgentSnapshot['policies']): Statement['samples'] {
    const ofDeny: Samples[] = [];
    const ofOthers: Samples[] = [];
    for (const [policy, value] of named) {
      const seen = policies.get(policy);
      if (isWhole(value) || value.violations === 0 || seen === undefined) continue;
      const { enforcementAction, violationSamples = [] } = this.#check.policy(policy, seen.report) ?? {};
      (enforcementAction === 'deny' ? ofDeny : ofOthers).push(violationSamples.map((sample) => ({ ...sample, policy })));
    }
    return [...inTurns(ofDeny, MAX_SAMPLES), ...inTurns(ofOthers, MAX_SAMPLES)].slice(0, MAX_SAMPLES);
  }

  /** Picks owners at risk by turns, one per policy. */
  #risksOf(named: Statement['policies'], policies: AgentSnapshot['policies']): Statement['risks'] {
    const lists: Statement['risks'][] = [];
    for (const [policy, value] of named) {
      const seen = policies.get(policy);
      if (isWhole(value) || value.risks === undefined || seen === undefined) continue;
      const { risks } = this.#check.policy(policy, seen.report) ?? {};
      lists.push((risks?.named ?? []).map((risk) => ({ ...risk, policy })));
    }
    return inTurns(lists, MAX_NAMED_RISKS);
  }

  /**
   * Reports of policies outside the list: local ones, and those of the hub that are yet to be
   * deleted.
   */
  #unlisted(policies: AgentSnapshot['policies'], list?: AcceptedList): Map<string, PolicyReport> {
    const reports = new Map<string, PolicyReport>();
    for (const [key, { report }] of policies) {
      if (list?.has(key) === true) continue;
      const entry = this.#check.policy(key, report);
      if (entry !== undefined) reports.set(key, entry);
    }
    return reports;
  }

  /** Names of the namespaces that any glob of the list governs: the same object while unchanged. */
  #namespacesOf({ globs }: AcceptedList, policies: AgentSnapshot['policies']): readonly string[] {
    const inputs = globs.map(({ name }) => {
      const seen = policies.get(name);
      return (seen && this.#check.policy(name, seen.report)?.namespaces) ?? NO_NAMESPACES;
    });
    if (sameItems(inputs, this.#namespaces.inputs)) return this.#namespaces.value;
    const names = new Set<string>();
    for (const each of inputs) for (const name of each) names.add(name);
    const value = sortedSet(names).slice(0, MAX_BASELINE_NAMESPACES);
    this.#namespaces = { inputs, value: sameItems(value, this.#namespaces.value) ? this.#namespaces.value : value };
    return this.#namespaces.value;
  }
}
