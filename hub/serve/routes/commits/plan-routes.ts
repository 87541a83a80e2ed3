import { MAX_PLAN_BYTES, Plan, PlanRequest } from '@fso/shared/effects';
import express, { type Request, type Response } from 'express';
import type { AuditedPlan } from '../../../plans/index.ts';
import { callerOf } from '../../http/caller.ts';
import { ApiError } from '../../http/problems.ts';
import { type Route, untilClosed } from '../../http/route.ts';

/** Makes plans, within the bounds of a caller. */
export interface PlanDeps {
  readonly plans: {
    mayPlan(caller: string): boolean;
    /** @param body JSON of a `PlanRequest`; is given away */
    plan(body: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<AuditedPlan>;
  };
}

// The hub's own thread does not parse it: that takes time, and bounds of its own.
const readBytes = express.raw({ type: () => true, limit: MAX_PLAN_BYTES });

/** @throws ApiError `bad-request`, `too-large` */
const readBody = async (req: Request, res: Response): Promise<Uint8Array<ArrayBuffer>> => {
  await new Promise<void>((resolve, reject) => readBytes(req, res, (error) => (error ? reject(error) : resolve())));
  return new Uint8Array(Buffer.isBuffer(req.body) ? req.body : []);
};

const countOf = (number: number, one: string): string => `${number} ${one}${number === 1 ? '' : 's'}`;

/** Entry of the audit log for a plan: no text of the request. */
const auditText = (planned: AuditedPlan): string => {
  if (!planned.ok) return `not compared: ${planned.code}, ${countOf(planned.problems.length, 'problem')}`;
  const { result, effects, workloads } = planned.plan;
  const missing = workloads?.notAnswered.reduce((sum, { clusters }) => sum + clusters.length, 0) ?? 0;
  return `${result}: ${countOf(effects.length, 'change')}; ${countOf(workloads?.clusters.length ?? 0, 'cluster')} answered, ${missing} did not`;
};

/** Plans of changes, before they are merged. */
export const planRoutes: readonly Route<PlanDeps, 'scoped'>[] = [
  {
    method: 'post',
    path: '/api/v1/plans',
    operationId: 'createPlan',
    summary: 'Effects of a change of policies, before it is merged',
    description:
      'The files, up to 12 MiB of JSON, are compared with the commit in force. Agents of the clusters whose rules change are asked now, 32 at a time and for 8 s at most, after up to 8 s in which they answer others, what the change would do to the workloads there. Callers who see a part of the fleet get a plan of that part. Nothing is stored but an entry of the audit log with the digest of the request, and counts. One plan of a caller at a time and 20 an hour; two in all at a time. Four more of a caller, and 16 in all, wait for up to 45 s.',
    tag: 'policies',
    access: 'viewer',
    scope: 'scoped',
    slots: 'plan',
    body: PlanRequest,
    response: { status: 200, description: 'The plan.', schema: Plan },
    problems: ['bad-request', 'too-large', 'too-many-requests'],
    handler:
      ({ plans }) =>
      async (req, res) => {
        const caller = callerOf(res);
        const { kind, id } = caller.principal;
        // First: a body that cannot be read costs its caller no plan.
        const body = await readBody(req, res);
        if (!plans.mayPlan(`${kind}:${id}`))
          throw new ApiError('too-many-requests', 'You have made 20 plans within the hour. Try again later.', { 'Retry-After': '180' });
        const planned = await plans.plan(body, untilClosed(res)).catch(async (error: unknown) => {
          await caller.audit('createPlan', 'failed', res.destroyed ? 'the caller left' : 'see the log of the hub');
          throw error;
        });
        caller.about(planned.digest === undefined ? '' : `sha256:${planned.digest}`);
        await caller.audit('createPlan', planned.ok ? 'done' : 'refused', auditText(planned));
        if (!planned.ok) throw new ApiError(planned.code, planned.detail, {}, planned.problems);
        res.json(planned.plan);
      },
  },
];
