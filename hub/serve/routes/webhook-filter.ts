import type { Request } from 'express';

/** What of a webhook's content decides whether a fetch is worth it. */
export interface Push {
  /** Name of the event, where the sender says it. */
  readonly event: string | undefined;
  /** e.g. refs/heads/main */
  readonly ref: string | undefined;
  /** owner/name */
  readonly repository: string | undefined;
}

const EVENT_HEADERS = ['X-Gitea-Event', 'X-Forgejo-Event', 'X-Gitlab-Event', 'X-GitHub-Event'];
const PUSHES = new Set(['push', 'push hook', 'tag push hook', 'system hook']);

const field = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((part, key) => (typeof part === 'object' && part !== null ? Reflect.get(part, key) : undefined), value);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** JSON, or JSON in a form's field `payload`, as GitHub and Gitea send it where they are told to. */
const parse = (body: string): unknown => {
  try {
    return JSON.parse(body.startsWith('payload=') ? (new URLSearchParams(body).get('payload') ?? '') : body);
  } catch {
    return undefined;
  }
};

export const readPush = (req: Request, body: string): Push => {
  const payload = parse(body);
  return {
    event: EVENT_HEADERS.map((name) => req.get(name)).find((value) => value !== undefined),
    ref: text(field(payload, 'ref')),
    repository: text(field(payload, 'repository', 'full_name')) ?? text(field(payload, 'project', 'path_with_namespace')),
  };
};

const pathOf = (url: string): string =>
  new URL(url).pathname
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .toLowerCase();

/**
 * Why a push is none of this hub's business; undefined = it is, or may be: what a sender does not say is no reason. Hosts
 * are not compared, as the hub may reach the server under another name than the one the server has for itself.
 */
export const whyIgnored = ({ event, ref, repository }: Push, wanted: { url: string; ref: string }): string | undefined => {
  if (event !== undefined && !PUSHES.has(event.toLowerCase())) return `the event ${event.slice(0, 100)} is no push`;
  const refs = [wanted.ref, `refs/heads/${wanted.ref}`, `refs/tags/${wanted.ref}`];
  if (ref !== undefined && !refs.includes(ref)) return `this hub follows ${wanted.ref}, not ${ref.slice(0, 255)}`;
  if (repository !== undefined && !pathOf(wanted.url).endsWith(`/${repository.toLowerCase()}`))
    return `this hub does not follow the repository ${repository.slice(0, 255)}`;
  return undefined;
};
