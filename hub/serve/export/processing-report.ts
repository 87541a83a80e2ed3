import type { ClusterProcessing, ProcessingView } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { isKnown } from '../fleet/phases.ts';

/** Clusters that are asked ahead of the one whose rows are being written. */
const ASKED_AHEAD = 8;

/** Answer of one cluster. */
interface Answer {
  readonly cluster: string;
  /** undefined: nobody knows where its pods run. */
  readonly processing: ClusterProcessing | undefined;
}

type Locate = (cluster: string) => Promise<ClusterProcessing | undefined>;

const ask = async ({ record }: ClusterEntry, locate: Locate): Promise<Answer> => ({
  cluster: record.name,
  // An earlier answer would be no answer.
  processing: isKnown(record) ? await locate(record.name).catch(() => undefined) : undefined,
});

/** Asks clusters where their pods run, a few at a time, and yields the answers in their order. */
export async function* askClusters(members: readonly ClusterEntry[], locate: Locate): AsyncGenerator<Answer> {
  const asked: Promise<Answer>[] = [];
  for (const entry of members) {
    asked.push(ask(entry, locate));
    const next = asked.length > ASKED_AHEAD ? asked.shift() : undefined;
    if (next !== undefined) yield await next;
  }
  yield* asked;
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

/**
 * Yields the lines of the report as a CSV table (RFC 4180); clusters of which nothing is known have
 * a line of their own.
 */
export async function* processingLines(answers: AsyncIterable<Answer>): AsyncGenerator<string> {
  yield line(Object.fromEntries(COLUMNS.map((column) => [column, column])));
  for await (const { cluster, processing } of answers) {
    if (processing === undefined) yield line({ cluster, country: 'unknown', note: 'Nothing is known of this cluster now.' });
    for (const row of processing?.rows ?? []) yield line(rowOf(cluster, row));
    if (processing !== undefined && processing.omitted > 0) yield line({ cluster, note: `${processing.omitted} more are not listed.` });
  }
}

/** Yields the report as JSON, after its head. */
export async function* processingJson(answers: AsyncIterable<Answer>): AsyncGenerator<string> {
  const unknownClusters: string[] = [];
  let [isFirst, omitted] = [true, 0];
  for await (const { cluster, processing } of answers) {
    if (processing === undefined) unknownClusters.push(cluster);
    for (const row of processing?.rows ?? []) {
      yield `${isFirst ? '' : ','}${JSON.stringify({ cluster, ...row })}`;
      isFirst = false;
    }
    omitted += processing?.omitted ?? 0;
  }
  yield `],"omitted":${omitted},"unknownClusters":${JSON.stringify(unknownClusters)}}`;
}
