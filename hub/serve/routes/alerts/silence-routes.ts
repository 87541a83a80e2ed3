import { SilenceList, SilenceRequest, SilenceView } from '@fso/shared/api';
import { z } from 'zod';
import { type Alerts, SilenceRefused } from '../../../alerts/index.ts';
import { ApiError, notFound } from '../../http/problems.ts';
import { jsonRoute, type Route, SCOPED_LIST } from '../../http/route.ts';

/** Dependencies of silence routes. */
export interface SilenceDeps {
  readonly alerts: Pick<Alerts, 'silence' | 'endSilence' | 'compareWithSilences'> & {
    readonly silences: () => readonly SilenceView[] | Promise<readonly SilenceView[]>;
  };
}

const SilenceParams = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/, 'must be the id of a silence: 16 characters, 0-9 and a-f'),
});

/** Routes of the silences of alerts. */
export const silenceRoutes: readonly Route<SilenceDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/alerts/silences',
      operationId: 'listSilences',
      summary: 'Silences and maintenance windows',
      tag: 'alerts',
    },
    { schema: SilenceList, description: 'All that the hub keeps, at most 200.' },
    async ({ alerts }) => {
      await alerts.compareWithSilences();
      return { items: [...(await alerts.silences())] };
    },
  ),
  jsonRoute(
    {
      method: 'post',
      path: '/api/v1/alerts/silences',
      operationId: 'createSilence',
      summary: 'Silences alerts for a time, now or later',
      description:
        'What it matches is shown as silenced and nobody is notified. What still fires at its end is notified then. With a role for a part of the fleet, a matcher must fix `cluster` to a cluster of it, and another one `policy` where the role is for some policies.',
      tag: 'alerts',
      access: 'operator',
      scope: 'scoped',
      body: SilenceRequest,
      problems: ['conflict'],
    },
    { schema: SilenceView, description: 'The silence.', status: 201 },
    async ({ alerts }, { body, caller }) => {
      caller.about(body.matchers.join(', ').slice(0, 512), `until ${body.until}: ${body.reason}`);
      const made = await alerts.silence(body, caller.principal.name).catch((error: unknown) => {
        throw error instanceof SilenceRefused ? new ApiError(error.code, error.message) : error;
      });
      caller.about(made.id, `${made.matchers.join(', ')}: from ${made.from} until ${made.until}: ${made.reason}`);
      return made;
    },
  ),
  jsonRoute(
    {
      method: 'delete',
      path: '/api/v1/alerts/silences/{id}',
      operationId: 'endSilence',
      summary: 'Ends a silence now; what still fires is notified',
      tag: 'alerts',
      access: 'operator',
      scope: 'scoped',
      params: SilenceParams,
      problems: ['bad-request', 'not-found'],
    },
    { schema: SilenceView, description: 'The silence, ended.' },
    async ({ alerts }, { params, caller }) => {
      caller.about(params.id);
      const ended = (await alerts.endSilence(params.id)) ?? notFound(`silence ${params.id}`);
      caller.about(params.id, ended.matchers.join(', '));
      return ended;
    },
  ),
];
