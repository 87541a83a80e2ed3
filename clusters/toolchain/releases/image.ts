import { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { assertDigest, type Downloader, sha256 } from './downloader.ts';

const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const Index = z.object({
  manifests: z.array(z.object({ digest, platform: z.object({ os: z.string(), architecture: z.string() }).optional() })),
});
const Manifest = z.object({ layers: z.array(z.object({ digest, size: z.int(), mediaType: z.string() })) });
const Token = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** Layer of an image in a registry. */
export interface Layer {
  readonly url: string;
  readonly digest: string;
}

/**
 * Reads an image from a registry without a container engine.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export class Image {
  readonly #downloader: Downloader;
  readonly #base: string;
  #headers: Readonly<Record<string, string>> = {};

  constructor(downloader: Downloader, registry: string, repository: string) {
    this.#downloader = downloader;
    this.#base = `https://${registry}/v2/${repository}`;
  }

  /** Headers that the registry requires with requests for layers. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  /** Reads the manifest or index of a tag or digest, as bytes. */
  async manifest(reference: string, signal: AbortSignal): Promise<Buffer> {
    const url = `${this.#base}/manifests/${reference}`;
    const accept = MANIFEST_TYPES.join(', ');
    const first = await this.#downloader.open(url, { accept, ...this.#headers }, signal);
    await first.discard();
    if (first.status === 401) this.#headers = await this.#authorize(first.header('www-authenticate') ?? '', signal);
    return this.#downloader.read(url, { accept, ...this.#headers }, signal);
  }

  /**
   * Gets a token, which registries also give to anonymous clients
   * (https://distribution.github.io/distribution/spec/auth/token/).
   */
  async #authorize(challenge: string, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const field = (name: string): string | undefined => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1];
    const realm = field('realm');
    if (!/^bearer /i.test(challenge) || !realm?.startsWith('https://')) throw new CommandError(`${this.#base} requires a login`);
    const url = new URL(realm);
    for (const name of ['service', 'scope']) url.searchParams.set(name, field(name) ?? '');
    const { token, access_token } = Token.parse(JSON.parse((await this.#downloader.read(url.href, {}, signal)).toString()));
    return { authorization: `Bearer ${token ?? access_token ?? ''}` };
  }

  async #verified(reference: string, signal: AbortSignal): Promise<unknown> {
    const bytes = await this.manifest(reference, signal);
    assertDigest(`${this.#base}/manifests/${reference}`, sha256(bytes), reference);
    return JSON.parse(bytes.toString());
  }

  /**
   * Returns the layers of an image for a platform such as `linux/amd64`, the top one last.
   *
   * @param pinned digest of the image's index or manifest
   */
  async layers(pinned: string, platform: string, signal: AbortSignal): Promise<Layer[]> {
    let manifest = await this.#verified(pinned, signal);
    const index = Index.safeParse(manifest);
    if (index.success) {
      const entry = index.data.manifests.find(({ platform: each }) => `${each?.os}/${each?.architecture}` === platform);
      if (!entry) throw new CommandError(`${this.#base}@${pinned} has no image for ${platform}`);
      manifest = await this.#verified(entry.digest, signal);
    }
    const { layers } = Manifest.parse(manifest);
    const other = layers.find(({ mediaType }) => !/[+.]gzip$/.test(mediaType));
    if (other) throw new CommandError(`${this.#base}@${pinned} has a layer of type ${other.mediaType}`);
    return layers.map((layer) => ({ url: `${this.#base}/blobs/${layer.digest}`, digest: layer.digest }));
  }
}
