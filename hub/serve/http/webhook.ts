import { createHmac, type Hmac } from 'node:crypto';
import type { Clock } from '@fso/shared/runtime';
import type { Request } from 'express';
import { sameSecret } from '../../access/index.ts';
import { ApiError } from './problems.ts';

/**
 * Maximum size of a webhook body, in bytes. GitHub sends at most 25 MB
 * (https://docs.github.com/webhooks/webhook-events-and-payloads).
 */
export const MAX_WEBHOOK_BYTES: number = 25 * 1024 * 1024;
/**
 * Maximum size of a body that is parsed, in bytes. A longer body counts as a push to the followed
 * ref.
 */
const MAX_KEPT_BYTES = 1024 * 1024;
/** Maximum age of a signature in seconds, as in Standard Webhooks. */
const MAX_AGE_S = 300;

const LOOPBACK = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/;

/**
 * Whether a request comes from this machine. A proxy on this machine adds a header with the
 * client's address.
 */
const isLoopback = (req: Request): boolean =>
  LOOPBACK.test(req.socket.remoteAddress ?? '') && req.get('Forwarded') === undefined && req.get('X-Forwarded-For') === undefined;

/** Signature scheme: the text that precedes the body in the HMAC, and the signatures sent. */
interface Scheme {
  readonly key: string | Buffer;
  readonly prefix: string;
  /** Signatures that were sent. One valid signature is enough. */
  readonly given: readonly string[];
  readonly encoding: 'hex' | 'base64';
}

const HEX = /^[0-9a-f]{64}$/;

/**
 * Returns the scheme of GitLab's signing tokens
 * (https://docs.gitlab.com/user/project/integrations/webhooks/), which follow Standard Webhooks:
 * `v1,<base64>` over `<id>.<timestamp>.<body>`. The key is the decoded part after `whsec_`.
 */
const standardScheme = (req: Request, secret: string, clock: Clock): Scheme | undefined => {
  const [id, timestamp] = [req.get('webhook-id'), req.get('webhook-timestamp')];
  const given = (req.get('webhook-signature') ?? '').split(' ').flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : []));
  if (id === undefined || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) return undefined;
  if (Math.abs(clock.now().getTime() / 1000 - Number(timestamp)) > MAX_AGE_S) return undefined;
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
  return { key, prefix: `${id}.${timestamp}.`, given, encoding: 'base64' };
};

/**
 * Returns the scheme of GitHub (`sha256=<hex>`), Gitea and Forgejo (`<hex>`): HMAC-SHA256 over the
 * body.
 */
const hexScheme = (req: Request, secret: string): Scheme | undefined => {
  const github = req.get('X-Hub-Signature-256');
  const given = github === undefined ? (req.get('X-Forgejo-Signature') ?? req.get('X-Gitea-Signature')) : /^sha256=(.*)$/.exec(github)?.[1];
  return given !== undefined && HEX.test(given) ? { key: secret, prefix: '', given: [given], encoding: 'hex' } : undefined;
};

/** Selects the scheme. If there is a signature, GitLab's plain token is ignored. */
const schemeOf = (req: Request, secret: string, clock: Clock): Scheme | undefined =>
  req.get('webhook-signature') === undefined ? hexScheme(req, secret) : standardScheme(req, secret, clock);

/** Reads and hashes the body. @returns its text if it is short enough to parse */
const readBody = async (req: Request, hmac: Hmac | undefined, limit: number): Promise<string> => {
  let size = 0;
  let kept: Buffer[] = [];
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new ApiError('too-large', `A webhook may carry at most ${limit} bytes.`, { Connection: 'close' });
    hmac?.update(chunk);
    if (size <= MAX_KEPT_BYTES) kept.push(chunk);
    else kept = [];
  }
  return Buffer.concat(kept).toString('utf8');
};

const REFUSED =
  'Sign with the secret of this hub: X-Hub-Signature-256 (GitHub), X-Gitea-Signature (Gitea, Forgejo), webhook-signature or X-Gitlab-Token (GitLab).';
const refuse = (detail: string): ApiError => new ApiError('webhook-refused', detail);

const readSigned = async (req: Request, scheme: Scheme, limit: number): Promise<string> => {
  const hmac = createHmac('sha256', scheme.key).update(scheme.prefix);
  const body = await readBody(req, hmac, limit);
  const expected = hmac.digest(scheme.encoding);
  if (scheme.given.some((given) => sameSecret(given, expected))) return body;
  throw refuse(REFUSED);
};

/** Secret of webhooks, and the maximum body size in bytes. */
export interface WebhookOptions {
  readonly secret: string | undefined;
  readonly clock: Clock;
  readonly limit?: number;
}

/**
 * Authenticates a webhook and reads its body.
 *
 * @returns the body; empty if it is too long to parse
 * @throws ApiError `webhook-refused` or `too-large`
 */
export const readWebhook = async (req: Request, options: WebhookOptions): Promise<string> => {
  const { secret, clock, limit = MAX_WEBHOOK_BYTES } = options;
  if (secret === undefined) {
    if (isLoopback(req)) return readBody(req, undefined, limit);
    throw refuse('This hub has no webhook secret, so it accepts webhooks from its own machine only.');
  }
  const scheme = schemeOf(req, secret, clock);
  if (scheme !== undefined) return readSigned(req, scheme, limit);
  const signed = req.get('webhook-signature') !== undefined;
  if (!signed && sameSecret(req.get('X-Gitlab-Token') ?? '', secret)) return readBody(req, undefined, limit);
  throw refuse(REFUSED);
};

/** Content of a webhook that decides whether to fetch. */
export interface Push {
  /** Name of the event, if the sender gives it. */
  readonly event: string | undefined;
  /** Full name of the ref, such as refs/heads/main. */
  readonly ref: string | undefined;
  /** Owner and name of the repository, such as owner/name. */
  readonly repository: string | undefined;
  /** Commit to which the ref now points. */
  readonly revision: string | undefined;
}

const EVENT_HEADERS = ['X-Gitea-Event', 'X-Forgejo-Event', 'X-Gitlab-Event', 'X-GitHub-Event'];
const PUSHES = new Set(['push', 'push hook', 'tag push hook', 'system hook']);

const field = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((part, key) => (typeof part === 'object' && part !== null ? Reflect.get(part, key) : undefined), value);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const REVISION = /^(?!0+$)[0-9a-f]{40}([0-9a-f]{24})?$/;

/**
 * Parses JSON, or JSON in the form field `payload`, which GitHub and Gitea can be configured to
 * send.
 */
const parse = (body: string): unknown => {
  try {
    return JSON.parse(body.startsWith('payload=') ? (new URLSearchParams(body).get('payload') ?? '') : body);
  } catch {
    return undefined;
  }
};

/** Reads headers and content of a webhook. Nothing is trusted, so all fields may be undefined. */
export const readPush = (req: Request, body: string): Push => {
  const payload = parse(body);
  const revision = text(field(payload, 'after'));
  return {
    event: EVENT_HEADERS.map((name) => req.get(name)).find((value) => value !== undefined),
    ref: text(field(payload, 'ref')),
    repository: text(field(payload, 'repository', 'full_name')) ?? text(field(payload, 'project', 'path_with_namespace')),
    revision: revision !== undefined && REVISION.test(revision) ? revision : undefined,
  };
};

const pathOf = (url: string): string =>
  new URL(url).pathname
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .toLowerCase();

/**
 * Returns the reason why a push does not concern this hub; undefined: it may. Fields that the
 * sender omits are ignored. Hosts are not compared, because the hub may reach the Git server under
 * another name.
 */
export const whyIgnored = ({ event, ref, repository }: Push, wanted: { url: string; ref: string }): string | undefined => {
  if (event !== undefined && !PUSHES.has(event.toLowerCase())) return `the event ${event.slice(0, 100)} is no push`;
  const refs = [wanted.ref, `refs/heads/${wanted.ref}`, `refs/tags/${wanted.ref}`];
  const isApproval = ref?.startsWith('refs/tags/fso/') === true;
  if (ref !== undefined && !isApproval && !refs.includes(ref)) return `this hub follows ${wanted.ref}, not ${ref.slice(0, 255)}`;
  if (repository !== undefined && !pathOf(wanted.url).endsWith(`/${repository.toLowerCase()}`))
    return `this hub does not follow the repository ${repository.slice(0, 255)}`;
  return undefined;
};
