// biome-ignore lint/correctness/noUnresolvedImports: part of Node.js.
import { DatabaseSync } from 'node:sqlite';
import { policyKey } from '@fso/shared/api';
import type { HubClient } from '../../hub/cli/client/api-client.ts';
import { verifyAudit } from '../../hub/ledger/audit/verify.ts';
import { counterOf, type SimulatedAgent } from './simulated-agent.ts';

/** What is wrong with the file of an embedded ledger; it is read beside the hub. */
export const fileDamage = (path: string): string[] => {
  using database = new DatabaseSync(path, { readOnly: true });
  const found = database.prepare('pragma integrity_check').all();
  return found.map((row) => String(Object.values(row)[0])).filter((line) => line !== 'ok');
};

/** What a hub had acknowledged and does not know any more; one line each. */

export const policyLosses = async (hub: HubClient, agents: readonly SimulatedAgent[]): Promise<string[]> => {
  const known = new Map<string, number>();
  for (const policy of await hub.policies())
    for (const { cluster, report } of policy.clusters) if (report !== null) known.set(`${cluster} ${policyKey(policy)}`, counterOf(report));
  return agents.flatMap(({ cluster, acknowledged }) =>
    [...acknowledged].flatMap(([key, counter]) => {
      const is = known.get(`${cluster} ${key}`) ?? -1;
      return is >= counter ? [] : [`policy ${key} of ${cluster} is at ${is}, acknowledged was ${counter}`];
    }),
  );
};

export const eventLosses = async (url: string, token: string, agents: readonly SimulatedAgent[]): Promise<string[]> => {
  const missing = new Set(agents.flatMap(({ events }) => [...events]));
  let cursor = '';
  do {
    const answer = await fetch(`${url}/api/v1/events?limit=500${cursor}`, { headers: { Authorization: `Bearer ${token}` } });
    const page = (await answer.json()) as { items: { message: string }[]; next: string | null };
    for (const { message } of page.items) missing.delete(message);
    cursor = page.next === null ? '' : `&cursor=${page.next}`;
  } while (cursor !== '' && missing.size > 0);
  return [...missing].map((message) => `event "${message}" was acknowledged and is lost`);
};

/**
 * @param requests ids of acknowledged calls
 * @param agents `<action> <cluster> <message>` of what was acknowledged to agents
 */
export const auditLosses = async (
  hub: HubClient,
  { requests, agents }: { requests: ReadonlySet<string>; agents: ReadonlySet<string> },
): Promise<string[]> => {
  const missing = new Set([...requests, ...agents]);
  const proofs = await hub.auditProofs();
  const entries = async function* () {
    for await (const entry of hub.wholeAudit()) {
      const { action, subject, detail } = entry;
      missing.delete(String(detail['requestId']));
      missing.delete(`${action} ${subject} ${detail['message']}`);
      yield entry;
    }
  };
  const verified = await verifyAudit(entries(), proofs);
  return [
    ...verified.problems.map(({ message }) => message),
    ...[...missing].map((what) => `the audit entry of "${what}" was acknowledged and is lost`),
  ];
};
