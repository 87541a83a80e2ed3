import { ResourceName } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';

const Time = z.iso.datetime({ offset: true });
const Digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Stored token: its digest and state. */
export const TokenRecord = z.strictObject({
  digest: Digest,
  created: Time,
  expires: Time,
  /** Whether it was withdrawn by another token or a revocation. */
  withdrawn: z.boolean(),
  used: z
    .strictObject({
      time: Time,
      /**
       * SHA-256 of the key with which it was used. The same agent may repeat its request if the
       * answer was lost.
       */
      key: Digest,
      generation: z.int().min(1),
    })
    .nullable(),
});
export type TokenRecord = z.infer<typeof TokenRecord>;

/** Enrolment of one cluster. */
export const EnrolmentRecord = z.strictObject({
  cluster: ResourceName,
  /** State. `forgotten`: hidden; kept so that certificates of earlier generations stay invalid. */
  state: z.enum(['invited', 'enrolled', 'revoked', 'forgotten']),
  /**
   * Number that each enrolment and each revocation increments. Certificates of other generations
   * are invalid.
   */
  generation: z.int().min(0),
  /** Tokens, newest first. */
  tokens: z.array(TokenRecord).max(16),
  enrolled: Time.nullable(),
  revoked: Time.nullable(),
  /** Newest issued certificate. */
  certificate: z
    .strictObject({
      serial: z.string().max(64),
      issued: Time,
      expires: Time,
      /**
       * Serial of the renewed certificate, until the new one is shown. The answer with the new one
       * may have been lost.
       */
      renewed: z.string().max(64).optional(),
    })
    .nullable(),
  /** Expiry of the newest certificate that was shown to the hub. */
  newestShown: Time.nullable(),
});
export type EnrolmentRecord = z.infer<typeof EnrolmentRecord>;

/**
 * Returns the new record for the current one (undefined: none). If it throws, nothing changes and
 * the caller gets the error.
 */
export type Change = (before: EnrolmentRecord | undefined) => EnrolmentRecord;

/** Kind of the records of enrolments. */
export const ENROLMENT_KIND = 'enrolment';

/**
 * Parses a stored enrolment.
 *
 * @returns undefined if there is none
 * @throws ZodError if it is invalid
 */
export const parseEnrolment = (value: unknown): EnrolmentRecord | undefined =>
  value === undefined ? undefined : EnrolmentRecord.parse(value);

/**
 * Creates the store of enrolments in the ledger, so that a revocation by one hub is effective at
 * all hubs.
 */
export const createEnrolmentStore = (records: KeyedStore) => ({
  get: async (cluster: string): Promise<EnrolmentRecord | undefined> => parseEnrolment(records.get(ENROLMENT_KIND, cluster)),
  /** Returns all records, sorted by cluster name. */
  list: async (): Promise<readonly EnrolmentRecord[]> =>
    records
      .list(ENROLMENT_KIND)
      .map((value) => EnrolmentRecord.parse(value))
      .sort((a, b) => byText(a.cluster, b.cluster)),
  update: async (cluster: string, change: Change): Promise<EnrolmentRecord> => {
    const after = await records.update(ENROLMENT_KIND, cluster, (value) => {
      const before = parseEnrolment(value);
      const next = change(before);
      // The original value is returned, so that nothing is written if nothing changed.
      return next === before ? value : next;
    });
    return EnrolmentRecord.parse(after);
  },
  /**
   * Calls a handler for each changed record, within a second, whichever replica changed it.
   *
   * @returns a function that ends the subscription
   */
  subscribe: (handler: (cluster: string) => void): (() => void) => records.subscribe(ENROLMENT_KIND, handler),
});

/**
 * Store of enrolments. Changes of one cluster are applied one after the other, and are durable when
 * they resolve. `change` must be pure, because it may be called more than once.
 */
export type EnrolmentStore = ReturnType<typeof createEnrolmentStore>;
