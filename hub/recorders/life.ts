import type { NewAuditEntry } from '@fso/shared/api';

/** Entry of the audit log for a hub that starts or stops. */
export const lifeEntry = (action: 'hub.start' | 'hub.stop', version: string, detail: NewAuditEntry['detail'] = {}): NewAuditEntry => ({
  actor: { kind: 'hub', id: 'hub', roles: [] },
  from: null,
  action,
  subject: version,
  detail,
});
