import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentWith, OPENSHIFT_RELEASES, RELEASES, umbrellaOf } from '../harness/chart-releases.ts';
import { HELM3_TOOL, Helm, makeUmbrella, type Release } from '../harness/helm.ts';
import { never } from '../harness/waiting.ts';

let folder: string;
let helm: Helm;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-helm3-'));
  helm = await Helm.open(folder, never);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('Helm 3', () => {
  let helm3: Helm;
  let umbrella: Release;
  beforeAll(async () => {
    helm3 = await Helm.open(folder, never, HELM3_TOOL);
    umbrella = umbrellaOf(makeUmbrella(folder));
  });

  it('is not Helm 4', async () => {
    expect([await helm3.version(), await helm.version()]).toEqual([expect.stringMatching(/^v3\./), expect.stringMatching(/^v4\./)]);
  });

  it.each([...RELEASES, ...OPENSHIFT_RELEASES, ['a part of another chart', undefined] as const])('makes the same of %s', async (_, set) => {
    const release = set ?? umbrella;
    await helm3.lint(release);
    expect(await helm3.render(release)).toEqual(await helm.render(release));
    expect(await helm3.hooks(release)).toEqual(await helm.hooks(release));
  });

  it('refuses what the schema refuses', async () => {
    await expect(helm3.render(agentWith({ replica: 3 }))).rejects.toThrow(/replica/);
  });
});
