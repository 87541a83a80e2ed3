import { CLI_SESSION, ProcessingReport, type RoleGrant } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { principalOf } from '../../access/index.ts';
import { startApiHarness } from '../testing/api-harness.ts';
import { fillMarkedLedger, markedAgents } from './testing/marked-fleet.ts';

/** The report of processing as someone with a grant gets it, while an agent left three rows out. */
const reportFor = async (grant: Omit<RoleGrant, 'role'>, format = 'json'): Promise<string> => {
  const locate = async (cluster: string) => ({ ...(await markedAgents.locate(cluster)), omitted: cluster === 'eu-1' ? 3 : 0 });
  await using server = await startApiHarness({ apiToken: 'static-token-0123456789', agents: { ...markedAgents, locate } });
  await fillMarkedLedger(server.ledger);
  const principal = principalOf({ kind: 'user', id: 'eva', name: 'Eva' }, [{ role: 'viewer', ...grant }]);
  const token = CLI_SESSION + (await server.access.sessions.begin(principal, { byCookie: false }));
  const headers = { Authorization: `Bearer ${token}` };
  return (await fetch(`${server.url}/api/v1/reports/processing?format=${format}`, { headers })).text();
};

const EU = { clusters: { clusterNames: ['eu-1'] } };
const FINANCE = { policies: { targetNamespaces: ['finance*'] } };

it('counts rows of processing that an agent left out for callers who see the whole cluster', async () => {
  expect(ProcessingReport.parse(JSON.parse(await reportFor({}))).omitted).toBe(3);
  expect(ProcessingReport.parse(JSON.parse(await reportFor(EU))).omitted).toBe(3);
  expect(await reportFor(EU, 'csv')).toContain('eu-1,,,,,,,3 more are not listed.');
});

it('gives no number to callers who see a part of it', async () => {
  const report = ProcessingReport.parse(JSON.parse(await reportFor(FINANCE)));
  expect([report.omitted, report.processing.length > 0]).toEqual([null, true]);
  expect(await reportFor(FINANCE, 'csv')).toContain('eu-1,,,,,,,More may not be listed.');
});
