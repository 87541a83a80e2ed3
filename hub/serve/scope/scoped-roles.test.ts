import { CLI_SESSION, type ProblemDetails, type RoleGrant } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { principalOf } from '../../access/index.ts';
import { startApiHarness } from '../testing/api-harness.ts';
import { fillMarkedLedger } from './testing/marked-fleet.ts';

it('gives the highest role of the grants that cover a cluster, and elsewhere that of the others', async () => {
  await using server = await startApiHarness({ apiToken: 'static-token-0123456789' });
  await fillMarkedLedger(server.ledger);
  const grants: RoleGrant[] = [
    { role: 'viewer' },
    { role: 'operator', clusters: { clusterNames: ['us-xcluster'] } },
    { role: 'admin', clusters: { clusterRegions: ['group:eu'] } },
    { role: 'admin', clusters: { clusterNames: ['us-xcluster'] }, policies: { policyNames: ['*'] } },
  ];
  const principal = principalOf({ kind: 'user', id: 'eva', name: 'Eva' }, grants);
  const token = CLI_SESSION + (await server.access.sessions.begin(principal, { byCookie: false }));
  const call = async (method: string, path: string): Promise<number> =>
    (await fetch(`${server.url}/api/v1/${path}`, { method, headers: { Authorization: `Bearer ${token}` } })).status;
  expect([await call('GET', 'audit'), await call('GET', 'clusters/us-xcluster'), await call('GET', 'clusters/retired-xcluster')]).toEqual([
    200, 200, 200,
  ]);
  const enrol = (cluster: string): Promise<number> => call('POST', `clusters/${cluster}/enrolment-token`);
  expect([await enrol('eu-1'), await enrol('us-xcluster'), await enrol('retired-xcluster'), await enrol('new')]).toEqual([
    200, 403, 403, 403,
  ]);
  expect([await call('POST', 'clusters/eu-1/revoke'), await call('POST', 'clusters/us-xcluster/revoke')]).toEqual([200, 403]);
  // Operator of a cluster, administrator of some: neither is one of the hub.
  expect([await call('POST', 'source/fetch'), await call('GET', 'tokens'), await call('DELETE', 'clusters/retired-xcluster')]).toEqual([
    403, 403, 403,
  ]);
  expect(server.hints).toBe(0);
  const refused = await fetch(`${server.url}/api/v1/tokens`, { headers: { Authorization: `Bearer ${token}` } });
  expect(((await refused.json()) as ProblemDetails).detail).toBe(
    'You are Eva with the role admin for clusters in group:eu, and clusters named us-xcluster; policies named *; this needs the role admin for everything: it concerns the whole hub.',
  );
});
