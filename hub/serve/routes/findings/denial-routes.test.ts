import { type ClusterDenials, DenialGroupPage, DenialPage, DenialReport } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { denialOf, reportDenials } from '../../testing/denials.ts';
import { readerOf, started } from '../../testing/requests.ts';

const WEB = denialOf('web', 30);
const JOB = denialOf('nightly', 5, { kind: 'CronJob', policies: ['finance', 'hr'], reason: 'spec.nodeSelector allows region "us-east-1"' });
const COUNTED: ClusterDenials = { minutes: 60, pods: 100, recent: 40, bindings: 3, owners: 2, named: 35, denials: [WEB, JOB] };

const refusing = async (denials: ClusterDenials = COUNTED) => {
  const server = await started({});
  await reportDenials(server, denials);
  return readerOf(server);
};

describe('owners whose pods were refused', () => {
  it('are listed as clusters name them, filtered and sorted', async () => {
    await using hub = await refusing();
    const names = async (query: string) => DenialPage.parse(await hub.read(`denials${query}`)).items.map(({ name }) => name);
    expect(await names('')).toEqual(['nightly', 'web']);
    expect(await names('?sort=-count')).toEqual(['web', 'nightly']);
    expect(await names('?policy=hr')).toEqual(['nightly']);
    expect(await names('?kind=Deployment&q=WEB')).toEqual(['web']);
    const [first] = DenialPage.parse(await hub.read('denials?name=web')).items;
    expect(first).toEqual({ ...WEB, cluster: 'eu', fresh: true });
  });

  it('are added up, and a cluster has what its API server counted beside them', async () => {
    await using hub = await refusing();
    const groups = async (by: string) => DenialGroupPage.parse(await hub.read(`denial-groups?by=${by}`)).items;
    expect(await groups('cluster')).toEqual([{ key: 'eu', count: 35, owners: 2, clusters: 1, total: 100, unnamed: 65 }]);
    const uncounted = { clusters: 1, total: null, unnamed: null };
    expect(await groups('policy')).toEqual([
      { key: 'finance', count: 35, owners: 2, ...uncounted },
      { key: 'hr', count: 5, owners: 1, ...uncounted },
    ]);
    expect((await groups('reason')).map(({ key, count }) => [key, count])).toEqual([
      [WEB.reason, 30],
      [JOB.reason, 5],
    ]);
    expect((await groups('owner')).map(({ key }) => key)).toEqual(['eu/finance/Deployment/web', 'eu/finance/CronJob/nightly']);
    expect((await groups('team')).reduce((sum, { owners }) => sum + owners, 0)).toBeGreaterThanOrEqual(2);
  });

  it('are counted also where a cluster has more than it lists', async () => {
    await using hub = await refusing({ ...COUNTED, owners: 300, named: 90 });
    expect(DenialGroupPage.parse(await hub.read('denial-groups?by=cluster')).items).toEqual([
      { key: 'eu', count: 90, owners: 300, clusters: 1, total: 100, unnamed: 10 },
    ]);
    expect(DenialReport.parse(await hub.read('reports/denials'))).toMatchObject({ omitted: 298, denials: { length: 2 } });
    expect(await hub.get('reports/denials?format=csv')).toContain('298 more owners are not listed.');
    await hub.server.ledger.setConnected('eu', false);
    expect(DenialReport.parse(await hub.read('reports/denials')).omitted).toBe(298);
  });

  it('are as last reported, without a total, where a cluster is away', async () => {
    await using hub = await refusing();
    await hub.server.ledger.setConnected('eu', false);
    expect(DenialPage.parse(await hub.read('denials')).items.every(({ fresh }) => !fresh)).toBe(true);
    expect(DenialGroupPage.parse(await hub.read('denial-groups?by=cluster')).items).toMatchObject([
      { key: 'eu', total: null, unnamed: null },
    ]);
    expect(DenialReport.parse(await hub.read('reports/denials'))).toMatchObject({ clusters: [], unknownClusters: ['eu', 'us'] });
  });

  it('have no count where the API server cannot be asked', async () => {
    const { count: _count, ...web } = WEB;
    await using hub = await refusing({ minutes: 0, pods: null, recent: null, bindings: null, owners: 1, named: 0, denials: [web] });
    expect(DenialGroupPage.parse(await hub.read('denial-groups?by=policy')).items).toMatchObject([
      { key: 'finance', count: null, owners: 1 },
    ]);
    expect(DenialGroupPage.parse(await hub.read('denial-groups?by=cluster')).items).toMatchObject([
      { key: 'eu', count: null, total: null },
    ]);
  });

  it('are exported with what has no owner, and with the clusters of which not all is known', async () => {
    await using hub = await refusing();
    const report = DenialReport.parse(await hub.read('reports/denials'));
    expect(report).toMatchObject({
      clusters: [{ cluster: 'eu', pods: 100, unnamed: 65, minutes: 60 }],
      omitted: 0,
      unknownClusters: ['us'],
    });
    expect((await hub.get('reports/denials?format=csv')).trim().split('\r\n')).toEqual([
      'cluster,policies,namespace,kind,name,count,since,last,reason,fix,fresh',
      expect.stringContaining('eu,finance hr,finance,CronJob,nightly,5,'),
      expect.stringContaining('eu,finance,finance,Deployment,web,30,'),
      expect.stringContaining('Without an owner.'),
      expect.stringContaining('us,'),
    ]);
  });

  it('are an issue of the cluster once refusals come twice as fast as within the hour', async () => {
    const issues = async (denials: ClusterDenials) => {
      await using hub = await refusing(denials);
      const { items } = (await hub.read('issues?cluster=eu')) as { items: { name: string; path: string; summary: string }[] };
      return items.filter(({ name }) => name === 'DenialsRise');
    };
    expect(await issues(COUNTED)).toMatchObject([{ path: '/compliance/denials?cluster=eu' }]);
    // As fast as before; too few; counted for too short a time; not known.
    for (const other of [{ recent: 30 }, { pods: 19, recent: 19 }, { minutes: 10, pods: 40 }, { recent: null }])
      expect(await issues({ ...COUNTED, ...other })).toEqual([]);
  });
});
