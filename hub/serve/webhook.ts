import { createHmac, type Hmac } from 'node:crypto';
import type { Request } from 'express';
import { sameSecret } from './auth.ts';
import { ApiError } from './problems.ts';

/** GitHub sends at most 25 MB (https://docs.github.com/webhooks/webhook-events-and-payloads). */
export const MAX_WEBHOOK_BYTES: number = 25 * 1024 * 1024;

const LOOPBACK = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/;

/** A proxy on the same machine also comes from loopback, but says for whom. */
export const isLoopback = (req: Request): boolean =>
  LOOPBACK.test(req.socket.remoteAddress ?? '') && req.get('Forwarded') === undefined && req.get('X-Forwarded-For') === undefined;

/** The body is only needed for its signature, so it is hashed as it comes and never kept. */
const digestBody = async (req: Request, hmac: Hmac, limit: number): Promise<string> => {
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new ApiError('too-large', `A webhook may carry at most ${limit} bytes.`, { Connection: 'close' });
    hmac.update(chunk);
  }
  return hmac.digest('hex');
};

/** GitHub: `sha256=<hex>`; Gitea: `<hex>`; both HMAC-SHA256 over the body. */
const signatureOf = (req: Request): string | undefined =>
  /^sha256=([0-9a-f]{64})$/.exec(req.get('X-Hub-Signature-256') ?? '')?.[1] ??
  /^[0-9a-f]{64}$/.exec(req.get('X-Gitea-Signature') ?? '')?.[0];

const isSigned = async (req: Request, secret: string, limit: number): Promise<boolean> => {
  const gitlab = req.get('X-Gitlab-Token');
  if (gitlab !== undefined) return sameSecret(gitlab, secret);
  const signature = signatureOf(req);
  if (signature === undefined) return false;
  return sameSecret(signature, await digestBody(req, createHmac('sha256', secret), limit));
};

/**
 * Lets a webhook through or throws. It is a hint only: nothing of its content is looked at.
 *
 * @throws ApiError `webhook-refused` or `too-large`
 */
export const verifyWebhook = async (req: Request, secret: string | undefined, limit: number = MAX_WEBHOOK_BYTES): Promise<void> => {
  if (secret === undefined) {
    if (isLoopback(req)) return;
    throw new ApiError('webhook-refused', 'This hub has no webhook secret, so it takes webhooks from its own machine only.');
  }
  if (await isSigned(req, secret, limit)) return;
  throw new ApiError(
    'webhook-refused',
    'Sign with the secret of this hub: X-Hub-Signature-256 (GitHub), X-Gitea-Signature (Gitea) or X-Gitlab-Token (GitLab).',
  );
};
