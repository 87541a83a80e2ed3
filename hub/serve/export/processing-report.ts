import type { ProcessingRow, ProcessingView } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { isKnown } from '../fleet/phases.ts';

/** Maximum number of clusters asked at a time. Agents that do not answer then share one timeout. */
const MAX_OPEN = 100;
/**
 * Maximum number of rows that wait for the answer of an earlier cluster. Beyond it, no further
 * cluster is asked.
 */
const MAX_HELD_ROWS = 100_000;

/** Places where the pods of a cluster run, as far as the caller may see them. */
export interface SeenProcessing {
  readonly rows: readonly ProcessingRow[];
  /** Number of rows that the agent left out; null: unknown how many of them the caller may see. */
  readonly omitted: number | null;
}

/** Answer of one cluster. */
interface Answer {
  readonly cluster: string;
  /** undefined: unknown. */
  readonly processing: SeenProcessing | undefined;
}

type Locate = (cluster: string) => Promise<SeenProcessing | undefined>;

const ask = async ({ record }: Pick<ClusterEntry, 'record'>, locate: Locate): Promise<Answer> => ({
  cluster: record.name,
  // The agent of a cluster with outdated state is not asked.
  processing: isKnown(record) ? await locate(record.name).catch(() => undefined) : undefined,
});

const rowsOf = ({ processing }: Answer): number => processing?.rows.length ?? 0;

/**
 * Asks many clusters at a time where their pods run, and yields the answers in the order of the
 * clusters. Clusters that do not answer share one timeout.
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
 * Yields the report as a CSV table (RFC 4180). Each cluster with unknown state has its own line.
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

/** Returns the sum; null if one of them is unknown. */
const sumOf = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

/** Yields the report as JSON after its head. */
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
