import { type EnrolmentTokenView, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { makeRequest } from '../identity/testing/identity.ts';
import { type ApiHarness, fillLedger, startApiHarness } from '../serve/testing/api-harness.ts';
import { runFso } from './testing/run-fso.ts';

const API_TOKEN = 's3cret';
const started = async (config: Parameters<typeof startApiHarness>[0] = { apiToken: API_TOKEN }): Promise<ApiHarness> => {
  const server = await startApiHarness(config);
  await fillLedger(server.ledger);
  return server;
};
const fso = (server: ApiHarness, ...args: string[]) => runFso(['clusters', ...args], { FSO_SERVER: server.url, FSO_TOKEN: API_TOKEN });
const tokenIn = (text: string): string => /fso1\.\S+/.exec(text)?.[0] ?? '';

describe('fso clusters', () => {
  it('forget: also before the hub has read the repository, where it is forced to', async () => {
    await using server = await startApiHarness({ apiToken: API_TOKEN });
    await server.ledger.setConnected('old', true);
    await server.ledger.setConnected('old', false);
    expect(await fso(server, 'forget', 'old', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('has not read the repository'),
    });
    expect(await fso(server, 'forget', 'old', '--yes', '--force')).toMatchObject({ code: 0, out: 'old is forgotten.\n' });
    expect(await server.ledger.cluster('old')).toBeNull();
  });

  it('add: prints what to commit and what to run; the token is good', async () => {
    await using server = await started();
    const options = ['--region', 'ap-south-1', '--region', 'ap-east-1', '--label', 'env=prod', '--provider', 'aws'];
    const { code, out, err } = await fso(server, 'add', 'apac', ...options);
    expect([code, err]).toEqual([0, '']);
    const [document = '', token = '', commands = ''] = out.split('\n\n');
    expect(document).toMatch(/^# Commit this as clusters\/apac.yaml:\n/);
    expect(parse(document)).toEqual({
      apiVersion: 'compliance.federated.io/v1',
      kind: 'ManagedCluster',
      metadata: { name: 'apac', labels: { env: 'prod' } },
      spec: { regions: ['ap-south-1', 'ap-east-1'], provider: 'aws' },
    });
    expect(token).toMatch(/^# Token of apac, good once, until .+:\nfso1\.apac\.\S+$/);
    expect(commands).toContain(`--set-string cluster=apac --set-string 'hub.url=wss://hub.example.com:8443' `);
    expect(commands).toContain('--set-string global.imageRegistry=REGISTRY --set-string platform=PLATFORM --set-file signers.ssh=');
    // The shell keeps commands in its history.
    expect(commands).not.toContain('fso1.');
    expect((await server.identity.enrol(tokenIn(out), (await makeRequest()).csr)).cluster).toBe('apac');
  });

  it('add: prints no registration where one exists, and requires the regions where there is none', async () => {
    await using server = await started();
    expect((await fso(server, 'add', 'eu')).out).toMatch(/^# Token of eu, good once, until /);
    expect(await fso(server, 'add', 'apac')).toMatchObject({ code: 2, err: expect.stringContaining('with --region') });
    expect(await fso(server, 'add', 'apac', '--region', 'no region!')).toMatchObject({
      code: 2,
      err: expect.stringContaining('spec.regions.0'),
    });
    expect(await server.identity.get('apac')).toBeUndefined();
  });

  it('token: as a Secret for kubectl, under the name that the chart of the agent mounts', async () => {
    await using server = await started();
    const { out } = await fso(server, 'token', 'apac', '-o', 'secret');
    const { stringData, ...secret } = parse(out) as { stringData: { token: string } };
    expect(secret).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'fso-enrolment', namespace: SYSTEM_NAMESPACE },
      type: 'Opaque',
    });
    expect((await server.identity.enrol(stringData.token, (await makeRequest()).csr)).cluster).toBe('apac');
  });

  it('token: as JSON too, for the given duration', async () => {
    await using server = await started();
    const { out } = await fso(server, 'token', 'eu', '--ttl', '5m', '-o', 'json');
    const token = JSON.parse(out) as EnrolmentTokenView;
    const leftMs = Date.parse(token.expires) - Date.now();
    expect([token.cluster, leftMs > 290_000, leftMs <= 300_000]).toEqual(['eu', true, true]);
    for (const args of [
      ['token', 'eu', '--ttl', '2h'],
      ['token', '../x'],
      ['token', 'E\u0075'],
      ['token', '\u0435u'],
    ]) {
      expect((await fso(server, ...args)).code).toBe(2);
    }
  });

  it('list: shows who has enrolled, who may, and who never did', async () => {
    await using server = await started();
    const enrolled = await server.identity.issueToken('eu', 60_000);
    await server.identity.enrol(enrolled.token, (await makeRequest()).csr);
    await server.identity.issueToken('apac', 60_000);
    const { out } = await fso(server, 'list');
    expect(out.split('\n').map((line) => line.split(/ {2,}/).slice(0, 5))).toEqual([
      ['NAME', 'REGISTERED', 'ENROLMENT', 'CERTIFICATE', 'CONNECTION'],
      ['apac', 'no', expect.stringMatching(/^invited, token good in (1m|\d+s)$/), '-', 'NeverSeen'],
      ['eu', 'yes', 'enrolled', 'in 23h', 'Connected'],
      ['us', 'yes', 'none', '-', 'Connected'],
      [''],
    ]);
  });

  it('revoke: only with --yes, and only existing clusters', async () => {
    await using server = await started();
    expect(await fso(server, 'revoke', 'eu')).toMatchObject({ code: 2, err: expect.stringContaining('Repeat with --yes') });
    expect(await server.identity.get('eu')).toBeUndefined();
    expect(await fso(server, 'revoke', 'nowhere', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('There is no cluster nowhere'),
    });
    expect(await fso(server, 'revoke', 'eu', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('eu is revoked (generation 1)'),
    });
    expect((await server.identity.get('eu'))?.state).toBe('revoked');
  });

  it('forget: only with --yes, and only clusters that are neither registered nor connected', async () => {
    await using server = await started();
    await server.ledger.setConnected('old', true);
    await server.ledger.setConnected('old', false);
    expect(await fso(server, 'forget', 'old')).toMatchObject({ code: 2, err: expect.stringContaining('Repeat with --yes') });
    expect(await server.ledger.cluster('old')).not.toBeNull();
    expect(await fso(server, 'forget', 'eu', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('eu is registered') });
    expect(await fso(server, 'forget', 'old', '--yes')).toEqual({ code: 0, out: 'old is forgotten.\n', err: '' });
    expect(await server.ledger.cluster('old')).toBeNull();
  });

  it('changes nothing without a token, nor at a hub that has none', async () => {
    await using server = await started();
    const open = await started({});
    for (const [command, url, status] of [
      ['token eu', server.url, 'needs a valid token'],
      ['revoke eu --yes', server.url, 'needs a valid token'],
      ['forget eu --yes', server.url, 'needs a valid token'],
      ['token eu', open.url, 'needs the role admin'],
      ['revoke eu --yes', open.url, 'needs the role admin'],
    ] as const) {
      expect(await runFso(['clusters', ...command.split(' ')], { FSO_SERVER: url })).toMatchObject({
        code: 2,
        err: expect.stringContaining(status),
      });
    }
    expect(await server.identity.list()).toEqual([]);
    expect(await open.identity.list()).toEqual([]);
    await open[Symbol.asyncDispose]();
  });
});
