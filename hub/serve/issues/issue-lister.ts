import type { AlertName, AlertSeverity, AuditVerification, IssueList, RolloutView } from '@fso/shared/api';
import { type Clock, createYielder } from '@fso/shared/runtime';
import { countTried, type NamedPolicy } from '@fso/shared/status';
import { boundIssues, type CurrentIssues, type IsNamed, type Issue } from '../../alerts/index.ts';
import type { HubCertificate } from '../../identity/index.ts';
import { type LedgerHealth, namedIn } from '../../ledger/index.ts';
import { type ClusterEntry, risksKnownOf } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import type { FleetReader } from '../fleet/fleet-reader.ts';
import { clusterLabels, isRiseUnknown, listClusterIssues, listLastingIssues, listTimedIssues } from './cluster-issues.ts';
import { listAuditIssues, listCertificateIssues, listLedgerIssues, listRolloutIssues, listSourceIssues } from './hub-issues.ts';
import { IssueGroups, policyGroupsOf } from './issue-groups.ts';
import { listClusterPolicyIssues, listPolicyIssues } from './policy-issues.ts';

/** State of the hub itself from which issues are derived. */
export interface HubState {
  readonly certificates: readonly HubCertificate[];
  readonly health: () => LedgerHealth;
  /** Rollout of the newest commit. */
  readonly rollout: () => Pick<RolloutView, 'halted' | 'revision'>;
  /** Verifies the whole audit log. */
  readonly verifyAudit: () => Promise<AuditVerification>;
}

/** Fleet and hub whose issues are listed. */
export interface IssueListerDeps {
  readonly fleet: FleetReader;
  /** State of the hub; undefined: the caller sees only a part of the fleet. */
  readonly hub: HubState | undefined;
  /** Severities that the alerts file overrides. Default: none. */
  readonly severityOf?: (name: AlertName) => AlertSeverity | undefined;
  readonly clock: Clock;
}

/**
 * Length of a time slice, in milliseconds. Longer ones would delay answers when many clusters
 * change at once.
 */
const SLICE_MS = 10;
/**
 * Interval between verifications of the audit log, and delay of the first, in milliseconds. Views
 * of the issues can cause more.
 */
const AUDIT_EVERY_MS = 6 * 3_600_000;
const AUDIT_FIRST_MS = 600_000;
const AUDIT_SEEN_MS = 60_000;
/**
 * Time for agents to connect after a start of the hub, in milliseconds. Until then an unregistered
 * cluster does not count as gone, because it may still connect.
 */
const GATHERING_MS = 300_000;

/** Adds the issues of a cluster. @param isAsked whether only this cluster is listed */
const addCluster = (groups: IssueGroups, entry: ClusterEntry, nowMs: number, isAsked: boolean): void => {
  const issues = listClusterIssues(entry, nowMs);
  if (isAsked || !entry.retired) groups.addAll(issues).merge(policyGroupsOf(entry));
  // A retired cluster is not counted, but its kept reports take memory.
  else groups.addAll(issues.filter(({ alert }) => alert === 'PoliciesNotKept'));
};

/** Time-independent issues of a cluster, with the entry from which they were derived. */
interface ClusterIssues {
  readonly entry: ClusterEntry;
  readonly issues: readonly Issue[];
}

/** Current issues that are derived from clusters; see {@link CurrentIssues}. */
interface MemberIssues {
  readonly clusters: Map<string, readonly Issue[]>;
  readonly notObserved: Set<string>;
  readonly risksUnknown: Set<string>;
  readonly denialsUnknown: Set<string>;
}

/** Lists the current issues. Unchanged parts of the fleet are not evaluated again. */
export class IssueLister {
  readonly #deps: IssueListerDeps;
  /**
   * Time-independent issues of the last list, by cluster name. Those of policies are bounded in
   * number. Clusters without issues are not stored: evaluating them again is cheaper.
   */
  #lasting: ReadonlyMap<string, ClusterIssues> = new Map();
  readonly #startedAtMs: number;
  #audit: AuditVerification | undefined;
  #verifiedAtMs: number | undefined;
  #isVerifying: boolean = false;

  constructor(deps: IssueListerDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.clock.monotonicMs();
  }

  /** Returns a lister for callers who see only a part of the fleet, and not the hub. */
  over(fleet: FleetReader): IssueLister {
    return new IssueLister({ ...this.#deps, fleet, hub: undefined });
  }

  /**
   * Lists the issues for alerts. Until the repository has been read, it is unknown which policies
   * clusters should have, so there are no issues of clusters.
   */
  async list(isNamed: IsNamed): Promise<CurrentIssues> {
    const { fleet: reader } = this.#deps;
    this.#verify(AUDIT_FIRST_MS, AUDIT_EVERY_MS);
    const nowMs = reader.now();
    const hub = await this.#listHub(nowMs);
    const fleet = await reader.read();
    const ofHub = this.#audit === undefined ? { hub } : { hub, audit: listAuditIssues(this.#audit) };
    if (fleet.desired() === null) return ofHub;
    const policies = listPolicyIssues(fleet, nowMs);
    const unknown = this.#notGathered(fleet);
    // Entries are immutable, so they stay valid while other work runs.
    return { ...ofHub, policies, unknown, ...(await this.#listMembers(fleet.members(), nowMs, isNamed)) };
  }

  /**
   * Lists the issues for users, grouped by cause.
   *
   * @param cluster restricts the list to this cluster, which may be retired
   */
  async groups(cluster?: string): Promise<IssueList> {
    const { fleet: reader, hub, severityOf = () => undefined } = this.#deps;
    this.#verify(0, AUDIT_SEEN_MS);
    const nowMs = reader.now();
    const ofHub = [...(await this.#listHub(nowMs)), ...this.#listLedger()];
    const fleet = await reader.read();
    const complete = fleet.desired() !== null && (hub === undefined || this.#audit !== undefined);
    const groups = new IssueGroups();
    if (cluster === undefined) groups.addAll([...ofHub, ...listPolicyIssues(fleet, nowMs)]);
    const giveWay = createYielder(SLICE_MS);
    for (const entry of cluster === undefined ? fleet.clusters() : [fleet.cluster(cluster) ?? []].flat()) {
      addCluster(groups, entry, nowMs, cluster !== undefined);
      await giveWay();
    }
    return { items: groups.views(severityOf), complete };
  }

  async #listHub(nowMs: number): Promise<Issue[]> {
    const { fleet, hub } = this.#deps;
    return [
      ...listSourceIssues(await fleet.readSource()),
      ...(hub === undefined ? [] : listRolloutIssues(hub.rollout())),
      ...listCertificateIssues(hub?.certificates ?? [], nowMs),
    ];
  }

  /** Lists the issues of the ledger and the audit log. Alerts about them do not use this list. */
  #listLedger(): Issue[] {
    const { hub } = this.#deps;
    if (hub === undefined) return [];
    return [...listLedgerIssues(hub.health()), ...(this.#audit === undefined ? [] : listAuditIssues(this.#audit))];
  }

  #notGathered(fleet: Fleet): ReadonlySet<string> {
    if (this.#deps.clock.monotonicMs() >= this.#startedAtMs + GATHERING_MS) return new Set();
    return new Set(fleet.clusters().flatMap(({ retired, record }) => (retired ? [record.name] : [])));
  }

  async #listMembers(members: readonly ClusterEntry[], nowMs: number, isNamed: IsNamed): Promise<MemberIssues> {
    const found: MemberIssues = { clusters: new Map(), notObserved: new Set(), risksUnknown: new Set(), denialsUnknown: new Set() };
    const lasting = new Map<string, ClusterIssues>();
    const giveWay = createYielder(SLICE_MS);
    for (const entry of members) {
      const { name } = entry.record;
      const kept = this.#lasting.get(name);
      const issues = kept?.entry === entry ? kept.issues : listLasting(entry, isNamed);
      if (issues.length > 0) lasting.set(name, { entry, issues });
      const timed = listTimedIssues(entry, nowMs);
      if (issues.length + timed.length > 0) found.clusters.set(name, timed.length === 0 ? issues : [...issues, ...timed]);
      noteUnknown(entry, found);
      await giveWay();
    }
    this.#lasting = lasting;
    return found;
  }

  /**
   * Starts a verification of the audit log if it is due. Does not wait for it, because it may take
   * long.
   *
   * @param firstMs delay of the first verification after the start
   */
  #verify(firstMs: number, everyMs: number): void {
    const { clock, hub } = this.#deps;
    const dueMs = this.#verifiedAtMs === undefined ? this.#startedAtMs + firstMs : this.#verifiedAtMs + everyMs;
    if (hub === undefined || this.#isVerifying || clock.monotonicMs() < dueMs) return;
    this.#isVerifying = true;
    hub
      .verifyAudit()
      .then((verification) => {
        this.#audit = verification;
      })
      // An unreadable log proves nothing.
      .catch(() => undefined)
      .finally(() => {
        this.#isVerifying = false;
        this.#verifiedAtMs = clock.monotonicMs();
      });
  }
}

const listLasting = (entry: ClusterEntry, isNamed: IsNamed): readonly Issue[] => {
  const ofCluster = listLastingIssues(entry);
  const ofPolicies = listClusterPolicyIssues(entry);
  if (ofPolicies.length === 0) return ofCluster;
  return [...ofCluster, ...boundIssues(ofPolicies, clusterLabels(entry), isNamed)];
};

const areUntried = ({ risks }: NamedPolicy): boolean => risks !== undefined && risks.refused > 0 && countTried(risks) === 0;

/** Records which states of a cluster are currently unknown. */
const noteUnknown = (entry: ClusterEntry, { notObserved, risksUnknown, denialsUnknown }: MemberIssues): void => {
  const { name, policies, notObserved: isOutOfDate } = entry.record;
  if (isOutOfDate !== null) notObserved.add(name);
  if (isRiseUnknown(entry)) denialsUnknown.add(name);
  if (risksKnownOf(entry) === 'Unknown') {
    risksUnknown.add(name);
    return;
  }
  for (const [policy, named] of namedIn(policies)) if (areUntried(named)) risksUnknown.add(`${name}/${policy}`);
};
