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

/** State of the hub itself that issues are derived from. */
export interface HubState {
  readonly certificates: readonly HubCertificate[];
  readonly health: () => LedgerHealth;
  /** Rollout of the newest commit. */
  readonly rollout: () => Pick<RolloutView, 'halted' | 'revision'>;
  /** Reads the whole audit log. */
  readonly verifyAudit: () => Promise<AuditVerification>;
}

/** Fleet and hub whose issues are listed. */
export interface IssueListerDeps {
  readonly fleet: FleetReader;
  /** undefined: for callers who see a part of the fleet. */
  readonly hub: HubState | undefined;
  /** Severities that the alerts file changes. Default: none. */
  readonly severityOf?: (name: AlertName) => AlertSeverity | undefined;
  readonly clock: Clock;
}

/** Length of a slice. Longer ones delay answers when many clusters changed at once. */
const SLICE_MS = 10;
/** The audit log is verified this often, first after a while, and more often while people look. */
const AUDIT_EVERY_MS = 6 * 3_600_000;
const AUDIT_FIRST_MS = 600_000;
const AUDIT_SEEN_MS = 60_000;
/**
 * Time that agents have to connect after a start of the hub. Until then a cluster that Git does not
 * have may still connect, and does not count as gone.
 */
const GATHERING_MS = 300_000;

/** @param isAsked whether the list is of this cluster alone */
const addCluster = (groups: IssueGroups, entry: ClusterEntry, nowMs: number, isAsked: boolean): void => {
  const issues = listClusterIssues(entry, nowMs);
  if (isAsked || !entry.retired) groups.addAll(issues).merge(policyGroupsOf(entry));
  // The fleet is counted without it, but what is kept of it takes memory.
  else groups.addAll(issues.filter(({ alert }) => alert === 'PoliciesNotKept'));
};

/** Issues of a cluster that do not depend on the time, and the entry that they follow from. */
interface ClusterIssues {
  readonly entry: ClusterEntry;
  readonly issues: readonly Issue[];
}

/** The part of the current issues that follows from the clusters; see {@link CurrentIssues}. */
interface MemberIssues {
  readonly clusters: Map<string, readonly Issue[]>;
  readonly notObserved: Set<string>;
  readonly risksUnknown: Set<string>;
  readonly denialsUnknown: Set<string>;
}

/** Lists the current issues repeatedly: unchanged parts of the fleet are not evaluated again. */
export class IssueLister {
  readonly #deps: IssueListerDeps;
  /**
   * Issues of the last list that do not depend on the time, those of policies bounded in number, by
   * name of their cluster. One without issues is listed again each time, which costs less than to
   * keep it.
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

  /** Returns a lister for callers who see a part of the fleet, and not the hub. */
  over(fleet: FleetReader): IssueLister {
    return new IssueLister({ ...this.#deps, fleet, hub: undefined });
  }

  /**
   * Lists the issues that alerts are made from. Before the hub has read the repository it does not
   * know which policies clusters should have, and lists no issues of clusters.
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
    // Entries are replaced and never changed: they hold while others run.
    return { ...ofHub, policies, unknown, ...(await this.#listMembers(fleet.members(), nowMs, isNamed)) };
  }

  /**
   * Lists the issues that people see, by cause.
   *
   * @param cluster lists only those of this cluster, also of a retired one
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

  /** Lists the issues of the ledger and the audit log, which reach alerts on a separate path. */
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
   * Verifies the audit log where it is time to. Nobody waits for it: a large log takes a while.
   *
   * @param firstMs for the first time so long after the start
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
      // A log that cannot be read now is no proof of anything.
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

/** Notes what is not known of a cluster now. */
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
