/** Problems of the fleet and its hub, as issues, alerts and runbooks name them. */

/** Severities of an alert, most severe first. */
export const ALERT_SEVERITIES = ['critical', 'warning', 'info'] as const;
/** Severity of an alert. */
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** Difference from which on a clock counts as wrong, in ms. Transit time explains smaller ones. */
export const CLOCK_SKEW_MS = 30_000;
/**
 * Remaining validity below which the renewal of a certificate is late, in ms. Agents renew after
 * two thirds of a day, so a certificate with less left means hours of failed renewals.
 */
export const RENEWAL_LATE_MS: number = 6 * 3_600_000;

/** Severity, texts and delay of one kind of alert. */
export interface AlertRule {
  readonly severity: AlertSeverity;
  /**
   * Time in s that the problem must last before its alert fires. The alerts file may override it.
   */
  readonly forSeconds: number;
  /** Text before the cluster or policy that the alert concerns. */
  readonly title: string;
  readonly meaning: string;
  readonly remedy: string;
}

const MINUTE = 60;
const HOUR = 3600;

/** Rules by name of the alert: those of the hub first, then of clusters, then of policies. */
export const ALERT_RULES = {
  SourceUnreachable: {
    severity: 'critical',
    forSeconds: 5 * MINUTE,
    title: 'The policy repository cannot be read: new commits do not arrive',
    meaning: 'The hub cannot read the policy repository, so new commits do not arrive.',
    remedy: 'Check the repository, the network and the credentials of the hub; `fso status` shows the error.',
  },
  CommitRejected: {
    severity: 'critical',
    forSeconds: 0,
    title: 'The newest commit was rejected; the previous one stays in force',
    meaning: 'The newest commit was refused, and the previous one stays in force.',
    remedy: 'Correct the files that are named, or revert the commit.',
  },
  RevisionNotTrusted: {
    severity: 'critical',
    forSeconds: 0,
    title: 'The commit in force is not trusted',
    meaning: 'The hub, or the agent of a cluster, took the commit in force although the check of its signature failed (`FSO_VERIFY=warn`).',
    remedy: 'Sign the next commit with a configured key, or set `FSO_VERIFY=strict`.',
  },
  RolloutHalted: {
    severity: 'warning',
    forSeconds: 0,
    title: 'The rollout of the newest commit is halted',
    meaning: 'A gate of a wave failed: the clusters of that wave have the newest commit, those of later waves keep the one before.',
    remedy:
      'Revert the commit, which needs no soak, or accept what was found with `fso rollout resume`; where no cluster was looked at, an approver signs for the wave.',
  },
  LedgerUnavailable: {
    severity: 'critical',
    forSeconds: MINUTE,
    title: "The ledger's database cannot be written",
    meaning: "The ledger's database cannot be written.",
    remedy: 'Check the database and the disk of the hub; agents go on enforcing what they have.',
  },
  AuditLogInvalid: {
    severity: 'critical',
    forSeconds: 0,
    title: 'The audit log contradicts its hashes or checkpoints',
    meaning: 'The audit log contradicts its hashes, its checkpoints or those that agents keep.',
    remedy: 'Run `fso audit verify`, keep a copy of the database, and find out who changed it.',
  },
  HubCertificateExpiring: {
    severity: 'critical',
    forSeconds: 0,
    title: 'A certificate of the hub ends soon',
    meaning: "The certificate of the agents' address, or the CA of the agents, ends within 14 days.",
    remedy: 'Replace the file and restart the hub.',
  },
  Tampered: {
    severity: 'critical',
    forSeconds: 0,
    title: 'Objects of the locks were changed',
    meaning: 'Objects of the locks were changed or deleted within the last hour; the agent restored them.',
    remedy: "Find the author in the cluster's audit log and take the right away.",
  },
  ClusterAway: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    title: 'Not connected',
    meaning: 'The cluster is not connected. It enforces what it last accepted; what the hub shows of it is old.',
    remedy: 'Check the agent and its way to the hub.',
  },
  ClusterNotObserved: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    title: 'Not observed',
    meaning:
      'The agent is connected and does not know how its cluster is now: the API server does not answer it, or its work does not come to an end. The locks hold; whether all of them still stand is not known.',
    remedy: 'Check the API server of the cluster and the log of the agent.',
  },
  ClusterNeverSeen: {
    severity: 'info',
    forSeconds: HOUR,
    title: 'Never connected',
    meaning: 'The cluster is registered in Git and has never connected.',
    remedy: 'Install and enrol its agent, or take its registration out of the repository.',
  },
  ClusterUnregistered: {
    severity: 'warning',
    forSeconds: 15 * MINUTE,
    title: 'Not registered in Git',
    meaning: 'The cluster is not, or no longer, registered in Git: no policy of the repository applies to it.',
    remedy: 'Commit a ManagedCluster for it, or revoke it; forget one that is gone.',
  },
  ClusterBehind: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    title: 'The commit in force is not accepted',
    meaning: 'The cluster is connected and has not accepted the commit in force.',
    remedy: 'Look at the log of the agent and at the page of the cluster.',
  },
  PoliciesNotKept: {
    severity: 'warning',
    forSeconds: MINUTE,
    title: 'Not all policies are kept by the hub',
    meaning:
      'The hub does not keep all policies that the cluster reports: it has more than the hub keeps of one. The cluster enforces all of them.',
    remedy: 'Delete local policies in the cluster; forget a cluster that is gone.',
  },
  CommitRefused: {
    severity: 'critical',
    forSeconds: MINUTE,
    title: 'Commit refused, the previous one kept',
    meaning: 'The agent refused a commit and keeps the previous one.',
    remedy: 'Read the reasons; a wrong signature may be an attack.',
  },
  LockNotReady: {
    severity: 'critical',
    forSeconds: 5 * MINUTE,
    title: 'Lock 1 is not ready',
    meaning: 'Lock 1 or its guard is not ready in the cluster. Without the guard others than the agent may be able to change the locks.',
    remedy: 'Read the condition on the page of the cluster.',
  },
  GatekeeperNotReady: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    title: 'Gatekeeper is not ready',
    meaning: 'Gatekeeper, lock 2, is absent or not ready in the cluster; lock 1 holds alone.',
    remedy: 'Install or repair Gatekeeper.',
  },
  CertificateExpiring: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    title: 'The certificate of the agent is not renewed',
    meaning: 'The certificate of the agent has expired, or should have been renewed by now. An agent without one cannot connect.',
    remedy: 'Check the log of the agent. One that expired is renewed within 30 days; after that the agent needs a new enrolment token.',
  },
  ClockSkewed: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    title: 'The clock of the agent is wrong',
    meaning: "The agent's clock differs from the hub's by 30 s or more. Times that it reports, and ends of policies, are wrong by as much.",
    remedy: 'Synchronize the clock of the node that the agent runs on.',
  },
  NodesWithoutRegion: {
    severity: 'info',
    forSeconds: HOUR,
    title: 'Nodes without a region',
    meaning: 'Nodes lack the label topology.kubernetes.io/region. Pods that a deny policy governs cannot be bound there.',
    remedy: 'Let the kubelet, or an identity that the guard trusts, set the label.',
  },
  NodesDisputed: {
    severity: 'critical',
    forSeconds: MINUTE,
    title: 'Nodes contradict themselves',
    meaning:
      'The providerID, zone and region of nodes contradict each other by the catalogue of regions: a label is wrong, or someone lies. The nodes count as being in no region, so no pod that a deny policy governs is bound there.',
    remedy: 'Find out where each node is and correct its labels; a node with a wrong providerID has to be registered again.',
  },
  PolicyNotEnforced: {
    severity: 'critical',
    forSeconds: 2 * MINUTE,
    title: 'Not enforced',
    meaning: 'The policy failed in the cluster.',
    remedy: 'Read the message of the policy in the cluster; it names what could not be written or proven.',
  },
  PolicyLockDegraded: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    title: 'A lock does not hold',
    meaning: 'A lock does not hold the policy in the cluster.',
    remedy: 'See which lock it is, and repair it; the other one holds meanwhile.',
  },
  PolicyConflict: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    title: 'In conflict',
    meaning: 'Several policies leave no region for a namespace, so no pod may run there.',
    remedy: 'Change one of the policies that are named.',
  },
  RegionAmbiguous: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    title: 'A region means several places',
    meaning:
      'Nodes of the cluster mean, or may mean, different places by a region of the policy: their providers differ, or are not known. That region is outside there.',
    remedy:
      'Write the region with its provider (`aws/eu-west-1`), or take the nodes of the other provider out of the cluster. Where nodes name no provider in `spec.providerID`, declare it as `spec.provider` of the registration.',
  },
  PolicyNotProven: {
    severity: 'warning',
    forSeconds: 30 * MINUTE,
    title: 'Not proven',
    meaning:
      'The policy is meant for the cluster and has not been proven there. Without a cluster: none that is meant to have the policy has a namespace for it.',
    remedy: 'Read the message of the policy in the cluster. Without a cluster: create the namespace, or correct `targetNamespace`.',
  },
  Violations: {
    severity: 'critical',
    forSeconds: MINUTE,
    title: 'Violations',
    meaning: 'Workloads run outside of the regions that the policy allows; a warning where the policy does not deny.',
    remedy: 'Move or remove the workloads that the page of violations lists.',
  },
  RisksAppeared: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    title: 'Would be refused at the next start',
    meaning:
      'Pods that run now come from owners whose next pods the policy would refuse, as after a commit that narrows it: a restart or a drained node stops them.',
    remedy: 'Put the line into the template that the page of risks names for each owner, before anything restarts.',
  },
  DenialsRise: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    title: 'More pods are refused',
    meaning:
      'Lock 1 refuses pods of the cluster twice as fast as within the hour, and at least 20 within ten minutes, as after a commit that narrows a policy, or a rollout of a template that is outside.',
    remedy: 'Put the line into the template that the page of denials names for each owner.',
  },
  PolicyExpiring: {
    severity: 'warning',
    forSeconds: 0,
    title: 'Expires within 14 days',
    meaning: 'The policy expires within 14 days.',
    remedy: 'Set a later `expiryDate`, or let it end.',
  },
  PolicyExpired: {
    severity: 'info',
    forSeconds: 0,
    title: 'Expired',
    meaning: 'The policy has expired and governs nothing.',
    remedy: 'Take it out of the repository, or set a later `expiryDate`.',
  },
  MoreAlerts: {
    severity: 'warning',
    forSeconds: 0,
    title: 'More alerts than are named',
    meaning: 'More alerts of this severity in the cluster, or in the fleet, than are named one by one.',
    remedy: 'Open the page of the cluster: many alerts of one cluster mostly have one cause.',
  },
} as const satisfies Readonly<Record<string, AlertRule>>;

/** Name of an alert, which names its cause. */
export type AlertName = keyof typeof ALERT_RULES;
/** Names of all alerts. */
export const ALERT_NAMES = Object.keys(ALERT_RULES) as [AlertName, ...AlertName[]];
