import type { Counts, Mismatch } from './compare.ts';
import { EXCEPTIONS } from './exceptions.ts';
import type { Finding, PhaseResult } from './run-phase.ts';
import type { VerdictCounts, VerdictReport } from './verdicts.ts';

export interface Column {
  readonly name: string;
  readonly result: PhaseResult;
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US');

const ROWS: readonly (readonly [string, (result: PhaseResult) => number])[] = [
  ['pods', ({ counts }) => counts.pods],
  ['admitted', ({ counts }) => counts.admitted],
  ['  of these can run in an allowed region', ({ counts }) => counts.admittedInside],
  ['refused', ({ counts }) => counts.refused],
  ['  of these a node outside matches', ({ counts }) => counts.refused - exceptedOf(counts)],
  ['  of these by an exception', ({ counts }) => exceptedOf(counts)],
  ...EXCEPTIONS.map(({ name }): readonly [string, (result: PhaseResult) => number] => [
    `    ${name}`,
    ({ counts }) => counts.excepted.get(name) ?? 0,
  ]),
  ['nodes tried', ({ counts }) => counts.nodes],
  ['pods per second', ({ counts, seconds }) => counts.pods / seconds],
  ['mismatches', ({ finding }) => finding?.found ?? 0],
];

const exceptedOf = ({ excepted }: Counts): number => [...excepted.values()].reduce((sum, count) => sum + count, 0);

/** Formats the figures as a table: a row for each figure, a column for each implementation. */
export const table = (columns: readonly Column[]): string =>
  align([
    ['', ...columns.map(({ name }) => name)],
    ...ROWS.map(([label, of]) => [label, ...columns.map(({ result }) => number(of(result)))]),
  ]);

/** Formats the counts of verdicts as a table: a column for each source. */
export const verdictTable = ({ sources }: VerdictReport): string => {
  const row = (label: string, of: (counts: VerdictCounts) => number): string[] => [label, ...sources.map((each) => number(of(each)))];
  return align([
    ['', ...sources.map(({ name }) => name)],
    row('admitted', ({ admitted }) => admitted),
    row('refused', ({ refused }) => refused),
    ...[...(sources[0]?.refusedOf.keys() ?? [])].map((kind) => row(`  ${kind}`, ({ refusedOf }) => refusedOf.get(kind) ?? 0)),
    row('not judged whole', ({ unknown }) => unknown),
  ]);
};

const align = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const cell = (text: string, at: number): string => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart((widths[at] ?? 0) + 2));
  return rows.map((row) => row.map(cell).join('')).join('\n');
};

const said = (answer: string | undefined): string => (answer === undefined ? 'admitted' : `refused: ${answer}`);

/** Text of a mismatch, in full. */
export const mismatchText = ({ kind, asked, implementation, answer, expected, node }: Mismatch): string =>
  [
    `MISMATCH (${kind}) of ${implementation}`,
    `pod: ${JSON.stringify(asked.pod)}`,
    `allowed regions: ${JSON.stringify(asked.governed.regions)}, policies ${asked.governed.policies.join(', ')}, namespace ${asked.governed.namespace}`,
    `node outside that matches: ${node === undefined ? 'none' : JSON.stringify(node)}`,
    `${implementation}: ${said(answer)}`,
    `shared/residency: ${said(expected)}`,
  ].join('\n');

export const findingText = ({ mismatch, seed, path, found }: Finding): string =>
  [mismatchText(mismatch), `seed: ${seed}, path: ${path}; ${found} in this batch of pods; run again with --seed ${seed}`].join('\n');
