/**
 * Writes what the images are made of, as CycloneDX documents: `npm run sbom -- FOLDER` writes
 * fso-agent.cdx.json and fso-hub.cdx.json. They are made from the lock file alone, with the licence
 * of every package.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAM = join(import.meta.dirname, 'node_modules/.bin/cyclonedx-npm');

/** Workspaces that each image is made of. */
const IMAGES: Readonly<Record<string, readonly string[]>> = {
  'fso-agent': ['@fso/agent'],
  'fso-hub': ['@fso/hub', '@fso/dashboard'],
};

/** The part of a CycloneDX 1.6 document that changes here. https://cyclonedx.org/docs/1.6/json/ */
interface Sbom {
  readonly metadata: { readonly component: object };
}

const listPackages = (workspaces: readonly string[]): Sbom => {
  const format = ['--output-format=JSON', '--spec-version=1.6', '--output-reproducible', '--flatten-components', '--no-validate'];
  const args = ['--package-lock-only', '--omit=dev', ...format, ...workspaces.map((name) => `--workspace=${name}`)];
  return JSON.parse(execFileSync(PROGRAM, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 })) as Sbom;
};

/** Lists the packages of an image; the list that npm makes describes the repository. */
const describeImage = (name: string, workspaces: readonly string[]): Sbom => {
  const { metadata, ...others } = listPackages(workspaces);
  return { ...others, metadata: { ...metadata, component: { ...metadata.component, type: 'container', name, purl: undefined } } };
};

const folder = process.argv[2] ?? '.';
for (const [name, workspaces] of Object.entries(IMAGES)) {
  writeFileSync(join(folder, `${name}.cdx.json`), `${JSON.stringify(describeImage(name, workspaces), null, 2)}\n`);
}
