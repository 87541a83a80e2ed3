import { ResumedRollout, RolloutChange, RolloutResume, RolloutView } from '@fso/shared/api';
import { RolloutChangeRefused, type WaveController } from '../../../rollout/index.ts';
import { ApiError } from '../../http/problems.ts';
import { GLOBAL_READ, type HubScope, jsonRoute, type Route } from '../../http/route.ts';

/** Dependencies of rollout routes. */
export interface RolloutDeps {
  readonly rollout: Pick<WaveController, 'status' | 'pause' | 'resume'>;
}

/** Head of routes that change the rollout of the whole fleet. */
const CHANGE = {
  method: 'post',
  tag: 'hub',
  access: 'operator',
  scope: 'global',
  problems: ['conflict'],
} as const;
const RESPONSE = { description: 'The rollout after the change.' };

/** @throws ApiError `conflict` if the rollout refused the change; else the error itself */
const refuse = (error: unknown): never => {
  throw error instanceof RolloutChangeRefused ? new ApiError('conflict', error.message) : error;
};

/** Routes of the rollout of the newest commit. */
export const rolloutRoutes: readonly Route<RolloutDeps, HubScope>[] = [
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/rollout',
      operationId: 'getRollout',
      summary: 'The rollout of the newest commit: its waves, and what keeps it from going on',
      tag: 'hub',
    },
    { schema: RolloutView, description: 'The rollout.' },
    ({ rollout }) => rollout.status(),
  ),
  jsonRoute(
    {
      ...CHANGE,
      body: RolloutChange,
      path: '/api/v1/rollout/pause',
      operationId: 'pauseRollout',
      summary: 'Holds the rollout: no further cluster gets the newest commit unless it changes nothing there',
    },
    { ...RESPONSE, schema: RolloutView },
    async ({ rollout }, { body: { revision }, caller }) => {
      caller.about(revision ?? '');
      await rollout.pause(caller.principal.name, revision).catch(refuse);
      return rollout.status();
    },
  ),
  jsonRoute(
    {
      ...CHANGE,
      body: RolloutResume,
      path: '/api/v1/rollout/resume',
      operationId: 'resumeRollout',
      summary: 'Ends a pause, or passes the failed gate that it names, with what it has found',
    },
    { ...RESPONSE, schema: ResumedRollout },
    async ({ rollout }, { body, caller }) => {
      caller.about(body.revision ?? '');
      const passed = await rollout.resume(body).catch(refuse);
      const after = await rollout.status();
      caller.about(after.revision ?? '', passed === null ? '' : `${passed.wave}: ${passed.problem}`);
      return { ...after, passed };
    },
  ),
];
