import type { AuditEntry } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import manifest from '../../package.json' with { type: 'json' };

/** Export formats of the audit log for other programs, one line per entry. */

/** Formats of `fso audit export`. */
export const EXPORT_FORMATS = ['jsonl', 'csv', 'ocsf'] as const;
/** Format of `fso audit export`. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const COLUMNS = ['sequence', 'time', 'actorKind', 'actorId', 'actorRoles', 'from', 'action', 'subject', 'detail', 'previous', 'hash'];

const csv = ({ sequence, time, actor, from, action, subject, detail, previous, hash }: AuditEntry): string =>
  csvLine([sequence, time, actor.kind, actor.id, actor.roles.join(' '), from, action, subject, JSON.stringify(detail), previous, hash]);

const OCSF_VERSION = '1.3.0';
/** https://schema.ocsf.io/1.3.0/classes/api_activity */
const API_ACTIVITY = { category_uid: 6, category_name: 'Application Activity', class_uid: 6003, class_name: 'API Activity' };
const ACTIVITIES: Readonly<Record<string, readonly [number, string]>> = {
  create: [1, 'Create'],
  connect: [1, 'Create'],
  set: [3, 'Update'],
  accept: [3, 'Update'],
  delete: [4, 'Delete'],
  revoke: [4, 'Delete'],
};
const OTHER = [99, 'Other'] as const;
const FAILURES = /\.(reject|refuse|fail|deny)$/;

/**
 * Converts an entry to an event of the Open Cybersecurity Schema Framework. Hashes and details go
 * to `unmapped`.
 */
export const ocsfOf = ({ sequence, time, actor, from, action, subject, detail, previous, hash }: AuditEntry): object => {
  // The first word of an action's last part is the verb, as in `api.create-token`.
  const verb = action.slice(action.lastIndexOf('.') + 1).split('-')[0] ?? '';
  const [activity, name] = ACTIVITIES[verb] ?? OTHER;
  const failed = FAILURES.test(action) || (detail['outcome'] ?? 'done') !== 'done';
  return {
    ...API_ACTIVITY,
    activity_id: activity,
    activity_name: activity === 99 ? verb : name,
    type_uid: API_ACTIVITY.class_uid * 100 + activity,
    time: Date.parse(time),
    severity_id: failed ? 3 : 1,
    severity: failed ? 'Medium' : 'Informational',
    status_id: failed ? 2 : 1,
    status: failed ? 'Failure' : 'Success',
    metadata: {
      version: OCSF_VERSION,
      uid: hash,
      sequence,
      original_time: time,
      log_name: 'audit',
      product: { name: 'Federated Sovereignty Operator', vendor_name: 'FSO', version: manifest.version },
    },
    actor: { user: { uid: actor.id, name: actor.id, type_id: 99, type: actor.kind, groups: actor.roles.map((role) => ({ name: role })) } },
    api: { operation: action, service: { name: 'fso-hub' } },
    src_endpoint: from === null ? { name: actor.kind } : { ip: from },
    resources: [{ name: subject }],
    unmapped: { detail, previous, hash },
  };
};

/** Header and line of an export, by format. */
export const FORMATTERS: Readonly<Record<ExportFormat, { readonly head: string; readonly line: (entry: AuditEntry) => string }>> = {
  jsonl: { head: '', line: (entry) => `${JSON.stringify(entry)}\n` },
  csv: { head: csvLine(COLUMNS), line: csv },
  ocsf: { head: '', line: (entry) => `${JSON.stringify(ocsfOf(entry))}\n` },
};
