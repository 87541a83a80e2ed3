import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { documentedCommands, Shell } from '../harness/shell.ts';
import { COSIGN_TOOL, HELM_TOOL, REGISTRY_TOOL } from '../harness/tools.ts';
import { never } from '../harness/waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

let folder: string;
let registry: string;
let shell: Shell;

/** Runs commands of the page, with the registry that is here. @throws with what the programs say */
const runLines = (lines: string): Promise<string> =>
  shell.run(`export COSIGN_PASSWORD=\n${lines.replaceAll('registry.example.com', registry)}`);

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
  const { registry: registryFolder = '' } = await ensureTools({ env: process.env, log: console.log, modules: [REGISTRY_TOOL] }, never);
  const started = await startRegistry(join(registryFolder, 'registry'));
  registry = started.address;
  shell = await Shell.open({ folder }, never, { tools: [HELM_TOOL, COSIGN_TOOL], cwd: folder });
  await promisify(execFile)('npm', ['run', 'sbom', '--', folder], { cwd: ROOT });
  return started.end;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The digest of what a tag names. */
const digestOf = async (repository: string): Promise<string> => {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const response = await fetch(`http://${registry}/v2/${repository}/manifests/${version}`, { method: 'HEAD', headers: { accept } });
  return response.headers.get('docker-content-digest') ?? '';
};

describe('what is published with a key of one’s own', () => {
  const verification = documentedCommands('docs/operate/install.md', 'verify');

  beforeAll(async () => {
    await runLines(documentedCommands('docs/operate/install.md', 'key'));
    // To cosign a chart and an image are alike; the chart stands for the image, too.
    await runLines(`helm package ${ROOT}/deploy/charts/fso-hub; helm push fso-hub-${version}.tgz oci://${registry} --plain-http`);
    const sign = documentedCommands('docs/operate/install.md', 'sign');
    const lines = sign.split('\n').filter((line) => !line.startsWith('npm '));
    for (const line of lines) {
      const repository = /\/((?:charts\/)?fso-hub)@sha256:…/.exec(line)?.[1];
      const digest = repository === undefined ? '' : await digestOf(repository);
      const plain = line.startsWith('helm push') ? ' --plain-http' : '';
      await runLines(line.replace('sha256:…', digest).replace('deploy/charts', `${ROOT}/deploy/charts`) + plain);
    }
  });

  it('verifies by the commands of the page', async () => {
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
      `helm package ${ROOT}/deploy/charts/fso-hub --app-version 9.9.9; helm push fso-hub-${version}.tgz oci://${registry}/charts --plain-http`,
    );
    await expect(runLines(verification)).rejects.toThrow(/no signatures found/);
  });
});
