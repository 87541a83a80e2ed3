import type { NewAuditEntry } from '@fso/shared/api';
import { sha256 } from '@fso/shared/encoding';
import { createRateLimit, dropOldest } from '@fso/shared/runtime';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { addressOf } from '../auth/caller.ts';
import { ApiError, requestIdOf } from '../http/problems.ts';
import type { Route } from '../http/route.ts';
import { createBroadcast } from '../live/broadcast.ts';
import { streamHandler } from '../live/stream.ts';
import type { ApiDeps } from '../types.ts';
import { readWebhook } from './webhook.ts';
import { readPush, whyIgnored } from './webhook-filter.ts';

const Taken = z.object({
  accepted: z.boolean(),
  ignored: z.string().optional().describe('Why no fetch follows.'),
});

/** Who sends the webhooks of a forge, by the header that each sends. */
const FORGES = { 'X-GitHub-Event': 'github', 'X-Gitea-Event': 'gitea', 'X-Gitlab-Event': 'gitlab' };

const webhookEntry = (req: Request, requestId: string): NewAuditEntry => ({
  actor: { kind: 'webhook', id: Object.entries(FORGES).find(([header]) => req.get(header) !== undefined)?.[1] ?? 'git', roles: [] },
  from: addressOf(req),
  action: 'webhook.accept',
  subject: 'source',
  detail: { requestId },
});

/** Bodies, by their digests. */
const WEBHOOKS_REMEMBERED = 1_000;

const webhookHandler = ({ config, source, clock, ledger, logger }: ApiDeps): RequestHandler => {
  const noted = new Map<string, true>();
  /** A signed webhook can be sent again and again, and entries are kept for ever. */
  const isNews = (body: string): boolean => {
    const digest = sha256(body);
    if (noted.has(digest)) return false;
    noted.set(digest, true);
    dropOldest(noted, WEBHOOKS_REMEMBERED);
    return true;
  };
  const note = async (req: Request, res: Response, body: string): Promise<void> => {
    // One that is too long to look at is always new.
    if (body !== '' && !isNews(body)) return;
    const written = ledger.audit.append(webhookEntry(req, requestIdOf(res)));
    // The hint is taken in any case; a database that is away gets its entry when it is back.
    if (ledger.health().ok) await written;
    else written.catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  };
  const allows = createRateLimit(clock, { burst: 30, perSecond: 1, addresses: 1000 });
  return async (req, res) => {
    if (!allows(addressOf(req))) throw new ApiError('too-many-requests', 'The repository is polled anyway.', { 'Retry-After': '1' });
    const body = await readWebhook(req, { secret: config.webhookSecret, clock });
    const push = readPush(req, body);
    const ignored = config.git && whyIgnored(push, config.git);
    if (ignored === undefined) {
      source.hint();
      await note(req, res, body);
    }
    const taken: z.infer<typeof Taken> = ignored === undefined ? { accepted: true } : { accepted: false, ignored };
    res.status(202).json(taken);
  };
};

const readyHandler =
  ({ ledger, shutdown }: ApiDeps): RequestHandler =>
  async (_req, res) => {
    if (shutdown?.draining.aborted === true) throw new ApiError('not-ready', 'The hub stops.');
    if ((await ledger.desired()) === null) throw new ApiError('not-ready', 'No good revision of the policy repository was read yet.');
    const health = ledger.health();
    // Anybody may ask; what the database said is in the log.
    if (!health.ok) throw new ApiError('not-ready', `The ledger's database is not usable since ${health.since}; see the log of the hub.`);
    res.type('text/plain').send('ok\n');
  };

const text = (description: string) => ({ status: 200, description, contentType: 'text/plain' });

/** Everything that answers with something else than a view. */
export const operationRoutes: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/stream',
    operationId: 'stream',
    summary: 'Live events',
    description:
      'Server-sent events of the kinds status, source, cluster, policy, event, commit and reset; `data` is JSON. With Last-Event-ID the stream goes on where it was left, or begins with `reset`: read everything again. A comment every 15 s keeps it open.',
    tag: 'hub',
    access: 'viewer',
    slots: 'stream',
    response: { status: 200, description: 'Events, until either side closes.', contentType: 'text/event-stream' },
    problems: ['too-many-requests'],
    handler: (deps) => streamHandler(deps, createBroadcast(deps)),
  },
  {
    method: 'post',
    path: '/api/v1/webhooks/git',
    operationId: 'gitWebhook',
    summary: 'Says that the policy repository may have changed',
    description:
      'A hint: the hub fetches its configured repository, whatever the content says. A push to another ref or repository, and any other event, is acknowledged and ignored. Signed by X-Hub-Signature-256 (GitHub), X-Gitea-Signature (Gitea, Forgejo), webhook-signature or X-Gitlab-Token (GitLab). Without a configured secret it is taken from the own machine only.',
    tag: 'hub',
    access: 'open',
    response: { status: 202, description: 'Taken; the fetch follows, or why none does.', schema: Taken },
    problems: ['webhook-refused', 'too-large', 'too-many-requests'],
    handler: webhookHandler,
  },
  {
    method: 'get',
    path: '/healthz',
    operationId: 'healthz',
    summary: 'Whether the process answers',
    tag: 'operations',
    access: 'open',
    response: text('It does.'),
    problems: [],
    handler: () => (_req, res) => {
      res.type('text/plain').send('ok\n');
    },
  },
  {
    method: 'get',
    path: '/readyz',
    operationId: 'readyz',
    summary: 'Whether a good revision of the policy repository is in force, and the ledger can be written',
    tag: 'operations',
    access: 'open',
    response: text('It is.'),
    problems: ['not-ready'],
    handler: readyHandler,
  },
  {
    method: 'get',
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Metrics in the Prometheus text format',
    description: 'Names clusters, so it is for viewers (Prometheus: an API token in `authorization.credentials_file`).',
    tag: 'operations',
    access: 'viewer',
    response: text('The metrics.'),
    problems: [],
    handler: (deps) => async (_req, res) => {
      res.type(deps.registry.contentType).send(await deps.registry.metrics());
    },
  },
];
