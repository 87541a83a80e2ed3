import { ResourceName } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';

const Time = z.iso.datetime({ offset: true });
const Digest = z.string().regex(/^[0-9a-f]{64}$/);

/** A token as it is remembered: its digest, and what became of it. */
export const TokenRecord = z.strictObject({
  digest: Digest,
  created: Time,
  expires: Time,
  /** Whether another token or a revocation has withdrawn it. */
  withdrawn: z.boolean(),
  used: z
    .strictObject({
      time: Time,
      /**
       * SHA-256 of the key that it was used for: the same agent may ask once more when the answer
       * was lost.
       */
      key: Digest,
      generation: z.int().min(1),
    })
    .nullable(),
});
export type TokenRecord = z.infer<typeof TokenRecord>;

/** State of the enrolment of one cluster. */
export const EnrolmentRecord = z.strictObject({
  cluster: ResourceName,
  /**
   * forgotten: shown nowhere; kept so that no certificate of a generation that was ever enrolled is
   * good again.
   */
  state: z.enum(['invited', 'enrolled', 'revoked', 'forgotten']),
  /**
   * Raised by each enrolment and each revocation: certificates of another generation are invalid.
   */
  generation: z.int().min(0),
  /** Tokens, newest first. */
  tokens: z.array(TokenRecord).max(16),
  enrolled: Time.nullable(),
  revoked: Time.nullable(),
  /** The newest one that was issued. */
  certificate: z
    .strictObject({
      serial: z.string().max(64),
      issued: Time,
      expires: Time,
      /**
       * Serial of the one that was renewed, until this one is shown: the answer with this one may
       * have been lost.
       */
      renewed: z.string().max(64).optional(),
    })
    .nullable(),
  /** Expiry of the newest certificate that was shown to the hub. */
  newestShown: Time.nullable(),
});
export type EnrolmentRecord = z.infer<typeof EnrolmentRecord>;

/**
 * Returns the new record for the current one (undefined: none). If it throws, the caller gets the
 * error and nothing is changed.
 */
export type Change = (before: EnrolmentRecord | undefined) => EnrolmentRecord;

/** Kind of the records of enrolments. */
export const ENROLMENT_KIND = 'enrolment';

/**
 * Parses the stored record of an enrolment.
 *
 * @returns the record of a stored value; undefined: there is none.
 * @throws ZodError for anything else
 */
export const parseEnrolment = (value: unknown): EnrolmentRecord | undefined =>
  value === undefined ? undefined : EnrolmentRecord.parse(value);

/** Keeps enrolments in the ledger, so that a revocation by one hub counts at each hub on it. */
export const createEnrolmentStore = (records: KeyedStore) => ({
  get: async (cluster: string): Promise<EnrolmentRecord | undefined> => parseEnrolment(records.get(ENROLMENT_KIND, cluster)),
  /** Returns all records, sorted by name. */
  list: async (): Promise<readonly EnrolmentRecord[]> =>
    records
      .list(ENROLMENT_KIND)
      .map((value) => EnrolmentRecord.parse(value))
      .sort((a, b) => byText(a.cluster, b.cluster)),
  update: async (cluster: string, change: Change): Promise<EnrolmentRecord> => {
    const after = await records.update(ENROLMENT_KIND, cluster, (value) => {
      const before = parseEnrolment(value);
      const next = change(before);
      // Of the same value, so that nothing is written where nothing changed.
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
 * Stores the enrolments of clusters. Changes of one cluster happen one after the other; a resolved
 * change is durable. `change` must be pure: it may run more than once.
 */
export type EnrolmentStore = ReturnType<typeof createEnrolmentStore>;
