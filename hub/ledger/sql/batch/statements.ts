import type { PolicyReport } from '@fso/shared/api';
import type { CompiledQuery, Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** Rows of one statement. */
const ROWS = 1_000;
/** Characters of one statement's texts, so that it stays far below the time that a statement may take. */
const CHARACTERS = 4 * 1024 * 1024;

/** Cuts rows into the parts that one statement takes each; it makes a row only when its turn comes. */
export function* slices<T>(rows: Iterable<T>, sizeOf: (row: T) => number = () => 0): Generator<T[]> {
  let slice: T[] = [];
  let size = 0;
  for (const row of rows) {
    const added = sizeOf(row);
    if (slice.length === ROWS || (slice.length > 0 && size + added > CHARACTERS)) {
      yield slice;
      slice = [];
      size = 0;
    }
    slice.push(row);
    size += added;
  }
  if (slice.length > 0) yield slice;
}

/** A text as both databases keep it: without NUL and halves of surrogate pairs. What a text of JSON has of them is escaped in it already. */
export const storable = (value: string): string => value.toWellFormed().replaceAll('\0', '\uFFFD');

/** Returns the number of characters in the texts among the parameters. */
export const charactersOf = ({ parameters }: CompiledQuery): number =>
  parameters.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);

/** State shared by the writers of one batch. */
export interface BatchContext {
  readonly trx: Transaction<Schema>;
  readonly texts: ReadonlyMap<PolicyReport, string>;
  readonly version: number;
  readonly replica: string;
}
