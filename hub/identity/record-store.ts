import { byText } from '@fso/shared/encoding';
import type { Records } from '../ledger/index.ts';
import { EnrolmentRecord, type IdentityStore } from './store.ts';

/** Kind of the records of enrolments. */
const ENROLMENT_KIND = 'enrolment';

const parse = (value: unknown): EnrolmentRecord | undefined => (value === undefined ? undefined : EnrolmentRecord.parse(value));

/** An {@link IdentityStore} in the ledger: what one of several hubs on it revokes is revoked at all. */
export const createRecordStore = (records: Records): IdentityStore => ({
  get: async (cluster) => parse(records.get(ENROLMENT_KIND, cluster)),
  list: async () =>
    records
      .list(ENROLMENT_KIND)
      .map((value) => EnrolmentRecord.parse(value))
      .sort((a, b) => byText(a.cluster, b.cluster)),
  update: async (cluster, change) => {
    const after = await records.update(ENROLMENT_KIND, cluster, (value) => {
      const before = parse(value);
      const next = change(before);
      // Of the same value, so that nothing is written where nothing changed.
      return next === before ? value : next;
    });
    return EnrolmentRecord.parse(after);
  },
  subscribe: (handler) => records.subscribe(ENROLMENT_KIND, handler),
});
