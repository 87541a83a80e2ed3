import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COSIGN_TOOL, HELM_TOOL, REGISTRY_TOOL } from '../../clusters/build/modules.ts';
import { ensureTools } from '../../clusters/build/tools.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGE = join(ROOT, 'docs/operate/verify-a-release.md');

let folder: string;
let registry: string;
let env: NodeJS.ProcessEnv;

/** Runs lines as the page has them, with its registry, digests and charts where they are here. @throws with what the program says */
const runLines = async (lines: string): Promise<string> => (await promisify(execFile)('sh', ['-ec', lines], { cwd: folder, env })).stdout;

/** Blocks of commands under a heading. */
const blocksOf = (page: string, heading: string): readonly string[] => {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const [text = ''] = section.split('\n## ');
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, lines = '']) => lines.replaceAll('registry.example.com', registry));
};

const startRegistry = async (program: string): Promise<{ address: string; end: () => Promise<unknown> }> => {
  const child = spawn(program, ['-port', '0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stderr })) {
    const [, port] = /serving on port (\d+)/.exec(line) ?? [];
    if (port === undefined) continue;
    const end = (): Promise<unknown> => {
      child.kill();
      return ended;
    };
    return { address: `localhost:${port}`, end };
  }
  throw new Error('the registry ended before it served');
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-release-'));
  const modules = [HELM_TOOL, COSIGN_TOOL, REGISTRY_TOOL];
  const { registry: registryFolder = '', ...others } = await ensureTools(
    { env: process.env, log: console.log, modules },
    new AbortController().signal,
  );
  const started = await startRegistry(join(registryFolder, 'registry'));
  registry = started.address;
  const PATH = [...Object.values(others), process.env['PATH']].join(delimiter);
  env = { PATH, HOME: folder, COSIGN_PASSWORD: '' };
  await promisify(execFile)('npm', ['run', 'sbom', '--', folder], { cwd: ROOT });
  return started.end;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The digest of what a tag names. */
const digestOf = async (repository: string): Promise<string> => {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const response = await fetch(`http://${registry}/v2/${repository}/manifests/0.1.0`, { method: 'HEAD', headers: { accept } });
  return response.headers.get('docker-content-digest') ?? '';
};

describe('what is published with a key of one’s own', () => {
  let verification: string;

  beforeAll(async () => {
    const [makeKey = '', sign = '', verify = ''] = blocksOf(await readFile(PAGE, 'utf8'), 'With a key of your own');
    verification = verify;
    await runLines(makeKey);
    // To cosign a chart and an image are alike; the chart stands for the image, too.
    await runLines(`helm package ${ROOT}/deploy/charts/fso-hub; helm push fso-hub-0.1.0.tgz oci://${registry} --plain-http`);
    const lines = sign.split('\n').filter((line) => !line.startsWith('npm '));
    for (const line of lines) {
      const repository = /\/((?:charts\/)?fso-hub)@sha256:…/.exec(line)?.[1];
      const digest = repository === undefined ? '' : await digestOf(repository);
      const plain = line.startsWith('helm push') ? ' --plain-http' : '';
      await runLines(line.replace('sha256:…', digest).replace('deploy/charts', `${ROOT}/deploy/charts`) + plain);
    }
  });

  it('verifies as the page says', async () => {
    const [signature = '', ...attestation] = verification.split('\n');
    expect(JSON.parse(await runLines(signature))).toMatchObject([
      { critical: { image: { 'docker-manifest-digest': await digestOf('charts/fso-hub') } } },
    ]);
    const { payload } = JSON.parse(await runLines(attestation.join('\n'))) as { payload: string };
    const { subject, predicate } = JSON.parse(Buffer.from(payload, 'base64').toString()) as { subject: unknown; predicate: unknown };
    expect(`sha256:${JSON.stringify(subject)}`).toContain((await digestOf('fso-hub')).replace('sha256:', ''));
    expect(predicate).toEqual(JSON.parse(await readFile(join(folder, 'fso-hub.cdx.json'), 'utf8')));
  });

  it('is refused with another key, and where a tag names something else since', async () => {
    await runLines('cosign generate-key-pair --output-key-prefix other');
    await expect(runLines(verification.replaceAll('cosign.pub', 'other.pub'))).rejects.toThrow(/no matching signatures/);
    await runLines(
      `helm package ${ROOT}/deploy/charts/fso-hub --app-version 9.9.9; helm push fso-hub-0.1.0.tgz oci://${registry}/charts --plain-http`,
    );
    await expect(runLines(verification)).rejects.toThrow(/no signatures found/);
  });
});
