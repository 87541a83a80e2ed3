import { FetchHint, SourceView, StatusView } from '@fso/shared/api';
import type { Shutdown } from '@fso/shared/runtime';
import type { RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import type { FleetState, Journal } from '../../ledger/index.ts';
import { ApiError } from '../http/problems.ts';
import { ANONYMOUS_CALL, GLOBAL_READ, type HubScope, jsonRoute, type Route, SCOPED_LIST, SCOPED_READ } from '../http/route.ts';
import { Broadcast, type BroadcastDeps } from '../live/broadcast.ts';
import { type StreamDeps, streamHandler } from '../live/stream.ts';

interface HubDeps {
  readonly ledger: Pick<FleetState, 'desired'> & Pick<Journal, 'health'>;
  readonly source: { hint(): void };
  readonly runtime: { readonly registry: Registry; readonly shutdown?: Pick<Shutdown, 'draining'> | undefined };
}

const readyHandler =
  ({ ledger, runtime: { shutdown } }: HubDeps): RequestHandler =>
  async (_req, res) => {
    if (shutdown?.draining.aborted === true) throw new ApiError('not-ready', 'The hub is stopping.');
    if ((await ledger.desired()) === null)
      throw new ApiError('not-ready', 'The hub has not read a valid revision of the policy repository yet.');
    const health = ledger.health();
    // This route is open, so the message of the database is only logged.
    if (!health.ok)
      throw new ApiError('not-ready', `The ledger's database has not been usable since ${health.since}; see the log of the hub.`);
    res.type('text/plain').send('ok\n');
  };

const text = (description: string) => ({ status: 200, description, contentType: 'text/plain' });

/** Routes of the whole fleet: status, repository and live events. */
export const fleetRoutes: readonly Route<BroadcastDeps & StreamDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/status',
      operationId: 'getStatus',
      summary: 'The whole fleet in numbers',
      tag: 'hub',
    },
    { schema: StatusView, description: 'The status.' },
    ({ fleet }) => fleet.readStatus(),
  ),
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/source',
      operationId: 'getSource',
      summary: 'The policy repository',
      tag: 'hub',
    },
    { schema: SourceView, description: 'The commit in force, a refused newer one, and why the repository cannot be read, if so.' },
    ({ fleet }) => fleet.readSource(),
  ),
  {
    ...SCOPED_READ,
    path: '/api/v1/stream',
    operationId: 'stream',
    summary: 'Live events',
    description:
      'Server-sent events of the kinds status, source, cluster, policy, event, commit and reset; `data` is JSON. With Last-Event-ID the stream continues where the reader left it, or begins with `reset`: read everything again. A comment every 15 s keeps it open.',
    tag: 'hub',
    slots: 'stream',
    response: { status: 200, description: 'Events, until either side closes.', contentType: 'text/event-stream' },
    problems: ['too-many-requests'],
    handler: (deps) => streamHandler(deps, new Broadcast(deps)),
  },
];

/** Routes of the hub itself: fetches, health and metrics. */
export const hubRoutes: readonly Route<HubDeps, HubScope>[] = [
  jsonRoute(
    {
      method: 'post',
      path: '/api/v1/source/fetch',
      operationId: 'fetchSource',
      summary: 'Reads the policy repository now, instead of at the next poll',
      tag: 'hub',
      access: 'operator',
      scope: 'global',
    },
    { schema: FetchHint, description: 'Accepted: the fetch follows.', status: 202 },
    async ({ source }) => {
      source.hint();
      return { accepted: true } as const;
    },
  ),
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/healthz',
    operationId: 'healthz',
    summary: 'Whether the process answers',
    tag: 'operations',
    response: text('It does.'),
    handler: () => (_req, res) => {
      res.type('text/plain').send('ok\n');
    },
  },
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/readyz',
    operationId: 'readyz',
    summary: 'Whether a good revision of the policy repository is in force, and the ledger can be written',
    tag: 'operations',
    response: text('It is.'),
    problems: ['not-ready'],
    handler: readyHandler,
  },
  {
    ...GLOBAL_READ,
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Metrics in the Prometheus text format',
    description: 'Names clusters, so it is for viewers (Prometheus: an API token in `authorization.credentials_file`).',
    tag: 'operations',
    response: text('The metrics.'),
    handler:
      ({ runtime: { registry } }) =>
      async (_req, res) => {
        res.type(registry.contentType).send(await registry.metrics());
      },
  },
];
