import type { PolicyReport } from '@fso/shared/api';
import type { CompiledQuery, Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** Maximum number of rows of one statement. */
const ROWS = 1_000;
/**
 * Maximum number of characters of one statement's texts, so that it stays far below the statement
 * timeout.
 */
const CHARACTERS = 4 * 1024 * 1024;

/** Splits rows into the parts of single statements. Rows are created lazily. */
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

/**
 * Returns a text as both databases can store it: without NUL and lone surrogates. In JSON they are
 * escaped already.
 */
export const storable = (value: string): string => value.toWellFormed().replaceAll('\0', '\uFFFD');

/** Counts the characters of all text parameters. */
export const charactersOf = ({ parameters }: CompiledQuery): number =>
  parameters.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);

/** State shared by the writers of one batch. */
export interface BatchContext {
  readonly trx: Transaction<Schema>;
  readonly texts: ReadonlyMap<PolicyReport, string>;
  readonly version: number;
  readonly replica: string;
}
