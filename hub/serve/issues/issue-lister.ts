import type { AuditVerification } from '@fso/shared/api';
import { type Clock, createYielder } from '@fso/shared/runtime';
import { boundIssues, type CurrentIssues, type IsNamed, type Issue } from '../../alerts/index.ts';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import type { FleetReader } from '../fleet/fleet-reader.ts';
import { clusterLabels, listClusterIssues } from './cluster-issues.ts';
import { type HubCertificate, listAuditIssues, listCertificateIssues, listSourceIssues } from './hub-issues.ts';
import { ClusterPolicyIssues, listPolicyIssues } from './policy-issues.ts';

export interface IssueListerDeps {
  readonly fleet: FleetReader;
  readonly certificates: readonly HubCertificate[];
  /** Reads the whole audit log. */
  readonly verifyAudit: () => Promise<AuditVerification>;
  readonly clock: Clock;
}

/** Longer keeps answers waiting when many clusters changed at once. */
const SLICE_MS = 10;
/** The audit log is read through this often, and for the first time a while after the start. */
const AUDIT_EVERY_MS = 6 * 3_600_000;
const AUDIT_FIRST_MS = 600_000;
/** After its start every agent is away for a moment. Until then a cluster that Git does not know may be here, and is not taken as gone. */
const GATHERING_MS = 300_000;

interface Known {
  readonly entry: ClusterEntry;
  /** Of its policies, bounded. */
  readonly issues: readonly Issue[];
}

/** Lists what is wrong with the fleet, again and again: what did not change is not looked at again. */
export class IssueLister {
  readonly #deps: IssueListerDeps;
  readonly #policies = new ClusterPolicyIssues();
  readonly #known = new Map<string, Known>();
  #audit: AuditVerification | undefined;
  #verifyAtMs: number;
  readonly #gatheredAtMs: number;
  #isVerifying: boolean = false;

  constructor(deps: IssueListerDeps) {
    this.#deps = deps;
    const nowMs = deps.clock.monotonicMs();
    this.#verifyAtMs = nowMs + AUDIT_FIRST_MS;
    this.#gatheredAtMs = nowMs + GATHERING_MS;
  }

  /** Before the hub has read the repository it does not know who should have what, and says nothing of policies and clusters. */
  async list(isNamed: IsNamed): Promise<CurrentIssues> {
    const { fleet: reader, certificates } = this.#deps;
    this.#verify();
    const nowMs = reader.now();
    const source = listSourceIssues(await reader.readSource());
    const fleet = await reader.read();
    const hub = [...source, ...listCertificateIssues(certificates, nowMs)];
    const ofHub = this.#audit === undefined ? { hub } : { hub, audit: listAuditIssues(this.#audit) };
    if (fleet.desired() === null) return ofHub;
    const policies = listPolicyIssues(fleet, nowMs);
    const unknown = this.#notGathered(fleet);
    const notObserved = new Set(fleet.members().flatMap(({ record }) => (record.notObserved === null ? [] : [record.name])));
    // Entries are replaced and never changed: they hold while others run.
    const clusters = await this.#listClusters(fleet.members(), nowMs, isNamed);
    return { ...ofHub, policies, clusters, unknown, notObserved };
  }

  #notGathered(fleet: Fleet): ReadonlySet<string> {
    if (this.#deps.clock.monotonicMs() >= this.#gatheredAtMs) return new Set();
    return new Set(fleet.clusters().flatMap(({ retired, record }) => (retired ? [record.name] : [])));
  }

  async #listClusters(members: readonly ClusterEntry[], nowMs: number, isNamed: IsNamed): Promise<Map<string, readonly Issue[]>> {
    const clusters = new Map<string, readonly Issue[]>();
    const giveWay = createYielder(SLICE_MS);
    for (const entry of members) {
      const issues = [...listClusterIssues(entry, nowMs), ...this.#policiesOf(entry, isNamed)];
      if (issues.length > 0) clusters.set(entry.record.name, issues);
      await giveWay();
    }
    if (this.#known.size > members.length) this.#keepOnly(members);
    return clusters;
  }

  #policiesOf(entry: ClusterEntry, isNamed: IsNamed): readonly Issue[] {
    const { name } = entry.record;
    const before = this.#known.get(name);
    if (before?.entry === entry) return before.issues;
    const issues = boundIssues(this.#policies.list(entry), clusterLabels(entry), isNamed);
    this.#known.set(name, { entry, issues });
    return issues;
  }

  #keepOnly(members: readonly ClusterEntry[]): void {
    const names = new Set(members.map(({ record }) => record.name));
    for (const name of this.#known.keys()) {
      if (names.has(name)) continue;
      this.#known.delete(name);
      this.#policies.forget(name);
    }
  }

  /** Nobody waits for it: a large log takes a while. */
  #verify(): void {
    const { clock, verifyAudit } = this.#deps;
    if (this.#isVerifying || clock.monotonicMs() < this.#verifyAtMs) return;
    this.#isVerifying = true;
    verifyAudit()
      .then((verification) => {
        this.#audit = verification;
      })
      // A log that cannot be read now is no proof of anything.
      .catch(() => undefined)
      .finally(() => {
        this.#isVerifying = false;
        this.#verifyAtMs = clock.monotonicMs() + AUDIT_EVERY_MS;
      });
  }
}
