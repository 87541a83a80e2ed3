import { weakMemo } from '@fso/shared/runtime';
import type { KeyedStore } from '../../ledger/index.ts';
import { bucketOf, createListReader } from '../stored-list.ts';
import { GroupRecord } from './groups.ts';

const GROUP_KIND = 'alert-group';

const groupsIn = createListReader(GroupRecord);

const isEmpty = ({ told, pending }: GroupRecord): boolean => pending === null && Object.keys(told).length === 0;

/** Fingerprints of alerts that the receiver is to be notified of, or does not know as resolved. */
const unsettledOf = weakMemo(({ told, pending }: GroupRecord): readonly string[] => [
  ...Object.entries(told).flatMap(([fingerprint, [, state]]) => (state === 'resolved' ? [] : [fingerprint])),
  ...Object.keys(pending?.marks ?? {}),
]);

/** Notification states of groups in the ledger, written before anything is sent. */
export class GroupStore {
  readonly #records: KeyedStore;

  constructor(records: KeyedStore) {
    this.#records = records;
  }

  /** All groups, in no order. */
  list(): readonly GroupRecord[] {
    return this.#records.list(GROUP_KIND).flatMap(groupsIn);
  }

  /**
   * Fingerprints of alerts that a receiver is to be notified of, or does not know as resolved.
   * These alerts must be kept.
   */
  unsettled(): ReadonlySet<string> {
    return new Set(this.list().flatMap(unsettledOf));
  }

  get(key: string): GroupRecord | undefined {
    return groupsIn(this.#records.get(GROUP_KIND, bucketOf(key))).find((group) => group.key === key);
  }

  /**
   * Changes the record of a group.
   *
   * @param change returns the new record; undefined, or an empty one, removes it
   */
  async update(key: string, change: (before: GroupRecord | undefined) => GroupRecord | undefined): Promise<void> {
    await this.#records.update(GROUP_KIND, bucketOf(key), (before) => {
      const groups = groupsIn(before);
      const known = groups.find((group) => group.key === key);
      const after = change(known);
      if (after === known) return before;
      const others = groups.filter((group) => group !== known);
      const all = after === undefined || isEmpty(after) ? others : [...others, after];
      return all.length === 0 ? undefined : all;
    });
  }
}
