import { CSRF_HEADER, type Page } from '@fso/shared/api';
import { HubUnreachable, problemOf } from './problem.ts';

/** Query parameters; what is undefined is left out. */
export type Params = Readonly<Record<string, string | number | boolean | undefined>>;

export const urlOf = (path: string, params: Params = {}): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
};

/** @throws ApiProblem, HubUnreachable, or the reason of the signal */
export const request = async (url: string, init: RequestInit, signal?: AbortSignal): Promise<Response> => {
  const response = await fetch(url, { ...init, credentials: 'same-origin', signal: signal ?? null }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new HubUnreachable(error);
  });
  if (!response.ok) throw await problemOf(response);
  return response;
};

/** @throws as {@link request} */
export const getJson = async <T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> => {
  const response = await request(urlOf(path, params), { headers: { Accept: 'application/json' } }, signal);
  return (await response.json()) as T;
};

/** As many as the hub gives at once. */
const PAGE_ROWS = 500;

/** All rows of a list that the hub pages. @throws as {@link request} */
export const getAll = async <T>(path: string, params: Params, signal: AbortSignal): Promise<T[]> => {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<T> = await getJson(path, { ...params, limit: PAGE_ROWS, cursor }, signal);
    rows.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return rows;
};

const CHANGE_HEADERS = { Accept: 'application/json', [CSRF_HEADER]: '1' };

/** A call that removes something. @throws as {@link request} */
export const deleteJson = async <T>(path: string): Promise<T> =>
  (await request(path, { method: 'DELETE', headers: CHANGE_HEADERS })).json() as Promise<T>;

/** A call that changes something. @throws as {@link request} */
export const postJson = async <T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> => {
  const headers = { ...CHANGE_HEADERS, 'Content-Type': 'application/json' };
  const response = await request(path, { method: 'POST', headers, body: JSON.stringify(body ?? {}) }, signal);
  return (await response.json()) as T;
};
