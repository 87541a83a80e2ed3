import {
  beyondLines,
  type Plan,
  type PlanRow,
  planNotes,
  planRows,
  planVerdict,
  sinceLines,
  WAVE_COLUMNS,
  WORKLOAD_COLUMNS,
  waveRows,
  workloadRows,
} from '@fso/shared/effects';

/** First line of the comment, by which a workflow finds the comment to replace. */
const MARK = '<!-- fso plan -->';

/** Maximum length of a comment in characters. Hosting services accept at least 65,536. */
const MAX_LENGTH = 60_000;
const MAX_CELL = 300;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
const UNWRITABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069`\\]+/g;

/**
 * Formats text as a code span, in which Markdown and hosting services interpret no HTML, links,
 * mentions or issues. Backticks and backslashes are removed: the former end a code span, the latter
 * escape in tables.
 */
const code = (text: string): string => {
  const line = text.replaceAll(UNWRITABLE, ' ').slice(0, MAX_CELL).trim().toWellFormed();
  return line === '' ? '' : `\`${line}\``;
};

const cell = (text: string): string => code(text).replaceAll('|', '\\|');

const COLUMNS: Columns<PlanRow> = [
  ['clusters', ({ clusters }) => clusters],
  ['namespace', ({ namespace }) => namespace],
  ['action', ({ action }) => action],
  ['change', ({ change }) => change],
  ['regions before', ({ before }) => before],
  ['regions after', ({ after }) => after],
  ['a pod that shows it', ({ pod }) => pod],
  ['fix', ({ fix }) => fix],
];

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

type Columns<T> = readonly (readonly [title: string, value: (row: T) => string])[];

const tableOf = <T>(columns: Columns<T>, rows: readonly T[], room: number): string => {
  if (rows.length === 0) return '';
  const lines = [line(columns.map(([title]) => title)), line(columns.map(() => '---'))];
  let left = room - lines.join('\n').length;
  for (const [index, row] of rows.entries()) {
    const next = line(columns.map(([, value]) => cell(value(row))));
    left -= next.length + 1;
    if (left < 0) return `${lines.join('\n')}\n\n${rows.length - index} more lines: \`fso plan -o json\` has all.\n\n`;
    lines.push(next);
  }
  return `${lines.join('\n')}\n\n`;
};

/** Columns of clusters. A comment names no workloads, because it may have many readers. */
const WORKLOADS = WORKLOAD_COLUMNS.map(({ title, value }) => [title.toLowerCase(), value] as const);
const WAVES = WAVE_COLUMNS.map(({ title, value }) => [title.toLowerCase(), value] as const);

const listOf = (lines: readonly string[]): string => lines.map((each) => `- ${each}\n`).join('');

/** Formats a plan as a comment on a pull request: first the verdict, then the changes. */
export const planMarkdown = (plan: Plan): string => {
  const beyond = listOf([...beyondLines(plan, code, false), ...sinceLines(plan, code, false)]);
  const head = `${MARK}\n**${planVerdict(plan, code)}**\n\n${beyond === '' ? '' : `${beyond}\n`}`;
  const notes = listOf(planNotes(plan, code));
  const room = MAX_LENGTH - head.length - notes.length - 200;
  const waves = tableOf(WAVES, waveRows(plan), room / 4);
  const workloads = tableOf(WORKLOADS, workloadRows(plan.workloads), room / 2);
  return `${head}${tableOf(COLUMNS, planRows(plan), room - workloads.length - waves.length)}${workloads}${waves}${notes}`;
};
