// biome-ignore lint/correctness/noUnresolvedImports: part of Node.js.
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { type PolicyReport, policyKey } from '@fso/shared/api';
import type { HubClient } from '../../hub/cli/client/api-client.ts';
import { verifyAudit } from '../../hub/ledger/audit/verify.ts';
import type { ModelStatus } from './cluster-model.ts';
import type { SimulatedAgent } from './simulated-agent.ts';

/** Checks the file of an embedded ledger while the hub has it open. Returns the damage found. */
export const fileDamage = (path: string): string[] => {
  using database = new DatabaseSync(path, { readOnly: true });
  const found = database.prepare('pragma integrity_check').all();
  return found.map((row) => String(Object.values(row)[0])).filter((line) => line !== 'ok');
};

/** Losses: facts that a hub had acknowledged and no longer knows, one line each. */

/**
 * Returns the policies that the hub shows, by cluster and key. Leaves out the commit that
 * introduced their content, which only the hub knows.
 */
const shownBy = async (hub: HubClient): Promise<ReadonlyMap<string, ReadonlyMap<string, unknown>>> => {
  const shown = new Map<string, Map<string, unknown>>();
  for (const policy of await hub.policies())
    for (const { cluster, report } of policy.clusters) {
      if (report === null) continue;
      const policies = shown.get(cluster) ?? new Map<string, unknown>();
      shown.set(cluster, policies.set(policyKey(policy), withoutRevision(report)));
    }
  return shown;
};

const withoutRevision = ({ revision: _revision, ...report }: PolicyReport): unknown => report;

const keysThatDiffer = ({ shown }: ModelStatus, known: ReadonlyMap<string, unknown>): readonly string[] =>
  [...new Set([...shown.keys(), ...known.keys()])].filter((key) => {
    const report = shown.get(key);
    return !isDeepStrictEqual(report && withoutRevision(report), known.get(key));
  });

const losses = (agent: SimulatedAgent, known: ReadonlyMap<string, unknown>): readonly string[] => {
  const { cluster, possible } = agent;
  if (!agent.isKnown && known.size === 0) return [];
  const found = possible.find((status) => keysThatDiffer(status, known).length === 0);
  if (found !== undefined) {
    agent.noteShown(found);
    return [];
  }
  const [acknowledged] = possible;
  if (acknowledged === undefined) return [`${cluster} has reported nothing, and the hub knows ${known.size} policies of it`];
  return keysThatDiffer(acknowledged, known).map((key) => {
    const [was, is] = [acknowledged.shown.get(key), known.get(key)].map((report) => JSON.stringify(report));
    return `policy ${key} of ${cluster} is not as in one of ${possible.length} reports: it is ${is}, acknowledged was ${was}`;
  });
};

/**
 * Returns the policies that the hub has lost. Of each cluster it must have a complete report: the
 * last one that it acknowledged, or a later one.
 */
export const policyLosses = async (hub: HubClient, agents: readonly SimulatedAgent[]): Promise<string[]> => {
  const shown = await shownBy(hub);
  return agents.flatMap((agent) => losses(agent, shown.get(agent.cluster) ?? new Map()));
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
 * @param agents `<action> <cluster> <message>` of operations that were acknowledged to agents
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
