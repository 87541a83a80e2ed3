import { type ClusterProcessing, ProcessingReport, type ProcessingRow } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { REVISION } from '../../testing/fleet.ts';
import { started } from '../../testing/requests.ts';

const row = (namespace: string, more: Partial<ProcessingRow> = {}): ProcessingRow => ({
  namespace,
  policies: ['finance'],
  country: 'IE',
  provider: 'aws',
  region: 'eu-west-1',
  pods: 3,
  ...more,
});
const UNKNOWN = { country: null, provider: null, region: '' };

/** A hub whose agents answer with these; it lists whom it asked. */
const answering = async (answers: Readonly<Record<string, ClusterProcessing | Error>>) => {
  const asked: string[] = [];
  const locate = async (cluster: string): Promise<ClusterProcessing | undefined> => {
    asked.push(cluster);
    const answer = answers[cluster];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const server = await started({ agents: { locate } });
  const get = async (query = ''): Promise<string> => (await fetch(`${server.url}/api/v1/reports/processing${query}`)).text();
  return { server, asked, get, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

describe('the report of countries of processing', () => {
  it('lists the answers of all agents, and the clusters without one', async () => {
    await using hub = await answering({ eu: { rows: [row('finance'), row('hr', UNKNOWN)], omitted: 2 } });
    const report = ProcessingReport.parse(JSON.parse(await hub.get()));
    expect(report).toMatchObject({
      revision: REVISION,
      processing: [
        { cluster: 'eu', ...row('finance') },
        { cluster: 'eu', ...row('hr', UNKNOWN) },
      ],
      omitted: 2,
      unknownClusters: ['us'],
    });
  });

  it('is a table with unknown where no country is known', async () => {
    await using hub = await answering({ eu: { rows: [row('finance'), row('hr', UNKNOWN)], omitted: 2 } });
    expect((await hub.get('?format=csv')).split('\r\n')).toEqual([
      'cluster,namespace,country,provider,region,pods,policies,note',
      'eu,finance,IE,aws,eu-west-1,3,finance,',
      'eu,hr,unknown,unknown,unknown,3,finance,',
      'eu,,,,,,,2 more are not listed.',
      'us,,unknown,,,,,Nothing is known of this cluster now.',
      '',
    ]);
  });

  it('leaves out the earlier answer of a cluster that is gone', async () => {
    await using hub = await answering({ eu: { rows: [row('finance')], omitted: 0 } });
    await hub.server.ledger.setConnected('eu', false);
    expect(ProcessingReport.parse(JSON.parse(await hub.get()))).toMatchObject({ processing: [], unknownClusters: ['eu', 'us'] });
    expect(hub.asked).not.toContain('eu');
  });

  it('reads unknown where an agent cannot be asked', async () => {
    await using hub = await answering({ eu: new Error('the database is away') });
    expect(ProcessingReport.parse(JSON.parse(await hub.get())).unknownClusters).toEqual(['eu', 'us']);
  });
});
