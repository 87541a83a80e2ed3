import type { CommitView } from '@fso/shared/api';
import {
  BranchList,
  MAX_BRANCHES,
  MAX_PLAN_BYTES,
  PLAN_DAYS,
  Plan,
  PlanId,
  PlanRequest,
  StoredPlanPage,
  type StoredPlanSummary,
  StoredPlanView,
} from '@fso/shared/effects';
import { byText } from '@fso/shared/encoding';
import { count } from '@fso/shared/runtime';
import express, { type Request, type Response } from 'express';
import { z } from 'zod';
import type { AuditedPlan, FoundPlan, PlanCaller, PlanRefusal } from '../../../plans/index.ts';
import type { FleetDeps } from '../../fleet/fleet-reader.ts';
import { outcomeOf } from '../../fleet/outcome/plan-outcome.ts';
import { callerOf } from '../../http/caller.ts';
import { decodeCursor, nextCursor } from '../../http/paging.ts';
import { PageQuery } from '../../http/parameters.ts';
import { ApiError } from '../../http/problems.ts';
import { jsonRoute, type Route, SCOPED_LIST, SCOPED_READ, untilClosed } from '../../http/route.ts';

/** Dependencies of plan routes. Plans are limited to what the caller sees. */
export interface PlanDeps extends FleetDeps {
  readonly plans: {
    mayPlan(caller: string): boolean;
    /** @param body JSON of a `PlanRequest`; its buffer is transferred */
    plan(body: Uint8Array<ArrayBuffer>, caller: PlanCaller, signal: AbortSignal): Promise<AuditedPlan>;
    /** Lists stored plans, newest first. */
    list(): Promise<readonly StoredPlanSummary[]>;
    stored(id: string): Promise<FoundPlan | undefined>;
    /** Returns the id of the stored plan that predicted a commit. */
    planOfCommit(commit: Pick<CommitView, 'revision' | 'accepts'>): Promise<string | null>;
    /** Lists branches that can be planned, with their last plans. */
    branches(): Promise<{ readonly ok: true; readonly list: BranchList } | PlanRefusal>;
  };
}

// Not parsed on the main thread: that takes time and has its own limits.
const readBytes = express.raw({ type: () => true, limit: MAX_PLAN_BYTES });

/** Reads the body of a plan request. @throws ApiError `bad-request`, `too-large` */
const readBody = async (req: Request, res: Response): Promise<Uint8Array<ArrayBuffer>> => {
  await new Promise<void>((resolve, reject) => readBytes(req, res, (error) => (error ? reject(error) : resolve())));
  return new Uint8Array(Buffer.isBuffer(req.body) ? req.body : []);
};

/** Text for the acceptance of a plan. Of the commit it contains at most a valid id. */
const acceptanceText = (acceptance: Plan['acceptance']): readonly string[] =>
  acceptance === null ? [] : [acceptance.plan === null ? acceptance.state : `${acceptance.state}: ${acceptance.plan}`];

/** Text of the audit entry of a plan. Contains no text of the request. */
const auditText = (planned: AuditedPlan): string => {
  if (!planned.ok) return `not compared: ${planned.code}, ${count(planned.problems.length, 'problem')}`;
  const { id, acceptance, result, after, effects, workloads } = planned.plan;
  const missing = workloads?.notAnswered.reduce((sum, { clusters }) => sum + clusters.length, 0) ?? 0;
  return [
    `${result}: ${count(effects.length, 'change')}`,
    `${count(workloads?.clusters.length ?? 0, 'cluster')} answered, ${missing} did not`,
    ...(after.revision === null ? [] : [`of commit ${after.revision}`]),
    id === null ? 'not stored' : `stored as ${id}`,
    ...acceptanceText(acceptance),
  ].join('; ');
};

/** Sort position of a plan in the list. */
const placeOf = ({ at, id }: StoredPlanSummary): string => `${at} ${id}`;

const PlanParams = z.strictObject({ id: PlanId });

/** Description of which plans are stored and who sees them. */
const STORED = `Plans that break something, and the last of each branch: up to 1,000, of one caller 300, for ${PLAN_DAYS} days. Callers who see a part of the fleet see plans that were made for the same part, where their grants select all clusters and namespaces in them.`;

/** Routes of plans of changes before their merge. */
export const planRoutes: readonly Route<PlanDeps, 'scoped'>[] = [
  {
    method: 'post',
    path: '/api/v1/plans',
    operationId: 'createPlan',
    summary: 'Effects of a change of policies, before it is merged',
    description:
      'The files, up to 12 MiB of JSON, are compared with the commit in force. Agents of the clusters whose rules change are asked now, 32 at a time and for 8 s at most, after up to 8 s in which they answer others, what the change would do to the workloads there. Callers who see a part of the fleet get a plan of that part. In the place of files a branch of the policy repository may be named, which the hub fetches now, apart from the one that it follows: what is new in it, up to 20 MiB, within 60 s. The effects of a plan that breaks something, or is the last of a branch, are stored, without any text of the files; the audit log has an entry with the digest of the request, and counts. One plan of a caller at a time and 20 an hour; two in all at a time. Four more of a caller, and 16 in all, wait for up to 45 s.',
    tag: 'policies',
    access: 'viewer',
    scope: 'scoped',
    slots: 'plan',
    body: PlanRequest,
    response: { status: 200, description: 'The plan.', schema: Plan },
    problems: ['bad-request', 'too-large', 'too-many-requests', 'not-found', 'conflict', 'source-unavailable'],
    handler:
      ({ plans }) =>
      async (req, res) => {
        const caller = callerOf(res);
        const { kind, id, name } = caller.principal;
        // Read first, so that an unreadable body does not count against the limit.
        const body = await readBody(req, res);
        if (!plans.mayPlan(`${kind}:${id}`))
          throw new ApiError('too-many-requests', 'You have made 20 plans within the hour. Try again later.', { 'Retry-After': '180' });
        const planned = await plans.plan(body, { kind, id, name }, untilClosed(res)).catch(async (error: unknown) => {
          await caller.audit('createPlan', 'failed', res.destroyed ? 'the caller left' : 'see the log of the hub');
          throw error;
        });
        caller.about(planned.digest === undefined ? '' : `sha256:${planned.digest}`);
        await caller.audit('createPlan', planned.ok ? 'done' : 'refused', auditText(planned));
        if (!planned.ok) throw new ApiError(planned.code, planned.detail, {}, planned.problems);
        res.json(planned.plan);
      },
  },
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/plans',
      operationId: 'listPlans',
      summary: 'Stored plans, without their effects',
      description: STORED,
      tag: 'policies',
      query: PageQuery,
    },
    { schema: StoredPlanPage, description: 'A page, newest first.' },
    async ({ plans }, { query: { limit, cursor } }) => {
      const stored = await plans.list();
      const last = cursor === undefined ? undefined : decodeCursor(cursor);
      const rest = last === undefined ? stored : stored.filter((plan) => byText(placeOf(plan), last) < 0);
      return { items: rest.slice(0, limit), total: stored.length, next: nextCursor(rest, placeOf, limit) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/plans/{id}',
      operationId: 'getPlan',
      summary: 'The effects of a stored plan, and what happened after the merge',
      description: `${STORED} What happened is what agents that enforce the commit in force have reported last; they are not asked.`,
      tag: 'policies',
      params: PlanParams,
      problems: ['bad-request', 'not-found'],
    },
    { schema: StoredPlanView, description: 'The plan.' },
    async ({ plans, fleet }, { params: { id }, ...input }) => {
      const found = await plans.stored(id);
      if (found === undefined) throw new ApiError('not-found', `There is no plan ${id}, or not any more.`);
      return { ...found.plan, outcome: await outcomeOf(found, await fleet.read(), input) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/branches',
      operationId: 'listBranches',
      summary: 'Branches of the policy repository, with their last plans',
      description: `The first ${MAX_BRANCHES} by name, beside the one that the hub follows. The repository is asked once for all callers within 5 s, for 10 s at most. A branch is read when a plan of it is asked for.`,
      tag: 'policies',
      problems: ['source-unavailable'],
    },
    { schema: BranchList, description: 'The branches.' },
    async ({ plans }) => {
      const listed = await plans.branches();
      if (listed.ok) return listed.list;
      throw new ApiError(listed.code, listed.detail);
    },
  ),
];
