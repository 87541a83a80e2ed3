import type { EnrolmentView } from '@fso/shared/api';
import type { EnrolmentRecord } from '../../identity/index.ts';

type TokenRecord = EnrolmentRecord['tokens'][number];

const tokenState = ({ used, withdrawn, expires }: TokenRecord, now: Date): NonNullable<EnrolmentView['token']>['state'] => {
  if (used !== null) return 'used';
  if (withdrawn) return 'withdrawn';
  return Date.parse(expires) <= now.getTime() ? 'expired' : 'open';
};

/** What people see of an enrolment: no digest, no serial number. */
export const enrolmentView = (record: EnrolmentRecord, now: Date): EnrolmentView => {
  const [token] = record.tokens;
  return {
    cluster: record.cluster,
    // A list has no forgotten ones.
    state: record.state === 'forgotten' ? 'revoked' : record.state,
    generation: record.generation,
    token: token === undefined ? null : { created: token.created, expires: token.expires, state: tokenState(token, now) },
    enrolled: record.enrolled,
    revoked: record.revoked,
    certificateIssued: record.certificate?.issued ?? null,
    certificateExpires: record.certificate?.expires ?? null,
  };
};
