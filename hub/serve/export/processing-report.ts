import type { ProcessingRow, ProcessingView } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { isKnown } from '../fleet/phases.ts';

/** Clusters that are asked at a time: as many silent ones cost one wait. */
const MAX_OPEN = 100;
/** Rows that have come while an earlier cluster has yet to answer; beyond, no other is asked. */
const MAX_HELD_ROWS = 100_000;

/** Places of the pods of a cluster, as far as the caller sees it. */
export interface SeenProcessing {
  readonly rows: readonly ProcessingRow[];
  /** Rows that the agent left out; null: how many of them the caller would see is unknown. */
  readonly omitted: number | null;
}

/** Answer of one cluster. */
interface Answer {
  readonly cluster: string;
  /** undefined: nobody knows where its pods run. */
  readonly processing: SeenProcessing | undefined;
}

type Locate = (cluster: string) => Promise<SeenProcessing | undefined>;

const ask = async ({ record }: Pick<ClusterEntry, 'record'>, locate: Locate): Promise<Answer> => ({
  cluster: record.name,
  // An earlier answer would be no answer.
  processing: isKnown(record) ? await locate(record.name).catch(() => undefined) : undefined,
});

const rowsOf = ({ processing }: Answer): number => processing?.rows.length ?? 0;

/**
 * Asks clusters where their pods run, many at a time, and yields the answers in the order of the
 * clusters. Those that are silent are waited for together.
 */
export async function* askClusters(members: readonly Pick<ClusterEntry, 'record'>[], locate: Locate): AsyncGenerator<Answer> {
  const toAsk = members[Symbol.iterator]();
  const asked: Promise<Answer>[] = [];
  let [open, held, isRead] = [0, 0, true];
  const take = (answer: Answer): Answer => {
    open -= 1;
    held += rowsOf(answer);
    askMore();
    return answer;
  };
  const askMore = (): void => {
    while (isRead && open < MAX_OPEN && held < MAX_HELD_ROWS) {
      const { value } = toAsk.next();
      if (value === undefined) return;
      open += 1;
      asked.push(ask(value, locate).then(take));
    }
  };
  try {
    askMore();
    for (let next = asked.shift(); next !== undefined; next = asked.shift()) {
      const answer = await next;
      yield answer;
      held -= rowsOf(answer);
      askMore();
    }
  } finally {
    isRead = false;
  }
}

const COLUMNS = ['cluster', 'namespace', 'country', 'provider', 'region', 'pods', 'policies', 'note'] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], string | number>>;

const line = (row: Row): string => csvLine(COLUMNS.map((column) => row[column]));

const rowOf = (cluster: string, { namespace, country, provider, region, pods, policies }: Omit<ProcessingView, 'cluster'>): Row => ({
  cluster,
  namespace,
  country: country ?? 'unknown',
  provider: provider ?? 'unknown',
  region: region === '' ? 'unknown' : region,
  pods,
  policies: policies.join(' '),
});

const omittedNote = (omitted: number | null | undefined): string | undefined => {
  if (omitted === null) return 'More may not be listed.';
  return omitted === undefined || omitted === 0 ? undefined : `${omitted} more are not listed.`;
};

/**
 * Yields the lines of the report as a CSV table (RFC 4180); clusters of which nothing is known have
 * a line of their own.
 */
export async function* processingLines(answers: AsyncIterable<Answer>): AsyncGenerator<string> {
  yield line(Object.fromEntries(COLUMNS.map((column) => [column, column])));
  for await (const { cluster, processing } of answers) {
    if (processing === undefined) yield line({ cluster, country: 'unknown', note: 'Nothing is known of this cluster now.' });
    for (const row of processing?.rows ?? []) yield line(rowOf(cluster, row));
    const note = omittedNote(processing?.omitted);
    if (note !== undefined) yield line({ cluster, note });
  }
}

/** Returns the sum; null where one of them is not known. */
const sumOf = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

/** Yields the report as JSON, after its head. */
export async function* processingJson(answers: AsyncIterable<Answer>): AsyncGenerator<string> {
  const unknownClusters: string[] = [];
  let isFirst = true;
  let omitted: number | null = 0;
  for await (const { cluster, processing } of answers) {
    if (processing === undefined) {
      unknownClusters.push(cluster);
      continue;
    }
    omitted = sumOf(omitted, processing.omitted);
    for (const row of processing.rows) {
      yield `${isFirst ? '' : ','}${JSON.stringify({ cluster, ...row })}`;
      isFirst = false;
    }
  }
  yield `],"omitted":${omitted},"unknownClusters":${JSON.stringify(unknownClusters)}}`;
}
