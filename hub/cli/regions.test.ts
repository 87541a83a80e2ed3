import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { decodeFiles } from '@fso/shared/decode';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { region, TEST_CATALOG } from '../../shared/regions/testing/catalogue.ts';
import { catalogText, mergeCatalogs } from './commands/regions/update.ts';
import { runFso } from './testing/run-fso.ts';

let root: string;
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const document = (kind: string, name: string, spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n${spec}`;
const fso = (...args: string[]) => runFso([...args, '--dir', root]);
const putCatalog = (): void => put('regions/catalog.yaml', catalogText(TEST_CATALOG));

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fso-regions-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('fso regions list', () => {
  it('lists regions and zones of the repository, by country and provider', async () => {
    putCatalog();
    expect(await fso('regions', 'list', '--country', 'TR')).toEqual({
      code: 0,
      err: `Catalogue 2026-01-01 of ${join(root, 'regions/catalog.yaml')}.\n`,
      out: `REGION                   COUNTRY     PLACE     PARTITION  UNTIL\naws/eu-central-1-ist-1a  TR Türkiye  Istanbul  aws        -\n`,
    });
    const { out } = await fso('regions', 'list', '--provider', 'alibaba', '-o', 'json');
    expect((JSON.parse(out) as { name: string }[]).map(({ name }) => name)).toEqual(['eu-west-1', 'eu-central-1', 'cn-hangzhou']);
  });

  it.each<[string[], string]>([
    [['--country', 'xx'], 'country XX: there are BE, CN, DE, FR'],
    [['--provider', 'nobody'], 'provider nobody: there are alibaba, aws'],
    [['--provider', 'alibaba', '--country', 'TR'], 'country TR: there are CN, DE, GB\n'],
  ])('refuses %j, which no region has, and names what there is', async (options, what) => {
    putCatalog();
    const { code, out, err } = await fso('regions', 'list', ...options);
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(`fso: no region to list has the ${what}`)]);
  });

  it('lists those of the release without a catalogue', async () => {
    const { code, out, err } = await fso('regions', 'list', '-o', 'wide');
    expect([code, err]).toEqual([0, expect.stringContaining('of this release')]);
    expect(out).toContain('aws/eu-west-1');
  });
});

describe('fso regions explain', () => {
  it('explains that a name is not one place, and the lines to write', async () => {
    putCatalog();
    const { code, out } = await fso('regions', 'explain', 'eu-west-1');
    expect(code).toBe(0);
    expect(out).toContain('eu,eu-ch');
    expect(out).toContain(
      'eu-west-1 is not one place. In a cluster with nodes of both it is inside nowhere; write the one that is meant:\n' +
        '  aws/eu-west-1: Ireland (aws/eu-west-1)\n  alibaba/eu-west-1: United Kingdom (alibaba/eu-west-1)\n',
    );
  });

  it.each<[string, string[]]>([
    ['aws/eu-west-1', ['aws/eu-west-1']],
    ['country:DE', ['aws/eu-central-1', 'aws/eusc-de-east-1', 'alibaba/eu-central-1', 'oci/eu-frankfurt-1', 'hetzner/fsn1']],
    ['partition:aws-eusc', ['aws/eusc-de-east-1']],
    ['group:own', ['aws/eu-west-1', 'azure/westeurope']],
  ])('lists what %s stands for', async (reference, names) => {
    putCatalog();
    put('regions/own.yaml', document('RegionGroup', 'own', '  regions: [country:IE, country:NL]\n'));
    const { out } = await fso('regions', 'explain', reference, '-o', 'json');
    expect((JSON.parse(out) as { provider: string; name: string }[]).map(({ provider, name }) => `${provider}/${name}`)).toEqual(names);
  });

  it.each<[string, string]>([
    ['nowhere', 'fso: no region of the catalogue is nowhere\n'],
    ['country:XX', 'fso: XX is no country code of ISO 3166-1\n'],
    ['azure/eu-west-1', 'fso: regions/catalog.yaml has no region eu-west-1 of azure, did you mean aws/eu-west-1 or alibaba/eu-west-1?\n'],
  ])('finds nothing for %s', async (reference, err) => {
    putCatalog();
    expect(await fso('regions', 'explain', reference)).toEqual({ code: 1, out: '', err });
  });

  it('names the place of a mistake in the files', async () => {
    put('regions/catalog.yaml', document('RegionCatalog', 'regions', '  version: 1\n'));
    const { code, err } = await fso('regions', 'explain', 'eu-west-1');
    expect([code, err]).toEqual([2, expect.stringMatching(/^fso: regions\/catalog\.yaml:\d+:\d+: /)]);
  });
});

describe('fso regions update', () => {
  it('writes through no link', async () => {
    mkdirSync(join(root, 'regions'));
    put('precious', 'text');
    symlinkSync(join(root, 'precious'), join(root, 'regions/catalog.yaml.new'));
    expect((await fso('regions', 'update')).code).toBe(0);
    expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('text');
  });

  it('writes a catalogue that validates, and the same one again', async () => {
    put('clusters/eu.yaml', document('ManagedCluster', 'eu', '  regions: [eu-west-1]\n  provider: aws\n'));
    put('policies/p.yaml', document('SovereignPolicy', 'p', '  targetNamespace: p\n  allowedRegions: [aws/eu-west-1, country:IE]\n'));
    expect((await runFso(['validate', root])).out).toContain('write it with fso regions update');
    const { code, err } = await fso('regions', 'update');
    expect([code, err]).toEqual([
      0,
      expect.stringContaining(`version ${SEED_CATALOG.version}, ${SEED_CATALOG.regions.length} regions, 0 of them`),
    ]);
    const text = readFileSync(join(root, 'regions/catalog.yaml'), 'utf8');
    expect((await runFso(['validate', root])).code).toBe(0);
    expect((await fso('regions', 'update')).out).toBe('');
    expect(readFileSync(join(root, 'regions/catalog.yaml'), 'utf8')).toBe(text);
  });

  it('keeps what only the repository has, and lists changes', async () => {
    const seeded = SEED_CATALOG.regions[0];
    if (seeded === undefined) throw new Error('the release has no region');
    const own = { version: '2000-01-01', regions: [{ ...seeded, place: 'Elsewhere' }, region('onprem/berlin', 'DE')], groups: [] };
    put('regions/catalog.yaml', catalogText(own));
    const { out } = await fso('regions', 'update');
    expect(out).toContain(`~ ${seeded.provider}/${seeded.region}\n`);
    expect(out).not.toContain('onprem');
    expect(readFileSync(join(root, 'regions/catalog.yaml'), 'utf8')).toContain('provider: "onprem", region: "berlin"');
  });

  it('replaces neither a newer catalogue nor a file of something else', async () => {
    put('regions/catalog.yaml', catalogText({ ...TEST_CATALOG, version: '9999-01-01' }));
    expect(await fso('regions', 'update')).toMatchObject({ code: 1, err: expect.stringContaining('newer than') });
    put('regions/catalog.yaml', document('RegionGroup', 'own', '  regions: [a]\n'));
    expect(await fso('regions', 'update')).toMatchObject({ code: 2, err: expect.stringContaining('holds no RegionCatalog') });
  });

  it('writes what is read back, with any text in it', () => {
    const odd = region('own/no-1', 'NO', { place: 'A: "b", #c\n', since: '2020-02-01', zones: [{ name: 'z', country: 'SE' }] });
    const spec = mergeCatalogs(TEST_CATALOG, { version: '1', regions: [odd], groups: [{ name: 'own', members: ['own/no-1'] }] });
    const decoded = decodeFiles([{ path: 'regions/catalog.yaml', text: catalogText(spec) }]);
    expect(decoded.ok && decoded.set.catalog?.document.spec).toEqual(spec);
    expect(spec.regions).toContainEqual(odd);
  });
});

describe('fso validate with a catalogue', () => {
  it('warns of names that are no one place, with the line to write', async () => {
    putCatalog();
    put('clusters/aws.yaml', document('ManagedCluster', 'aws', '  regions: [eu-west-1]\n  provider: aws\n'));
    put('clusters/any.yaml', document('ManagedCluster', 'any', '  regions: [us-east-1, eu-west-1]\n'));
    put('regions/own.yaml', document('RegionGroup', 'own', '  regions: [eu-central-1, eu-west-1]\n'));
    put(
      'policies/p.yaml',
      document('SovereignPolicy', 'p', '  targetNamespace: p\n  allowedRegions:\n    - country:DE\n    - eu-west-1\n'),
    );
    const placed = '  targetNamespace: q\n  allowedRegions: [eu-west-1]\n  placement: {clusterNames: [aws]}\n';
    put('policies/q.yaml', document('SovereignPolicy', 'q', placed));
    const { code, out } = await runFso(['validate', root]);
    const what =
      'warning RegionAmbiguous: eu-west-1 is Ireland (aws/eu-west-1) and United Kingdom (alibaba/eu-west-1); where a cluster has both it is inside nowhere: write ';
    expect(code).toBe(0);
    expect(out.split('\n\n')[2]).toBe(
      `policies/p.yaml:9:7: ${what}aws/eu-west-1 or alibaba/eu-west-1\n` +
        `regions/own.yaml:6:27: ${what}aws/eu-west-1 or alibaba/eu-west-1\n` +
        `clusters/any.yaml:6:24: ${what}provider: aws below spec or provider: alibaba below spec\n`,
    );
    const { warnings } = JSON.parse((await runFso(['validate', root, '-o', 'json'])).out) as { warnings: object[] };
    expect(warnings).toHaveLength(3);
  });
});
