import type { AuditVerification } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import type { Issue } from '../../alerts/index.ts';
import type { Desired, Ledger } from '../../ledger/index.ts';
import { type ReportLimits, reportLimits } from '../../ledger/report-quota.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import { IssueLister } from '../issues/issue-lister.ts';
import { desiredOf, FILES, REVISION } from './fleet.ts';

/** The files of the small fleet, with a team that owns the policy finance. */
export const FILES_WITH_TEAM: readonly SourceFile[] = FILES.map((file) =>
  file.path === 'policies/finance.yaml'
    ? { ...file, text: file.text.replace('{name: finance}', '{name: finance, labels: {team: payments}}') }
    : file,
);
/** Desired state of {@link FILES_WITH_TEAM}. */
export const DESIRED_WITH_TEAM: Desired = desiredOf(REVISION, FILES_WITH_TEAM);

/** A lister of issues on a ledger of its own. */
export interface OpenLister {
  readonly clock: FakeClock;
  readonly ledger: Ledger;
  readonly lister: IssueLister;
}

/** The rollout of a hub without a strategy. */
export const noRollout = () => ({ halted: null, revision: null });

/** Opens a lister at a hub whose agents' CA ends in a day and whose audit log is invalid. */
export const openLister = (reports: ReportLimits = reportLimits()): OpenLister => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock, reports });
  const fleet = new FleetReader({ ledger, clock, version: '0' });
  const certificates = [{ of: 'ca' as const, expires: new Date(clock.now().getTime() + 86_400_000), isRenewed: false }];
  const verifyAudit = async (): Promise<AuditVerification> => ({
    ok: false,
    entries: 1,
    head: null,
    checkpoints: 0,
    witnesses: 0,
    problems: [{ sequence: 1, message: 'cut' }],
  });
  return {
    clock,
    ledger,
    lister: new IssueLister({
      fleet,
      hub: { certificates, verifyAudit, health: () => ledger.health(), rollout: noRollout },
      clock,
    }),
  };
};

/** Returns the names of the alerts that issues raise. */
export const alertNames = (issues: Iterable<Issue>): string[] => [...issues].map(({ alert }) => alert);
