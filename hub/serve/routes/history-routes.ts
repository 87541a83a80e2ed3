import { type ClusterHistoryItem, ClusterHistoryPage, type PolicyState, PolicyStateView, ResourceName } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import type { FleetState, HistoryChange, PolicyStateAt } from '../../ledger/index.ts';
import { encodeCursor, numberOf } from '../http/paging.ts';
import { Moment, PolicyKeyParameter, paging, withoutAbsent } from '../http/parameters.ts';
import { jsonRoute, type Route, SCOPED_READ } from '../http/route.ts';

interface HistoryDeps {
  readonly ledger: Pick<FleetState, 'policyStateAt' | 'clusterHistory'>;
  readonly runtime: { readonly clock: Clock };
}

/** Path parameters. The name goes to the database, which does not accept NUL. */
const ClusterParams = z.strictObject({ name: ResourceName });
const policy = PolicyKeyParameter.unwrap().describe("Name of a policy; outside of the agent's namespace, namespace/name.");
const StateQuery = z.strictObject({ policy, at: Moment.describe('Default: now.') });
const HistoryQuery = z.strictObject({
  policy,
  cursor: paging.cursor,
  limit: paging.limit.describe('Changes of a page, 1 to 500; one change may be several items.'),
});

type Verdict = Pick<PolicyStateView, 'proven' | 'reason'>;

const judgeState = ({ phase, violates }: PolicyState): Verdict => {
  if (phase !== 'Active') return { proven: 'no', reason: `Its phase was ${phase}.` };
  const reason = 'Its agent had proven every lock of the policy that the cluster can have';
  return { proven: 'yes', reason: violates ? `${reason}; there were violations.` : `${reason}.` };
};

/** Returns the reason why the last report says nothing about a time; undefined if it does. */
const gapOf = ({ connected, observed }: PolicyStateAt): string | undefined => {
  if (connected?.value !== true) return 'The cluster was not connected.';
  if (observed === undefined) return 'Whether its agent observed the cluster is no longer known.';
  return observed.value ? undefined : 'The agent was connected and did not observe the cluster.';
};

/** Judges whether a policy was in force. Unknown states are not compliant. */
const judge = (then: PolicyStateAt, isAhead: boolean): Verdict => {
  const { policy: found } = then;
  if (isAhead) return { proven: 'unknown', reason: 'That time has not come yet.' };
  if (found === undefined) return { proven: 'unknown', reason: 'What this cluster had said of this policy by that time is not known.' };
  const { value: state, since } = found;
  const gap = gapOf(then);
  if (gap !== undefined) {
    const last = state === null ? 'the cluster does not have the policy' : state.phase;
    return { proven: 'unknown', reason: `${gap} What it said last, as of ${since}: ${last}.` };
  }
  return state === null ? { proven: 'no', reason: 'The cluster did not have the policy.' } : judgeState(state);
};

/** Time after every change. */
const END_OF_TIME = '9999-12-31T23:59:59.999Z';

const NO_FACTS = { revision: null, state: null } as const;

/** Splits a change into items, one per fact. */
const itemsOf = ({
  time,
  nothing,
  connected,
  observed = null,
  accepted,
  proven,
  policies = [],
  gone = [],
  unknown = [],
}: HistoryChange): ClusterHistoryItem[] => [
  ...policies.map(({ keys: _keys, ...state }) => ({ time, kind: 'policy' as const, ...NO_FACTS, state })),
  ...gone.map(() => ({ time, kind: 'gone' as const, ...NO_FACTS })),
  ...unknown.map(() => ({ time, kind: 'unknown' as const, ...NO_FACTS })),
  ...(proven === undefined ? [] : [{ time, kind: 'proven' as const, ...NO_FACTS, revision: proven }]),
  ...(accepted === undefined ? [] : [{ time, kind: 'accepted' as const, ...NO_FACTS, revision: accepted }]),
  ...(observed === null ? [] : [{ time, kind: observed ? ('observed' as const) : ('notObserved' as const), ...NO_FACTS }]),
  ...(connected === undefined ? [] : [{ time, kind: connected ? ('connected' as const) : ('disconnected' as const), ...NO_FACTS }]),
  ...(nothing === true ? [{ time, kind: 'forgotten' as const, ...NO_FACTS }] : []),
];

/** Routes of past states of the policies of each cluster, also of forgotten ones. */
export const historyRoutes: readonly Route<HistoryDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/clusters/{name}/state',
      operationId: 'getPolicyState',
      summary: 'Whether a policy was proven in a cluster at a time',
      description:
        'What the hub knew then, by its own clock: reports that came later say nothing of the time before. A policy that no report names was as expected by the list of its cluster. Of changes that are older than events are kept, or more than 10,000 or 4 MiB of a cluster, the ledger keeps what still stood at their end.',
      tag: 'clusters',
      slots: 'heavy',
      params: ClusterParams,
      query: StateQuery,
    },
    { schema: PolicyStateView, description: 'The answer, with what it follows from.' },
    async ({ ledger, runtime }, { params: { name: cluster }, query, signal }) => {
      const now = runtime.clock.now().toISOString();
      const { at = now } = query;
      // Without `at`, the newest change counts, even if the clock of another hub is ahead.
      const then = await ledger.policyStateAt({ cluster, policy: query.policy, at: query.at ?? END_OF_TIME, signal });
      const { connected = null, observed = null, accepted = null, proven = null, policy: state = null } = then;
      return { cluster, policy: query.policy, at, ...judge(then, at > now), state, connected, observed, accepted, provenRevision: proven };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/clusters/{name}/history',
      operationId: 'listClusterHistory',
      summary: 'Changes of a cluster and of a policy in it',
      description:
        'Of the policy its phase, and whether it conforms and has violations; not their number. A page can be short, or empty: `next` goes on.',
      tag: 'clusters',
      slots: 'heavy',
      params: ClusterParams,
      query: HistoryQuery,
    },
    { schema: ClusterHistoryPage, description: 'A page, newest first.' },
    async ({ ledger }, { params: { name: cluster }, query: { policy: key, limit, cursor }, signal }) => {
      const before = numberOf(cursor);
      const { changes, next } = await ledger.clusterHistory({ cluster, policy: key, ...withoutAbsent({ before }), limit, signal });
      return { items: changes.flatMap(itemsOf), next: next === null ? null : encodeCursor(String(next)) };
    },
  ),
];
