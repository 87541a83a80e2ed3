/** What becomes an alert: the one list of what is wrong with the fleet and its hub. */

export const ALERT_SEVERITIES = ['critical', 'warning', 'info'] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

export interface AlertRule {
  readonly severity: AlertSeverity;
  /** Seconds that the problem must last before its alert fires, unless the alerts file says otherwise. */
  readonly forSeconds: number;
  readonly meaning: string;
  readonly remedy: string;
}

const MINUTE = 60;
const HOUR = 3600;

/** By name of the alert. Those of the hub come first, then those of clusters, then those of policies. */
export const ALERT_RULES = {
  SourceUnreachable: {
    severity: 'critical',
    forSeconds: 5 * MINUTE,
    meaning: 'The hub cannot read the policy repository, so new commits do not arrive.',
    remedy: 'Check the repository, the network and the credentials of the hub; `fso status` shows the error.',
  },
  CommitRejected: {
    severity: 'critical',
    forSeconds: 0,
    meaning: 'The newest commit was refused, and the previous one stays in force.',
    remedy: 'Correct the files that the alert names, or revert the commit.',
  },
  RevisionNotTrusted: {
    severity: 'warning',
    forSeconds: 0,
    meaning: 'The commit in force failed the check of its signature and was taken all the same (`FSO_VERIFY=warn`).',
    remedy: 'Sign the next commit with a configured key, or set `FSO_VERIFY=strict`.',
  },
  LedgerUnavailable: {
    severity: 'critical',
    forSeconds: MINUTE,
    meaning: "The ledger's database cannot be written.",
    remedy: 'Check the database and the disk of the hub; agents go on enforcing what they have.',
  },
  AuditLogInvalid: {
    severity: 'critical',
    forSeconds: 0,
    meaning: 'The audit log contradicts its hashes, its checkpoints or those that agents keep.',
    remedy: 'Run `fso audit verify`, keep a copy of the database, and find out who changed it.',
  },
  HubCertificateExpiring: {
    severity: 'critical',
    forSeconds: 0,
    meaning: "The certificate of the agents' address, or the CA of the agents, ends within 14 days.",
    remedy: 'Replace the file and restart the hub.',
  },
  ClusterAway: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    meaning: 'The cluster is not connected. It enforces what it last accepted; what the hub shows of it is old.',
    remedy: 'Check the agent and its way to the hub.',
  },
  ClusterNotObserved: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    meaning:
      'The agent is connected and does not know how its cluster is now: the API server does not answer it, or its work does not come to an end. The locks hold; whether all of them still stand is not known.',
    remedy: 'Check the API server of the cluster and the log of the agent; the alert says what is out of date.',
  },
  ClusterNeverSeen: {
    severity: 'info',
    forSeconds: HOUR,
    meaning: 'The cluster is registered in Git and has never connected.',
    remedy: 'Install and enrol its agent, or take its registration out of the repository.',
  },
  ClusterUnregistered: {
    severity: 'warning',
    forSeconds: 15 * MINUTE,
    meaning: 'The cluster is connected and not, or no longer, registered in Git: no policy of the repository applies to it.',
    remedy: 'Commit a ManagedCluster for it, or revoke it.',
  },
  ClusterBehind: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    meaning: 'The cluster is connected and has not accepted the commit in force.',
    remedy: 'Look at the log of the agent and at the page of the cluster.',
  },
  PoliciesNotKept: {
    severity: 'warning',
    forSeconds: MINUTE,
    meaning:
      'The hub does not keep all policies that the cluster reports: it has more than the hub keeps of one. The cluster enforces all of them.',
    remedy: 'Delete local policies in the cluster; forget a cluster that is gone.',
  },
  CommitRefused: {
    severity: 'critical',
    forSeconds: MINUTE,
    meaning: 'The agent refused a commit and keeps the previous one.',
    remedy: 'Read the reasons that the alert quotes; a wrong signature may be an attack.',
  },
  Tampered: {
    severity: 'critical',
    forSeconds: 0,
    meaning: 'Objects of the locks were changed or deleted within the last hour; the agent restored them.',
    remedy: "Find the author in the cluster's audit log and take the right away.",
  },
  LockNotReady: {
    severity: 'critical',
    forSeconds: 5 * MINUTE,
    meaning: 'Lock 1 or its guard is not ready in the cluster.',
    remedy: 'Read the condition on the page of the cluster.',
  },
  GatekeeperNotReady: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    meaning: 'Gatekeeper, lock 2, is absent or not ready in the cluster; lock 1 holds alone.',
    remedy: 'Install or repair Gatekeeper.',
  },
  CertificateExpiring: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    meaning: 'The certificate of the agent has expired, or should have been renewed by now.',
    remedy: 'Check the log of the agent; after 30 days it needs a new enrolment token.',
  },
  PolicyNotEnforced: {
    severity: 'critical',
    forSeconds: 2 * MINUTE,
    meaning: 'The policy failed in the cluster.',
    remedy: 'Read the message of the policy in the cluster; it names what could not be written or proven.',
  },
  PolicyLockDegraded: {
    severity: 'warning',
    forSeconds: 10 * MINUTE,
    meaning: 'A lock does not hold the policy in the cluster.',
    remedy: 'See which lock it is, and repair it; the other one holds meanwhile.',
  },
  PolicyConflict: {
    severity: 'warning',
    forSeconds: 5 * MINUTE,
    meaning: 'Several policies leave no region for a namespace, so no pod may run there.',
    remedy: 'Change one of the policies that the alert names.',
  },
  PolicyNotProven: {
    severity: 'warning',
    forSeconds: 30 * MINUTE,
    meaning:
      'The policy is meant for the cluster and has not been proven there. Without a cluster: none that is meant to have the policy has a namespace for it.',
    remedy: 'Read the message of the policy in the cluster. Without a cluster: create the namespace, or correct `targetNamespace`.',
  },
  Violations: {
    severity: 'warning',
    forSeconds: MINUTE,
    meaning: 'Workloads run outside of the regions that the policy allows; critical if the policy denies.',
    remedy: 'Move or remove the workloads that the page of violations lists.',
  },
  PolicyExpiring: {
    severity: 'warning',
    forSeconds: 0,
    meaning: 'The policy expires within 14 days.',
    remedy: 'Set a later `expiryDate`, or let it end.',
  },
  PolicyExpired: {
    severity: 'info',
    forSeconds: 0,
    meaning: 'The policy has expired and governs nothing.',
    remedy: 'Take it out of the repository, or set a later `expiryDate`.',
  },
  MoreAlerts: {
    severity: 'warning',
    forSeconds: 0,
    meaning: 'More alerts of this severity in the cluster, or in the fleet, than are named one by one.',
    remedy: 'Open the page of the cluster: many alerts of one cluster mostly have one cause.',
  },
} as const satisfies Readonly<Record<string, AlertRule>>;

export type AlertName = keyof typeof ALERT_RULES;
export const ALERT_NAMES = Object.keys(ALERT_RULES) as [AlertName, ...AlertName[]];
