import { CommitActivity, CommitPage, Trend } from '@fso/shared/api';
import { z } from 'zod';
import type { FleetState } from '../../../ledger/index.ts';
import { activityOf, pointOf, readRollout, readRollouts, readTrend, summaryOf, TREND_DAYS } from '../../../rollout/index.ts';
import type { FleetDeps } from '../../fleet/fleet-reader.ts';
import { nextCursor, numberOf } from '../../http/paging.ts';
import { PageQuery, wholeNumber } from '../../http/parameters.ts';
import { ApiError } from '../../http/problems.ts';
import { jsonRoute, type Route, SCOPED_READ } from '../../http/route.ts';
import type { PlanDeps } from './plan-routes.ts';

const CommitParams = z.strictObject({ revision: z.string().max(64) });

const MAX_HOURS = TREND_DAYS * 24;
const TrendQuery = z.strictObject({
  hours: wholeNumber({ digits: 4, min: 1, max: MAX_HOURS }).default(24).describe(`How far back, 1 to ${MAX_HOURS}.`),
});

interface CommitDeps extends FleetDeps, Pick<PlanDeps, 'plans'> {
  readonly ledger: Pick<FleetState, 'records'>;
}

/** Routes of the hub's record of commits, and of the fleet over time. */
export const commitRoutes: readonly Route<CommitDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/commits',
      operationId: 'listCommits',
      summary: 'Commits on their way through the hub and the clusters',
      description: 'The newest 200. A commit that comes into force a second time, after another one, is listed a second time.',
      tag: 'hub',
      query: PageQuery,
    },
    { schema: CommitPage, description: 'A page, newest first.' },
    async ({ ledger: { records } }, { query: { limit, cursor } }) => {
      const rollouts = readRollouts(records);
      const before = numberOf(cursor) ?? Number.POSITIVE_INFINITY;
      const rest = rollouts.filter(({ sequence }) => sequence < before);
      const next = nextCursor(rest, ({ sequence }) => String(sequence), limit);
      return { items: rest.slice(0, limit).map(summaryOf), total: rollouts.length, next };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/commits/{revision}',
      operationId: 'getCommit',
      summary: 'The way of one commit, step by step and cluster by cluster',
      description: 'Of a commit that was in force more than once, the last time.',
      tag: 'hub',
      params: CommitParams,
      problems: ['not-found'],
    },
    { schema: CommitActivity, description: 'The commit.' },
    async ({ ledger: { records }, plans }, { params: { revision } }) => {
      const rollout = readRollout(records, revision);
      if (rollout === undefined) throw new ApiError('not-found', `The hub does not know a commit ${revision}.`);
      return activityOf(rollout, await plans.planOfCommit(rollout.commit));
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/trend',
      operationId: 'getTrend',
      summary: 'Violations, failed policies and connected clusters over time',
      description: `Looked at once a minute and kept for ${TREND_DAYS} days. Of points that are too close together for one answer the worst values stay, and the last ones. Where no hub ran, nothing is known.`,
      tag: 'hub',
      query: TrendQuery,
    },
    { schema: Trend, description: 'The points.' },
    async ({ ledger, fleet }, { query: { hours } }) => ({
      items: readTrend(ledger.records, hours, pointOf(await fleet.readStatus(), new Date(fleet.now()))),
    }),
  ),
];
