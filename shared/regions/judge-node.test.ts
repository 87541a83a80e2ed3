import { describe, expect, it } from 'vitest';
import { indexCatalog } from './catalog-index.ts';
import { judgeNode, type NodeFacts, type NodeJudgement } from './judge-node.ts';
import { TEST_CATALOG } from './testing/catalogue.ts';

const CATALOG = indexCatalog(TEST_CATALOG);
const judge = (providerID: string | undefined, region?: string, zone?: string, defaultProvider?: string): NodeJudgement =>
  judgeNode({ providerID, region, zone }, CATALOG, defaultProvider);

describe('judgeNode', () => {
  it.each<[string, NodeFacts, Partial<NodeJudgement>]>([
    ['aws', { providerID: 'aws:///eu-west-1a/i-0abc', region: 'eu-west-1', zone: 'eu-west-1a' }, { provider: 'aws', country: 'IE' }],
    ['aws without zone labels', { providerID: 'aws:///eu-west-1a/i-0abc', region: 'eu-west-1' }, { provider: 'aws', country: 'IE' }],
    [
      'aws on Fargate',
      { providerID: 'aws:///eu-west-1b/0a1b/fargate-ip-10-0-0-1', region: 'eu-west-1', zone: 'eu-west-1b' },
      { country: 'IE' },
    ],
    [
      'gcp',
      { providerID: 'gce://project/europe-west1-b/name', region: 'europe-west1', zone: 'europe-west1-b' },
      { provider: 'gcp', country: 'BE' },
    ],
    [
      'alibaba without a scheme',
      { providerID: 'eu-west-1.i-bp1abc', region: 'eu-west-1', zone: 'eu-west-1a' },
      { provider: 'alibaba', country: 'GB' },
    ],
    ['alibaba', { providerID: 'alicloud://cn-hangzhou.i-bp1abc', region: 'cn-hangzhou', zone: 'cn-hangzhou-b' }, { country: 'CN' }],
    [
      'oci',
      { providerID: 'oci://ocid1.instance.oc1.eu-frankfurt-1.anthel', region: 'eu-frankfurt-1', zone: 'EU-FRANKFURT-1-AD-1' },
      { provider: 'oci', country: 'DE' },
    ],
    ['oci without a scheme', { providerID: 'ocid1.instance.oc1.iad.anuwcl', region: 'us-ashburn-1', zone: 'PHX-AD-1' }, { country: 'US' }],
    [
      'azure, by the name of the region',
      { providerID: 'azure:///subscriptions/s/resourceGroups/g/providers/p/virtualMachines/0', region: 'westeurope', zone: 'westeurope-1' },
      { provider: 'azure', country: 'NL' },
    ],
    ['azure without zones', { providerID: 'azure:///subscriptions/s', region: 'westeurope', zone: '0' }, { country: 'NL' }],
    [
      'scaleway',
      { providerID: 'scaleway://instance/fr-par-1/0a1b', region: 'fr-par', zone: 'fr-par-1' },
      { provider: 'scaleway', country: 'FR' },
    ],
  ])('confirms a node of %s', (_name, facts, expected) => {
    expect(judgeNode(facts, CATALOG)).toEqual({ ...judgeNode(facts, CATALOG), region: facts.region, verdict: 'confirmed', ...expected });
  });

  it('knows a node in a zone of another country by the zone', () => {
    const istanbul = { provider: 'aws', region: 'eu-central-1-ist-1a', country: 'TR', verdict: 'confirmed' };
    const id = 'aws:///eu-central-1-ist-1a/i-0';
    expect(judge(id, 'eu-central-1', 'eu-central-1-ist-1a')).toEqual(istanbul);
    expect(judge(id, 'eu-central-1')).toEqual(istanbul);
    // Without a provider no country is known, but none has such a zone in the region's country.
    expect(judge(undefined, 'eu-central-1', 'eu-central-1-ist-1a')).toMatchObject({
      region: 'eu-central-1-ist-1a',
      country: 'TR',
      verdict: 'unchecked',
    });
    expect(judge(undefined, 'us-east-1', 'us-east-1-lim-1a', 'aws')).toMatchObject({ region: 'us-east-1-lim-1a', country: 'PE' });
  });

  it.each<[string, NodeFacts & { readonly byDefault?: string }, string]>([
    [
      'a region label of another region',
      { providerID: 'aws:///eu-west-1a/i-0', region: 'eu-central-1', zone: 'eu-west-1a' },
      'spec.providerID says aws/eu-west-1, the region label eu-central-1',
    ],
    [
      'both labels of another region',
      { providerID: 'aws:///us-east-1a/i-0', region: 'eu-west-1', zone: 'eu-west-1a' },
      'spec.providerID says aws/us-east-1, the region label eu-west-1',
    ],
    [
      'a zone label of another zone',
      { providerID: 'aws:///eu-west-1a/i-0', region: 'eu-west-1', zone: 'eu-west-1b' },
      'spec.providerID says zone eu-west-1a, the zone label eu-west-1b',
    ],
    [
      'a providerID of another provider',
      { providerID: 'gce://p/europe-west1-b/n', region: 'eu-west-1', zone: 'eu-west-1a' },
      'spec.providerID says gcp/europe-west1, the region label eu-west-1',
    ],
    [
      'a region that its provider does not have',
      { providerID: 'azure:///subscriptions/s', region: 'eu-west-1', zone: 'eu-west-1a' },
      'spec.providerID says azure, which has no region eu-west-1; aws, alibaba has',
    ],
    [
      'a zone in another region, by the default provider',
      { region: 'eu-west-1', zone: 'us-east-1a', byDefault: 'aws' },
      'zone us-east-1a is in aws/us-east-1, the region label says eu-west-1',
    ],
    [
      'a region that the catalogue does not have',
      { providerID: 'aws:///eu-west-1a/i-0', region: 'eu-west-9' },
      'spec.providerID says aws/eu-west-1, the region label eu-west-9',
    ],
    [
      'a zone that the catalogue does not have',
      { providerID: 'aws:///eu-west-9a/i-0', region: 'eu-west-1' },
      'spec.providerID says aws/eu-west-9a, the region label eu-west-1',
    ],
    [
      'an OCID of another region',
      { providerID: 'ocid1.instance.oc1.eu-frankfurt-1.a', region: 'us-ashburn-1' },
      'spec.providerID says oci/eu-frankfurt-1, the region label us-ashburn-1',
    ],
  ])('disputes %s, and puts the node in no region', (_name, { byDefault, ...facts }, reason) => {
    const judgement = judgeNode(facts, CATALOG, byDefault);
    expect(judgement).toEqual({ provider: judgement.provider, verdict: 'disputed', reason });
  });

  it.each<[string, NodeFacts & { readonly byDefault?: string }, Partial<NodeJudgement>]>([
    ['no label', { providerID: 'aws:///eu-west-1a/i-0' }, { provider: 'aws', reason: 'it has no region label' }],
    [
      'no provider',
      { providerID: 'kind://docker/c/node', region: 'eu-west-1' },
      { region: 'eu-west-1', reason: 'its provider is not known' },
    ],
    ['a default provider', { region: 'eu-west-1', byDefault: 'aws' }, { provider: 'aws', region: 'eu-west-1', country: 'IE' }],
    [
      'a default provider that does not know the region',
      { region: 'berlin', byDefault: 'aws' },
      { provider: 'aws', region: 'berlin', reason: 'the catalogue has no aws/berlin' },
    ],
    [
      'a region that is new to the catalogue',
      { providerID: 'aws:///eu-west-9a/i-0', region: 'eu-west-9' },
      { provider: 'aws', region: 'eu-west-9' },
    ],
    ['a provider whose ids name no place', { providerID: 'hcloud://1234', region: 'fsn1' }, { provider: 'hetzner', country: 'DE' }],
    ['an id that is no id', { providerID: 'aws://', region: 'eu-west-1' }, { provider: 'aws', country: 'IE' }],
    [
      'an endless id',
      { providerID: `aws:///${'x'.repeat(5000)}`, region: 'eu-west-1' },
      { region: 'eu-west-1', reason: 'its provider is not known' },
    ],
  ])('cannot check a node with %s', (_name, { byDefault, ...facts }, expected) => {
    expect(judgeNode(facts, CATALOG, byDefault)).toMatchObject({ verdict: 'unchecked', ...expected });
  });

  it('checks nothing without a catalogue', () => {
    const facts = { providerID: 'aws:///us-east-1a/i-0', region: 'eu-west-1' };
    expect(judgeNode(facts, undefined)).toEqual({
      provider: 'aws',
      region: 'eu-west-1',
      verdict: 'unchecked',
      reason: 'there is no catalogue of regions',
    });
  });
});
