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

interface Image {
  readonly workspaces: readonly string[];
  /** Package URLs, without versions, of what the Dockerfile removes. */
  readonly removed: readonly string[];
}

const IMAGES: Readonly<Record<string, Image>> = {
  'fso-agent': { workspaces: ['@fso/agent'], removed: [] },
  'fso-hub': { workspaces: ['@fso/hub', '@fso/dashboard'], removed: ['pkg:npm/%40kubernetes/client-node'] },
};

/** The part of a CycloneDX 1.6 document that changes here. https://cyclonedx.org/docs/1.6/json/ */
interface Sbom {
  readonly metadata: { readonly component: object };
  readonly components: readonly { readonly purl: string; readonly 'bom-ref': string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

const listPackages = (workspaces: readonly string[]): Sbom => {
  const format = ['--output-format=JSON', '--spec-version=1.6', '--output-reproducible', '--flatten-components', '--no-validate'];
  const args = ['--package-lock-only', '--omit=dev', ...format, ...workspaces.map((name) => `--workspace=${name}`)];
  return JSON.parse(execFileSync(PROGRAM, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 })) as Sbom;
};

const describeImage = (name: string, { workspaces, removed }: Image): Sbom => {
  const { metadata, components, dependencies, ...others } = listPackages(workspaces);
  const isRemoved = (purl: string): boolean => removed.includes(purl.replace(/@.*$/, ''));
  const gone = new Set(components.filter(({ purl }) => isRemoved(purl)).map((component) => component['bom-ref']));
  return {
    ...others,
    // As it is made, it describes the repository.
    metadata: { ...metadata, component: { ...metadata.component, type: 'container', name, purl: undefined } },
    components: components.filter((component) => !gone.has(component['bom-ref'])),
    dependencies: dependencies
      .filter(({ ref }) => !gone.has(ref))
      .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => !gone.has(other)) })),
  };
};

const folder = process.argv[2] ?? '.';
for (const [name, image] of Object.entries(IMAGES)) {
  writeFileSync(join(folder, `${name}.cdx.json`), `${JSON.stringify(describeImage(name, image), null, 2)}\n`);
}
