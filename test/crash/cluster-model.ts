import { type PolicyReport, policyKey } from '@fso/shared/api';
import type { CompiledCluster, CompiledPolicy } from '@fso/shared/compile';
import { isExpired } from '@fso/shared/residency';
import { deviatingReport, expectedReport, governedNamespaces, isGlobPolicy, isWhole, listPolicy } from '@fso/shared/status';
import { baselineOf } from '../harness/baselines.ts';
import { type StatusByName, statusByName } from '../harness/deviations.ts';
import { policyFile } from '../harness/policy-files.ts';
import { policyReport } from '../harness/policy-reports.ts';

const POLICIES = 25;
/** Number of policies that expire one after another, by the clocks of the clusters. */
const EXPIRING = 6;
/** Number of policies whose target namespace is a glob. */
const GLOBS = 8;
const LOCALS = 5;
const START = Date.parse('2026-01-01T00:00:00Z');
const SECOND_MS = 1_000;
const NAMESPACES = ['team-a', 'team-b', 'team-c', 'team-d'];
const DEVIATIONS = ['Active', 'Failed', 'Failed', 'Pending'] as const;

const expiryOf = (n: number): string => new Date(START + 30 * 3 ** n * SECOND_MS).toISOString();

const textOf = (n: number): string => {
  const name = `policy-${n}`;
  if (n < EXPIRING) return `${policyFile(name)}  expiryDate: ${expiryOf(n)}\n`;
  return n < GLOBS ? policyFile(name).replace(`targetNamespace: ${name}`, "targetNamespace: 'team-*'") : policyFile(name);
};

/** Files of the policies of every cluster, by path. */
export const POLICY_FILES: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: POLICIES }, (_, n) => [`policies/policy-${n}.yaml`, textOf(n)]),
);

/**
 * Report of an agent at one moment, and the policies by key that a hub with that report must show.
 */
export interface ModelStatus extends StatusByName {
  readonly shown: ReadonlyMap<string, PolicyReport>;
}

/**
 * Cluster whose policies change at random. They conform, deviate, lack their namespaces or expire,
 * and some were applied in the cluster.
 */
export class ClusterModel {
  readonly #compiled: CompiledCluster;
  readonly #random: () => number;
  /** Deviating policies by key. All other policies of the list conform. */
  readonly #deviating = new Map<string, PolicyReport>();
  /** Names of policies whose namespace does not exist. */
  readonly #missing = new Set<string>();
  #namespaces: readonly string[] = NAMESPACES;
  #counter = 0;

  /** @param random returns a number in [0, 1) */
  constructor(compiled: CompiledCluster, random: () => number) {
    this.#compiled = compiled;
    this.#random = random;
  }

  get counter(): number {
    return this.#counter;
  }

  /** Changes one policy at random, and advances time by a second. */
  change(): void {
    this.#counter += 1;
    const dice = this.#random();
    if (dice < 0.05) this.#namespaces = NAMESPACES.filter(() => this.#random() < 0.6);
    else if (dice < 0.2) this.#changeLocal();
    else this.#changeListed(`policy-${Math.floor(this.#random() * POLICIES)}`);
  }

  status(): ModelStatus {
    const asOf = new Date(START + this.#counter * SECOND_MS);
    const listed = this.#compiled.policies.map((policy) => this.#deviating.get(policy.name) ?? this.#expected(policy, asOf));
    const reports = new Map([...this.#deviating, ...listed.map((report) => [policyKey(report), report] as const)]);
    const status = statusByName({ compiled: this.#compiled, reports: reports.values(), namespaces: this.#namespaces, asOf });
    const shown = this.#compiled.policies.map((policy): [string, PolicyReport] => {
      const deviation = status.named.get(policy.name);
      const report = this.#expected(policy, asOf, deviation !== undefined);
      return [policy.name, deviation === undefined || isWhole(deviation) ? report : deviatingReport(report, deviation)];
    });
    return { ...status, shown: new Map([...reports, ...shown]) };
  }

  #changeLocal(): void {
    const name = `local-${Math.floor(this.#random() * LOCALS)}`;
    const report = this.#report(name, { namespace: 'team-a', managedBy: 'local' });
    if (this.#random() < 0.3) this.#deviating.delete(policyKey(report));
    else this.#deviating.set(policyKey(report), report);
  }

  #changeListed(name: string): void {
    this.#deviating.delete(name);
    this.#missing.delete(name);
    const dice = this.#random();
    if (dice < 0.2) this.#missing.add(name);
    else if (dice < 0.7) this.#deviating.set(name, this.#report(name));
  }

  #report(name: string, change: Partial<PolicyReport> = {}): PolicyReport {
    const phase = DEVIATIONS[Math.floor(this.#random() * DEVIATIONS.length)] ?? 'Failed';
    return policyReport(name, { phase, violations: this.#counter, message: `counter ${this.#counter}`, ...change });
  }

  /** @param governs whether the policy counts as governing regardless of its date and namespace */
  #expected(policy: CompiledPolicy, asOf: Date, governs = false): PolicyReport {
    const listed = listPolicy(policy, '');
    const { profile } = baselineOf(this.#compiled.digest);
    const governed = isGlobPolicy(listed) ? governedNamespaces(listed, this.#namespaces, profile) : [listed.targetNamespace];
    const namespaces = this.#missing.has(policy.name) && !governs ? [] : governed;
    return expectedReport(listed, profile, { isExpired: !governs && isExpired(listed.expiryDate, asOf.getTime()), namespaces });
  }
}
