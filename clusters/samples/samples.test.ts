import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { compileFleet } from '@fso/shared/compile';
import { decodeFiles, isPolicyPath, type SourceFile } from '@fso/shared/decode';
import { decideResidency, REGION_LABEL } from '@fso/shared/residency';
import { expect, it } from 'vitest';

const samples = import.meta.dirname;

const sampleFiles = (): readonly SourceFile[] =>
  readdirSync(samples, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(samples, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter(isPolicyPath)
    .map((path) => ({ path, text: readFileSync(join(samples, path), 'utf8') }));

const registration = (cluster: string): SourceFile => ({
  path: `clusters/${cluster}.yaml`,
  text: readFileSync(join(samples, '..', cluster, 'cluster.yaml'), 'utf8'),
});

const fleet = () => {
  const result = decodeFiles([...sampleFiles(), ...['us', 'eu', 'apac'].map(registration)]);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 2));
  return compileFleet(result.set);
};

it('is valid without the registrations too', () => {
  expect(decodeFiles(sampleFiles())).toMatchObject({ ok: true });
});

it('decodes without a problem and gives each cluster its policies', () => {
  const names = Object.fromEntries([...fleet()].map(([cluster, { policies }]) => [cluster, policies.map(({ name }) => name)]));
  expect(names).toEqual({
    apac: ['analytics-apac', 'customer-data', 'trading'],
    eu: ['customer-data', 'finance-eu', 'payroll-eu', 'trading'],
    us: ['customer-data', 'payments-us', 'trading'],
  });
});

it.each([
  ['eu', 'finance-eu', 'eu-west-1', 'us-east-1'],
  ['eu', 'payroll-eu', 'eu-central-1', 'us-east-1'],
  ['us', 'payments-us', 'us-west-2', 'eu-west-1'],
  ['apac', 'analytics-apac', 'ap-southeast-1', 'ap-northeast-1'],
  ['us', 'customer-data', 'us-east-1', 'us-west-2'],
  ['eu', 'customer-data', 'eu-central-1', 'eu-west-1'],
  ['apac', 'customer-data', 'ap-southeast-1', 'ap-northeast-1'],
])('decide in %s that %s allows %s and refuses %s', (cluster, name, allowed, refused) => {
  const regions =
    fleet()
      .get(cluster)
      ?.policies.find((policy) => policy.name === name)?.effectiveRegions ?? [];
  const decide = (region: string) => decideResidency({ nodeSelector: { [REGION_LABEL]: region } }, regions).admitted;
  expect([decide(allowed), decide(refused)]).toEqual([true, false]);
});
