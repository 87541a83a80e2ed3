import type { ClusterHistoryItem, PolicyState } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { Context } from '../context.ts';
import { type Column, type Format, writeData, writeFacts, writeRows } from '../render/output.ts';
import { checkName, readPolicyKey } from './get.ts';

/** Options of `fso history`. */
export interface HistoryOptions {
  readonly output: Format;
  readonly cluster: string;
  /** RFC 3339. */
  readonly at?: string;
  readonly limit?: number;
}

const stateText = ({ phase, conforms, violates, revision }: PolicyState): string => {
  const how = [...(conforms ? ['conforms'] : []), ...(violates ? ['violations'] : [])];
  return `${[phase, ...how].join(', ')}${revision === null ? '' : `, unchanged since commit ${shortRevision(revision)}`}`;
};

const detailOf = ({ kind, revision, state }: ClusterHistoryItem): string => {
  if (state !== null) return stateText(state);
  return kind === 'accepted' || kind === 'proven' ? shortRevision(revision) : '';
};

const columns: readonly Column<ClusterHistoryItem>[] = [
  { title: 'TIME', value: ({ time }) => time },
  { title: 'WHAT', value: ({ kind }) => kind },
  { title: 'DETAIL', value: detailOf },
];

const writeStateAt = async (context: Context, policy: string, { cluster, output }: HistoryOptions, at: string): Promise<void> => {
  const then = await (await context.connect()).policyState(cluster, { policy, at });
  if (output === 'json' || output === 'yaml') return writeData(context, output, then);
  const sinceText = <T>(fact: { value: T; since: string } | null, text: (value: T) => string): string =>
    fact === null ? 'not known' : `${text(fact.value)}, since ${fact.since}`;
  writeFacts(context, [
    ['Policy', policy],
    ['Cluster', cluster],
    ['At', then.at],
    ['Proven', then.proven],
    ['Reason', then.reason],
    ['Report', sinceText(then.state, (state) => (state === null ? 'not there' : stateText(state)))],
    ['Connected', sinceText(then.connected, (connected) => (connected ? 'yes' : 'no'))],
    ['Observed', sinceText(then.observed, (observed) => (observed ? 'yes' : 'no'))],
    ['Accepted', sinceText(then.accepted, (revision) => shortRevision(revision))],
    ['All proven', sinceText(then.provenRevision, (revision) => shortRevision(revision))],
  ]);
};

/**
 * Runs `fso history`: the states of a policy in a cluster over time, or at one time. Neither has to
 * exist now.
 */
export const history = async (context: Context, given: string, options: HistoryOptions): Promise<void> => {
  checkName(options.cluster);
  const policy = readPolicyKey(given);
  if (options.at !== undefined) return writeStateAt(context, policy, options, options.at);
  const { cluster, limit, output } = options;
  const changes = await (await context.connect()).clusterHistory(cluster, { policy, ...(limit !== undefined && { limit }) });
  return writeRows(context, output, changes, columns);
};
