import { CATALOG_PATH, type RegionCatalogSpec } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { catalogFile } from '../../shared/decode/testing/decoded.ts';
import { region, TEST_CATALOG } from '../../shared/regions/testing/catalogue.ts';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { waitFor } from '../harness/waiting.ts';
import { useStream } from './stream-harness.ts';

const harness = useStream('stream-regions');

const catalogText = (spec: RegionCatalogSpec): string => catalogFile(spec).text;

it('a commit with a catalogue reaches a cluster as the names that its provider means, with their conflicts', async () => {
  const bench = await openHubHarness();
  try {
    const hub = await bench.startHub();
    const holds = async (change: Record<string, string>, allowedRegions: readonly string[], regionConflicts?: readonly object[]) => {
      const revision = await bench.repository.commit(change, 'change');
      hub.source.hint();
      await waitFor(async () => {
        expect((await hub.ledger.cluster('eu'))?.acked?.revision).toBe(revision);
        const policy = await harness.policy('p');
        expect([policy?.spec.allowedRegions, policy?.spec.regionConflicts]).toEqual([allowedRegions, regionConflicts]);
      });
    };
    const registration = clusterFile('eu', ['eu-west-1']);
    await bench.repository.commit({ 'clusters/eu.yaml': registration, 'policies/p.yaml': policyFile('p', ['eu-west-1']) }, 'first');
    await harness.startAgent(hub.agentUrl, TOKENS.get('eu'));
    await holds({ 'policies/p.yaml': policyFile('p', ['us-east-1', 'eu-west-1']) }, ['eu-west-1', 'us-east-1']);

    // A bare name keeps its meaning where the cluster has one of the providers alone.
    const both = [{ providers: ['alibaba', 'aws'], regions: ['eu-west-1'] }];
    await holds({ [CATALOG_PATH]: catalogText(TEST_CATALOG) }, ['eu-west-1', 'us-east-1'], both);
    const declared = registration.replace('spec:', 'spec:\n  provider: aws');
    expect(declared).not.toBe(registration);
    const alibaba = [{ providers: ['alibaba'], regions: ['eu-west-1'] }];
    await holds({ 'clusters/eu.yaml': declared }, ['eu-west-1', 'us-east-1'], alibaba);
    await holds({ 'policies/p.yaml': policyFile('p', ['country:IE']) }, ['eu-west-1'], alibaba);

    const moved = TEST_CATALOG.regions.filter(({ provider }) => provider !== 'alibaba');
    const regions = [...moved, region('aws/eu-north-9', 'IE', { until: '2090-01-01' })];
    const ends = [{ providers: [], regions: ['eu-north-9'], from: '2090-01-01' }];
    await holds({ [CATALOG_PATH]: catalogText({ ...TEST_CATALOG, regions }) }, ['eu-north-9', 'eu-west-1'], ends);

    const reasons = (await hub.ledger.events({ limit: 100 })).map(({ reason }) => reason);
    expect(reasons).not.toContain('DigestMismatch');
    expect(reasons).not.toContain('RevisionRefused');
  } finally {
    await harness.agent?.stop();
    await bench.close();
  }
});
