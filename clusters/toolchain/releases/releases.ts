import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { filesOf, type ToolModule, toolVersion } from '../modules.ts';

/**
 * The form in which an upstream publishes a program: the file itself, a file in a .tar.gz, or a
 * file in a container image.
 */
export type Release =
  | { readonly kind: 'file'; readonly url: string }
  | { readonly kind: 'archive'; readonly url: string; readonly member: string }
  | { readonly kind: 'image'; readonly registry: string; readonly repository: string; readonly tag: string; readonly member: string };

/**
 * File to download, with its required checksum: of the file, of the archive, or of the image's
 * manifest.
 */
export interface Download {
  readonly name: string;
  readonly executable: boolean;
  readonly release: Release;
  readonly digest: string;
}

const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;
/** Operating system and processor for which a tool is released. */
export type Platform = (typeof PLATFORMS)[number];

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Returns this machine's name in releases; undefined if some upstream publishes no programs for it.
 */
export function thisPlatform(): Platform | undefined {
  const platform = `${process.platform}/${ARCHITECTURES[process.arch] ?? process.arch}`;
  return PLATFORMS.find((known) => known === platform);
}

const kubernetesImage = (program: string, version: string): Release => ({
  kind: 'image',
  registry: 'registry.k8s.io',
  repository: program,
  tag: version,
  member: `usr/local/bin/${program}`,
});

/** Releases by program, for a version and an architecture (`amd64`). */
const RELEASES: Readonly<Record<string, (version: string, architecture: string) => Release>> = {
  etcd: (version, architecture) => ({
    kind: 'archive',
    url: `https://github.com/etcd-io/etcd/releases/download/${version}/etcd-${version}-linux-${architecture}.tar.gz`,
    member: `etcd-${version}-linux-${architecture}/etcd`,
  }),
  kind: (version, architecture) => ({
    kind: 'file',
    url: `https://github.com/kubernetes-sigs/kind/releases/download/${version}/kind-linux-${architecture}`,
  }),
  kwok: (version, architecture) => ({
    kind: 'file',
    url: `https://github.com/kubernetes-sigs/kwok/releases/download/${version}/kwok-linux-${architecture}`,
  }),
  'kube-apiserver': (version) => kubernetesImage('kube-apiserver', version),
  'kube-controller-manager': (version) => kubernetesImage('kube-controller-manager', version),
  'kube-scheduler': (version) => kubernetesImage('kube-scheduler', version),
  kubectl: (version, architecture) => ({ kind: 'file', url: `https://dl.k8s.io/release/${version}/bin/linux/${architecture}/kubectl` }),
  // Gatekeeper is published only as an image.
  gatekeeper: (version) => ({
    kind: 'image',
    registry: 'registry-1.docker.io',
    repository: 'openpolicyagent/gatekeeper',
    tag: version,
    member: 'manager',
  }),
};

/** Base URL of a repository's files at a tag, by Go module. */
const SOURCES: Readonly<Record<string, string>> = {
  'sigs.k8s.io/kwok': 'https://raw.githubusercontent.com/kubernetes-sigs/kwok',
  'github.com/open-policy-agent/gatekeeper/v3': 'https://raw.githubusercontent.com/open-policy-agent/gatekeeper',
};

/** File of a tool that its project releases, and where it is. */
export interface PublishedFile {
  readonly name: string;
  readonly executable: boolean;
  readonly release: Release;
  /** Key in pins.json: name, version, and the platform if each has its own checksum. */
  readonly pin: string;
}

/**
 * Returns the published files that a module needs; empty if its upstream does not publish all of
 * them.
 */
export function publishedFiles(module: ToolModule, platform: Platform): PublishedFile[] {
  const version = toolVersion(module);
  const [, architecture = ''] = platform.split('/');
  const files: PublishedFile[] = [];
  for (const name of module.programs) {
    const release = RELEASES[name]?.(version, architecture);
    if (!release) return [];
    // The checksum of an image is that of its index, which lists the platforms.
    const pin = release.kind === 'image' ? `${name} ${version}` : `${name} ${version} ${platform}`;
    files.push({ name, executable: true, release, pin });
  }
  for (const [name, path] of Object.entries(filesOf(module))) {
    const source = SOURCES[module.upstream];
    if (!source) return [];
    files.push({ name, executable: false, release: { kind: 'file', url: `${source}/${version}/${path}` }, pin: `${name} ${version}` });
  }
  return files;
}

/** Checksums by {@link PublishedFile.pin}. */
export type Pins = Readonly<Record<string, string>>;

/** Checksums of this repository, by {@link PublishedFile.pin}. */
export const PINS_FILE = join(import.meta.dirname, '..', 'pins.json');

const PinsSchema = z.record(z.string(), z.string().regex(/^sha256:[0-9a-f]{64}$/));

/** Reads the table of checksums. @throws CommandError if the file is no such table */
export function readPins(file: string): Pins {
  try {
    return PinsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new CommandError(`${file} is not a table of SHA-256 checksums: ${(error as Error).message}`);
  }
}

/** Returns the downloads of a module, or the reason why it cannot be downloaded. */
export function downloadsOf(module: ToolModule, pins: Pins): readonly Download[] | string {
  const platform = thisPlatform();
  if (!platform) return `there are no releases of ${module.name} for ${process.platform}/${process.arch}`;
  const published = publishedFiles(module, platform);
  if (published.length === 0) return `${module.name} is not published as a program`;
  const downloads: Download[] = [];
  for (const { name, executable, release, pin } of published) {
    const digest = pins[pin];
    if (digest === undefined) return `no checksum is pinned for ${pin}`;
    downloads.push({ name, executable, release, digest });
  }
  return downloads;
}

/**
 * Returns the name of the cache folder. It depends on the checksums, and no build has the same
 * name.
 */
export function downloadFolder(module: ToolModule, downloads: readonly Download[]): string {
  const hash = createHash('sha256').update(JSON.stringify(downloads.map(({ name, digest }) => [name, digest])));
  return `${module.name}-${toolVersion(module)}-release-${hash.digest('hex').slice(0, 8)}`;
}

/** Returns the hosts of the first requests of downloads. */
export function hostsOf(downloads: readonly Download[]): string[] {
  const hosts = downloads.map(({ release }) => (release.kind === 'image' ? release.registry : new URL(release.url).host));
  return [...new Set(hosts)];
}
