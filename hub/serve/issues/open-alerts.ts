import type { PauseDetector, Runtime } from '@fso/shared/runtime';
import { type AlertMetrics, Alerts, type AlertsConfig, type AlertsDeps, AlertsFile } from '../../alerts/index.ts';
import type { HubCertificate } from '../../identity/index.ts';
import { AuditVerifier, type FleetState, type Journal, type Lease } from '../../ledger/index.ts';
import type { FleetReader } from '../fleet/fleet-reader.ts';
import { type HubState, IssueLister } from './issue-lister.ts';

/** Content of the alerts file, and the hub's address for links. */
export interface AlertsSettings {
  /** Receivers and routes; undefined: no notifications are sent. */
  readonly alerts?: { readonly file: string; readonly config: AlertsConfig } | undefined;
  /** Public URL of the hub, for links in notifications. */
  readonly access?: { readonly publicUrl: string | undefined };
}

/** Sources of the issues that become alerts. */
export interface OpenAlertsDeps extends Runtime, Pick<AlertsDeps, 'isAwaitingAgents'> {
  readonly ledger: FleetState & Journal & Lease;
  readonly fleet: FleetReader;
  readonly pauses: PauseDetector;
  readonly rollout: { readonly halted: HubState['rollout'] };
  readonly metrics: AlertMetrics;
  /** Certificates at the start. */
  readonly certificates: readonly HubCertificate[];
  /** Public key of the hub's checkpoints. */
  readonly auditKey: string;
}

/** Opens the list of issues of the fleet and the alerts derived from it. */
export const openAlerts = (
  { alerts: receivers, access }: AlertsSettings,
  { fleet, pauses, certificates, auditKey, rollout, ...deps }: OpenAlertsDeps,
): { readonly issues: IssueLister; readonly alerts: Alerts } => {
  const { ledger, clock, logger } = deps;
  const verifier = new AuditVerifier({ audit: ledger.audit, key: auditKey, clock });
  const file = new AlertsFile(receivers?.file, receivers?.config, logger);
  const hub: HubState = {
    certificates,
    health: () => ledger.health(),
    rollout: () => rollout.halted(),
    verifyAudit: () => verifier.verify(),
  };
  const issues = new IssueLister({ fleet, hub, severityOf: (name) => file.config.rules(name).severity, clock });
  const alerts = new Alerts({
    ...deps,
    issues: (isNamed) => issues.list(isNamed),
    file,
    pausedMs: () => pauses.pausedMs(),
    hubUrl: access?.publicUrl?.replace(/\/+$/, ''),
  });
  return { issues, alerts };
};
