import { type ClusterHistoryItem, ClusterHistoryPage, type PolicyState, PolicyStateView } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import type { HistoryChange, Ledger, StateThen } from '../../ledger/index.ts';
import { encodeCursor, numberOf } from '../http/paging.ts';
import { Moment, NameParams, PolicyName, paging, withoutAbsent } from '../http/parameters.ts';
import { jsonRoute, type Route } from '../http/route.ts';

interface HistoryDeps {
  readonly ledger: Pick<Ledger, 'stateAt' | 'clusterHistory'>;
  readonly runtime: { readonly clock: Clock };
}

const policy = PolicyName.unwrap();
const StateQuery = z.strictObject({ policy, at: Moment.describe('Default: now.') });
const HistoryQuery = z.strictObject({ policy, ...paging });

type Verdict = Pick<PolicyStateView, 'proven' | 'reason'>;

const judgeState = ({ phase, violates }: PolicyState): Verdict => {
  if (phase !== 'Active') return { proven: 'no', reason: `Its phase was ${phase}.` };
  const reason = 'Its agent had proven every lock that the policy asks for';
  return { proven: 'yes', reason: violates ? `${reason}; there were violations.` : `${reason}.` };
};

/** Whether a policy was in force; what the hub did not know is not compliant. */
const judge = ({ connected, policy: found }: StateThen): Verdict => {
  if (found === undefined) return { proven: 'unknown', reason: 'No report of this policy from this cluster is recorded for that time.' };
  const { value: state, since } = found;
  if (state === null) return { proven: 'no', reason: 'The cluster did not have the policy.' };
  if (connected?.value !== true)
    return { proven: 'unknown', reason: `The cluster was not connected. Its last report, of ${since}, says ${state.phase}.` };
  return judgeState(state);
};

const NO_FACTS = { revision: null, state: null } as const;

const stateOf = ({ phase, conforms, violates, revision }: PolicyState): PolicyState => ({ phase, conforms, violates, revision });

/** One change after the other, the newest first. */
const itemsOf = ({ time, nothing, connected, accepted, proven, policies = [], gone = [] }: HistoryChange): ClusterHistoryItem[] => [
  ...policies.map((state) => ({ time, kind: 'policy' as const, ...NO_FACTS, state: stateOf(state) })),
  ...gone.map(() => ({ time, kind: 'gone' as const, ...NO_FACTS })),
  ...(proven === undefined ? [] : [{ time, kind: 'proven' as const, ...NO_FACTS, revision: proven }]),
  ...(accepted === undefined ? [] : [{ time, kind: 'accepted' as const, ...NO_FACTS, revision: accepted }]),
  ...(connected === undefined ? [] : [{ time, kind: connected ? ('connected' as const) : ('disconnected' as const), ...NO_FACTS }]),
  ...(nothing === true ? [{ time, kind: 'forgotten' as const, ...NO_FACTS }] : []),
];

/** What was known of the policies of each cluster over time, also of one that is gone. */
export const historyRoutes: readonly Route<HistoryDeps>[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters/{name}/state',
      operationId: 'getPolicyState',
      summary: 'Whether a policy was proven in a cluster at a time',
      description:
        'What the hub knew then, by its own clock: reports that came later say nothing of the time before. The newest 10,000 changes of a cluster are kept for as long as events are; of older ones, what still stood.',
      tag: 'clusters',
      access: 'viewer',
      slots: 'heavy',
      params: NameParams,
      query: StateQuery,
    },
    { schema: PolicyStateView, description: 'The answer, with what it follows from.' },
    async ({ ledger, runtime }, { params: { name: cluster }, query, signal }) => {
      const at = query.at ?? runtime.clock.now().toISOString();
      const then = await ledger.stateAt({ cluster, policy: query.policy, at, signal });
      const { connected = null, accepted = null, proven = null, policy: state = null } = then;
      return { cluster, policy: query.policy, at, ...judge(then), state, connected, accepted, provenRevision: proven };
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/clusters/{name}/history',
      operationId: 'listClusterHistory',
      summary: 'What became otherwise in a cluster and with a policy in it',
      description:
        'Of the policy its phase, and whether it conforms and has violations; not their number. A page may have a few more than `limit`.',
      tag: 'clusters',
      access: 'viewer',
      slots: 'heavy',
      params: NameParams,
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
