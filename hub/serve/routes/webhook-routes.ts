import type { NewAuditEntry } from '@fso/shared/api';
import { sha256 } from '@fso/shared/encoding';
import { type Clock, createRateLimit, dropOldest, type Logger, type Secret, secretText } from '@fso/shared/runtime';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import type { Journal } from '../../ledger/index.ts';
import { addressOf } from '../http/caller.ts';
import { ApiError, requestIdOf } from '../http/problems.ts';
import { ANONYMOUS_CALL, type HubScope, type Route } from '../http/route.ts';
import { type Push, readPush, readWebhook, whyIgnored } from '../http/webhook.ts';

/** Source that webhooks notify, and the audit log. */
export interface WebhookDeps {
  readonly ledger: Pick<Journal, 'audit' | 'health'>;
  readonly source: {
    /** @param announced commit named by the push, with the trace context of its sender */
    hint(announced?: { readonly revision: string; readonly traceparent: string }): void;
  };
  readonly config: {
    /** Secret of Git webhooks; undefined: webhooks are accepted only from the hub's own machine. */
    readonly webhookSecret?: Secret | undefined;
    /** Repository and ref whose pushes cause a fetch; undefined: every push does. */
    readonly git?: { readonly url: string; readonly ref: string };
  };
  readonly runtime: { readonly clock: Clock; readonly logger: Logger };
}

const WebhookAnswer = z.object({
  accepted: z.boolean(),
  ignored: z.string().optional().describe('Why no fetch follows.'),
});

/**
 * Senders of webhooks by their header. Gitea also sends GitHub's headers, and Forgejo those of
 * both.
 */
const FORGES = { 'X-Forgejo-Event': 'forgejo', 'X-Gitea-Event': 'gitea', 'X-GitHub-Event': 'github', 'X-Gitlab-Event': 'gitlab' };

const webhookEntry = (req: Request, requestId: string): NewAuditEntry => ({
  actor: { kind: 'webhook', id: Object.entries(FORGES).find(([header]) => req.get(header) !== undefined)?.[1] ?? 'git', roles: [] },
  from: addressOf(req),
  action: 'webhook.accept',
  subject: 'source',
  detail: { requestId },
});

/** @returns undefined: the push names no commit, or its sender no trace context */
const announcedBy = ({ revision }: Push, traceparent: string | undefined): Parameters<WebhookDeps['source']['hint']>[0] =>
  revision === undefined || traceparent === undefined ? undefined : { revision, traceparent };

/** Maximum number of remembered digests of bodies. */
const WEBHOOKS_REMEMBERED = 1_000;

const webhookHandler = ({ config, source, ledger, runtime: { clock, logger } }: WebhookDeps): RequestHandler => {
  const recorded = new Map<string, true>();
  /**
   * Whether a body was not received before. A signed webhook can be replayed, and audit entries are
   * kept forever.
   */
  const isNew = (body: string): boolean => {
    const digest = sha256(body);
    if (recorded.has(digest)) return false;
    recorded.set(digest, true);
    dropOldest(recorded, WEBHOOKS_REMEMBERED);
    return true;
  };
  const record = async (req: Request, res: Response, body: string): Promise<void> => {
    // A body that is too long to parse always counts as new.
    if (body !== '' && !isNew(body)) return;
    const written = ledger.audit.append(webhookEntry(req, requestIdOf(res)));
    // The hub fetches in any case. If the database is unavailable, the entry is written later.
    if (ledger.health().ok) await written;
    else written.catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
  };
  const allows = createRateLimit(clock, { burst: 30, perSecond: 1, addresses: 1000 });
  return async (req, res) => {
    if (!allows(addressOf(req)))
      throw new ApiError('too-many-requests', 'Too many webhooks from this address. The hub also polls the repository.', {
        'Retry-After': '1',
      });
    const secret = config.webhookSecret === undefined ? undefined : secretText(config.webhookSecret);
    const body = await readWebhook(req, { secret, clock });
    const push = readPush(req, body);
    const ignored = config.git && whyIgnored(push, config.git);
    if (ignored === undefined) {
      source.hint(announcedBy(push, req.get('traceparent')));
      await record(req, res, body);
    }
    const answer: z.infer<typeof WebhookAnswer> = ignored === undefined ? { accepted: true } : { accepted: false, ignored };
    res.status(202).json(answer);
  };
};

/** Route of Git webhooks, which announce new commits. */
export const webhookRoutes: readonly Route<WebhookDeps, HubScope>[] = [
  {
    ...ANONYMOUS_CALL,
    method: 'post',
    path: '/api/v1/webhooks/git',
    operationId: 'gitWebhook',
    summary: 'Announces that the policy repository may have changed',
    description:
      'A hint: the hub fetches its configured repository, whatever the content says. A push to another ref or repository, and any other event, is acknowledged and ignored. Signed by X-Hub-Signature-256 (GitHub), X-Gitea-Signature (Gitea, Forgejo), webhook-signature or X-Gitlab-Token (GitLab). Without a configured secret the hub accepts it from its own machine only.',
    tag: 'hub',
    response: { status: 202, description: 'Accepted: the fetch follows, or the reason why none does.', schema: WebhookAnswer },
    problems: ['webhook-refused', 'too-large', 'too-many-requests'],
    handler: webhookHandler,
  },
];
