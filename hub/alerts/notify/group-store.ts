import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { KeyedStore } from '../../ledger/index.ts';
import { GroupRecord } from './groups.ts';

const GROUP_KIND = 'alert-group';

/**
 * Name of the record of a group. Groups share records, as alerts do, so that no new name is needed
 * for each group.
 */
const nameOf = (key: string): string => key.slice(0, 3);

const parse = weakMemo((value: object): readonly GroupRecord[] =>
  z
    .array(z.unknown())
    .catch([])
    .parse(value)
    .flatMap((one) => GroupRecord.safeParse(one).data ?? []),
);
const groupsIn = (value: unknown): readonly GroupRecord[] => (typeof value === 'object' && value !== null ? parse(value) : []);

const isEmpty = ({ told, pending }: GroupRecord): boolean => pending === null && Object.keys(told).length === 0;

/** Fingerprints of the alerts that the receiver waits for, or knows as firing. */
const unsettledOf = weakMemo(({ told, pending }: GroupRecord): readonly string[] => [
  ...Object.entries(told).flatMap(([fingerprint, [, state]]) => (state === 'r' ? [] : [fingerprint])),
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
   * Fingerprints of the alerts that receivers wait for, or know as firing: what they are is needed
   * for as long.
   */
  unsettled(): ReadonlySet<string> {
    return new Set(this.list().flatMap(unsettledOf));
  }

  get(key: string): GroupRecord | undefined {
    return groupsIn(this.#records.get(GROUP_KIND, nameOf(key))).find((group) => group.key === key);
  }

  /**
   * @param change makes the record of what is there; undefined, or one that says nothing, removes
   * it
   */
  async update(key: string, change: (before: GroupRecord | undefined) => GroupRecord | undefined): Promise<void> {
    await this.#records.update(GROUP_KIND, nameOf(key), (before) => {
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
