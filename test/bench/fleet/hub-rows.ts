import { setTimeout as delay } from 'node:timers/promises';
import { ClusterPolicyPage, type ClusterView, type PolicyReport } from '@fso/shared/api';
import { createHubClient } from '../../../hub/cli/client/api-client.ts';
import { type ClusterRows, digestOfRows } from './rows.ts';

const AT_ONCE = 3;
const AGAIN_MS = 1_000;

interface Api {
  readonly url: string;
  readonly token: string;
}

/** Reads a page. Retries while the hub is overloaded. */
const readPage = async ({ url, token }: Api, path: string): Promise<unknown> => {
  for (;;) {
    const answer = await fetch(url + path, { headers: { Authorization: `Bearer ${token}` } });
    if (answer.ok) return answer.json();
    if (answer.status !== 429 && answer.status !== 503) throw new Error(`the hub answers ${answer.status} for ${path}`);
    await answer.arrayBuffer();
    await delay(AGAIN_MS);
  }
};

const readFailed = async (api: Api, cluster: string): Promise<readonly PolicyReport[]> => {
  const reports: PolicyReport[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const query = new URLSearchParams({ phase: 'Failed', limit: '500', ...(cursor !== '' && { cursor }) });
    const page = ClusterPolicyPage.parse(await readPage(api, `/api/v1/clusters/${cluster}/policies?${query}`));
    reports.push(...page.items.flatMap(({ report }) => report ?? []));
    cursor = page.next;
  }
  return reports;
};

const toRows = async (api: Api, { name, connection, revision, policies, report }: ClusterView): Promise<ClusterRows> => {
  const { total, active, pending, failed } = policies;
  const isKnown = connection === 'Connected';
  return {
    revision: isKnown ? revision : `${revision}, not connected`,
    gatekeeper: report?.gatekeeper.state ?? 'unknown',
    total,
    active,
    pending,
    failed,
    digest: digestOfRows(await readFailed(api, name)),
  };
};

/** Reads the state of every cluster from the API of a hub. */
export const readHubRows = async (api: Api): Promise<ReadonlyMap<string, ClusterRows>> => {
  const waiting = await createHubClient({ server: api.url, token: api.token }).clusters();
  const rows = new Map<string, ClusterRows>();
  const work = async (): Promise<void> => {
    for (let view = waiting.shift(); view !== undefined; view = waiting.shift()) rows.set(view.name, await toRows(api, view));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return rows;
};
