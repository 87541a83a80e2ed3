import { ALERT_RULES, type AlertName } from '@fso/shared/api';

/** Checks and remedies by cause. Links are relative to a page in docs/operate. */

/** Texts of an alert's runbook. */
export interface Runbook {
  readonly meaning: string;
  readonly check: string;
  readonly remedy: string;
}

/**
 * Runbooks for alerts of the hub. Meaning and remedy are those of the alert; `more` is for people
 * with a shell.
 */
const OF_HUB: Readonly<Record<AlertName, { readonly check: string; readonly more?: string }>> = {
  SourceUnreachable: {
    check: '`fso status`: Not readable, with the reason; _source unreachable_ in the log.',
    more: '[Connect the repository](policy-repository.md).',
  },
  CommitRejected: {
    check: '`fso status`: Refused, with file, line and reason.',
    more: '`fso validate .` finds such before they are pushed.',
  },
  RevisionNotTrusted: {
    check:
      '`fso status` for the hub, `fso get clusters` for agents; the reason in the event `RevisionNotTrusted`. The rule of the agents fires for refused commits, too.',
    more: 'Find out who pushed it. If no one did, treat the hub as taken over ([threats.md](../security/threats.md)).',
  },
  LedgerUnavailable: {
    check: '_ledger database unreachable_ in the log, and `/readyz`; disk, connections, credentials of the database.',
    more: 'Reports wait in memory, and writes continue by themselves. Lost data: [restore](ledger.md#restore).',
  },
  AuditLogInvalid: {
    check: 'The page Audit of the dashboard, and `fso audit verify` on another machine.',
    more: '[The audit log](ledger.md#the-audit-log).',
  },
  RolloutHalted: {
    check:
      '`fso rollout status` names the wave, the gate, the clusters and what to do; `fso get violations` and `fso get risks` what was found.',
    more: '[Waves](rollout.md#when-a-gate-fails).',
  },
  HubCertificateExpiring: {
    check:
      '_certificate of the agents listener cannot be renewed_ in the log; the files of a certificate of yours; ends on the dashboard Hub.',
    more: 'The hub renews its own certificate two days before; a restart makes a new one. The CA: [run the hub](run-the-hub.md#the-ca-of-the-agents).',
  },
  Tampered: {
    check: '`fso get events`: `TamperingRepaired` names object and field manager; the audit log of the cluster names the user.',
    more: 'Stop a tool that means well; otherwise treat it as a break-in ([the guard](../security/guard.md)).',
  },
  ClusterAway: {
    check: '`fso get clusters`; the reason in the log of the agent there.',
    more: '[The agent cannot enrol or connect](troubleshooting.md#the-agent-cannot-enrol-or-connect); all clusters at once: the hub. Gone for good: [retire it](enrol-a-cluster.md#retire-a-cluster).',
  },
  ClusterNotObserved: {
    check:
      '`fso describe cluster <name>` and `fso_agent_out_of_date`: a kind such as `Pod` that the API server does not send, or a part of the agent’s work such as `gatekeeper`. The log of the agent; `kubectl get --raw /readyz` and the latency of that API server.',
    more: 'One kind alone: the rights of the agent. Everything: its processor time, or an upgrade of the control plane, which is over in minutes.',
  },
  ClusterNeverSeen: { check: '`fso clusters list`: whether its agent has enrolled.', more: '[Enrol a cluster](enrol-a-cluster.md).' },
  ClusterUnregistered: {
    check: '`fso get clusters`, and the history of its file in the repository.',
    more: '[Retire a cluster](enrol-a-cluster.md#retire-a-cluster).',
  },
  ClusterBehind: {
    check: '`fso describe cluster <name>`: its commit, and a refusal.',
    more: '[One cluster lags](troubleshooting.md#by-symptom).',
  },
  PoliciesNotKept: { check: '`fso get policies --cluster <name> --managed-by local`.' },
  CommitRefused: {
    check: '`fso describe cluster <name>` for the reasons: a signature, the history, a kind that an older agent does not know.',
    more: 'Not trusted: find out who pushed it ([signed-commits.md](../security/signed-commits.md)). Invalid: `git revert`, or upgrade the agent.',
  },
  LockNotReady: {
    check: '`fso describe cluster <name>`: FloorReady and GuardReady; `kubectl get validatingadmissionpolicies`; the log of the agent.',
    more: 'Kubernetes 1.30 or newer, the rights of the agent, and [the reason](../reference/conditions.md#reasons-of-the-cluster).',
  },
  GatekeeperNotReady: {
    check: '`fso get clusters`; in the cluster the pods and the webhook of Gatekeeper.',
    more: '[Gatekeeper](prepare-a-cluster.md#gatekeeper).',
  },
  CertificateExpiring: {
    check: '`fso get clusters -o wide`; the event `NotEnrolled` and the log of that agent.',
    more: '[The agent cannot enrol or connect](troubleshooting.md#the-agent-cannot-enrol-or-connect).',
  },
  ClockSkewed: { check: '`fso get clusters -o wide`: SKEW; the event `ClockSkewed`.' },
  NodesWithoutRegion: {
    check: '`fso get clusters -o wide`: NODES; `kubectl get nodes -L topology.kubernetes.io/region`.',
    more: 'The guard refuses `kubectl label` to administrators too ([regions of nodes](prepare-a-cluster.md#regions-of-nodes)).',
  },
  NodesDisputed: {
    check:
      '`fso describe cluster <name>`: NodesDisputed names the nodes and what contradicts what; `kubectl get node <name> -o yaml`: `spec.providerID`, and the labels `topology.kubernetes.io/region` and `/zone`.',
    more: 'If the catalogue is wrong about a region, correct `regions/catalog.yaml`. Who set them: the audit log of the cluster ([regions of nodes](prepare-a-cluster.md#regions-of-nodes)).',
  },
  PolicyNotEnforced: {
    check: '`fso describe policy <name>`; in the cluster `kubectl describe sp` for the condition.',
    more: '[By condition](../reference/conditions.md).',
  },
  PolicyLockDegraded: {
    check: '`fso describe policy <name> --cluster <cluster>`: the state of each lock.',
    more: '[Gatekeeper](prepare-a-cluster.md#gatekeeper), or [the reason](../reference/conditions.md#reasons-of-the-cluster).',
  },
  PolicyConflict: { check: '`fso describe policy <name>`: the condition Conflict names the others.' },
  RegionAmbiguous: {
    check:
      '`fso describe policy <name> --cluster <cluster>`: the condition RegionAmbiguous; `fso regions explain <region>` for what each provider means.',
  },
  PolicyNotProven: {
    check:
      '`fso wait --revision <commit> --timeout 1s` names what is missing; `fso describe cluster <name>`; in the cluster `kubectl describe sp`.',
    more: '[One cluster lags](troubleshooting.md#by-symptom); all of them: the newest commit, or Gatekeeper. [By condition](../reference/conditions.md).',
  },
  Violations: {
    check: '`fso get violations -o wide`. Such pods are older than the policy, or the region of their node changed.',
    more: 'Delete the pods, so that they start elsewhere, or correct the [region of the node](prepare-a-cluster.md#regions-of-nodes).',
  },
  RisksAppeared: {
    check: '`fso get risks --risk Refused`: each owner with its failing term and the line that mends it.',
    more: 'Nothing that runs has stopped; it does not come back once its node is drained. A webhook may still mend what is not confirmed ([before a restart](workloads.md#before-a-restart)).',
  },
  DenialsRise: {
    check:
      '`fso get denials --cluster <name> -o wide`: each owner with its failing term and the line that mends it, and how many pods have no owner.',
    more: 'Pods without an owner are bare ones, dry runs of people, and those whose events were lost ([denials](workloads.md#denials)).',
  },
  PolicyExpiring: { check: '`fso get policies --expiring -o wide`.' },
  PolicyExpired: { check: '`fso get policies --phase Expired -o wide`.' },
  MoreAlerts: { check: '`fso get issues --cluster <name>`.' },
};

const runbookOf = ([name, { check, more }]: [string, (typeof OF_HUB)[AlertName]]): [string, Runbook] => {
  const { meaning, remedy } = ALERT_RULES[name as AlertName];
  return [name, { meaning, check, remedy: more === undefined ? remedy : `${remedy} ${more}` }];
};

/**
 * Runbooks by cause: first those of the hub's alerts, then those of problems that only Prometheus
 * can detect.
 */
export const RUNBOOKS: Readonly<Record<string, Runbook>> = {
  ...Object.fromEntries(Object.entries(OF_HUB).map(runbookOf)),
  HubAbsent: {
    meaning: 'No hub runs, or Prometheus may not read its `/metrics`.',
    check: '`kubectl -n fso get pods`; the target in Prometheus: 401 means the token, a timeout the network policy.',
    remedy:
      'Start the hub, make a new [token](monitor.md#let-prometheus-in), or add Prometheus to `networkPolicy.apiFrom`. [What holds meanwhile](troubleshooting.md#what-holds-while-a-part-is-gone).',
  },
  HubWithoutLeader: {
    meaning: 'No replica records commits, clears the history or signs checkpoints.',
    check: '`/readyz` of each replica, and the database.',
    remedy: 'Repair the database; the first replica that reaches it leads ([several hubs](run-the-hub.md#several-hubs)).',
  },
  LedgerBehind: {
    meaning: 'A replica cannot read what the others write, revocations included.',
    check: '_changes of other hubs are not read: what they revoke is not known here_ in the log; connections of the database.',
    remedy: 'Repair the connection to the database, or restart that replica.',
  },
  HubQueueLong: {
    meaning: 'More comes in than the hub, or its database, gets done.',
    check: 'The dashboard Hub: which queue, the time of the step `ledger`, CPU and lag of the event loop.',
    remedy: '`ledger`: a faster database. `agents` or `offers`: more CPU, or more replicas ([performance.md](../performance.md)).',
  },
  HubStepFails: {
    meaning: '`compile`: a defect of the hub; `ledger`: a database that refuses.',
    check: '_compile failed_ or _write refused by the ledger database_ in the log.',
    remedy: '`compile`: `git revert`, and report the defect; `ledger`: as [LedgerUnavailable](#ledgerunavailable).',
  },
  BadCredentials: {
    meaning: 'Many calls bring unknown, revoked or expired credentials. The hub slows such an address down.',
    check: 'Addresses in the log of the ingress; `fso tokens list` for tokens that have ended lately.',
    remedy: 'Give the program a new token, or block the address.',
  },
  EnforcementSlow: {
    meaning: 'Commits are enforced, but late.',
    check: 'The dashboard Fleet, and the page of the commit in the hub’s dashboard.',
    remedy: 'The slowest cluster decides: its API server, its agent, or the way there ([performance.md](../performance.md)).',
  },
  CaExpiring: {
    meaning: 'The CA that signs the certificates of the agents ends within 90 days.',
    check: 'The dashboard Hub.',
    remedy: '[Replace it](run-the-hub.md#the-ca-of-the-agents).',
  },
  AgentAbsent: {
    meaning: 'No agent runs, or Prometheus may not read its `/metrics`.',
    check: '`kubectl -n federated-sovereignty-system get pods`, and the target in Prometheus.',
    remedy:
      'Start the agent, or add Prometheus to `networkPolicy.metricsFrom`. [What holds meanwhile](troubleshooting.md#what-holds-while-a-part-is-gone).',
  },
  AgentWithoutLeader: {
    meaning: 'No replica enforces: the locks hold, drift stays, and new policies wait.',
    check: 'The log of the replicas, and their `/readyz`; the Lease `fso-agent` in the agent’s namespace.',
    remedy:
      'What `/readyz` names: rights, the API server, or enforcement that was removed ([upgrade.md](upgrade.md#remove-enforcement-from-a-cluster)).',
  },
  AgentReconcileFails: {
    meaning:
      'A part of the reconcile fails: nothing of it is written or counts as proven ([observation.md](../reference/observation.md)). The locks hold.',
    check: '_a part of the round failed_ in the log of the agent; the event `NotObserved`.',
    remedy: 'Report the defect with that line; try the version before ([upgrade.md](upgrade.md)).',
  },
  AgentWritesFail: {
    meaning: 'The API server refuses what the agent writes, or does not answer.',
    check: '_write failed_ in the log: object and reason. The event `EnforcementFailed`.',
    remedy:
      'Give it the rights of this version (the chart, or `kubectl apply -f deploy/agent/rbac.yaml`), or except the agent in the webhook or policy that refuses.',
  },
  AgentWritesWait: {
    meaning: 'Writes come faster than the API server takes them.',
    check: 'The dashboard Agent: writes by kind; the latency of the API server.',
    remedy: 'After a large commit it ends by itself; otherwise look for what keeps changing objects.',
  },
  AgentProofOld: {
    meaning: 'A namespace, or a policy of the guard, was not proven for an hour.',
    check: 'The dashboard Agent: probes by result; `unproven` is an open lock, `inconclusive` another rule or no answer.',
    remedy: 'Except the agent in a webhook that refuses the probes. Above 1,500 governed namespaces: raise the bound of the rule.',
  },
};
