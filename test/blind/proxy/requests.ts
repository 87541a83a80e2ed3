import type { IncomingMessage } from 'node:http';

/** `plural.group`, or the plural alone in the core group: a proxy distinguishes kinds by it. */
export type Resource = string;

export const resourceOf = (plural: string, apiVersion: string): Resource =>
  apiVersion.includes('/') ? `${plural}.${apiVersion.split('/')[0]}` : plural;

/** Request that reads a kind. */
export interface KindRequest {
  readonly access: 'list' | 'watch';
  readonly resource: Resource;
  /** Path and selectors: requests for the same objects have the same. */
  readonly collection: string;
  readonly isPage: boolean;
  readonly limit: number;
}

const COLLECTION = /^\/(?:api\/v1|apis\/(?<group>[^/]+)\/[^/]+)(?:\/namespaces\/[^/]+)?\/(?<plural>[a-z0-9]+)$/;
const SELECTORS = ['labelSelector', 'fieldSelector'];

const collectionOf = ({ pathname, searchParams: query }: URL): string => {
  const selectors = new URLSearchParams();
  for (const name of SELECTORS) if (query.has(name)) selectors.set(name, query.get(name) ?? '');
  return selectors.size === 0 ? pathname : `${pathname}?${selectors}`;
};

/** @returns undefined: it reads no kind as a whole */
export const readKindRequest = ({ method, url = '/' }: Pick<IncomingMessage, 'method' | 'url'>): KindRequest | undefined => {
  const asked = new URL(url, 'http://proxy');
  const { group, plural } = COLLECTION.exec(asked.pathname)?.groups ?? {};
  if (method !== 'GET' || plural === undefined) return undefined;
  const query = asked.searchParams;
  return {
    access: query.has('watch') ? 'watch' : 'list',
    resource: group === undefined ? plural : `${plural}.${group}`,
    collection: collectionOf(asked),
    isPage: query.has('continue'),
    limit: Number(query.get('limit') ?? 0),
  };
};
